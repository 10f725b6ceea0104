"""Losses, one a function; those that are negative log-likelihoods are in nats per example.

Each function takes a batch and returns one number per example (N,), summed over whatever
follows the batch dimension; take the mean yourself where you want one. See Bishop (2006),
sections 1.2.5, 4.2 and 4.3.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from repgen import _fast
from repgen.layers import check_unit


def squared_error(x: Tensor, y: Tensor) -> Tensor:
    """sum_i (x_i - y_i)^2, (N,), of x and y (N, ...).

    Not in nats: a Gaussian's negative log-likelihood with variance 1/2, less a constant.
    """
    _same_shape(x, y)
    return (x - y).square().flatten(1).sum(1)


def gaussian_nll(x: Tensor, mean: Tensor, log_var: Tensor | float = 0.0) -> Tensor:
    """-log N(x; mean, exp(log_var) I) = 1/2 sum_i [log 2 pi + log_var_i + (x_i - mean_i)^2 / var_i].

    x and mean (N, ...), log_var anything that broadcasts to them. With log_var = 0 this is half
    the squared error plus a constant, D/2 log 2 pi.
    """
    _same_shape(x, mean)
    log_var = torch.as_tensor(log_var, dtype=mean.dtype, device=mean.device)
    terms = math.log(2 * math.pi) + log_var + (x - mean).square() * torch.exp(-log_var)
    return 0.5 * terms.flatten(1).sum(1)


@_fast.fast(_fast.bernoulli_nll)
def bernoulli_nll(x: Tensor, logits: Tensor) -> Tensor:
    """-sum_i [x_i log p_i + (1 - x_i) log(1 - p_i)] with p = sigmoid(logits): cross-entropy.

    x (N, ...) in [0, 1] and logits of the same shape, (N,). A likelihood only where x is 0 or 1; for
    grey x it is a cross-entropy, bounded below by the entropy of x and not by 0.
    """
    _same_shape(x, logits)
    _check_range(x)
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def continuous_bernoulli_nll(x: Tensor, logits: Tensor) -> Tensor:
    """-log of the density prop. to p_i^x_i (1 - p_i)^(1 - x_i) on [0, 1], p = sigmoid(logits), summed over i: (N,).

    ``bernoulli_nll`` less log C, where C(a) = a / tanh(a / 2) makes the area under each pixel's
    density 1 (Loaiza-Ganem & Cunningham 2019, eq. 8 in terms of the logit a). p is not the mean:
    that is 1 / (1 - exp(-a)) - 1 / a. Grey x (N, ...) in [0, 1]; may be negative, as densities may exceed 1.
    """
    return bernoulli_nll(x, logits) - _log_norm(logits).flatten(1).sum(1)


def _log_norm(a: Tensor) -> Tensor:
    """log(a / tanh(a / 2)), by its series near 0, where both are 0; log|a| far out."""
    near = a.abs() < 0.2
    small, large = torch.where(near, a, 0.0), torch.where(near, 1.0, a).abs()
    series = torch.log1p(small**2 / 12 - small**4 / 720 + small**6 / 30240) + math.log(2)
    return torch.where(near, series, large.log() + torch.log1p((-large).exp()) - torch.log(-torch.expm1(-large)))


def categorical_nll(labels: Tensor, logits: Tensor) -> Tensor:
    """-log softmax(logits)[label]; labels (N,) int64 in [0, K), logits (N, K)."""
    if labels.shape != logits.shape[:1] or logits.ndim != 2:
        raise ValueError(f"expected labels (N,) and logits (N, K), got {tuple(labels.shape)} and {tuple(logits.shape)}")
    return F.cross_entropy(logits, labels, reduction="none")


def gaussian_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var) I) || N(0, I)) = 1/2 sum_k [mean_k^2 + var_k - 1 - log_var_k], (N,).

    mean and log_var (N, K) (Kingma & Welling 2014, appendix B).
    """
    _same_shape(mean, log_var)
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).flatten(1).sum(1)


def _check_range(x: Tensor) -> None:
    """ValueError outside [0, 1]. Not where it would cost: ``fit`` has looked once, a GPU would be waited for."""
    if x.device.type == "cpu" and not (_fast.is_inside_fit() or torch._C._functorch.is_functorch_wrapped_tensor(x)):
        check_unit(x)


def _same_shape(x: Tensor, parameter: Tensor) -> None:
    if x.shape != parameter.shape:
        raise ValueError(
            f"data {tuple(x.shape)} and parameters {tuple(parameter.shape)} differ in shape; "
            "broadcasting here would silently change the loss"
        )
