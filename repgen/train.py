"""``fit``: the one training loop, for every family of models."""

import math
import os
import time
from collections.abc import Callable
from copy import deepcopy
from numbers import Integral, Real
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from tqdm.auto import tqdm

from repgen._fast import inside_fit
from repgen.training.amp import EVERY, flush_denormals, matmul_precision, resolve_amp
from repgen.training.batches import make_batches
from repgen.training.checkpoint import Checkpoint, CheckpointError, fingerprint
from repgen.training.distributed import broadcast_buffers, rank_and_world_size
from repgen.training.interrupt import Interrupt
from repgen.training.meter import LossMeter, TrainingDiverged
from repgen.training.players import Player, Stepper, players_of
from repgen.training.rng import preserve_state, seed_generator, seed_torch

__all__ = ["CheckpointError", "History", "Player", "TrainingDiverged", "cosine", "fit", "warmup_cosine"]


class History(NamedTuple):
    """What ``fit`` saw. ``training["loss"][e]`` is the mean over the examples of epoch e + 1.

    The names are the fields of the loss, after "player." where there are several players; with
    ``grad_clip`` also "grad_norm", the gradient's length before it was clipped.
    """

    training: dict[str, list[float]]
    validation: dict[str, list[float]]
    epochs: int = 0  # done, those before a resumption included
    seconds: float = 0.0  # likewise
    stopped: str = "finished"  # or "early": no better validation loss for `patience` epochs
    best_epoch: int | None = None  # from 1, by the validation loss; with patience, the weights are of this epoch


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
    grad_clip: float | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    resume: bool = True,
    amp: bool | str = False,
    compile: bool | str = False,
    progress: bool = True,
) -> History:
    """Trains a model in place and returns what happened.

    A shuffled batch goes to ``model.loss(*batch, generator=g)``, or to the losses of ``model.players()`` where the
    model has several players (see `Player`). A loss with a parameter ``progress`` is told how far the training has
    gone, from 0 towards 1: for KL annealing, noise that falls and the like. The last batch of an epoch may be smaller.

    All randomness (the order, the generator given to the losses, torch's own for dropout) is a function of ``seed`` and
    the epoch. Under torchrun, after ``repgen.training.distributed.init_distributed()``, every process calls ``fit``
    with the same arguments and takes its share of each batch; process 0 shows the bar and writes.

    Parameters
    ----------
    model : Module
        Anything with ``loss`` or ``players``.
    data
        A tensor or NumPy array (N, ...), a `Data` (its images), a tuple of such of equal length, a torch Dataset (held
        on the device where it fits into half of the free memory, else streamed) or a DataLoader (streamed).
    epochs, batch_size : int
        Passes through the data, and examples a step.
    lr : float
        The learning rate, of each player that has none of its own.
    optimizer : str or callable
        "adam", "sgd", or (parameters, lr) -> torch optimizer.
    schedule : callable, optional
        From the fraction of the training done, 0 to 1, to a factor of lr: `cosine`, `warmup_cosine()`.
    validation : optional
        Held-out data, evaluated after each epoch in eval mode, with the same draws every time.
    patience : int, optional
        Stops once the validation loss (the first player's) has not improved for that many epochs, and gives the model
        back its best weights.
    grad_clip : float, optional
        The length that each player's gradient is cut to; the history then holds it as it was before, "grad_norm".
    seed : int
        Of the order and of the generator given to the losses.
    checkpoint : str or Path, optional
        A file written after each epoch. If it is there, training goes on from it: on a CPU to the same bits. Without a
        schedule a finished run may be extended.
    resume : bool
        False starts anew although the checkpoint is there.
    amp : bool or str
        True for forward passes in bfloat16; "matmul" for matrix products of rounded entries (bfloat16 on a CPU, TF32 on
        a GPU); "auto" for what pays on the model's device.
    compile : bool or str
        torch.compile the losses; "auto" does so on a GPU if the training is long enough to earn it back.
    progress : bool
        A bar. The environment variable TQDM_DISABLE=1 hides all bars.

    Returns
    -------
    History
        The losses of every epoch by name, the epochs done, the seconds.

    Raises
    ------
    TrainingDiverged
        At the step where a loss or a weight is NaN or infinite.
    CheckpointError
        For a checkpoint that cannot be read, is another run's, or cannot be written.
    ValueError, TypeError
        For bad input, before the first step wherever that is possible.
    KeyboardInterrupt
        At Ctrl-C, after the current step; the model stays as it is then.

    Examples
    --------
    >>> from repgen import LinearAutoencoder, load_data
    >>> digits = load_data("digits", size=8)
    >>> model = LinearAutoencoder(64, 10)
    >>> history = fit(model, digits, epochs=3, lr=1e-2, progress=False)
    >>> history.epochs, len(history.training["loss"])
    (3, 3)
    >>> history.training["loss"][-1] < history.training["loss"][0]
    True
    """
    began = time.perf_counter()
    _check_settings(epochs, batch_size, seed, lr, schedule, validation, patience, grad_clip, compile)
    epochs, batch_size, seed = int(epochs), int(batch_size), int(seed)
    players, (rank, world) = players_of(model), rank_and_world_size()
    device = players[0].parameters[0].device
    amp = resolve_amp(amp, device)
    train = make_batches(model, players, data, "data", batch_size)
    held_out = None if validation is None else make_batches(model, players, validation, "validation", batch_size)
    total, most = epochs * len(train), max(p.steps for p in players)  # steps; of the player with the most
    compile = device.type == "cuda" and total >= 2000 if compile == "auto" else compile
    steppers = [Stepper(p, model, players, float(lr), optimizer, device, amp, compile, grad_clip) for p in players]
    run = {}  # what makes a resumed run the same run
    if checkpoint is not None:
        shape = schedule and f"{[round(schedule(f / 64), 6) for f in range(65)]} over {epochs} epochs"
        settings = {"batch_size": batch_size, "seed": seed, "schedule": shape, "amp": amp, "grad_clip": grad_clip}
        tensors = {"data": train.tensors, "validation": held_out.tensors if held_out else ()}
        run = fingerprint(model, steppers, tensors, settings)

    generator, every = torch.Generator(device), 1 if device.type == "cpu" and world == 1 else 25  # steps a look
    hidden = not progress or rank != 0 or os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    with (
        Checkpoint(checkpoint, model, steppers, run) as saved,
        tqdm(total=total, unit="step", mininterval=0.2, disable=hidden) as bar,
        matmul_precision(amp),
        inside_fit(),
        preserve_state(model, steppers[0].parameters + steppers[0].others),
        Interrupt() as interrupt,
    ):
        found, best = (saved.load(epochs) if resume else None) or ({"training": {}, "validation": {}}, None)
        history = History(**found)
        before = history.seconds
        for epoch in range(history.epochs + 1, epochs + 1):
            if _is_exhausted(history, patience):
                break
            first = (epoch - 1) * len(train)  # step of the epoch
            start = deepcopy(model.state_dict())
            meter = LossMeter(steppers, epoch, every, bar)
            bar.set_description_str(f"epoch {epoch}/{epochs}", refresh=False)
            bar.update(first - bar.n)
            seed_generator(generator, seed, epoch, 1, rank)
            seed_torch(seed, epoch, 2, rank)
            model.train()
            try:
                for step, batch in enumerate(train.shuffle(seed, epoch)):
                    done = (first + step) / total
                    factor = 1.0 if schedule is None else schedule(done)
                    for stepper in (s for s in steppers if s.is_due(first + step, most)):
                        losses = stepper.backward(batch.tensors, generator, done, factor, batch.weight)
                        meter.add(stepper, step, losses, batch.weight, batch.examples, interrupt.asked)
                        stepper.optimizer.step()
                        if device.type == "cpu" and (first + step) % EVERY == 0:
                            flush_denormals(stepper.optimizer)
                    if meter.stop:
                        meter.close(step + 1, True)
                        raise _stopped(history, f"epoch {epoch}, step {step + 1} of {len(train)}", checkpoint)
                means = meter.close(len(train), interrupt.asked)
                measured = _evaluate(model, steppers, held_out, seed, generator, meter) if held_out else {}
            except TrainingDiverged:
                model.load_state_dict(start)
                raise
            broadcast_buffers(model)
            history = _extended(history, means, measured, before + time.perf_counter() - began)
            if history.best_epoch == epoch:
                best = deepcopy(model.state_dict())
            if _is_exhausted(history, patience):
                history = history._replace(stopped="early")
            saved.save(history._asdict(), best)
            if meter.stop or (interrupt.asked and world == 1):
                raise _stopped(history, f"the end of epoch {epoch}", checkpoint)
    if patience is not None and best is not None:
        model.load_state_dict(best)
    return history


