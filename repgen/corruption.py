"""Ways to damage an image, for a network that learns to repair it.

Each is a function of images x (N, ...) and a generator on their device, and returns a new tensor.
"""

import torch
from torch import Tensor


def mask(x: Tensor, p: float, generator: torch.Generator | None = None) -> Tensor:
    """Each pixel is set to 0 with probability `p` (Vincent et al. 2008)."""
    _check_probability(p)
    return x * (_uniform(x, generator) >= p)


def gaussian(x: Tensor, std: float, generator: torch.Generator | None = None) -> Tensor:
    """x plus Gaussian noise of standard deviation `std`, in units of the pixels; not clipped."""
    if not 0 <= std < float("inf"):
        raise ValueError(f"the noise's standard deviation must be 0 or more, got {std}")
    return x + std * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


def salt_and_pepper(x: Tensor, p: float, generator: torch.Generator | None = None) -> Tensor:
    """With probability `p` a pixel is replaced by 0 or 1, one as likely as the other (Vincent et al. 2010)."""
    _check_probability(p)
    u = _uniform(x, generator)
    return torch.where(u < p, (u < p / 2).to(x), x)  # among those hit, half are below p / 2


def _check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"p, the probability that a pixel is damaged, must lie in [0, 1], got {p}")


def _uniform(x: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.rand(x.shape, generator=generator, device=x.device)
