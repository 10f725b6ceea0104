"""The file of a run: written whole after each epoch, read only if it is whole and of this very run."""

import hashlib
import re
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, NoneType

import filelock
import torch
from torch import nn

from repgen.files import write_whole
from repgen.training.distributed import on_main_process
from repgen.training.players import Stepper

FORMAT = "repgen checkpoint 2"
AGAIN = "pass resume=False to start again and overwrite it"
PLAIN = (bool, int, float, str, NoneType, tuple, list, partial, type, FunctionType, BuiltinFunctionType)


class CheckpointError(Exception):
    """A checkpoint that cannot be read, belongs to another run, or cannot be written."""


class Checkpoint:
    """The file of one training run, held by it alone; without a path, nothing at all.

    ``run`` is what must be equal for a resumed run to be the same run (see ``fingerprint``).
    """

    def __init__(self, path: str | Path | None, model: nn.Module, steppers: Sequence[Stepper], run: dict[str, str]):
        self.on, self.path = path is not None, Path(path or "none").expanduser().resolve()
        self.model, self.steppers, self.run = model, steppers, run
        self.before = attributes(model) if self.on else {}
        self.lock = filelock.FileLock(f"{self.path}.lock", timeout=0)

    def __enter__(self) -> "Checkpoint":
        """Raises CheckpointError now if nothing could be written there after hours of training."""
        if self.on:
            on_main_process(self._claim)
        return self

    def _claim(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_dir():
                raise IsADirectoryError("it is a folder")
            self.lock.acquire()
        except filelock.Timeout as error:
            raise self._error("is being written by another run; name another file") from error
        except OSError as error:
            advice = "Nothing was trained; name a file in a folder that you may write to"
            raise self._error(f"cannot be written: {error}. {advice}") from error

    def __exit__(self, *_) -> None:
        if self.lock.is_locked:
            Path(self.lock.lock_file).unlink(missing_ok=True)
            self.lock.release()

    def _error(self, what: str) -> CheckpointError:
        return CheckpointError(f"checkpoint {self.path} {what}")

    def save(self, history: dict, best: dict | None) -> None:
        """Writes everything a run needs to go on; the old checkpoint stays if this fails."""
        if not self.on:
            return
        now = attributes(self.model)
        constant = {name: said for name, said in self.before.items() if now.get(name) == said}
        state = {
            "format": FORMAT,
            "run": self.run | constant,  # not what the training changes, such as a count of calls
            "model": self.model.state_dict(),
            "optimizers": [stepper.optimizer.state_dict() for stepper in self.steppers],
            "history": history,
            "best": best,
        }
        on_main_process(lambda: self._write(state))

    def _write(self, state: dict) -> None:
        try:
            write_whole(self.path, lambda file: torch.save(state, file))
        except (OSError, RuntimeError) as error:  # torch may report a full disk as a RuntimeError
            kept = "That of the epoch before is untouched" if self.path.exists() else "There is none yet"
            advice = "the model keeps what it has learned. Make room and call fit again"
            raise self._error(f"could not be written: {error}. {kept}; {advice}") from error

    def load(self, epochs: int) -> tuple[dict, dict | None] | None:
        """Puts model and optimisers where the file has them; returns its history and best weights, None without a file.

        Raises CheckpointError for a file that is damaged, of another run, or of more than ``epochs``.
        """
        state = on_main_process(lambda: self._read() if self.on and self.path.exists() else None)
        if state is None:
            return None
        if (done := state["history"]["epochs"]) > epochs:
            raise self._error(f"holds {done} epochs and {epochs} were asked for; ask for as many or more, or {AGAIN}")
        self.model.load_state_dict(state["model"])
        for stepper, saved in zip(self.steppers, state["optimizers"], strict=True):
            stepper.optimizer.load_state_dict(saved)
        return state["history"], state["best"]

    def _read(self) -> dict:
        try:
            with zipfile.ZipFile(self.path) as archive:  # torch.save writes a zip, a CRC per entry
                if bad := archive.testzip():
                    raise zipfile.BadZipFile(f"entry {bad} does not match its checksum")
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except PermissionError as error:
            raise self._error(f"may not be read: {error}. Nothing was changed") from error
        except Exception as error:  # a damaged pickle may raise anything
            what = f"is cut short or damaged ({type(error).__name__}: {error})"
            raise self._error(f"{what}. Delete it, or {AGAIN}") from error
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise CheckpointError(f"{self.path} is no checkpoint of fit's ('{FORMAT}'). Name another file, or {AGAIN}")
        there, here = state["run"], self.run | {name: self.before[name] for name in self.before.keys() & state["run"]}
        pairs = [(name, there.get(name, "absent"), here.get(name, "absent")) for name in here | there]
        if lines := [f"{name}: {old} in the file, {new} now" for name, old, new in pairs if old != new]:
            shown = "\n  ".join(lines[:6] + ([f"and {len(lines) - 6} more"] if len(lines) > 6 else []))
            advice = f"Use the settings it was made with, name another file, or {AGAIN}"
            raise self._error(f"belongs to another run:\n  {shown}\n{advice}")
        return state


def fingerprint(model: nn.Module, steppers: Sequence[Stepper], data: Mapping, settings: Mapping) -> dict:
    """What must be equal for a resumed run to be the same run, in words that an error can show.

    Beside it stand the model's own ``attributes``. Every number of the data counts.
    """
    run: dict = {f"weights {name}": str(tuple(value.shape)) for name, value in model.state_dict().items()}
    run |= {"model": type(model).__name__, "layers": _hash(repr(model).encode())}
    names = {p: name for name, p in model.named_parameters()}
    for stepper in steppers:
        how = ("fused", "foreach", "capturable")  # fast, not what is computed
        options = {key: value for key, value in stepper.optimizer.defaults.items() if key not in how}
        run[f"optimizer of {stepper.name}"] = f"{type(stepper.optimizer).__name__} {options}, lr {stepper.base_lrs}"
        run[f"steps of {stepper.name}"] = str(stepper.player.steps)
        run[f"trained by {stepper.name}"] = ", ".join(names.get(p, "?") for p in stepper.parameters)
    for name, tensors in data.items():
        for i, t in enumerate(tensors):
            numbers = t.detach().cpu().contiguous().view(torch.uint8).numpy()
            run[f"{name} {i}"] = f"{t.dtype} {tuple(t.shape)} {_hash(numbers.data)}"
    return run | dict(settings)


def attributes(model: nn.Module) -> dict[str, str]:
    """The plain settings that a model and its parts hold: numbers, words, functions, by name."""
    found = {f"{place}.{name}": value for place, part in model.named_modules() for name, value in vars(part).items()}
    said = {name: re.sub(r" at 0x\w+", "", repr(value)) for name, value in found.items() if isinstance(value, PLAIN)}
    unsaid = re.compile(r"\._.*=|\.training=|<locals>|<lambda>")  # such a function has no name that says what it does
    return {name.lstrip("."): words for name, words in said.items() if not unsaid.search(f"{name}={words}")}


def _hash(content) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
