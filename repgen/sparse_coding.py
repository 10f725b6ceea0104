"""Sparse codes of a linear dictionary: by iteration, and by a network that predicts them."""

import torch
from torch import Tensor


def energy(x: Tensor, z: Tensor, dictionary: Tensor, weight: float) -> Tensor:
    """1/2 ||x - z D||^2 + weight sum_k |z_k|, (N,); x (N, D), z (N, K), dictionary (K, D), atoms in rows.

    Up to a constant -log p(x, z) for Gaussian noise of variance 1 and a Laplace prior (Olshausen & Field 1996).
    """
    return 0.5 * (x - z @ dictionary).square().sum(1) + weight * z.abs().sum(1)


def soft_threshold(a: Tensor, threshold: Tensor | float) -> Tensor:
    """a moved towards 0 by `threshold`, and to 0 where it is nearer than that."""
    return a.sign() * (a.abs() - threshold).clamp(min=0)


@torch.no_grad()
def ista(x: Tensor, dictionary: Tensor, weight: float, steps: int = 100, *, fast: bool = False) -> Tensor:
    """Codes (N, K) of x (N, D) that lower `energy` step by step, from 0.

    Each step goes down the gradient of the squared error and is then shrunk (Daubechies et al.
    2004); with ``fast`` it starts from a point beyond the last one, which is FISTA (Beck &
    Teboulle 2009, sec. 4). The step is 1 / L, where L is the largest eigenvalue of D D^T.
    Raises ValueError for shapes that do not fit, a negative weight, and fewer than one step.
    """
    _check(x, dictionary, weight)
    if steps < 1:
        raise ValueError(f"at least one step is needed, got steps={steps}")
    step = 1 / torch.linalg.eigvalsh(dictionary @ dictionary.T)[-1].clamp(min=torch.finfo(x.dtype).tiny)
    z = ahead = x.new_zeros(len(x), len(dictionary))
    t = 1.0
    for _ in range(steps):
        gradient = (ahead @ dictionary - x) @ dictionary.T  # (N, K)
        new = soft_threshold(ahead - step * gradient, step * weight)
        t_new = (1 + (1 + 4 * t * t) ** 0.5) / 2 if fast else 1.0
        ahead = new + ((t - 1) / t_new) * (new - z)
        z, t = new, t_new
    return z


def psd_loss(x: Tensor, z: Tensor, predicted: Tensor, dictionary: Tensor, weight: float, trust: float) -> Tensor:
    """energy + trust ||z - predicted||^2, (N,): predictive sparse decomposition.

    ``predicted`` (N, K) is what an encoder says of x; the code z is found between what explains
    x sparsely and what can be predicted (Kavukcuoglu, Ranzato & LeCun 2010).
    """
    return energy(x, z, dictionary, weight) + trust * (z - predicted).square().sum(1)


def _check(x: Tensor, dictionary: Tensor, weight: float) -> None:
    if x.ndim != 2 or dictionary.ndim != 2 or x.shape[1] != dictionary.shape[1]:
        raise ValueError(
            f"expected x (N, D) and a dictionary (K, D) of the same D, got {tuple(x.shape)} and "
            f"{tuple(dictionary.shape)}"
        )
    if not weight >= 0:
        raise ValueError(f"the weight of the penalty must be 0 or more, got {weight}")
