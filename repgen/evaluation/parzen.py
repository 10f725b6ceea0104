"""Parzen windows: a likelihood for models that only make samples, from a Gaussian bump around each."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from repgen.evaluation._inputs import as_pair, check_finite


def log_density(x: Tensor, samples: Tensor, sigma: float | Tensor, chunk: int = 1000) -> Tensor:
    """log 1/M sum_m N(x; s_m, sigma^2 I) in nats, for each x (N, D) under M samples s (M, D) (Parzen 1962).

    ``sigma`` is a number, for (N,), or several (S,), for (S, N): distances are then computed once.
    Sums are in float64, over ``chunk`` rows of x at a time, so memory stays at chunk x M numbers.
    Raises ValueError for shapes that do not match, no samples, sigmas that are not above 0, and numbers that are not
    finite. scikit-learn's ``KernelDensity`` gives the same for one sigma at a time.
    """
    x, samples = as_pair(x, samples)
    if x.ndim != 2 or samples.ndim != 2 or x.shape[1] != samples.shape[1]:
        raise ValueError(f"x is (N, D) and samples (M, D), with one D; got {tuple(x.shape)} and {tuple(samples.shape)}")
    if not samples.numel():
        raise ValueError(f"there are no samples to put windows around: their shape is {tuple(samples.shape)}")
    check_finite(x, "x"), check_finite(samples, "the samples")
    widths = torch.as_tensor(sigma, dtype=torch.float64, device=x.device)
    if widths.ndim > 1 or not ((widths > 0) & widths.isfinite()).all():
        raise ValueError(f"sigma is a number above 0, or several; got {sigma}")
    each = widths.view(-1, 1, 1)
    constant = math.log(len(samples)) + x.shape[1] * (each.log() + math.log(2 * math.pi) / 2)  # (S, 1, 1)
    parts = [
        torch.logsumexp(-_squared_distances(rows, samples) / (2 * each.square()) - constant, dim=2)
        for rows in x.split(chunk)
    ]  # (S, chunk) each
    return torch.cat(parts, 1).view(*widths.shape, len(x))


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x_n - y_m|^2, (N, M), float64; the product of the two in their own precision, which costs the most."""
    products = (x @ y.T).double()
    lengths = x.double().square().sum(1, keepdim=True) + y.double().square().sum(1)
    return (lengths - 2 * products).clamp_(min=0)


class Bandwidth(NamedTuple):
    """A width, and the mean log density of the examples it was chosen on, in nats."""

    sigma: float
    log_density: float


def select_bandwidth(x: Tensor, samples: Tensor, sigmas: Tensor | None = None) -> Bandwidth:
    """The best of ``sigmas`` for held-out examples x (N, D): by default ten in [0.1, 1], evenly spaced in their
    logarithm.

    So Goodfellow et al. (2014) did it, with 1,000 held-out images and 10,000 samples. Raises what ``log_density``
    raises, and ValueError for no examples.
    """
    x, samples = as_pair(x, samples)
    if not x.numel():
        raise ValueError("there are no held-out examples to choose the width by")
    sigmas = torch.logspace(-1, 0, 10, dtype=torch.float64) if sigmas is None else sigmas
    means = log_density(x, samples, sigmas).mean(1)
    best = int(means.argmax())
    return Bandwidth(sigmas[best].item(), means[best].item())
