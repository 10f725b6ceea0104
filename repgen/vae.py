"""Variational autoencoders: a code with a distribution, and a bound on the likelihood."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from repgen.layers import check_codes, check_unit, mlp, pixels
from repgen.losses import bernoulli_nll, gaussian_kl, gaussian_nll

LIKELIHOODS = ("bernoulli", "gaussian")
Layer = type[nn.Module]


class Posterior(NamedTuple):
    """q(z|x), a Gaussian with a diagonal covariance: mean and log-variance, each (N, K)."""

    mean: Tensor
    log_var: Tensor


class ELBO(NamedTuple):
    """The negative evidence lower bound and its two terms, in nats per image: total = reconstruction + kl."""

    total: Tensor
    reconstruction: Tensor
    kl: Tensor


class VAE(nn.Module):
    """A variational autoencoder (Kingma & Welling 2014; Rezende, Mohamed & Wierstra 2014).

    The prior p(z) is N(0, I). All bounds are costs: negative, in nats, one number an image where not said otherwise.

    Parameters
    ----------
    encoder, decoder : Module
        Images to the means and log-variances of q(z|x), side by side, (N, 2 latent_dim); codes (N, latent_dim) to the
        means of p(x|z). ``VAE.dense(sizes)`` makes both of linear layers.
    latent_dim : int
        The length of a code.
    n_visible : int, optional
        If given, images go to the encoder as rows (N, n_visible), else as they are.
    likelihood : str
        "bernoulli" (the decoder is an nn.Sequential that ends in nn.Sigmoid) or "gaussian".
    noise : float, optional
        The standard deviation of every Gaussian pixel, learned where it is None.
    beta : float or callable
        The weight of the KL term in the loss (Higgins et al. 2017), a number or, for KL annealing (Bowman et al. 2016),
        a function of the training's progress, 0 to 1.
    binarize : bool
        Whether ``loss`` draws black and white pixels anew from the grey ones in every batch (Salakhutdinov & Murray
        2008).

    Raises
    ------
    ValueError
        For settings that make no sense.

    Examples
    --------
    >>> import torch
    >>> vae = VAE.dense((64, 32, 2))
    >>> x = torch.rand(5, 64)
    >>> vae.encode(x).shape, vae.decode(torch.zeros(1, 2)).shape
    (torch.Size([5, 2]), torch.Size([1, 64]))
    >>> vae.sample(3, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([3, 64])

    References
    ----------
    Kingma & Welling (2014), Auto-encoding variational Bayes. Rezende, Mohamed & Wierstra (2014), Stochastic
    backpropagation and approximate inference in deep generative models.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        latent_dim: int,
        *,
        n_visible: int | None = None,
        likelihood: str = "bernoulli",
        noise: float | None = None,
        beta: float | Callable[[float], float] = 1.0,
        binarize: bool = False,
    ):
        super().__init__()
        if not isinstance(encoder, nn.Module) or not isinstance(decoder, nn.Module):
            got = f"got {type(encoder).__name__} and {type(decoder).__name__}"
            raise TypeError(f"a VAE is made of two nets, {got}; VAE.dense(sizes) makes them")
        if latent_dim < 1:
            raise ValueError(f"latent_dim counts the numbers of a code, at least 1; got {latent_dim}")
        if likelihood not in (*LIKELIHOODS, "none"):
            raise ValueError(f"likelihood is one of {', '.join(LIKELIHOODS)}; got {likelihood!r}")
        last = decoder[-1] if isinstance(decoder, nn.Sequential) else None
        if likelihood == "bernoulli" and not isinstance(last, nn.Sigmoid):
            raise ValueError("a Bernoulli likelihood needs probabilities: a decoder nn.Sequential(..., nn.Sigmoid())")
        if noise is not None and (likelihood != "gaussian" or not 0 < noise < math.inf):
            got = f"got {noise!r} for {likelihood}"
            raise ValueError(f"noise is the standard deviation of a Gaussian likelihood, above 0; {got}")
        if not callable(beta) and not 0 <= beta < math.inf:
            raise ValueError(f"beta is a weight of 0 or more, or a function of the progress; got {beta!r}")
        self.encoder, self.latent_dim, self.n_visible = encoder, latent_dim, n_visible
        self.decoder: Any = decoder  # an nn.Sequential where its logits are asked for
        self.likelihood, self.beta, self.binarize = likelihood, beta, binarize
        if likelihood == "gaussian":
            log_var = torch.tensor(2 * math.log(0.1 if noise is None else noise))
            self.log_var_x = nn.Parameter(log_var, requires_grad=noise is None)

    @classmethod
    def dense(
        cls, sizes: Sequence[int] = (784, 512, 2), activation: Layer = nn.Tanh, *, output: Layer = nn.Sigmoid, **options
    ):
        """With ``sizes`` = (784, 512, 2): q(z|x) by 784-512-(2 means, 2 log-variances), p(x|z) by 2-512-784 and
        ``output``."""
        sizes = tuple(sizes)
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes are the layers from the pixels to the code, such as (784, 512, 2); got {sizes}")
        encoder = mlp((*sizes[:-1], 2 * sizes[-1]), activation)  # (N, D) -> (N, 2 K)
        decoder = mlp(sizes[::-1], activation).append(output())  # (N, K) -> (N, D)
        return cls(encoder, decoder, sizes[-1], n_visible=sizes[0], **options)

    def posterior(self, x: Tensor) -> Posterior:
        """q(z|x) of images x (N, D) or (N, C, H, W)."""
        x = x if self.n_visible is None else pixels(x, self.n_visible)
        return Posterior(*self.encoder(x).chunk(2, dim=1))  # (N, 2 K) -> 2 of (N, K)

    def encode(self, x: Tensor) -> Tensor:
        """The means (N, K) of q(z|x)."""
        return self.posterior(x).mean

    def reparameterize(self, q: Posterior, generator: torch.Generator | None = None) -> Tensor:
        """A draw z (N, K) of q through which gradients reach its mean and variance: z = mean + sd * noise."""
        noise = torch.randn(q.mean.shape, generator=generator, dtype=q.mean.dtype, device=q.mean.device)
        return q.mean + (0.5 * q.log_var).exp() * noise

    def decode(self, z: Tensor) -> Tensor:
        """The means (N, D) of p(x|z), codes z (N, K)."""
        return self.decoder(check_codes(z, self.latent_dim))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n images (n, D): the means of p(x|z) for z drawn from the prior."""
        like = next(self.decoder.parameters())
        return self.decode(torch.randn(n, self.latent_dim, generator=generator, dtype=like.dtype, device=like.device))

    def conditional_nll(self, x: Tensor, z: Tensor) -> Tensor:
        """-log p(x|z), (N,), of images x and codes z (N, K), summed over pixels."""
        if self.likelihood == "bernoulli":
            return bernoulli_nll(x.flatten(1), self.decoder[:-1](z).flatten(1))  # from the logits
        return gaussian_nll(x.flatten(1), self.decode(z).flatten(1), self.log_var_x)

    def elbo(self, x: Tensor, generator: torch.Generator | None = None) -> ELBO:
        """-ELBO = E_q[-log p(x|z)] + KL(q(z|x) || p(z)), each term (N,) (Kingma & Welling 2014, eq. 3 and 10).

        The expectation by one draw of z, the KL in closed form. ``beta`` plays no part here.
        """
        q = self.posterior(x)
        reconstruction = self.conditional_nll(x, self.reparameterize(q, generator))
        kl = gaussian_kl(*q)
        return ELBO(reconstruction + kl, reconstruction, kl)

    def loss(self, x: Tensor, generator: torch.Generator | None = None, progress: float = 1.0) -> ELBO:
        """The batch means of the terms of ``elbo``, the KL weighed by beta in the total, which is minimised.

        With beta above 1 the total is a looser bound, below 1 none.
        """
        terms = self.elbo(self.sample_input(x, generator), generator)
        beta = self.beta(progress) if callable(self.beta) else self.beta
        if beta != 1:
            terms = terms._replace(total=terms.total + (beta - 1) * terms.kl)
        return type(terms)(*(term.mean() for term in terms))

    def sample_input(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x as it is, or with ``binarize`` a draw of black and white pixels with these probabilities."""
        return torch.bernoulli(x, generator=generator) if self.binarize else x

    def check(self, x: Tensor) -> None:
        """What ``fit`` asks once: ValueError where a Bernoulli likelihood is given values outside [0, 1]."""
        if self.likelihood == "bernoulli" or self.binarize:
            check_unit(x, 'data of a Bernoulli likelihood (else say likelihood="gaussian")')

    def log_weights(self, x: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
        """log w = log p(x, z) - log q(z|x) for k draws of z a row of x: (N, k) (Burda et al. 2016, eq. 8)."""
        if k < 1:
            raise ValueError(f"k counts draws of z, at least 1, got {k}")
        q = Posterior(*(part.repeat_interleave(k, 0) for part in self.posterior(x)))  # (N k, K)
        z = self.reparameterize(q, generator)
        log_joint = -self.conditional_nll(x.repeat_interleave(k, 0), z) - gaussian_nll(z, torch.zeros_like(z))
        return (log_joint + gaussian_nll(z, *q)).view(len(x), k)

    def iwae_bound(self, x: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
        """-L_k = -log (1/k) sum_i w_i, (N,): never looser than -L_1 = -ELBO on average (Burda et al. 2016, eq. 8)."""
        return -(self.log_weights(x, k, generator).logsumexp(1) - math.log(k))

    @torch.no_grad()
    def log_likelihood(self, x: Tensor, samples: int = 5000, generator: torch.Generator | None = None) -> Tensor:
        """log p(x), (N,), estimated by L_samples from below; in memory that does not grow with ``samples``."""
        if samples < 1:
            raise ValueError(f"samples counts draws of z, at least 1, got {samples}")
        return torch.cat([self._stream_log_likelihood(rows, samples, generator) for rows in x.split(64)])

    def _stream_log_likelihood(self, x: Tensor, samples: int, generator: torch.Generator | None) -> Tensor:
        total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
        for k in _portions(samples, 50):
            total = torch.logaddexp(total, self.log_weights(x, k, generator).double().logsumexp(1))
        return total - math.log(samples)


class IWAE(VAE):
    """A VAE trained on the tighter bound of k draws (Burda, Grosse & Salakhutdinov 2016)."""

    def __init__(self, *args, k: int, **options):
        super().__init__(*args, **options)
        if k < 1:
            raise ValueError(f"k counts draws of z, at least 1, got {k}")
        self.k = k

    def loss(self, x: Tensor, generator: torch.Generator | None = None, progress: float = 1.0) -> Tensor:  # type: ignore[override] # one term
        """The batch mean of -L_k, in nats per image."""
        return self.iwae_bound(self.sample_input(x, generator), self.k, generator).mean()


def _portions(total: int, most: int) -> Iterator[int]:
    while total > 0:
        yield min(total, most)
        total -= most
