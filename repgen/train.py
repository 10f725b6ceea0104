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

from repgen._fast import inside_fit
from repgen.training import distributed
from repgen.training.amp import EVERY, flush_denormals, matmul_precision, resolve_amp
from repgen.training.batches import check_last_batch, make_batches
from repgen.training.checkpoint import Checkpoint, CheckpointError, fingerprint
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
    epochs: int  # done, those before a resumption included
    seconds: float  # likewise
    stopped: str  # "finished", or "early": no better validation loss for `patience` epochs
    # counted from 1, by the validation loss; with patience, the weights are of this epoch
    best_epoch: int | None = None


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
    epochs, batch_size, seed = _check_counts(epochs=(epochs, 0), batch_size=(batch_size, 1), seed=(seed, 0))
    _check_settings(lr, schedule, validation, patience, grad_clip, compile)
    players, (rank, world) = players_of(model), distributed.rank_and_world_size()
    device = players[0].parameters[0].device
    amp = resolve_amp(amp, device)
    train = make_batches(model, players, data, "data", batch_size)
    held_out = None if validation is None else make_batches(model, players, validation, "validation", batch_size)
    check_last_batch(model, train)
    total, most = epochs * len(train), max(p.steps for p in players)  # steps; of the player with the most
    compile = device.type == "cuda" and total >= 2000 if compile == "auto" else compile
    steppers = [Stepper(p, model, players, float(lr), optimizer, device, amp, compile, grad_clip) for p in players]

    def identity() -> dict:  # of the run, for its checkpoint
        shape = schedule and f"{[round(schedule(f / 64), 6) for f in range(65)]} over {epochs} epochs"
        settings = {"batch_size": batch_size, "seed": seed, "schedule": shape, "amp": amp, "grad_clip": grad_clip}
        tensors = {"data": train.tensors, "validation": held_out.tensors if held_out else []}
        return fingerprint(model, steppers, tensors, **settings)

    history, best = History({}, {}, 0, 0.0, "finished"), None
    # steps a look at the losses
    generator, every = torch.Generator(device), 1 if device.type == "cpu" and world == 1 else 25
    # tqdm's own, in a notebook, ignores it
    hidden = not progress or rank != 0 or os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    bar = tqdm(total=total, unit="step", mininterval=0.2, disable=hidden)
    everyone = steppers[0].parameters + steppers[0].others
    with (
        Checkpoint(checkpoint, model, steppers, identity) as saved,
        bar,
        matmul_precision(amp),
        inside_fit(),
        preserve_state(model, everyone, device),
        Interrupt() as interrupt,
    ):
        if found := saved.load(resume):
            history, best = History(**found[0]), found[1]
        if history.epochs > epochs:
            raise CheckpointError(
                f"checkpoint {checkpoint} holds {history.epochs} epochs and {epochs} were asked for; "
                "ask for as many or more, or pass resume=False to start again and overwrite it"
            )
        earlier = history.seconds
        while history.epochs < epochs and not _is_exhausted(history, patience):
            epoch, done = history.epochs + 1, history.epochs * len(train)
            meter = LossMeter(steppers, epoch, every, _shown_by(bar, f"epoch {epoch}/{epochs}", done))
            start = _copy(model)
            seed_generator(generator, seed, epoch, 1, rank)
            seed_torch(device, seed, epoch, 2, rank)
            model.train()
            try:
                for step, batch in enumerate(train.shuffle(seed, epoch)):
                    fraction = (done + step) / total
                    factor = 1.0 if schedule is None else schedule(fraction)
                    for stepper in steppers:
                        if stepper.is_due(done + step, most):
                            losses = stepper.backward(batch.tensors, generator, fraction, factor, batch.weight)
                            meter.add(stepper, step, losses, batch.weight, batch.examples, interrupt.asked)
                            stepper.optimizer.step()
                            if device.type == "cpu" and (done + step) % EVERY == 0:
                                flush_denormals(stepper.optimizer)
                    if meter.stop or (interrupt.asked and world == 1):
                        meter.close(step + 1, True)
                        raise _stopped(history, f"epoch {epoch}, step {step + 1} of {len(train)}", checkpoint)
                means = meter.close(len(train), interrupt.asked)
                measured = _evaluate(model, steppers, held_out, seed, generator, meter) if held_out else {}
            except TrainingDiverged:
                model.load_state_dict(start)
                raise
            distributed.broadcast_buffers(model)
            history = _extended(history, means, measured, earlier + time.perf_counter() - began)
            if history.best_epoch == epoch:
                best = _copy(model)
            if _is_exhausted(history, patience):
                history = history._replace(stopped="early")
            saved.save(history._asdict(), best)
            if meter.stop or (interrupt.asked and world == 1):
                raise _stopped(history, f"the end of epoch {epoch}", checkpoint)
    if patience is not None and best is not None:
        model.load_state_dict(best)
    return history


