"""Variational autoencoders: a code with a distribution, and a bound on the likelihood."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from repgen.autoencoder import pixels
from repgen.losses import bernoulli_nll, gaussian_kl, gaussian_nll

LIKELIHOODS = ("bernoulli", "gaussian")


class Posterior(NamedTuple):
    """q(z|x), a Gaussian with a diagonal covariance: mean and log-variance, each (N, K)."""

    mean: Tensor
    log_var: Tensor


class ELBO(NamedTuple):
    """The negative evidence lower bound and its two terms, in nats per image: total = reconstruction + beta kl."""

    total: Tensor
    reconstruction: Tensor
    kl: Tensor


class VAE(nn.Module):
    """A variational autoencoder (Kingma & Welling 2014; Rezende, Mohamed & Wierstra 2014).

    The prior p(z) is N(0, I); ``sizes`` = (784, 512, 2) gives q(z|x) by 784-512-(2 means, 2
    log-variances) and p(x|z) by 2-512-784. ``likelihood`` is "bernoulli" (probabilities, so a
    sigmoid ``output``) or "gaussian", with standard deviation ``noise`` on every pixel, learned
    where it is None. ``beta`` other than 1 weighs the KL term, and the total then is no bound
    (Higgins et al. 2017). With ``binarize``, ``loss`` draws black and white pixels anew from the
    grey ones in every batch (Salakhutdinov & Murray 2008).

    All bounds are costs: negative, in nats, one number an image where not said otherwise; lower
    is better. Raises ValueError for sizes that make no network and settings that make no sense.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (784, 512, 2),
        activation: type[nn.Module] = nn.Tanh,
        *,
        output: type[nn.Module] = nn.Sigmoid,
        likelihood: str = "bernoulli",
        noise: float | None = None,
        beta: float = 1.0,
        binarize: bool = False,
    ):
        super().__init__()
        sizes = tuple(sizes)
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes are the layers from the pixels to the code, such as (784, 512, 2); got {sizes}")
        self.n_visible, self.latent_dim = sizes[0], sizes[-1]
        self._settings(output, likelihood, noise, beta, binarize)
        widths = (*sizes[:-1], 2 * sizes[-1])  # means and log-variances
        self.encoder = _dense(widths, activation)  # (N, D) -> (N, 2 K)
        self.decoder = _dense(sizes[::-1], activation).append(output())  # (N, K) -> (N, D)

    def _settings(self, output, likelihood, noise, beta, binarize) -> None:
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood is one of {', '.join(LIKELIHOODS)}; got {likelihood!r}")
        if likelihood == "bernoulli" and output is not nn.Sigmoid:
            raise ValueError(f"a Bernoulli likelihood needs probabilities: output=nn.Sigmoid, not {output.__name__}")
        if noise is not None and (likelihood != "gaussian" or not noise > 0):
            raise ValueError(f"noise is the standard deviation of a Gaussian likelihood, above 0; got {noise!r} for {likelihood}")
        if not 0 <= beta < math.inf:
            raise ValueError(f"beta is a weight of 0 or more, got {beta!r}")
        self.likelihood, self.beta, self.binarize = likelihood, beta, binarize
        if likelihood == "gaussian":
            log_var = torch.tensor(2 * math.log(0.1 if noise is None else noise))
            self.log_var_x = nn.Parameter(log_var, requires_grad=noise is None)

    def posterior(self, x: Tensor) -> Posterior:
        """q(z|x) of images x (N, D) or (N, C, H, W)."""
        return Posterior(*self.encoder(pixels(x, self.n_visible)).chunk(2, dim=1))  # (N, 2 K) -> 2 of (N, K)

    def encode(self, x: Tensor) -> Tensor:
        """The means (N, K) of q(z|x)."""
        return self.posterior(x).mean

    def reparameterize(self, q: Posterior, generator: torch.Generator | None = None) -> Tensor:
        """A draw z (N, K) of q through which gradients reach its mean and variance: z = mean + sd * noise."""
        noise = torch.randn(q.mean.shape, generator=generator, dtype=q.mean.dtype, device=q.mean.device)
        return q.mean + (0.5 * q.log_var).exp() * noise

    def decode(self, z: Tensor) -> Tensor:
        """The means (N, D) of p(x|z), codes z (N, K)."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"expected codes (N, {self.latent_dim}), got shape {tuple(z.shape)}")
        return self.decoder(z)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n images (n, D): the means of p(x|z) for z drawn from the prior."""
        like = next(self.decoder.parameters())
        return self.decode(torch.randn(n, self.latent_dim, generator=generator, dtype=like.dtype, device=like.device))

    def conditional_nll(self, x: Tensor, z: Tensor) -> Tensor:
        """-log p(x|z), (N,), of images x and codes z (N, K), summed over pixels."""
        x = pixels(x, self.n_visible)
        if self.likelihood == "bernoulli":
            return bernoulli_nll(x, self.decoder[:-1](z))  # from the logits
        return gaussian_nll(x, self.decode(z), self.log_var_x)

    def elbo(self, x: Tensor, generator: torch.Generator | None = None) -> ELBO:
        """-ELBO = E_q[-log p(x|z)] + beta KL(q(z|x) || p(z)), each term (N,) (Kingma & Welling 2014, eq. 3 and 10).

        The expectation by one draw of z, the KL in closed form.
        """
        q = self.posterior(x)
        reconstruction = self.conditional_nll(x, self.reparameterize(q, generator))
        kl = gaussian_kl(*q)
        return ELBO(reconstruction + self.beta * kl, reconstruction, kl)

    def log_weights(self, x: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
        """log w = log p(x, z) - log q(z|x) for k draws of z a row of x: (N, k) (Burda et al. 2016, eq. 8)."""
        if k < 1:
            raise ValueError(f"k counts draws of z, at least 1, got {k}")
        x = pixels(x, self.n_visible)
        q = Posterior(*(part.repeat_interleave(k, 0) for part in self.posterior(x)))  # (N k, K)
        z = self.reparameterize(q, generator)
        log_joint = -self.conditional_nll(x.repeat_interleave(k, 0), z) - gaussian_nll(z, torch.zeros_like(z))
        return (log_joint + gaussian_nll(z, *q)).view(len(x), k)

    def iwae_bound(self, x: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
        """-L_k = -log (1/k) sum_i w_i, (N,): never looser than -L_1 = -ELBO on average (Burda et al. 2016, eq. 8).

        beta plays no part here.
        """
        return -(self.log_weights(x, k, generator).logsumexp(1) - math.log(k))

    @torch.no_grad()
    def log_likelihood(self, x: Tensor, samples: int = 5000, generator: torch.Generator | None = None) -> Tensor:
        """log p(x), (N,), estimated by L_samples from below; in memory that does not grow with ``samples``."""
        if samples < 1:
            raise ValueError(f"samples counts draws of z, at least 1, got {samples}")
        x = pixels(x, self.n_visible)
        return torch.cat([self._streamed(rows, samples, generator) for rows in x.split(64)])

    def _streamed(self, x: Tensor, samples: int, generator: torch.Generator | None) -> Tensor:
        total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
        for k in _portions(samples, 50):
            total = torch.logaddexp(total, self.log_weights(x, k, generator).double().logsumexp(1))
        return total - math.log(samples)

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> ELBO:
        """The batch means of ``elbo``, drawing its black and white pixels first where ``binarize`` says so."""
        return ELBO(*(term.mean() for term in self.elbo(self.sample_input(x, generator), generator)))

    def sample_input(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x as it is, or with ``binarize`` a draw of black and white pixels with these probabilities."""
        return torch.bernoulli(x, generator=generator) if self.binarize else x


class IWAE(VAE):
    """A VAE trained on the tighter bound of k draws (Burda, Grosse & Salakhutdinov 2016)."""

    def __init__(self, *args, k: int, **options):
        super().__init__(*args, **options)
        if k < 1:
            raise ValueError(f"k counts draws of z, at least 1, got {k}")
        self.k = k

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The batch mean of -L_k, in nats per image."""
        return self.iwae_bound(self.sample_input(x, generator), self.k, generator).mean()


def _dense(widths: Sequence[int], activation: type[nn.Module]) -> nn.Sequential:
    layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    return nn.Sequential(*(part for layer in layers[:-1] for part in (layer, activation())), layers[-1])


def _portions(total: int, most: int) -> Iterator[int]:
    while total > 0:
        yield min(total, most)
        total -= most
