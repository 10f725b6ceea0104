"""Files that are written whole or not at all, and read only if they are whole and ours."""

import functools
import hashlib
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from repgen.training import distributed
from repgen.training.players import Stepper

try:
    import fcntl
except ImportError:  # Windows has no such locks: two runs on one file are not noticed there
    fcntl = None  # type: ignore[assignment] # a module elsewhere

FORMAT = "repgen checkpoint 2"


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
    """The file of one training run, held by it alone; without a path, nothing at all.

    ``run`` is what must be equal for a resumed run to be the same run (see ``fingerprint``).
    """

    def __init__(self, path: str | Path | None, model: nn.Module, steppers: Sequence[Stepper], run: Callable[[], dict]):
        self.on = path is not None
        self.path = Path(path or "none").expanduser().resolve()
        self.model, self.steppers, self.run = model, steppers, run() if self.on else {}

    def __enter__(self) -> "Checkpoint":
        """Raises CheckpointError now if nothing could be written there after hours of training."""
        self.before = attributes(self.model)
        if self.on:
            distributed.on_main_process(self._claim_path)
        return self

    def _claim_path(self) -> None:
        name = self.path.with_name(self.path.name + ".lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_dir():
                raise IsADirectoryError("it is a folder")
            self.lock = open(name, "wb")  # noqa: SIM115 # held until the run ends
            if fcntl:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CheckpointError(
                f"checkpoint {self.path} is being written by another run; name another file"
            ) from error
        except OSError as error:
            raise CheckpointError(
                f"checkpoint {self.path} cannot be written: {error}. Nothing was trained; name a "
                "file in a folder that you may write to"
            ) from error

    def __exit__(self, *_) -> None:
        if lock := getattr(self, "lock", None):
            Path(lock.name).unlink(missing_ok=True)
            lock.close()

    def save(self, history: dict, best: dict | None) -> None:
        """Writes everything a run needs to go on; the old checkpoint stays if this fails."""
        if not self.on:
            return
        now = attributes(self.model)
        constant = {name: value for name, value in self.before.items() if now.get(name) == value}
        state = {
            "format": FORMAT,
            "run": self.run | constant,  # not what the training changes, such as a count of calls
            "model": self.model.state_dict(),
            "optimizers": [stepper.optimizer.state_dict() for stepper in self.steppers],
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

    def load(self, resume: bool) -> tuple[dict, dict | None] | None:
        """Puts model and optimisers where the file has them; returns its history and best weights.

        None where there is no file, or none that should be used.
        """
        if not self.on or not resume:
            return None
        state = distributed.on_main_process(lambda: self._read() if self.path.exists() else None)
        if state is None:
            return None
        self.model.load_state_dict(state["model"])
        for stepper, saved in zip(self.steppers, state["optimizers"], strict=True):
            stepper.optimizer.load_state_dict(saved)
        return state["history"], state["best"]

    def _read(self) -> dict:
        again = "pass resume=False to start again and overwrite it"
        try:
            with zipfile.ZipFile(self.path) as archive:  # torch.save writes a zip, a CRC per entry
                if bad := archive.testzip():
                    raise zipfile.BadZipFile(f"entry {bad} does not match its checksum")
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except PermissionError as error:
            raise CheckpointError(f"checkpoint {self.path} may not be read: {error}. Nothing was changed") from error
        except Exception as error:  # a damaged pickle may raise anything
            raise CheckpointError(
                f"checkpoint {self.path} is cut short or damaged ({type(error).__name__}: {error}). "
                f"Delete it, or {again}"
            ) from error
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise CheckpointError(f"{self.path} is no checkpoint of fit's ('{FORMAT}'). Name another file, or {again}")
        here = self.run | {name: value for name, value in self.before.items() if name in state["run"]}
        if lines := _differences(state["run"], here):
            shown = "\n  ".join(lines[:6] + ([f"and {len(lines) - 6} more"] if len(lines) > 6 else []))
            raise CheckpointError(
                f"checkpoint {self.path} belongs to another run:\n  {shown}\nUse the settings it was "
                f"made with, name another file, or {again}"
            )
        return state


def _differences(there: dict, here: dict) -> list[str]:
    pairs = [(key, there.get(key, "absent"), here.get(key, "absent")) for key in here | there]
    return [f"{key}: {old} in the file, {new} now" for key, old, new in pairs if old != new]


def fingerprint(
    model: nn.Module, steppers: Sequence[Stepper], data: Mapping[str, Sequence[Tensor]], **settings
) -> dict:
    """What must be equal for a resumed run to be the same run, in words that an error can show.

    Beside it stand the model's own ``attributes``. Every number of the data counts.
    """
    run: dict = {f"weights {name}": str(tuple(value.shape)) for name, value in model.state_dict().items()}
    run |= {"model": type(model).__name__, "layers": hashlib.sha256(repr(model).encode()).hexdigest()[:12]}
    names = {p: name for name, p in model.named_parameters()}
    for stepper in steppers:
        ignored = ("fused", "foreach", "capturable")  # how fast, not what
        options = {k: v for k, v in stepper.optimizer.defaults.items() if k not in ignored}
        run[f"optimizer of {stepper.name}"] = f"{type(stepper.optimizer).__name__} {options}, lr {stepper.base_lrs}"
        run[f"steps of {stepper.name}"] = int(stepper.player.steps)
        run[f"trained by {stepper.name}"] = ", ".join(names.get(p, "?") for p in stepper.parameters)
    for name, tensors in data.items():
        for i, t in enumerate(tensors):
            numbers = t.detach().cpu().contiguous().view(torch.uint8).numpy()
            run[f"{name} {i}"] = f"{t.dtype} {tuple(t.shape)} {hashlib.sha256(numbers.data).hexdigest()[:12]}"
    return run | settings


def attributes(model: nn.Module) -> dict[str, str]:
    """The plain settings that a model and its parts hold: numbers, words, functions, by name."""
    found = {}
    for place, module in model.named_modules():
        for name, value in vars(module).items():
            if name[0] != "_" and name != "training" and (said := _describe(value)) is not None:
                found[f"{place}.{name}".lstrip(".")] = said
    return found


def _describe(value) -> str | None:
    if isinstance(value, bool | int | float | str) or value is None:
        return repr(value)
    if isinstance(value, tuple | list):
        parts = [_describe(part) for part in value]
        return None if None in parts else f"({', '.join(map(str, parts))})"
    if isinstance(value, functools.partial):
        return f"{_describe(value.func)} {value.args} {value.keywords}"
    name = getattr(value, "__qualname__", "<")  # a function's; of one made on the spot it says nothing
    return None if "<" in name else name
