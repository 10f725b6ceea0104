"""The losses of an epoch on record, and the error at the first that is not finite."""

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm.auto import tqdm

from repgen.training import distributed
from repgen.training.players import Stepper


class TrainingDiverged(ArithmeticError):
    """A loss or a weight became NaN or infinite; the attributes say where (counted from 1)."""

    def __init__(self, what: str, player: str, epoch: int, step: int, lr: float, last: float | None):
        self.player, self.epoch, self.step = player, epoch, step
        self.learning_rate, self.last_finite = lr, last
        before = "no loss was finite before it" if last is None else f"the last finite loss was {last:.6g}"
        super().__init__(
            f"{what} in epoch {epoch}, step {step} (player {player!r}, learning rate {lr:.3g}); {before}. "
            f"The model is back at its weights from the start of epoch {epoch}. Try a smaller learning rate "
            f"(lr={lr / 10:.1g}), grad_clip=1.0 or schedule=warmup_cosine(), or look in the loss for a log(0), a "
            "sqrt(0), a division by 0 or an exp that overflows"
        )


class LossMeter:
    """The losses of an epoch, kept on the device and read every few steps, not synced each step.

    Reading finds the first step whose loss is not finite, and moves the bar. Where there are several processes it also
    adds up their shares, and makes all ``stop`` if one was asked to.
    """

    def __init__(self, steppers: list[Stepper], epoch: int, every: int, bar: tqdm):
        self.steppers, self.epoch, self.every, self.bar = steppers, epoch, every, bar
        self.world, self.stop, self.shown = distributed.rank_and_world_size()[1], False, 0
        self.pending: list[tuple[Stepper, int, int, float, Tensor]] = []
        self.sums: Counter = Counter()
        self.examples: Counter = Counter()
        self.last: dict[str, float] = {}  # finite loss of each player

    def add(self, stepper: Stepper, step: int, losses: Sequence[Tensor], weight: float, examples: int, asked: bool):
        """Records a step's losses; raises TrainingDiverged at most ``every`` steps after a NaN."""
        values = torch.stack([loss.detach().to(losses[-1].dtype) for loss in losses])  # (fields,)
        self.pending.append((stepper, step, examples, stepper.lr, values * (weight / self.world)))
        if len(self.pending) >= self.every or (asked and self.world == 1):
            self.read(asked)

    def read(self, asked: bool) -> None:
        """Moves what is pending from the device to the sums; ``asked``: was there a Ctrl-C."""
        if not self.pending:
            return
        flag = self.pending[0][-1].new_tensor([float(asked)])
        block = torch.cat([*(values for *_, values in self.pending), flag])
        numbers = distributed.all_reduce(block).tolist()  # the one sync
        self.stop = numbers.pop() > 0
        for stepper, step, examples, lr, values in self.pending:
            mine, numbers = numbers[: len(values)], numbers[len(values) :]
            self.check(stepper, mine[0], "the loss", step + 1, lr)
            self.last[stepper.name] = mine[0]
            self.sums.update({name: value * examples for name, value in zip(stepper.recorded, mine, strict=True)})
            self.examples.update(dict.fromkeys(stepper.recorded, examples))
        self.pending.clear()
        if not self.bar.disable:  # it draws itself anew five times a second at most
            means = [f"{s.fields[0]} {self.mean(s.fields[0]):.5g}" for s in self.steppers if s.fields]
            self.bar.set_postfix_str(", ".join(means), refresh=False)
            self.bar.update(step + 1 - self.shown)
            self.shown = step + 1

    def check(self, stepper: Stepper, value: float, what: str, step: int, lr: float) -> None:
        """Raises TrainingDiverged if the value is not finite."""
        if not math.isfinite(value):
            last = self.last.get(stepper.name)
            raise TrainingDiverged(f"{what} became {value}", stepper.name, self.epoch, step, lr, last)

    def mean(self, field: str) -> float:
        return self.sums[field] / self.examples[field] if field in self.examples else math.nan

    def close(self, steps: int, asked: bool) -> dict[str, float]:
        """Reads the rest, looks at the weights, which the last step may have spoilt.

        Returns each field's mean over the examples of the epoch; NaN if its player made no step.
        """
        self.read(asked)
        for stepper in self.steppers:
            spoilt = not torch.stack([p.isfinite().all() for p in stepper.parameters]).all()
            self.check(stepper, math.nan if spoilt else 0, "a weight", steps, stepper.lr)
        return {field: self.mean(field) for stepper in self.steppers for field in stepper.recorded}
