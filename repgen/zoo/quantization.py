"""Weights in fewer bytes: as float16, or as int8 with a scale for each row."""

import copy
from collections.abc import Callable

import safetensors.torch
import torch
from torch import Tensor, nn

FORMS = {"int8": 5e-3, "float16": 1e-3}  # what a metric may change by, as a share, where weights are stored so
LARGE = 300_000  # numbers in a model that is worth int8
BULK = 150_000  # numbers in a matrix that is: a narrow layer, as of a code, is small and feels rounding most
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


def find_smallest(model: nn.Module, measure: Callable[[nn.Module], dict], full: dict) -> tuple[bytes, dict, str]:
    """The weights in the fewest bits that keep the metrics, those metrics, and the form's name.

    ``full``: ``measure`` of the weights as they are. An estimate with an error bar ("low" and "high" among the
    metrics) may move within that.
    """
    state = {key: value.detach() for key, value in model.state_dict().items()}
    rounded = copy.deepcopy(model)
    bar = (full["high"] - full["low"]) / 2 if {"low", "high"} <= full.keys() else 0.0
    large = sum(p.numel() for p in model.parameters()) > LARGE
    for form in ("int8", "float16", "float32") if large else ("float16", "float32"):
        weights = quantize(state, form, BULK)
        rounded.load_state_dict(dequantize(weights))
        metrics = full if form == "float32" else measure(rounded)
        if all(abs(metrics[key] - full[key]) <= max(FORMS.get(form, 0) * abs(full[key]), bar) for key in full):
            break
    stored = {key: value.cpu().contiguous().clone() for key, value in weights.items()}
    return safetensors.torch.save(stored), metrics, form
