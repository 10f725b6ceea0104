"""Restricted Boltzmann machines: two layers that see each other and not themselves."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from repgen.autoencoder import pixels

UNITS = ("bernoulli", "gaussian")


class CDLoss(NamedTuple):
    """What a step of CD-k pushes down, in nats per image, and the squared error of one reconstruction, summed over pixels."""

    objective: Tensor
    reconstruction: Tensor


class RBM(nn.Module):
    """A restricted Boltzmann machine (Smolensky 1986; Hinton 2002): p(v, h) = exp(-E(v, h)) / Z.

    E(v, h) = -(v - m) W (h - l) - v b - h c with W (D, H), b (D,), c (H,). The offsets m and l are
    0, or with ``centre`` (the mean image, (D,)) m is that image and l is 1/2: the same family of
    distributions, better conditioned gradients (Montavon & Müller 2012). Units are "bernoulli",
    0 or 1, or "gaussian" with variance 1, whose own term is |v - b|^2 / 2 in place of -v b.

    ``loss`` is contrastive divergence: its gradient is the difference of the data's statistics and
    those of ``k`` Gibbs steps away from them, or, with ``chains`` above 0, of as many chains that
    go on from batch to batch (Tieleman 2008). ``binarize`` draws black and white pixels anew in
    every batch; ``mean_visible`` takes the mean of the last visible layer where a draw stands in
    the text book (Hinton 2010, section 3.2), which is less noisy. Raises ValueError for sizes and
    units that make no machine.
    """

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
        self.visible, self.hidden, self.k = visible, hidden, k
        self.binarize, self.mean_visible = binarize, mean_visible
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
        """Sets the offsets to the mean image (D,) and 1/2, and b so that units that know nothing of each other have this mean."""
        if mean.shape != (self.n_visible,) or not mean.isfinite().all():
            raise ValueError(f"centre is the mean image, {self.n_visible} finite numbers; got shape {tuple(mean.shape)}")
        self.visible_offset.copy_(mean)
        self.hidden_offset.fill_(0.5 if self.hidden == "bernoulli" else 0.0)
        self.visible_bias.copy_(mean if self.visible == "gaussian" else mean.clamp(0.001, 0.999).logit())

    def hidden_input(self, v: Tensor) -> Tensor:
        """What the hidden units sum, (N, D) -> (N, H): (v - m) W + c."""
        return torch.addmm(self.hidden_bias, v - self.visible_offset, self.weight)

    def visible_input(self, h: Tensor) -> Tensor:
        """What the visible units sum, (N, H) -> (N, D): (h - l) W^T + b."""
        return torch.addmm(self.visible_bias, h - self.hidden_offset, self.weight.T)

    @torch.no_grad()
    def as_linear(self) -> tuple[nn.Linear, nn.Linear]:
        """``hidden_input`` and ``visible_input`` as ordinary layers with copies of the weights, the offsets within the biases."""
        sizes = (self.n_visible, self.n_hidden), (self.n_hidden, self.n_visible)
        up, down = (nn.utils.skip_init(nn.Linear, *size) for size in sizes)  # without a draw that would be thrown away
        up.weight.data, down.weight.data = self.weight.T.clone(), self.weight.detach().clone()
        up.bias.data = self.hidden_input(torch.zeros_like(self.visible_bias)[None])[0]
        down.bias.data = self.visible_input(torch.zeros_like(self.hidden_bias)[None])[0]
        return up, down

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h), (N,), in nats."""
        pull = ((self.hidden_input(v) - self.hidden_bias) * (h - self.hidden_offset)).sum(1)
        return _own(v, self.visible_bias, self.visible) + _own(h, self.hidden_bias, self.hidden) - pull

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) = -log sum_h exp(-E(v, h)), (N,), in nats: p(v) = exp(-F(v)) / Z."""
        total = self.hidden_input(v)
        pull = total - self.hidden_bias
        return _own(v, self.visible_bias, self.visible) + (self.hidden_offset * pull).sum(1) - _log_sum(total, self.hidden_bias, self.hidden)

    def hidden_free_energy(self, h: Tensor) -> Tensor:
        """-log sum_v exp(-E(v, h)), (N,): the same from the other side."""
        total = self.visible_input(h)
        pull = total - self.visible_bias
        return _own(h, self.hidden_bias, self.hidden) + (self.visible_offset * pull).sum(1) - _log_sum(total, self.visible_bias, self.visible)

    def hidden_given_visible(self, v: Tensor) -> Tensor:
        """E[h|v], (N, H); for Bernoulli units p(h = 1|v)."""
        return _mean(self.hidden_input(pixels(v, self.n_visible)), self.hidden)

    def visible_given_hidden(self, h: Tensor) -> Tensor:
        """E[v|h], (N, D); for Bernoulli units p(v = 1|h)."""
        return _mean(self.visible_input(pixels(h, self.n_hidden)), self.visible)

    encode, decode = hidden_given_visible, visible_given_hidden

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

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> CDLoss | Tensor:
        """The batch mean of E(v, <h>) over data less that over the chains' ends, <h> = E[h|v] held constant.

        Of its terms those count that W, b and c are in. It is linear in them, so that its gradient is
        the difference of two statistics, -<v h>_data + <v h>_chain for W (Hinton 2002, eq. 5), and is
        given to them as such. Its value measures nothing. Both statistics stay in float32 under
        autocast: their difference is small.
        """
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            v = self.sample_input(pixels(x, self.n_visible), generator)
            centred = v - self.visible_offset
            total = torch.addmm(self.hidden_bias, centred, self.weight)
            h = _mean(total, self.hidden)
            if self.chains is not None:
                end = self.gibbs(self.chains, self.k, generator)
                if self.training:
                    self.chains.copy_(end)
            else:
                seen = self.visible_given_hidden(_draw(h, self.hidden, generator))
                end = seen if self.mean_visible and self.k == 1 else self.draw_visible(seen, generator)
                end = self.gibbs(end, self.k - 1, generator)
            centred_end = end - self.visible_offset
            total_end = torch.addmm(self.hidden_bias, centred_end, self.weight)
            h_end = _mean(total_end, self.hidden)
            near, far = h - self.hidden_offset, h_end - self.hidden_offset
            dW = (centred_end.T @ far).addmm_(centred.T, near, alpha=-1 / len(v), beta=1 / len(end))  # (D, H)
            db, dc = end.mean(0) - v.mean(0), h_end.mean(0) - h.mean(0)
            gap = (total_end * far).sum() / len(end) - (total * near).sum() / len(v) + self.visible_bias @ db
        gap = _Known.apply(gap, (dW, db, dc), self.weight, self.visible_bias, self.hidden_bias)
        if self.chains is not None:
            return gap
        return CDLoss(gap, F.mse_loss(seen, v, reduction="sum") / len(v))

    def sample_input(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x as it is, or with ``binarize`` a draw of black and white pixels with these probabilities."""
        return flip(x, generator) if self.binarize else x


