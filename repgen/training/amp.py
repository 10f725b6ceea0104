"""How exactly a training multiplies, and the numbers too small to be worth a CPU's time."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F

KINDS = (False, True, "matmul", "auto")


def resolve_amp(amp: bool | str, device: torch.device) -> bool | str:
    """What "auto" stands for on this device; the other kinds as they are.

    Whole forward passes in bfloat16 on a GPU that has the units (8.0 and later), the matrix
    products alone on a CPU that has tiles for them (AMX), and plain float32 elsewhere.
    """
    if amp not in KINDS:
        raise ValueError(f'amp must be True, False, "matmul" or "auto", got {amp!r}')
    if amp != "auto":
        return KINDS[KINDS.index(amp)]  # 1 is True
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    tiles = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)  # unknown to older versions of torch
    return "matmul" if device.type == "cpu" and tiles() else False


@contextmanager
def matmul_precision(amp: bool | str) -> Iterator[None]:
    """With "matmul" float32 matrices are multiplied from rounded entries and summed in float32.

    The entries are bfloat16 on a CPU and TF32 on a GPU.
    """
    before = torch.get_float32_matmul_precision()
    if amp == "matmul":
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


EVERY = 100  # steps; a gradient that has become 0 leaves Adam's momentum (0.9 a step) denormal after about 750


@torch.no_grad()
def flush_denormals(optimizer: torch.optim.Optimizer) -> None:
    """Sets what the optimiser remembers to 0 where it is smaller than any normal number (1.2e-38 in float32).

    The running means of Adam decay wherever the gradient stays 0, as at a pixel that is hardly ever lit, and end among
    the denormal numbers, on which a CPU is many times slower: on MNIST a VAE's step takes a sixth longer from the
    second epoch on. No weight is changed by so small a number, unless it is itself 0. ``torch.set_flush_denormal``
    is a flag of the calling thread, and the threads that share an optimiser's work do not see it.
    """
    for state in optimizer.state.values():
        for value in state.values():
            if isinstance(value, torch.Tensor) and value.dtype in (torch.float32, torch.float64):
                value.copy_(F.hardshrink(value, torch.finfo(value.dtype).tiny))
