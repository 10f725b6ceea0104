"""Data as they come, as batches on the model's device: held there where they fit, streamed where they do not."""

import inspect
import math
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, default_collate

from repgen.datasets import Data, DataError, check
from repgen.training import distributed
from repgen.training.players import Player
from repgen.training.rng import seed_generator


class Batch(NamedTuple):
    """The tensors of a batch, the weight of their mean loss in that of all processes, and the examples of all."""

    tensors: list[Tensor]
    weight: float
    examples: int


class Held:
    """Tensors on the device, sliced there."""

    def __init__(self, tensors: list[Tensor], size: int):
        self.tensors, self.size = tensors, size

    def __len__(self) -> int:
        return math.ceil(len(self.tensors[0]) / self.size)

    def shuffle(self, *key: int) -> Iterator[Batch]:
        """The batches of an epoch, in an order that the key decides."""
        rank, world = distributed.rank_and_world_size()
        order = torch.randperm(len(self.tensors[0]), generator=seed_generator(torch.Generator(), *key))
        for rows in order.to(self.tensors[0].device).split(self.size):
            mine, weight = distributed.shard(rows, rank, world)
            yield Batch([t.index_select(0, mine) for t in self.tensors], weight, len(rows))

    def __iter__(self) -> Iterator[Batch]:
        """The batches in their order, whole: each process takes some of them."""
        for tensors in zip(*(t.split(self.size) for t in self.tensors), strict=True):
            yield Batch(list(tensors), 1.0, len(tensors[0]))


class Streamed:
    """A DataLoader's batches, moved to the device one by one.

    Its order is its own: torch's generator, which ``fit`` seeds for each epoch, decides what a sampler without a
    generator draws.
    """

    def __init__(self, loader: DataLoader, name: str, like: Tensor):
        self.loader, self.name, self.like = loader, name, like
        self.tensors: list[Tensor] = []  # none that could be compared with those of a checkpoint

    def __len__(self) -> int:
        return len(self.loader)

    def shuffle(self, *key: int) -> Iterator[Batch]:
        return iter(self)

    def __iter__(self) -> Iterator[Batch]:
        for number, item in enumerate(self.loader):
            item = list(item) if isinstance(item, list | tuple) else [item]
            tensors = [_as_tensor(t, self.name, self.like) for t in item]
            if number == 0:
                _check(tensors, self.name, self.like)
            yield Batch([t.to(self.like.device, non_blocking=True) for t in tensors], 1.0, len(tensors[0]))


def make_batches(model: nn.Module, players: list[Player], data, name: str, size: int) -> Held | Streamed:
    """Batches of ``size`` examples of data that were checked in one pass.

    ``data``: a tensor or NumPy array (N, ...), a repgen.Data (its images), a tuple of such of equal length, a torch
    Dataset (read once and held on the device where it fits into half of the free memory, else streamed) or a
    DataLoader (streamed). Raises TypeError and ValueError for all else, and for data that the model's ``check``
    refuses.
    """
    like = players[0].parameters[0]
    if isinstance(data, Dataset) and not isinstance(data, TensorDataset | IterableDataset):
        data = _read(data, name, like, size)
    if isinstance(data, IterableDataset):
        raise TypeError(f"{name} is an IterableDataset, whose length is not known; hand over a Dataset with __len__")
    if isinstance(data, DataLoader):
        if distributed.rank_and_world_size()[1] > 1:
            raise TypeError(
                f"{name} is a DataLoader, which every process would read whole: hand over tensors or arrays"
            )
        batches: Held | Streamed = Streamed(data, name, like)
        first = next(iter(data), None)
        if first is None:
            raise ValueError(f"{name} holds no examples: the DataLoader is empty")
        tensors = [_as_tensor(t, name, like) for t in (first if isinstance(first, list | tuple) else [first])]
    else:
        data = data.tensors if isinstance(data, TensorDataset) else data.x if isinstance(data, Data) else data
        tensors = [_as_tensor(t, name, like) for t in (data if isinstance(data, tuple | list) else [data])]
        batches = Held([t.detach().to(like.device).contiguous() for t in tensors], size)
    _check(tensors, name, like)
    _check_arguments(model, players[0].loss, tensors, name)
    if callable(refuse := getattr(model, "check", None)):
        refuse(*tensors)
    return batches


def check_last_batch(model: nn.Module, batches: Held | Streamed) -> None:
    """Raises ValueError where the last batch of an epoch is one example and a batch normalisation learns from it."""
    norms = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
    if isinstance(batches, Held) and any(isinstance(m, norms) for m in model.modules()):
        n = len(batches.tensors[0])
        if n % batches.size == 1 and any(isinstance(m, nn.BatchNorm1d) for m in model.modules()):
            raise ValueError(
                f"{n} examples in batches of {batches.size} leave a last batch of one, over which batch normalisation "
                f"has no variance; take another batch_size, or {n - 1} examples"
            )


def _read(data, name: str, like: Tensor, size: int):
    """A data set's examples as tensors, or a loader where they would not fit into half of the free memory."""
    try:
        example = default_collate([data[0]])
    except TypeError as error:
        raise TypeError(
            f"{name} gives examples that are no tensors, arrays or numbers ({error}): give the data set a transform, "
            f"such as torchvision's ToTensor"
        ) from error
    parts = example if isinstance(example, list | tuple) else [example]
    needed = len(data) * sum(t.element_size() * t.numel() for t in parts if isinstance(t, Tensor))
    if needed > _free_memory(like.device) / 2:
        return DataLoader(data, size, shuffle=name == "data", pin_memory=like.device.type == "cuda")
    whole = default_collate([data[i] for i in range(len(data))])
    return tuple(whole) if isinstance(whole, list | tuple) else whole


def _free_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf_names") else 8e9


def _as_tensor(t, name: str, like: Tensor) -> Tensor:
    if isinstance(t, np.ndarray):
        t = torch.from_numpy(np.ascontiguousarray(t))
        return t.to(like.dtype) if t.is_floating_point() else t
    if not isinstance(t, Tensor):
        wanted = "a tensor, a NumPy array, a repgen.Data, a tuple of these, a torch Dataset or a DataLoader"
        raise TypeError(f"{name} must be {wanted}, got {type(t).__name__}")
    return t


def _check(tensors: list[Tensor], name: str, like: Tensor) -> None:
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


def _check_arguments(model: nn.Module, loss, tensors: list[Tensor], name: str) -> None:
    """Raises TypeError where the loss takes more tensors than a batch has, or fewer."""
    parameters = [p for p in inspect.signature(loss).parameters.values() if p.name not in ("generator", "progress")]
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return
    least = sum(p.default is p.empty for p in parameters)
    if not least <= len(tensors) <= len(parameters):
        takes = ", ".join(p.name for p in parameters)
        raise TypeError(
            f"the loss of {type(model).__name__} takes ({takes}), but {name} has {len(tensors)} tensors an example"
        )


__all__ = ["Batch", "DataError", "Held", "Streamed", "check_last_batch", "make_batches"]
