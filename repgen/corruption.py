"""Ways to damage an image, for a network that learns to repair it.

Each is a function of images x (N, ...) and a generator on their device, and returns a new tensor.
"""

import torch
from torch import Tensor


def mask(x: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """Each pixel is set to 0 with probability `share` (Vincent et al. 2008)."""
    _share(share)
    return x * (_uniform(x, generator) >= share)


def gaussian(x: Tensor, sd: float, generator: torch.Generator | None = None) -> Tensor:
    """x plus Gaussian noise of standard deviation `sd`, in units of the pixels; not clipped."""
    if not 0 <= sd < float("inf"):
        raise ValueError(f"the noise's standard deviation must be 0 or more, got {sd}")
    return x + sd * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


def salt_and_pepper(x: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """With probability `share` a pixel is replaced by 0 or 1, one as likely as the other (Vincent et al. 2010)."""
    _share(share)
    u = _uniform(x, generator)
    return torch.where(u < share, (u < share / 2).to(x), x)  # among those hit, half are below share / 2


def _share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"the share of damaged pixels must lie in [0, 1], got {share}")


def _uniform(x: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.rand(x.shape, generator=generator, device=x.device)
