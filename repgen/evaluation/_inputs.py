"""What the measures take: tensors or arrays of numbers, in a type that holds their digits."""

import numpy as np
import torch
from torch import Tensor


def as_real(x: Tensor | np.ndarray, what: str = "x") -> Tensor:
    """A tensor or NumPy array of numbers as a tensor: float32 and float64 as they are, all others in float64.

    Differences of bytes would wrap around, and sums of half precision lose their digits. Raises TypeError that begins
    with `what` for complex numbers and for what is neither a tensor nor an array of numbers.
    """
    if isinstance(x, np.ndarray) and x.dtype.kind in "biuf":
        x = torch.from_numpy(np.ascontiguousarray(x, x.dtype.newbyteorder("=")))
    if not isinstance(x, Tensor) or x.is_complex():
        kind = x.dtype if isinstance(x, Tensor | np.ndarray) else type(x).__name__
        raise TypeError(f"{what} is a tensor or an array of real numbers, got {kind}")
    return x if x.dtype in (torch.float32, torch.float64) else x.double()


def as_pair(x: Tensor | np.ndarray, y: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
    """Both by `as_real`, in the wider type of the two."""
    x, y = as_real(x, "the first"), as_real(y, "the second")
    wider = torch.promote_types(x.dtype, y.dtype)
    return x.to(wider), y.to(wider)


def check_finite(x: Tensor, what: str) -> Tensor:
    """`x`, or ValueError that says how many of its numbers are NaN or infinite."""
    if bad := int((~x.isfinite()).sum()):
        raise ValueError(f"{bad:,} of the {x.numel():,} numbers of {what} are not finite: NaN, or infinite")
    return x
