"""What people bring to ``fit``, as tensors that a model can learn from."""

import os

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, default_collate

from repgen.datasets import Data, check


def to_tensors(data, name: str, like: Tensor) -> list[Tensor]:
    """A tensor, a NumPy array, the images of a Data, or several of these, as a list of tensors of equal length.

    Real numbers of an array become those of ``like``, a parameter of the model; tensors stay as they are. Raises
    TypeError for all else.
    """
    data = data.tensors if isinstance(data, TensorDataset) else data.x if isinstance(data, Data) else data
    return [_to_tensor(part, name, like) for part in (data if isinstance(data, tuple | list) else [data])]


def _to_tensor(t, name: str, like: Tensor) -> Tensor:
    if isinstance(t, np.ndarray):
        t = torch.from_numpy(np.ascontiguousarray(t))
        return t.to(like.dtype) if t.is_floating_point() else t
    if not isinstance(t, Tensor):
        wanted = "a tensor, a NumPy array, a repgen.Data, a tuple of these, a torch Dataset or a DataLoader"
        raise TypeError(f"{name} must be {wanted}, got {type(t).__name__}")
    return t


def check_tensors(tensors: list[Tensor], name: str, like: Tensor) -> None:
    """Raises TypeError, ValueError or DataError for what no model could learn from."""
    if not tensors or any(t.ndim == 0 or len(t) == 0 for t in tensors):
        raise ValueError(f"{name} holds no examples: shapes {[tuple(t.shape) for t in tensors]}")
    if len({len(t) for t in tensors}) > 1:
        raise ValueError(f"the tensors of {name} differ in length: {[len(t) for t in tensors]}")
    if not tensors[0].is_floating_point():
        hint = " / 255" if tensors[0].dtype == torch.uint8 else ""
        raise TypeError(f"{name} holds {tensors[0].dtype}, not real numbers; convert it with .float(){hint}")
    for t in tensors:
        if t.is_floating_point():
            check(t, name)
            if t.dtype != like.dtype:
                raise TypeError(f"{name} is {t.dtype}, the model {like.dtype}; convert it with .to({like.dtype})")


def read_dataset(data: Dataset, name: str, device: torch.device, size: int, shuffle: bool):
    """A torch Dataset's examples as tensors, or a DataLoader where they would not fit into half of the free memory."""
    if isinstance(data, IterableDataset):
        raise TypeError(f"{name} is an IterableDataset, whose length is not known; hand over a Dataset with __len__")
    try:
        example = default_collate([data[0]])
    except TypeError as error:
        raise TypeError(
            f"{name} gives examples that are no tensors, arrays or numbers ({error}): give the data set a transform, "
            "such as torchvision's ToTensor"
        ) from error
    parts = example if isinstance(example, list | tuple) else [example]
    count = len(data)  # type: ignore[arg-type] # torch leaves __len__ to those that have one
    needed = count * sum(t.element_size() * t.numel() for t in parts if isinstance(t, Tensor))
    if needed > _free_memory(device) / 2:
        return DataLoader(data, size, shuffle=shuffle, pin_memory=device.type == "cuda")
    return default_collate([data[i] for i in range(count)])


def _free_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf_names") else 8e9
