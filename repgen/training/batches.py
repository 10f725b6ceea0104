"""Data as batches on the model's device: held there where they fit, streamed where they do not."""

import inspect
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from repgen.datasets.tensors import check_tensors, read_dataset, to_tensors
from repgen.training.distributed import rank_and_world_size, shard
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
        order = torch.randperm(len(self.tensors[0]), generator=seed_generator(torch.Generator(), *key))
        for rows in order.to(self.tensors[0].device).split(self.size):
            mine, weight = shard(rows, *rank_and_world_size())
            yield Batch([t.index_select(0, mine) for t in self.tensors], weight, len(rows))

    def __iter__(self) -> Iterator[Batch]:
        """The batches in their order, whole, in each process."""
        for tensors in zip(*(t.split(self.size) for t in self.tensors), strict=True):
            yield Batch(list(tensors), 1.0, len(tensors[0]))


class Streamed:
    """A DataLoader's batches, moved to the device one by one.

    Its order is its own: torch's generator, which ``fit`` seeds for each epoch, decides what a sampler without a
    generator draws.
    """

    tensors: tuple[Tensor, ...] = ()  # none that could be compared with those of a checkpoint

    def __init__(self, loader: DataLoader, name: str, like: Tensor):
        self.loader, self.name, self.like = loader, name, like

    def __len__(self) -> int:
        return len(self.loader)

    def shuffle(self, *key: int) -> Iterator[Batch]:
        return iter(self)

    def __iter__(self) -> Iterator[Batch]:
        for item in self.loader:
            tensors = to_tensors(item, self.name, self.like)
            yield Batch([t.to(self.like.device, non_blocking=True) for t in tensors], 1.0, len(tensors[0]))


def make_batches(model: nn.Module, players: list[Player], data, name: str, size: int) -> Held | Streamed:
    """Batches of ``size`` examples of data that were checked in one pass.

    ``data``: a tensor or NumPy array (N, ...), a repgen.Data (its images), a tuple of such of equal length, a torch
    Dataset (read once and held on the device where it fits into half of the free memory, else streamed) or a
    DataLoader (streamed). Raises TypeError and ValueError for all else, for data that the model's ``check`` refuses,
    and for a last batch of one example where batch normalisation learns from it.
    """
    like, loader = players[0].parameters[0], None
    if isinstance(data, Dataset) and not isinstance(data, TensorDataset):
        data = read_dataset(data, name, like.device, size, shuffle=name == "data")
    if isinstance(data, DataLoader):
        if rank_and_world_size()[1] > 1:
            raise TypeError(
                f"{name} is a DataLoader, which every process would read whole: hand over tensors or arrays"
            )
        loader, data = data, next(iter(data), ())
    tensors = to_tensors(data, name, like)
    check_tensors(tensors, name, like)
    _check_arguments(model, players[0].loss, tensors, name)
    if callable(refuse := getattr(model, "check", None)):
        refuse(*tensors)
    if loader is not None:
        return Streamed(loader, name, like)
    n, normalised = len(tensors[0]), any(isinstance(module, nn.BatchNorm1d) for module in model.modules())
    if n % size == 1 and normalised and name == "data":
        left = f"{n} examples in batches of {size} leave a last batch of one, over which batch normalisation has no"
        raise ValueError(f"{left} variance; take another batch_size, or {n - 1} examples")
    return Held([t.detach().to(like.device).contiguous() for t in tensors], size)


def _check_arguments(model: nn.Module, loss: Callable, tensors: list[Tensor], name: str) -> None:
    """Raises TypeError where the loss takes more tensors than a batch has, or fewer."""
    signature = inspect.signature(loss)
    told = {key: None for key in ("generator", "progress") if key in signature.parameters}
    try:
        signature.bind(*tensors, **told)
    except TypeError as error:
        takes = ", ".join(key for key in signature.parameters if key not in told)
        have = f"the loss of {type(model).__name__} takes ({takes}), but {name} has {len(tensors)} tensors an example"
        raise TypeError(have) from error
