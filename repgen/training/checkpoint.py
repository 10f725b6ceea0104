"""Files that are written whole or not at all, and read only if they are whole and ours."""

import hashlib
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import torch
from torch import nn

from repgen.training import distributed
from repgen.training.players import Stepper

FORMAT = "repgen checkpoint 1"


class CheckpointError(Exception):
    """A checkpoint that cannot be read, belongs to another run, or cannot be written."""


def write_whole(path: Path, save: Callable[[BinaryIO], object]) -> None:
    """Calls save(file) on a sibling of path, then puts it in path's place in one step.

    A reader, or a run killed at any moment, finds the old file or the new one, never a part.
    """
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            save(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class Checkpoint:
    """The file of one training run; ``run`` is what must be equal for it to be the same run."""

    def __init__(self, path: Path, run: dict):
        """Raises CheckpointError now if nothing could be written there after hours of training."""
        self.path, self.run = path, run
        distributed.on_main_process(self._probe)

    def _probe(self) -> None:
        part = self.path.with_name(self.path.name + ".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_dir():
                raise IsADirectoryError("it is a folder")
            part.write_bytes(b"can this be written?")
            part.unlink()
        except OSError as error:
            raise CheckpointError(
                f"checkpoint {self.path} cannot be written: {error}. Nothing was trained; name a "
                "file in a folder that you may write to"
            ) from error

    def save(self, model: nn.Module, steppers: Sequence[Stepper], history: dict, best: dict | None) -> None:
        """Writes everything a run needs to go on; the old checkpoint stays if this fails."""
        state = {
            "format": FORMAT,
            "run": self.run,
            "model": model.state_dict(),
            "optimizers": [stepper.optimizer.state_dict() for stepper in steppers],
            "history": history,
            "best": best,
        }
        distributed.on_main_process(lambda: self._write(state))

    def _write(self, state: dict) -> None:
        try:
            write_whole(self.path, lambda file: torch.save(state, file))
        except (OSError, RuntimeError) as error:  # torch may report a full disk as a RuntimeError
            kept = "That of the epoch before is untouched" if self.path.exists() else "There is none yet"
            raise CheckpointError(
                f"checkpoint {self.path} could not be written: {error}. {kept}; the model keeps what "
                "it has learned. Make room and call fit again"
            ) from error

    def load(self, model: nn.Module, steppers: Sequence[Stepper]) -> tuple[dict, dict] | None:
        """Puts model and optimisers where the file has them; returns its history and best weights.

        None where there is no file.
        """
        state = distributed.on_main_process(lambda: self._read() if self.path.exists() else None)
        if state is None:
            return None
        model.load_state_dict(state["model"])
        for stepper, saved in zip(steppers, state["optimizers"], strict=True):
            stepper.optimizer.load_state_dict(saved)
        return state["history"], state["best"]

    def _read(self) -> dict:
        again = "pass resume=False to start again and overwrite it"
        try:
            with zipfile.ZipFile(self.path) as archive:  # torch.save writes a zip, a CRC per entry
                if bad := archive.testzip():
                    raise zipfile.BadZipFile(f"entry {bad} does not match its checksum")
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged pickle may raise anything
            raise CheckpointError(
                f"checkpoint {self.path} is cut short or damaged ({type(error).__name__}: {error}). "
                f"Delete it, or {again}"
            ) from error
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise CheckpointError(f"{self.path} is no checkpoint of fit's ('{FORMAT}'). Name another file")
        if lines := _differences(state["run"], self.run):
            shown = "\n  ".join(lines[:6] + ([f"and {len(lines) - 6} more"] if len(lines) > 6 else []))
            raise CheckpointError(
                f"checkpoint {self.path} belongs to another run:\n  {shown}\nUse the settings it was "
                f"made with, name another file, or {again}"
            )
        return state


def _differences(there: dict, here: dict) -> list[str]:
    pairs = [(key, there.get(key, "absent"), here.get(key, "absent")) for key in here | there]
    return [f"{key}: {old} in the file, {new} now" for key, old, new in pairs if old != new]


def fingerprint(model: nn.Module, steppers: Sequence[Stepper], data: dict, **settings) -> dict:
    """What must be equal for a resumed run to be the same run, in words that an error can show."""
    run = {f"weights {name}": str(tuple(value.shape)) for name, value in model.state_dict().items()}
    for stepper in steppers:
        ignored = ("fused", "foreach", "capturable")  # how fast, not what
        options = {k: v for k, v in stepper.optimizer.defaults.items() if k not in ignored}
        run[f"optimizer of {stepper.name}"] = f"{type(stepper.optimizer).__name__} {options}, lr {stepper.base_lrs}"
        run[f"steps of {stepper.name}"] = stepper.player.steps
    for name, tensors in data.items():
        for i, t in enumerate(tensors):
            some = t[[0, len(t) // 2, -1]].cpu().contiguous().numpy().tobytes()
            run[f"{name} {i}"] = f"{t.dtype} {tuple(t.shape)} {hashlib.sha256(some).hexdigest()[:12]}"
    return run | settings