class _Known(torch.autograd.Function):
    """A value whose gradient with respect to some parameters is known, and is theirs without a copy."""

    @staticmethod
    def forward(ctx, value: Tensor, gradients: tuple[Tensor, ...], *parameters: Tensor) -> Tensor:
        ctx.save_for_backward(*gradients)
        return value.clone()

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        one = grad.device.type == "cpu" and grad == 1  # on a GPU to look would be to wait
        return None, None, *(known if one else grad * known for known in ctx.saved_tensors)


def flip(p: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """1 with probability p, else 0, of p's shape; on a CPU three times as fast as torch.bernoulli.

    Many draws on a CPU come from a generator of NumPy's, which ``generator`` seeds anew each time.
    """
    if p.numel() < 10_000 or p.device.type != "cpu" or p.dtype != torch.float32:
        return flip_by_torch(p, generator)
    seed = torch.randint(2**63 - 1, (), generator=generator).item()
    bits = np.random.SFC64(seed).random_raw((p.numel() + 1) // 2).view(np.uint32)[: p.numel()]  # two draws in 64
    u = torch.from_numpy((bits >> 8).view(np.int32)).view(p.shape)  # a float32 has room for 24 bits
    return u.to(p.dtype).mul_(2.0**-24).lt_(p)


def flip_by_torch(p: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """``flip`` by ``generator`` itself, however many draws: other draws than those of ``flip`` where there are many."""
    return torch.rand(p.shape, generator=generator, dtype=p.dtype, device=p.device).lt_(p)


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
        return flip(mean, generator)
    return mean + torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
