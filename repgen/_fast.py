"""Fast forms of a few functions, which ``fit`` takes in place of the plain ones; each is tested equal to its twin.

A form is here because it takes a tenth or more off a step of the bench. Outside ``fit`` the plain function runs, the
one that the book shows; only draws of binary units (``bernoulli``) and the moments of PCA are fast everywhere.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

F = TypeVar("F", bound=Callable)
_inside = False


@contextmanager
def inside_fit() -> Iterator[None]:
    """Within it, functions that have a fast twin are replaced by it."""
    global _inside  # noqa: PLW0603 # one switch, put back at the end
    before, _inside = _inside, True
    try:
        yield
    finally:
        _inside = before


def fast(twin: Callable) -> Callable[[F], F]:
    """Decorates a plain function: inside ``fit`` its fast ``twin``, of the same arguments, runs instead."""

    def decorate(plain: F) -> F:
        @functools.wraps(plain)
        def either(*args, **options):
            return (twin if _inside else plain)(*args, **options)

        return either  # type: ignore[return-value] # the same signature

    return decorate


def is_inside_fit() -> bool:
    """Whether ``fit`` runs, which has checked the data once."""
    return _inside


def bernoulli_nll(x: Tensor, logits: Tensor) -> Tensor:
    """That of ``repgen.losses``, value and gradient in one pass."""
    return _CrossEntropy.apply(x, logits)


class _CrossEntropy(torch.autograd.Function):
    """sum_i [softplus(a_i) - x_i a_i], (N,), a quarter less time than by autograd's steps."""

    @staticmethod
    def forward(ctx, x: Tensor, logits: Tensor) -> Tensor:
        ctx.save_for_backward(x, logits)
        # a fifth faster than torch's own
        softplus = logits.abs().neg_().exp_().add_(1).log_().add_(logits.clamp_min(0))
        return softplus.addcmul_(x, logits, value=-1).flatten(1).sum(1)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, logits = ctx.saved_tensors
        grad = grad.view(-1, *[1] * (logits.ndim - 1))
        needs_x, needs_logits = ctx.needs_input_grad
        return -logits * grad if needs_x else None, (logits.sigmoid() - x) * grad if needs_logits else None


def bernoulli(p: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """1 with probability p, else 0: torch.bernoulli, on a CPU in a fifth of the time.

    There the draws come from a generator of NumPy's, which ``generator`` seeds anew each time: they are others than
    torch's, of the same distribution, and the first of many are those that a smaller p would be given.
    """
    if p.device.type != "cpu":
        return torch.bernoulli(p, generator=generator)
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    bits = np.random.SFC64(seed).random_raw((p.numel() + 1) // 2).view(np.uint32)[: p.numel()]  # two draws in 64
    u = torch.from_numpy((bits >> 8).view(np.int32)).view(p.shape)  # a float32 has room for 24 bits
    return u.to(p.dtype).mul_(2.0**-24).lt_(p)


def cd_loss(rbm, x: Tensor, generator: torch.Generator | None = None):
    """``RBM.loss`` with each product made once and its gradient, which is known, handed over without a copy.

    Both statistics stay in float32 under autocast: their difference is small.
    """
    from repgen.rbm import CDLoss, _draw, _mean

    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        v = rbm.sample_input(x.flatten(1), generator)
        total = rbm.hidden_input(v)
        h, mean = _mean(total, rbm.hidden), None
        if rbm.chains is not None:
            end = rbm.gibbs(rbm.chains, rbm.k, generator)
            if rbm.training:
                rbm.chains.copy_(end)
        else:
            mean = rbm.visible_given_hidden(_draw(h, rbm.hidden, generator))
            end = mean if rbm.mean_visible and rbm.k == 1 else rbm.draw_visible(mean, generator)
            end = rbm.gibbs(end, rbm.k - 1, generator)
        total_end = rbm.hidden_input(end)
        h_end = _mean(total_end, rbm.hidden)
        near, far = h - rbm.hidden_offset, h_end - rbm.hidden_offset
        centred, centred_end = v - rbm.visible_offset, end - rbm.visible_offset
        dW = (centred_end.T @ far).addmm_(centred.T, near, alpha=-1 / len(v), beta=1 / len(end))  # (D, H)
        db, dc = end.mean(0) - v.mean(0), h_end.mean(0) - h.mean(0)
        objective = rbm.free_energy_from(v, total).mean() - rbm.free_energy_from(end, total_end).mean()
    objective = _Known.apply(objective, (dW, db, dc), rbm.weight, rbm.visible_bias, rbm.hidden_bias)
    return (
        objective
        if mean is None
        else CDLoss(objective, torch.nn.functional.mse_loss(mean, v, reduction="sum") / len(v))
    )


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


def moments(batches: Iterable[Tensor]) -> tuple[int, Tensor, Tensor]:
    """Rows, mean (D,) and covariance (D, D), with divisor N - 1, of batches (N_i, D) read once: torch.cov in constant
    memory.

    Each batch is centred on its own mean, and the batches are merged in float64 (Chan, Golub & LeVeque 1983), so that
    nothing cancels wherever they lie. Only the upper block triangle is multiplied out, which saves over a third of the
    work. Raises ValueError for fewer than two rows and batches of unequal width.
    """
    n, d, mean = 0, 0, torch.empty(0)
    scatter, edges, buffer = torch.empty(0, 0), [0], torch.empty(0)
    for x in batches:
        if len(x) == 0:
            continue
        if n == 0:
            d = x.shape[1]
            mean = torch.zeros(d, dtype=torch.float64, device=x.device)
            scatter = torch.zeros(d, d, dtype=torch.float64, device=x.device)  # its upper block triangle
            edges, buffer = [d * i // 7 for i in range(8)], torch.empty_like(x)
        if x.shape[1] != d:
            raise ValueError(f"a batch is {x.shape[1]} numbers wide, the first one was {d}")
        if len(buffer) < len(x):
            buffer = torch.empty_like(x)
        shift = x.mean(0)  # (D,): near the batch's mean
        y = torch.sub(x, shift, out=buffer[: len(x)])  # (N_i, D)
        rest = (y.new_ones(len(y)) @ y).double() / len(y)  # what rounding left of it; as y.mean(0), in half the time
        apart = shift.double() + rest - mean
        for lo, hi in zip(edges[:-1], edges[1:], strict=True):
            scatter[lo:hi, lo:] += y[:, lo:hi].T @ y[:, lo:]
            scatter[lo:hi, lo:] += torch.outer(apart[lo:hi] * (n * len(x) / (n + len(x))), apart[lo:])
            scatter[lo:hi, lo:] -= torch.outer(len(x) * rest[lo:hi], rest[lo:])
        n += len(x)
        mean += apart * (len(x) / n)
    if n < 2:
        raise ValueError(f"PCA needs at least two rows to see any variance, got {n}")
    return n, mean, (scatter.triu() + scatter.triu(1).T) / (n - 1)
