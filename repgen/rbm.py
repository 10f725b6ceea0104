"""Restricted Boltzmann machines: two layers that see each other and not themselves."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from repgen import _fast
from repgen._fast import bernoulli
from repgen.layers import check_unit, pixels

UNITS = ("bernoulli", "gaussian")


class CDLoss(NamedTuple):
    """What a step of CD-k pushes down, in nats per image, and the squared error of one reconstruction, summed over
    pixels."""

    objective: Tensor
    reconstruction: Tensor


class RBM(nn.Module):
    """A restricted Boltzmann machine (Smolensky 1986; Hinton 2002).

    p(v, h) = exp(-E(v, h)) / Z with E(v, h) = -(v - m) W (h - l) - v b - h c, W (D, H), b (D,), c (H,). The offsets m
    and l are 0 unless ``centre`` is given: the same family of distributions, better conditioned gradients (Montavon &
    Müller 2012). The loss is that of contrastive divergence, in nats per image.

    Parameters
    ----------
    n_visible, n_hidden : int
        D and H.
    visible, hidden : str
        Units that are "bernoulli", 0 or 1, or "gaussian" with variance 1.
    centre : Tensor, optional
        (D,), the mean image: m is that image and l is 1/2.
    k : int
        Gibbs steps away from the data, or of each chain for a batch.
    chains : int
        Above 0: so many chains go on from batch to batch (Tieleman 2008).
    binarize : bool
        Whether ``loss`` draws black and white pixels anew in every batch.
    mean_visible : bool
        Whether the last visible layer is a mean and not a draw, which is less noisy (Hinton 2010, section 3.2).

    Raises
    ------
    ValueError
        For sizes and units that make no machine.

    Examples
    --------
    >>> import torch
    >>> rbm = RBM(4, 3)
    >>> v = torch.tensor([[0.0, 1.0, 1.0, 0.0]])
    >>> rbm.hidden_given_visible(v).shape
    torch.Size([1, 3])
    >>> h = rbm.hidden_given_visible(v).bernoulli(generator=torch.Generator().manual_seed(0))
    >>> rbm.energy(v, h).shape, rbm.free_energy(v).shape
    (torch.Size([1]), torch.Size([1]))
    """

    visible_offset: Tensor
    hidden_offset: Tensor
    chains: Tensor | None

    def __init__(
        self,
        n_visible: int = 784,
        n_hidden: int = 500,
        *,
        visible: str = "bernoulli",
        hidden: str = "bernoulli",
        centre: Tensor | None = None,
        k: int = 1,
        chains: int = 0,
        binarize: bool = False,
        mean_visible: bool = False,
    ):
        super().__init__()
        if min(n_visible, n_hidden) < 1:
            raise ValueError(f"a machine has a visible unit and a hidden one at least, got {n_visible} and {n_hidden}")
        if visible not in UNITS or hidden not in UNITS:
            raise ValueError(f"units are one of {', '.join(UNITS)}; got visible={visible!r}, hidden={hidden!r}")
        if k < 1 or chains < 0:
            raise ValueError(f"k counts Gibbs steps, at least 1, and chains are 0 or more; got k={k}, chains={chains}")
        self.n_visible, self.n_hidden, self.latent_dim = n_visible, n_hidden, n_hidden
        self.visible, self.hidden, self.k, self.binarize, self.mean_visible = visible, hidden, k, binarize, mean_visible
        self.weight = nn.Parameter(0.01 * torch.randn(n_visible, n_hidden))
        self.visible_bias = nn.Parameter(torch.zeros(n_visible))
        self.hidden_bias = nn.Parameter(torch.zeros(n_hidden))
        self.register_buffer("visible_offset", torch.zeros(n_visible))
        self.register_buffer("hidden_offset", torch.zeros(n_hidden))
        if centre is not None:
            self.centre_on(centre)
        self.register_buffer("chains", torch.rand(chains, n_visible).round() if chains else None)

    @torch.no_grad()
    def centre_on(self, mean: Tensor) -> None:
        """Sets the offsets to the mean image (D,) and 1/2, and b so that units that know nothing of each other have
        this mean."""
        if mean.shape != (self.n_visible,) or not mean.isfinite().all():
            raise ValueError(f"centre is an image: {self.n_visible} finite numbers; got shape {tuple(mean.shape)}")
        self.visible_offset.copy_(mean)
        self.hidden_offset.fill_(0.5 if self.hidden == "bernoulli" else 0.0)
        self.visible_bias.copy_(mean if self.visible == "gaussian" else mean.clamp(0.001, 0.999).logit())

    def hidden_input(self, v: Tensor) -> Tensor:
        """What the hidden units sum, (N, D) -> (N, H): (v - m) W + c."""
        return torch.addmm(self.hidden_bias, v - self.visible_offset, self.weight)

    def visible_input(self, h: Tensor) -> Tensor:
        """What the visible units sum, (N, H) -> (N, D): (h - l) W^T + b."""
        return torch.addmm(self.visible_bias, h - self.hidden_offset, self.weight.T)

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h), (N,), in nats."""
        pull = ((self.hidden_input(v) - self.hidden_bias) * (h - self.hidden_offset)).sum(1)
        return _own(v, self.visible_bias, self.visible) + _own(h, self.hidden_bias, self.hidden) - pull

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) = -log sum_h exp(-E(v, h)), (N,), in nats: p(v) = exp(-F(v)) / Z."""
        return self.free_energy_from(v, self.hidden_input(v))

    def free_energy_from(self, v: Tensor, total: Tensor) -> Tensor:
        """F(v), (N,), where the hidden units' inputs ``total`` (N, H) are known already."""
        pull = (self.hidden_offset * (total - self.hidden_bias)).sum(1)
        return _own(v, self.visible_bias, self.visible) + pull - _log_sum(total, self.hidden_bias, self.hidden)

    def hidden_free_energy(self, h: Tensor) -> Tensor:
        """-log sum_v exp(-E(v, h)), (N,): the same from the other side."""
        total = self.visible_input(h)
        pull = (self.visible_offset * (total - self.visible_bias)).sum(1)
        return _own(h, self.hidden_bias, self.hidden) + pull - _log_sum(total, self.visible_bias, self.visible)

    def hidden_given_visible(self, v: Tensor) -> Tensor:
        """E[h|v], (N, H); for Bernoulli units p(h = 1|v)."""
        return _mean(self.hidden_input(pixels(v, self.n_visible)), self.hidden)

    def visible_given_hidden(self, h: Tensor) -> Tensor:
        """E[v|h], (N, D); for Bernoulli units p(v = 1|h)."""
        return _mean(self.visible_input(pixels(h, self.n_hidden)), self.visible)

    encode = hidden_given_visible
    decode = visible_given_hidden

    def sample_hidden(self, v: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A draw of h given v, (N, H)."""
        return _draw(self.hidden_given_visible(v), self.hidden, generator)

    def sample_visible(self, h: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A draw of v given h, (N, D)."""
        return self.draw_visible(self.visible_given_hidden(h), generator)

    def draw_visible(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A draw of visible units with these means, (N, D)."""
        return _draw(mean, self.visible, generator)

    @torch.no_grad()
    def gibbs(self, v: Tensor, k: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """The visible units, (N, D), after k steps v -> h -> v, all of them drawn."""
        for _ in range(k):
            v = self.sample_visible(self.sample_hidden(v, generator), generator)
        return v

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, steps: int = 1000) -> Tensor:
        """n fantasies (n, D): the means of the visible units after ``steps`` Gibbs steps from noise."""
        noise = torch.full((n, self.n_visible), 0.5, dtype=self.weight.dtype, device=self.weight.device)
        v = self.gibbs(self.draw_visible(noise, generator), steps, generator)
        return self.visible_given_hidden(self.sample_hidden(v, generator))

    @_fast.fast(_fast.cd_loss)
    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> CDLoss | Tensor:
        """CD-k: the mean free energy of the data less that of the chains' ends, which are held constant.

        Its gradient is the difference of two statistics, -<v h>_data + <v h>_chain for W (Hinton 2002, eq. 5). Its
        value measures nothing.
        """
        data, end, mean = self.phases(x, generator)
        objective = self.free_energy(data).mean() - self.free_energy(end).mean()
        return objective if mean is None else CDLoss(objective, (mean - data).square().sum(1).mean())

    @torch.no_grad()
    def phases(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """The data (N, D), the ends of the chains, and the mean of the first reconstruction of chains that begin
        there."""
        data = self.sample_input(pixels(x, self.n_visible), generator)
        if self.chains is not None:
            end = self.gibbs(self.chains, self.k, generator)
            if self.training:
                self.chains.copy_(end)
            return data, end, None
        mean = self.visible_given_hidden(self.sample_hidden(data, generator))
        end = mean if self.mean_visible and self.k == 1 else self.draw_visible(mean, generator)
        return data, self.gibbs(end, self.k - 1, generator), mean

    def sample_input(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x as it is, or with ``binarize`` a draw of black and white pixels with these probabilities."""
        return bernoulli(x, generator) if self.binarize else x

    def check(self, x: Tensor) -> None:
        """What ``fit`` asks once: ValueError where visible Bernoulli units are given values outside [0, 1]."""
        if self.visible == "bernoulli":
            check_unit(x, "data of Bernoulli units")


@torch.no_grad()
def as_linear(rbm: RBM) -> tuple[nn.Linear, nn.Linear]:
    """``hidden_input`` and ``visible_input`` as ordinary layers with copies of the weights, the offsets within the
    biases."""
    sizes = (rbm.n_visible, rbm.n_hidden), (rbm.n_hidden, rbm.n_visible)
    up, down = (nn.utils.skip_init(nn.Linear, *size) for size in sizes)  # without a draw that would be thrown away
    up.weight.data, down.weight.data = rbm.weight.T.clone(), rbm.weight.detach().clone()
    up.bias.data = rbm.hidden_input(torch.zeros_like(rbm.visible_bias)[None])[0]
    down.bias.data = rbm.visible_input(torch.zeros_like(rbm.hidden_bias)[None])[0]
    return up, down


def _own(x: Tensor, bias: Tensor, units: str) -> Tensor:
    return -(x @ bias) if units == "bernoulli" else 0.5 * (x - bias).square().sum(1)


def _log_sum(total: Tensor, bias: Tensor, units: str) -> Tensor:
    """log of the sum (Bernoulli) or the integral (Gaussian) over units that are pulled by total - bias."""
    if units == "bernoulli":
        return F.softplus(total).sum(1)
    return 0.5 * (total.square() - bias.square()).sum(1) + 0.5 * len(bias) * math.log(2 * math.pi)


def _mean(total: Tensor, units: str) -> Tensor:
    return total.sigmoid() if units == "bernoulli" else total


def _draw(mean: Tensor, units: str, generator: torch.Generator | None) -> Tensor:
    if units == "bernoulli":
        return bernoulli(mean, generator)
    return mean + torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