def _check_counts(**counts: tuple[int, int]) -> list[int]:
    for name, (value, least) in counts.items():
        if not isinstance(value, Integral) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return [int(value) for value, _ in counts.values()]


def _check_settings(lr, schedule, validation, patience, grad_clip, compile) -> None:
    for name, value in (("lr", lr), *([] if grad_clip is None else [("grad_clip", grad_clip)])):
        if not (isinstance(value, Real) and 0 < float(value) < math.inf):
            raise ValueError(f"{name} must be a positive number, got {value!r}")
    if patience is not None and (not isinstance(patience, Integral) or patience < 1 or validation is None):
        raise ValueError(f"patience must be at least 1 and needs validation data to watch, got {patience!r}")
    if compile not in (True, False, "auto"):
        raise ValueError(f'compile must be True, False or "auto", got {compile!r}')
    if schedule is not None and not callable(schedule):
        raise TypeError(f"schedule is a callable from 0..1 to a factor of lr, such as repgen.cosine; got {schedule!r}")
    for at in range(65) if schedule else ():
        if not 0 <= (factor := schedule(at / 64)) < math.inf:
            raise ValueError(
                f"schedule must give factors of lr, 0 or more; at {at / 64:.3g} of the training it gives {factor}"
            )


def _is_exhausted(history: History, patience: int | None) -> bool:
    return patience is not None and history.best_epoch is not None and history.epochs - history.best_epoch >= patience


def _shown_by(bar: tqdm, epoch: str, done: int) -> Callable[[int, object], None]:
    """What shows the losses in the bar, five times a second at most."""
    shown = 0.0

    def show(step: int, losses: object) -> None:
        nonlocal shown
        if (now := time.perf_counter()) - shown > 0.2 or done + step == bar.total:
            shown = now
            bar.set_description_str(epoch, refresh=False)
            bar.set_postfix_str(str(losses), refresh=False)
            bar.update(done + step - bar.n)

    return show


@torch.no_grad()
def _evaluate(model, steppers, held_out, seed, generator, meter) -> dict[str, float]:
    """Each field's mean over held-out data, the same draws after every epoch."""
    rank, world = distributed.rank_and_world_size()
    model.eval()
    sums = torch.zeros(())
    for number, batch in enumerate(held_out):
        if number % world != rank and number != 0:  # all take the first, so that all know the fields
            continue
        fields = []
        for stepper in steppers:
            seed_generator(generator, seed, number, 3)
            seed_torch(generator.device, seed, number, 4)
            fields += stepper.losses(batch.tensors, generator, stepper.player.loss)
        examples = batch.examples if number % world == rank else 0
        sums = sums.to(fields[0].device) + torch.stack([*fields, torch.ones_like(fields[0])]) * examples
    *total, examples = distributed.all_reduce(sums).tolist()
    names = [name for stepper in steppers for name in stepper.fields]
    measured = {name: value / examples for name, value in zip(names, total, strict=True)}
    for stepper in steppers:
        if not math.isfinite(value := measured[stepper.fields[0]]):
            what, last = f"the validation loss became {value}", meter.last.get(stepper.name)
            raise TrainingDiverged(what, stepper.name, meter.epoch, len(held_out), stepper.lr, last)
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


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _stopped(history: History, where: str, checkpoint: str | Path | None) -> KeyboardInterrupt:
    saved = (
        "there is no checkpoint"
        if checkpoint is None or history.epochs == 0
        else f"the checkpoint {checkpoint} holds epoch {history.epochs}, and the same call goes on from there"
    )
    error = KeyboardInterrupt(f"stopped at {where}; the model keeps what it has learned, {saved}")
    error.history = history  # type: ignore[attr-defined] # for who catches it
    return error
