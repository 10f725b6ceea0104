"""The losses of an epoch on record, and the error at the first that is not finite."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

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
            f"The model is back at its weights from the start of epoch {epoch}. Try a smaller "
            f"learning rate (lr={lr / 10:.1g}), grad_clip=1.0 or schedule=warmup_cosine(), or look in the loss for "
            "log(0), sqrt(0), a division by 0 or exp of a large number"
        )


class LossMeter:
    """The losses of an epoch, kept on the device and read every few steps, not synced each step.

    Reading finds the first step whose loss is not finite. Where there are several processes it
    also adds up their shares, and makes all stop if one was asked to.
    """

    def __init__(self, steppers: list[Stepper], epoch: int, every: int, show: Callable[[int, object], None]):
        self.world = distributed.rank_and_world_size()[1]
        self.steppers, self.epoch, self.every, self.show = steppers, epoch, every, show
        self.pending: list[tuple[Stepper, int, int, float, Tensor]] = []
        self.sums: dict[str, float] = {}
        self.examples: dict[str, int] = {}
        self.last: dict[str, float] = {}  # finite loss of each player
        self.stop = False

    def add(self, stepper: Stepper, step: int, losses: Sequence[Tensor], weight: float, examples: int, asked: bool):
        """Records a step's losses; raises TrainingDiverged at most ``every`` steps after a NaN."""
        if self.every == 1:  # numbers at hand, on a CPU: nothing to gather
            self.stop = asked
            self._enter(stepper, step, examples, stepper.lr, [loss.item() for loss in losses])
            self.show(step + 1, self)
            return
        # (fields,)
        values = torch.stack([loss.detach().to(losses[-1].dtype) for loss in losses]) * (weight / self.world)
        self.pending.append((stepper, step, examples, stepper.lr, values))
        if len(self.pending) >= self.every:
            self.read(asked)

    def read(self, asked: bool) -> None:
        """Moves what is pending from the device to the sums; ``asked``: was there a Ctrl-C."""
        if not self.pending:
            return
        block = torch.cat(
            [*(values for *_, values in self.pending), torch.tensor([float(asked)]).to(self.pending[0][-1])]
        )
        numbers = distributed.all_reduce(block).tolist()  # the one sync
        self.stop = numbers[-1] > 0
        for stepper, step, examples, lr, values in self.pending:
            mine, numbers = numbers[: len(values)], numbers[len(values) :]
            self._enter(stepper, step, examples, lr, mine)
        self.pending.clear()
        self.show(step + 1, self)

    def _enter(self, stepper: Stepper, step: int, examples: int, lr: float, values: list[float]) -> None:
        if not math.isfinite(values[0]):
            what = f"the loss became {values[0]}"
            raise TrainingDiverged(what, stepper.name, self.epoch, step + 1, lr, self.last.get(stepper.name))
        self.last[stepper.name] = values[0]
        for field, value in zip(stepper.recorded, values, strict=True):
            self.sums[field] = self.sums.get(field, 0.0) + value * examples
            self.examples[field] = self.examples.get(field, 0) + examples

    def __str__(self) -> str:
        first = [stepper.fields[0] for stepper in self.steppers if stepper.fields]
        return ", ".join(f"{field} {self.mean(field):.5g}" for field in first)

    def mean(self, field: str) -> float:
        return self.sums.get(field, math.nan) / self.examples.get(field, 1)

    def close(self, steps: int, asked: bool) -> dict[str, float]:
        """Reads the rest, looks at the weights, which the last step may have spoilt.

        Returns each field's mean over the examples of the epoch; NaN if its player made no step.
        """
        self.read(asked)
        for stepper in self.steppers:
            if not torch.stack([p.isfinite().all() for p in stepper.parameters]).all():
                what, last = "a weight became NaN or infinite", self.last.get(stepper.name)
                raise TrainingDiverged(what, stepper.name, self.epoch, steps, stepper.lr, last)
        return {field: self.mean(field) for stepper in self.steppers for field in stepper.recorded}