def _check_settings(epochs, batch_size, seed, lr, schedule, validation, patience, grad_clip, compile) -> None:
    for name, value, least in (("epochs", epochs, 0), ("batch_size", batch_size, 1), ("seed", seed, 0)):
        if not isinstance(value, Integral) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    for name, value in (("lr", lr), ("grad_clip", 1.0 if grad_clip is None else grad_clip)):
        if not (isinstance(value, Real) and 0 < float(value) < math.inf):
            raise ValueError(f"{name} must be a positive number, got {value!r}")
    if patience is not None and (not isinstance(patience, Integral) or patience < 1 or validation is None):
        raise ValueError(f"patience must be at least 1 and needs validation data to watch, got {patience!r}")
    if compile not in (True, False, "auto"):
        raise ValueError(f'compile must be True, False or "auto", got {compile!r}')
    if schedule is not None and not callable(schedule):
        raise TypeError(f"schedule is a callable from 0..1 to a factor of lr, such as repgen.cosine; got {schedule!r}")
    for at in [k / 64 for k in range(65)] if schedule else []:
        if not 0 <= (factor := schedule(at)) < math.inf:
            raise ValueError(f"schedule must give factors of lr, 0 or more; at {at:.3g} of the way it gives {factor}")


def _is_exhausted(history: History, patience: int | None) -> bool:
    return patience is not None and history.best_epoch is not None and history.epochs - history.best_epoch >= patience


