"""Penalties that keep an autoencoder from copying: loss = reconstruction + weight * penalty.

Each takes codes (N, K) or the like and returns one number per example (N,), except `kl_rate`,
which is about averages over the batch and returns a single number.
"""

import torch
from torch import Tensor


def l1(z: Tensor) -> Tensor:
    """sum_k |z_k|, (N,), of codes z (N, K).

    Up to constants the negative log-density of a Laplace prior on the code (Olshausen & Field 1996).
    """
    return _codes(z).abs().sum(1)


def kl_rate(z: Tensor, target: float) -> Tensor:
    """sum_k KL(target || mean activity of unit k), in nats, (); codes z (N, K) in [0, 1].

    Each unit's mean over the batch is taken as the probability that it is on, and compared with
    the wanted rate: t log(t / r) + (1 - t) log((1 - t) / (1 - r)) (Lee, Ekanadham & Ng 2008; Ng 2011).
    Raises ValueError for a target outside (0, 1) and codes outside [0, 1].
    """
    if not 0 < target < 1:
        raise ValueError(f"the target rate lies between 0 and 1, got {target}")
    z = _codes(z)
    if not (z.min() >= 0 and z.max() <= 1):  # NaN, too
        raise ValueError(f"rates need activities in [0, 1] (a sigmoid code), got {z.min():.3g} to {z.max():.3g}")
    eps = torch.finfo(z.dtype).eps
    rate = z.mean(0).clamp(eps, 1 - eps)  # (K,)
    t = torch.full_like(rate, target)
    return (t * (t / rate).log() + (1 - t) * ((1 - t) / (1 - rate)).log()).sum()


def contractive(z: Tensor, weight: Tensor) -> Tensor:
    """||dz/dx||_F^2, (N,), for a sigmoid layer z = sigmoid(W x + b); z (N, K), W = weight (K, D).

    dz_k/dx_i = z_k (1 - z_k) W_ki, so the sum over i and k is
    sum_k [z_k (1 - z_k)]^2 sum_i W_ki^2 (Rifai et al. 2011, eq. 7).
    """
    z = _codes(z)
    if weight.ndim != 2 or weight.shape[0] != z.shape[1]:
        raise ValueError(
            f"codes {tuple(z.shape)} do not come from weights {tuple(weight.shape)}: expected ({z.shape[1]}, D)"
        )
    return (z * (1 - z)).square() @ weight.square().sum(1)  # (N, K) @ (K,) -> (N,)


def top_k(z: Tensor, k: int) -> Tensor:
    """Codes (N, K) with all but the k largest of each row set to 0 (Makhzani & Frey 2014).

    Gradients reach only the k that are kept. A constraint in the forward pass, not a penalty.
    """
    z = _codes(z)
    if not 1 <= k <= z.shape[1]:
        raise ValueError(f"k lies in 1..{z.shape[1]} for codes {tuple(z.shape)}, got {k}")
    kept = z.topk(k, dim=1).indices
    return torch.zeros_like(z).scatter(1, kept, z.gather(1, kept))


def _codes(z: Tensor) -> Tensor:
    if z.ndim != 2 or len(z) == 0:
        raise ValueError(f"expected codes (N, K) of at least one example, got shape {tuple(z.shape)}")
    return z
