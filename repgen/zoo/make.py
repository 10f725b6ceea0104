"""How a model gets into the zoo: trained by its recipe, measured, and put on record."""

import datetime
import hashlib
import json
import os
import platform
import re
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from repgen import zoo
from repgen.files import write_whole
from repgen.train import History, fit
from repgen.training import distributed
from repgen.zoo.quantization import find_smallest

PARTS = ("data", "build", "train", "measure")  # of a recipe
HOW = {"progress", "checkpoint", "resume"}  # options that change nothing of what is learned


def train_recipe(
    name: str,
    *,
    folder: Path | str | None = None,
    device: torch.device | str = "cpu",
    seed: int = 0,
    force: bool = False,
    **options,
) -> dict:
    """Trains a model by its recipe, writes weights and record into folder, returns the record.

    ``folder``: that of ``user_folder`` if none is given; FOLDER replaces what came with the package.
    ``options`` go to ``fit`` in place of the recipe's own; where a recipe pretrains, epochs,
    batch_size and lr are those of the fine-tuning, and each stage of several has a checkpoint of
    its own beside the one named. Weights are stored as float16 if that changes no metric by more
    than a thousandth, those of large models as int8 (``repgen.zoo.quantization``) if by no more
    than five thousandths; an estimate whose error bar is among the metrics ("low", "high") may
    move within that. The metrics are those of what is stored. A recipe with WEIGHTS = False is
    there for its figures: no weights are stored, the metrics are in float32; what its
    ``details(model, *data)`` returns, if it has one, goes into the record as JSON.
    Raises ZooError, before training, if the recipe lacks a part or has no use for an option, if
    the data are a stand-in (unless ``force``), or if the folder cannot be written.
    """
    device, steps = torch.device(device), zoo.recipe(name)
    _check(name, steps, seed, options, device)
    data = steps.data(device)
    if (missing := sorted({part.name for part in data if part.stand_in})) and not force:
        raise zoo.ZooError(
            f"the data {', '.join(missing)} are not here, and weights trained on a stand-in would "
            f"pass for the real ones; python -m repgen data fetch {missing[0]}"
        )
    folder = zoo.user_folder() if folder is None else Path(folder)
    distributed.on_main_process(lambda: _check_writable(folder))
    model, history = _train(steps, seed, device, data, options)
    about = {
        "name": name,
        "about": (steps.__doc__ or "").strip(),
        "recipe": f"repgen/zoo/recipes/{Path(steps.__file__ or '').name}",
        "changed_settings": {key: value for key, value in options.items() if key not in HOW},
        "seed": seed,
        "data": [{"name": d.name, "origin": d.origin, "stand_in": d.stand_in, "examples": len(d.x)} for d in data],
        "epochs": history.epochs,
        "seconds": round(history.seconds, 1),
        "processes": distributed.rank_and_world_size()[1],
        "machine": machine(device),
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    model.eval()
    return distributed.on_main_process(lambda: _write(folder, name, model, steps, data, about))


def repeat_recipe(
    name: str, seed: int, *, folder: Path | str | None = None, device: torch.device | str = "cpu", **options
) -> dict:
    """Trains a model of the zoo once more from another seed and adds its metrics to the record, under "repeats".

    The weights on record stay; ``folder`` is as in ``train_recipe``, and ``options`` (progress,
    checkpoint, resume) go to ``fit``. Raises ZooError for a model that has no record yet, the seed
    of the record itself, other settings than the recipe's, and stand-in data.
    """
    folder = zoo.user_folder() if folder is None else Path(folder)
    device, steps = torch.device(device), zoo.recipe(name)
    if seed == zoo.record(name, folder)["seed"]:
        raise zoo.ZooError(f"seed {seed} is that of {name} itself; name another")
    if changed := sorted(set(options) - HOW):
        raise zoo.ZooError(f"a repetition keeps the recipe's settings, found {', '.join(changed)}")
    _check(name, steps, seed, options, device)
    data = steps.data(device)
    if any(part.stand_in for part in data):
        raise zoo.ZooError(f"the data of {name} are not here, and what a stand-in gives is no repetition")
    distributed.on_main_process(lambda: _check_writable(folder))
    model, history = _train(steps, seed, device, data, options)
    with torch.no_grad():
        metrics = steps.measure(model.eval(), *data)

    def add() -> dict:
        about = zoo.record(name, folder)
        repeat = {"metrics": metrics, "seconds": round(history.seconds, 1)}
        about["repeats"] = about.get("repeats", {}) | {str(seed): repeat}
        write_whole(folder / f"{name}.json", lambda file: file.write(json.dumps(about, indent=1).encode() + b"\n"))
        return about

    return distributed.on_main_process(add)


def machine(device: torch.device) -> dict:
    """What a training ran on: processor, cores that may be used, and the GPU if it is one."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"model name\s*:\s*(.+)", info.read_text())):
        processor = found[1].strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {"processor": processor, "cores": cores, "device": gpu or device.type.upper()}


class _Probe(nn.Module):
    """The smallest model that ``fit`` trains."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1))

    def loss(self, x, generator=None):
        return (self.w - x).square().mean()


def _check(name: str, steps: ModuleType, seed: int, options: dict, device: torch.device) -> None:
    """Finds what is wrong with a recipe or with the options before hours are spent on its first stage."""
    if lacking := [part for part in PARTS if not callable(getattr(steps, part, None))]:
        raise zoo.ZooError(f"the recipe of {name} lacks {', '.join(lacking)}; it must have {', '.join(PARTS)}")
    given = {key for key, value in options.items() if value is not None} | ({"seed"} if seed else set())
    if fixed := sorted(given & set(getattr(steps, "FIXED", ()))):
        raise zoo.ZooError(f"the recipe of {name} leaves no choice of {', '.join(fixed)}; see zoo.recipe({name!r})")
    epochs = options.get("epochs", 0)
    trial = options | {"epochs": 0 if isinstance(epochs, int) and epochs > 0 else epochs}
    fit(
        _Probe().to(device),
        torch.zeros(1, 1, device=device),
        **trial | {"seed": seed, "checkpoint": None, "progress": False},
    )


def _train(steps: ModuleType, seed: int, device: torch.device, data: tuple, options: dict) -> tuple[nn.Module, History]:
    model = zoo.build(steps, seed).to(device)
    with torch.random.fork_rng([]):  # a recipe may begin other models on its way
        torch.default_generator.manual_seed(seed)
        return model, steps.train(model, *data, seed=seed, **options)


def _write(folder: Path, name: str, model: nn.Module, steps: ModuleType, data: tuple, about: dict) -> dict:
    keep = getattr(steps, "WEIGHTS", True)
    try:
        about, weights = _measure(model, steps, data, about, keep)
        text = json.dumps(about, indent=1).encode() + b"\n"
    except Exception as error:  # a fault of the recipe: the hours before it are not to be lost
        path, state = folder / f"{name}.unmeasured.pt", model.state_dict()
        write_whole(path, lambda file: torch.save(state, file))
        raise zoo.ZooError(
            f"{name} is trained but could not be measured ({type(error).__name__}: {error}); "
            f"its weights, a state_dict, are kept in {path}"
        ) from error
    try:
        if keep:
            write_whole(folder / f"{name}.safetensors", lambda file: file.write(weights))
        write_whole(folder / f"{name}.json", lambda file: file.write(text))
    except OSError as error:
        raise zoo.ZooError(f"{name} is trained but could not be written to {folder}: {error}") from error
    return about


@torch.no_grad()
def _measure(model: nn.Module, steps: ModuleType, data: tuple, about: dict, keep: bool) -> tuple[dict, bytes]:
    """The whole record, and the bytes of the weights if they are kept."""
    if not keep and hasattr(steps, "details"):
        about = about | {"details": steps.details(model, *data)}
    full = steps.measure(model, *data)
    weights, metrics, form = b"", full, None
    if keep:
        weights, metrics, form = find_smallest(model, lambda m: steps.measure(m, *data), full)
    found = {"metrics": metrics, "metrics_in_float32": full, "dtype": form, "bytes": len(weights)}
    return about | found | {"sha256": hashlib.sha256(weights).hexdigest() if keep else None}, weights


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / ".writable", lambda file: None)
        (folder / ".writable").unlink()
    except OSError as error:
        raise zoo.ZooError(f"{folder} cannot be written ({error}); name another folder (--out)") from error
