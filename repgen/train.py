"""``fit``: the one training loop, for every family of models."""

import math
import os
import time
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from repgen.training import denormals, distributed
from repgen.training.rng import Interrupt, preserve_state, seed_torch, seeded
from repgen.training.checkpoint import Checkpoint, CheckpointError, fingerprint
from repgen.datasets import check
from repgen.training.meter import LossMeter, TrainingDiverged
from repgen.training.players import Player, Stepper, players_of
from repgen.training.amp import matmul_precision, resolve_amp

__all__ = ["CheckpointError", "History", "Player", "TrainingDiverged", "cosine", "fit", "warmup_cosine"]


class History(NamedTuple):
    """What ``fit`` saw. ``training["loss"][e]`` is the mean over the examples of epoch e + 1.

    The names are the fields of the loss, after "player." where there are several players.
    """

    training: dict[str, list[float]]
    validation: dict[str, list[float]]
    epochs: int  # done, those before a resumption included
    seconds: float  # likewise
    stopped: str  # "finished", or "early": no better validation loss for `patience` epochs
    best_epoch: int | None = None  # counted from 1; with patience, the weights are of this epoch


def cosine(fraction: float) -> float:
    """A schedule: lr falls to 0 along half a cosine (Loshchilov & Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * fraction))


def warmup_cosine(warmup: float = 0.05) -> Callable[[float], float]:
    """A schedule: a linear rise over the first ``warmup`` of the training, then ``cosine``."""
    if not 0 < warmup < 1:
        raise ValueError(f"warmup is a fraction of the training, between 0 and 1, got {warmup}")
    return lambda f: f / warmup if f < warmup else cosine((f - warmup) / (1 - warmup))


def fit(
    model: nn.Module,
    data,
    *,
    epochs: int = 10,
    batch_size: int = 128,
    lr: float = 1e-3,
    optimizer: str | Callable = "adam",
    schedule: Callable[[float], float] | None = None,
    validation=None,
    patience: int | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    resume: bool = True,
    amp: bool | str = False,
    compile: bool | str = False,
    progress: bool = True,
) -> History:
    """Trains a model in place, on data held on the model's device.

    ``data``: a tensor (N, ...), a repgen.Data (its images), or a tuple of tensors of equal
    length. A shuffled batch of each goes to ``model.loss(*batch, generator=g)``, or to the losses
    of ``model.players()`` where the model has that method (see ``Player``). The last batch of an
    epoch may be smaller.

    ``optimizer``: "adam", "sgd", or a callable (parameters, lr) -> torch optimizer.
    ``schedule``: a callable from the fraction of the training done, 0 to 1, to a factor of lr
    (``cosine``, ``warmup_cosine()``).
    ``validation``: held-out data, evaluated after each epoch in eval mode. With ``patience``,
    training stops once the loss (the first player's) has not improved for that many epochs, and
    the model is given back its best weights.
    ``checkpoint``: a file written after each epoch; if it is there, training goes on from it. On
    the CPU a run that was killed and resumed gives the same weights bit for bit, because all
    randomness (the order, the generator given to the losses, torch's own for dropout) is a
    function of ``seed`` and the epoch. Without a schedule, a finished run may be extended.
    ``amp``: True for forward passes in bfloat16; "matmul" for matrix products of rounded entries
    (bfloat16 on a CPU, TF32 on a GPU) and all else in float32, which changes nothing where the
    processor has no units for it; "auto" for what pays on the model's device (see
    ``repgen.training.amp.resolve_amp``). ``compile``: torch.compile the losses; "auto" does so on a GPU if
    the training is long enough (2,000 steps) to earn back the compilation.
    ``progress``: a bar; the environment variable TQDM_DISABLE=1 hides all bars.

    Under torchrun every process calls ``fit`` with the same arguments and takes its share of each
    batch; process 0 shows the bar and writes.

    Ctrl-C ends the current step, leaves the model as it is then and raises KeyboardInterrupt.
    Raises TrainingDiverged at a NaN, CheckpointError, and ValueError or TypeError for bad input,
    before the first step wherever that is possible.
    """
    began = time.perf_counter()
    _check_settings(epochs, batch_size, lr, validation, patience, seed, compile)
    rank, world = distributed.rank_and_world_size()
    players = players_of(model)
    like = players[0].parameters[0]
    device = like.device
    amp = resolve_amp(amp, device)
    tensors = _tensors(data, "data", like)
    held_out = [] if validation is None else _tensors(validation, "validation", like)
    steps = math.ceil(len(tensors[0]) / batch_size)  # in an epoch
    history, best = History({}, {}, 0, 0.0, "finished"), None
    if epochs == 0:
        return history
    if compile == "auto":
        compile = device.type == "cuda" and steps * epochs >= 2000
    steppers = [Stepper(p, model, players, lr, optimizer, device, amp, compile) for p in players]
    saved = None
    if checkpoint is not None:
        shape = schedule and f"{[round(schedule(f / 8), 6) for f in range(8)]} over {epochs} epochs"
        settings = {"batch_size": batch_size, "seed": seed, "schedule": shape}
        run = fingerprint(model, steppers, {"data": tensors, "validation": held_out}, **settings)
        saved = Checkpoint(Path(checkpoint), run)
        if resume and (found := saved.load(model, steppers)):
            history, best = History(**found[0]), found[1]
        if history.epochs > epochs:
            raise CheckpointError(
                f"checkpoint {checkpoint} holds {history.epochs} epochs and {epochs} were asked for; "
                "ask for as many or more, or pass resume=False to start again and overwrite it"
            )

    def exhausted() -> bool:
        return patience is not None and best is not None and history.epochs - history.best_epoch >= patience

    def show(step: int, losses: str) -> None:
        bar.set_description_str(f"epoch {history.epochs + 1}/{epochs}", refresh=False)
        bar.set_postfix_str(losses, refresh=False)
        bar.update(history.epochs * steps + step - bar.n)

    earlier = history.seconds
    generator = torch.Generator(device)
    every = 1 if device.type == "cpu" and world == 1 else 25  # steps between two looks at the losses
    together = max(p.steps for p in players)  # see Player
    disabled = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")  # tqdm's own bar in a notebook ignores it
    hidden = disabled or not progress or rank != 0
    bar = tqdm(total=steps * epochs, initial=history.epochs * steps, unit="step", mininterval=0.2, disable=hidden)
    everyone = steppers[0].parameters + steppers[0].others
    with bar, matmul_precision(amp), preserve_state(model, everyone, device), Interrupt() as interrupt:
        while history.epochs < epochs and not exhausted():
            epoch, done = history.epochs + 1, history.epochs * steps
            meter = LossMeter(steppers, epoch, every, show)
            start = _copy(model)
            order = torch.randperm(len(tensors[0]), generator=seeded(torch.Generator(), seed, epoch))
            seeded(generator, seed, epoch, 1, rank)
            seed_torch(device, seed, epoch, 2, rank)
            model.train()
            try:
                for step, rows in enumerate(order.to(device).split(batch_size)):
                    factor = 1.0 if schedule is None else schedule((done + step) / (steps * epochs))
                    mine, weight = distributed.shard(rows, rank, world)
                    batch = [t.index_select(0, mine) for t in tensors]
                    for stepper in steppers:
                        if (done + step) % together < together - stepper.player.steps:
                            continue
                        stepper.prepare(factor)
                        losses = stepper.losses(batch, generator, stepper.loss)
                        meter.add(stepper, step, losses, weight, len(rows), interrupt.asked)
                        stepper.step(losses[0], weight)
                        if device.type == "cpu" and (done + step) % denormals.EVERY == 0:
                            denormals.forget(stepper.optimizer)
                    if meter.stop or (interrupt.asked and world == 1):
                        meter.close(step + 1, True)
                        raise _stopped(history, f"epoch {epoch}, step {step + 1} of {steps}", checkpoint)
                means = meter.close(steps, interrupt.asked)
                measured = _evaluate(model, steppers, held_out, batch_size, seed, generator) if held_out else {}
                for stepper in steppers if measured else []:
                    if not math.isfinite(value := measured[stepper.fields[0]]):
                        what, last = f"the validation loss became {value}", meter.last.get(stepper.name)
                        raise TrainingDiverged(what, stepper.name, epoch, steps, stepper.lr, last)
            except TrainingDiverged:
                model.load_state_dict(start)
                raise
            distributed.broadcast_buffers(model)
            history = _extended(history, means, measured, earlier + time.perf_counter() - began)
            if patience is not None:
                watched = next(iter(history.validation.values()))
                if best is None or watched[-1] < min(watched[:-1]):
                    best, history = _copy(model), history._replace(best_epoch=epoch)
            if exhausted():
                history = history._replace(stopped="early")
            if saved is not None:
                saved.save(model, steppers, history._asdict(), best)
            if meter.stop or (interrupt.asked and world == 1):
                raise _stopped(history, f"the end of epoch {epoch}", checkpoint)
    if patience is not None and best is not None:
        model.load_state_dict(best)
    return history


def _check_settings(epochs, batch_size, lr, validation, patience, seed, compile) -> None:
    for name, value, least in (("epochs", epochs, 0), ("batch_size", batch_size, 1), ("seed", seed, 0)):
        if not isinstance(value, Integral) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    if not (isinstance(lr, Real) and 0 < lr < math.inf):
        raise ValueError(f"lr must be a positive number, got {lr!r}")
    if patience is not None and (not isinstance(patience, Integral) or patience < 1 or validation is None):
        raise ValueError(f"patience must be at least 1 and needs validation data to watch, got {patience!r}")
    if compile not in (True, False, "auto"):
        raise ValueError(f'compile must be True, False or "auto", got {compile!r}')


def _tensors(data, name: str, like: Tensor) -> list[Tensor]:
    """The data as tensors of equal length on the model's device, checked in one pass."""
    data = getattr(data, "x", data)
    tensors = list(data) if isinstance(data, tuple | list) else [data]
    for t in tensors:
        if not isinstance(t, Tensor):
            hint = "; torch.from_numpy makes one of an array" if hasattr(t, "__array__") else ""
            raise TypeError(
                f"{name} must be a tensor, a repgen.Data or a tuple of tensors, got {type(t).__name__}{hint}"
            )
    if not tensors or any(t.ndim == 0 or len(t) == 0 for t in tensors):
        raise ValueError(f"{name} holds no examples: shapes {[tuple(t.shape) for t in tensors]}")
    if len({len(t) for t in tensors}) > 1:
        raise ValueError(f"the tensors of {name} differ in length: {[len(t) for t in tensors]}")
    for t in tensors:
        if t.is_floating_point():
            check(t, name)
            if t.dtype != like.dtype:
                raise TypeError(f"{name} is {t.dtype}, the model {like.dtype}; convert it with .to({like.dtype})")
    return [t.detach().to(like.device).contiguous() for t in tensors]


@torch.no_grad()
def _evaluate(model, steppers, tensors, batch_size, seed, generator) -> dict[str, float]:
    """Each field's mean over held-out data, the same draws after every epoch."""
    rank, world = distributed.rank_and_world_size()
    model.eval()
    batches = list(zip(*(t.split(batch_size) for t in tensors)))
    sums = []
    for number in range(rank, len(batches), world) or [0]:  # a process without a batch counts as 0
        fields = []
        for stepper in steppers:
            seeded(generator, seed, number, 3)
            seed_torch(generator.device, seed, number, 4)
            fields += stepper.losses(batches[number], generator, stepper.player.loss)
        sums.append(torch.stack(fields) * (len(batches[number][0]) if rank < len(batches) else 0))
    total = distributed.all_reduce(torch.stack(sums).sum(0)) / len(tensors[0])
    return dict(zip((name for stepper in steppers for name in stepper.fields), total.tolist()))


def _extended(history: History, training: dict, validation: dict, seconds: float) -> History:
    def longer(old: dict, new: dict) -> dict:
        unseen = [math.nan] * history.epochs
        return {name: old.get(name, unseen) + [new.get(name, math.nan)] for name in old | new}

    return history._replace(
        training=longer(history.training, training),
        validation=longer(history.validation, validation),
        epochs=history.epochs + 1,
        seconds=seconds,
        stopped="finished",
    )


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _stopped(history: History, where: str, checkpoint: Path | None) -> KeyboardInterrupt:
    saved = (
        "there is no checkpoint"
        if checkpoint is None or history.epochs == 0
        else f"the checkpoint {checkpoint} holds epoch {history.epochs}, and the same call goes on from there"
    )
    error = KeyboardInterrupt(f"stopped at {where}; the model keeps what it has learned, {saved}")
    error.history = history
    return error
