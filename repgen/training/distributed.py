"""Several processes, one training run: torchrun starts them, PyTorch's DDP joins their gradients.

Everything here is the identity when there is one process.
"""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


def init_distributed(device: str | None = None) -> torch.device:
    """Joins the processes that torchrun started, if it did; returns this process's device.

    gloo joins CPUs, nccl joins GPUs (one for each process). Without torchrun: ``device``, or
    the GPU where there is one.
    """
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if "LOCAL_RANK" in os.environ:
        if chosen.type == "cuda":
            chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(chosen)
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return chosen


def shutdown() -> None:
    """Leaves the group that ``init_distributed`` joined."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank_and_world_size() -> tuple[int, int]:
    """This process's number and how many there are; (0, 1) when alone.

    Raises RuntimeError where torchrun started several and they have not joined: each would train a copy of its own.
    """
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "LOCAL_RANK" in os.environ:
        first = "first of all call device = repgen.training.distributed.init_distributed(), and put the model there"
        raise RuntimeError(f"torchrun started several processes that do not know of each other; {first}")
    return 0, 1


def shard(rows: Tensor, rank: int, world: int) -> tuple[Tensor, float]:
    """This process's rows of a global batch (B,), and the weight of their mean loss.

    DDP averages gradients over processes, so the weight (own rows x processes / B) makes the
    average that of the whole batch, also where the shares are unequal. A process left with no
    row computes one of another's with weight 0, because all must take part in the exchange.
    """
    if world == 1:
        return rows, 1.0
    mine = rows.tensor_split(world)[rank]
    return (mine, len(mine) * world / len(rows)) if len(mine) else (rows[:1], 0.0)


def all_reduce(values: Tensor) -> Tensor:
    """Sums a tensor over all processes, in place."""
    if dist.is_initialized():
        dist.all_reduce(values)
    return values


def on_main_process(call: Callable[[], T]) -> T:
    """Process 0 calls, all get what it returned, or raise what it raised."""
    if not dist.is_initialized():
        return call()
    told: list = [None, None]
    try:
        if dist.get_rank() == 0:
            told[0] = call()
    except Exception as error:
        told[1] = error
    dist.broadcast_object_list(told)
    if told[1] is not None:
        raise told[1]
    return told[0]


def broadcast_buffers(model: nn.Module) -> None:
    """Gives all processes the buffers (running means and the like) of process 0."""
    if dist.is_initialized():
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def ddp_loss(loss: Callable[..., T], parameters: Sequence[nn.Parameter]) -> Callable[..., T]:
    """The same loss, whose backward pass averages the parameters' gradients over processes."""
    if not dist.is_initialized():
        return loss
    return DistributedDataParallel(_Loss(loss, parameters))


class _Loss(nn.Module):
    """A loss as a module, which is what DDP wraps; it owns just the parameters it trains."""

    def __init__(self, loss: Callable, parameters: Sequence[nn.Parameter]):
        super().__init__()
        self.trained = nn.ParameterList(parameters)
        self.call = loss

    def forward(self, *batch: Tensor, **told):
        return self.call(*batch, **told)
