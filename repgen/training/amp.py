"""How exactly a training multiplies: in float32, or in the bfloat16 and TF32 units that many processors have beside it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

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
    """With "matmul" float32 matrices are multiplied from rounded entries, bfloat16 on a CPU and TF32 on a GPU, and summed in float32."""
    if amp != "matmul":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