@torch.no_grad()
def _evaluate(model, steppers, held_out, seed, generator, meter) -> dict[str, float]:
    """Each field's mean over held-out data, the same draws after every epoch; each process takes all of them."""
    model.eval()
    sums, examples = torch.zeros((), device=generator.device), 0
    for number, batch in enumerate(held_out):
        fields = []
        for stepper in steppers:
            seed_generator(generator, seed, number, 3)
            seed_torch(seed, number, 4)
            fields += stepper.losses(batch.tensors, generator, stepper.player.loss)
        sums, examples = sums + torch.stack(fields) * batch.examples, examples + batch.examples
    names = [name for stepper in steppers for name in stepper.fields]
    measured = dict(zip(names, (sums / examples).tolist(), strict=True))
    for stepper in steppers:
        meter.check(stepper, measured[stepper.fields[0]], "the validation loss", len(held_out), stepper.lr)
    return measured


def _extended(history: History, training: dict, validation: dict, seconds: float) -> History:
    """The history with one more epoch."""

    def longer(old: dict, new: dict) -> dict:
        unseen = [math.nan] * history.epochs
        return {name: old.get(name, unseen) + [new.get(name, math.nan)] for name in old | new}

    training, validation = longer(history.training, training), longer(history.validation, validation)
    watched: list[float] = next(iter(validation.values()), [])
    best = len(watched) if watched and not watched[-1] >= min(watched[:-1], default=math.inf) else history.best_epoch
    return History(training, validation, history.epochs + 1, seconds, "finished", best)


def _stopped(history: History, where: str, checkpoint: str | Path | None) -> KeyboardInterrupt:
    kept = f"the checkpoint {checkpoint} holds epoch {history.epochs}, and the same call goes on from there"
    saved = kept if checkpoint is not None and history.epochs else "there is no checkpoint"
    error = KeyboardInterrupt(f"stopped at {where}; the model keeps what it has learned, {saved}")
    error.history = history  # type: ignore[attr-defined] # for who catches it
    return error
