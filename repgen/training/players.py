"""Who steps in training: players, each with its parameters, its loss and its optimiser."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor, nn

from repgen.training import distributed


class Player(NamedTuple):
    """One side of the game that a model plays: what it may change, and what it wants small.

    ``loss(*batch, generator=g)`` returns a scalar, the mean over the batch, or a NamedTuple of
    scalars whose first field is minimised and whose others are recorded. A loss with a parameter
    ``progress`` is told how far the training has gone, from 0 at its first step towards 1. While
    one player steps, the parameters of the others are constants. Of every max(steps) batches a
    player steps on the last ``steps``: with steps 5 and 1 the first trains on five fresh batches
    for one step of the second (Goodfellow et al. 2014, algorithm 1).
    """

    name: str
    parameters: Sequence[nn.Parameter]
    loss: Callable
    steps: int = 1
    lr: float | None = None  # None: the lr given to fit
    optimizer: str | Callable | None = None  # None: the optimizer given to fit


def players_of(model: nn.Module) -> list[Player]:
    """The players of a model: what ``model.players()`` says, or one with all its parameters."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"fit trains a torch.nn.Module, got {type(model).__name__}")
    kind = type(model).__name__
    if callable(several := getattr(model, "players", None)):
        players = [p._replace(parameters=list(p.parameters)) for p in several()]
    elif callable(loss := getattr(model, "loss", None)):
        players = [Player("model", list(model.parameters()), loss)]
    else:
        raise TypeError(f"{kind} has neither a method loss(batch, generator=g) nor players()")
    if not players or len({p.name for p in players}) < len(players):
        raise ValueError(f"{kind}.players() must name at least one player, each by its own name")
    for p in players:
        if not any(parameter.requires_grad for parameter in p.parameters):
            raise ValueError(f"player {p.name!r} of {kind} has no parameters that can be trained")
        if not isinstance(p.steps, Integral) or p.steps < 1:
            raise ValueError(f"player {p.name!r} of {kind} must take a step or more, a whole number; got {p.steps}")
    return players


class Stepper:
    """A player ready to step: its optimiser, and its loss compiled, cast and shared as asked."""

    def __init__(self, player, model, players, lr, optimizer, device, amp=False, compile=False, grad_clip=None):
        self.player, self.name, self.grad_clip = player, player.name, grad_clip
        self.parameters = [p for p in player.parameters if p.requires_grad]
        everyone = {*model.parameters(), *(p for other in players for p in other.parameters)}
        self.others = [p for p in everyone - set(self.parameters) if p.requires_grad]
        self.lr = lr if player.lr is None else player.lr
        self.optimizer = make_optimizer(player.optimizer or optimizer, self.parameters, self.lr)
        self.base_lrs = [group["lr"] for group in self.optimizer.param_groups]
        self.prefix = f"{player.name}." if len(players) > 1 else ""
        self.fields: list[str] = []  # of the loss, known after the first step
        self.loss = distributed.ddp_loss(torch.compile(player.loss) if compile else player.loss, self.parameters)
        self.cast = torch.autocast(device.type, torch.bfloat16) if amp is True else nullcontext()
        self.wants_progress = "progress" in inspect.signature(player.loss).parameters

    def is_due(self, step: int, most: int) -> bool:
        """Whether it steps on this batch, counted from 0; ``most`` are the steps of the player with the most."""
        return step % most >= most - self.player.steps

    def losses(self, batch: Sequence[Tensor], generator: torch.Generator, loss: Callable, **told) -> Sequence[Tensor]:
        """The fields of the loss on a batch, the one to minimise first."""
        with self.cast:
            output = loss(*batch, generator=generator, **told)
        alone = isinstance(output, Tensor)
        values = (output,) if alone else output
        if self.fields:
            return values
        names = ("loss",) if alone else getattr(output, "_fields", ())
        if not names or not all(isinstance(v, Tensor) and v.ndim == 0 for v in values):
            found = f"{type(output).__name__}{f' of shape {tuple(output.shape)}' if alone else ''}"
            wanted = "a scalar tensor, the mean over the batch, or a NamedTuple of scalar tensors"
            raise ValueError(f"the loss of player {self.name!r} must be {wanted}; got a {found}")
        self.fields = [self.prefix + name for name in names]
        return values

    def backward(self, batch, generator: torch.Generator, progress: float, factor: float, weight: float):
        """The losses of a batch, their gradient taken: the others hold still, the rate is ``factor`` times lr.

        With ``grad_clip`` the gradient is made that long at most, and its length before is the last of the losses.
        """
        for p in self.others:
            p.requires_grad_(False)
        for p in self.parameters:
            p.requires_grad_(True).grad = None
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = lr * factor
        self.lr = self.base_lrs[0] * factor
        values = list(self.losses(batch, generator, self.loss, **{"progress": progress} if self.wants_progress else {}))
        if not values[0].requires_grad:
            raise ValueError(f"the loss of player {self.name!r} does not depend on its parameters")
        (values[0] if weight == 1 else values[0] * weight).backward()
        if self.grad_clip is not None:
            values.append(nn.utils.clip_grad_norm_(self.parameters, self.grad_clip))
        return values

    @property
    def recorded(self) -> list[str]:
        """The names of what ``backward`` returns."""
        return self.fields + ([self.prefix + "grad_norm"] if self.grad_clip is not None else [])


def make_optimizer(kind: str | Callable, parameters: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    """Adam, plain gradient descent ("sgd"), or what a callable (parameters, lr) returns."""
    if callable(kind):
        optimizer = kind(parameters, lr)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"optimizer(parameters, lr) must return a torch optimizer, got {type(optimizer).__name__}")
        return optimizer
    known = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    if kind not in known:
        raise ValueError(f"optimizer must be 'adam', 'sgd' or a callable (parameters, lr), got {kind!r}")
    fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters)
    return known[kind](parameters, lr, fused=fused)  # one kernel: a fifth to a third faster on a CPU
