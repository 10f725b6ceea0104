"""Weights in fewer bytes: as float16, or as int8 with a scale for each row."""

import torch
from torch import Tensor

SCALE = "/scale"  # after the name of the tensor that it belongs to


def quantize(state: dict[str, Tensor], form: str, bulk: int = 0) -> dict[str, Tensor]:
    """A state_dict to be stored. ``form``: "float32" (as it is), "float16", or "int8".

    With int8 each row of a matrix becomes whole numbers of -127..127 times a scale, so that an
    entry is off by at most 1/254 of the row's largest; vectors become float16, and so do matrices
    of no more than ``bulk`` numbers, which weigh little. Whole numbers stay. Raises ValueError for
    another form.
    """
    if form == "float32":
        return dict(state)
    if form not in ("float16", "int8"):
        raise ValueError(f"weights are stored as float32, float16 or int8, not {form!r}")
    stored = {}
    for name, value in state.items():
        if form == "int8" and value.is_floating_point() and value.ndim > 1 and value.numel() > bulk:
            rows = value.float().flatten(1)
            scale = rows.abs().amax(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny * 127) / 127  # (R, 1)
            stored[name] = (rows / scale).round().to(torch.int8).view(value.shape)
            stored[name + SCALE] = scale.flatten()
        else:
            stored[name] = value.half() if value.is_floating_point() else value
    return stored


def dequantize(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """What ``quantize`` stored, as float32 again."""
    state = {}
    for name, value in stored.items():
        if name.endswith(SCALE):
            continue
        if (scale := stored.get(name + SCALE)) is not None:
            value = value.float() * scale.view(-1, *[1] * (value.ndim - 1))
        state[name] = value.float() if value.is_floating_point() else value
    return state
