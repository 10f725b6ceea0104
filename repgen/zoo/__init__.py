"""Trained weights on record: with their recipe, metrics, seed, data, device, seconds, versions.

A model of the zoo is two files, NAME.safetensors and NAME.json, made by ``python -m repgen train
NAME`` from the recipe of that name in ``repgen/zoo/recipes``.
"""

import copy
import datetime
import hashlib
import importlib
import json
import os
import pkgutil
import platform
import re
from pathlib import Path
from types import ModuleType

import safetensors.torch
import torch
from torch import nn

from repgen.training import distributed
from repgen.zoo import recipes
from repgen.training.checkpoint import write_whole
from repgen.zoo.quantization import dequantize, quantize
from repgen.train import History

FOLDER = Path(__file__).parent / "weights"
FORMS = {"int8": 5e-3, "float16": 1e-3}  # what a metric may change by, as a share, where weights are stored so
LARGE = 300_000  # numbers in a model that is worth int8
BULK = 150_000  # numbers in a matrix that is: a narrow layer, as of a code, is small and feels rounding most


class ZooError(Exception):
    """A model that the zoo has not, or whose files are missing, damaged or altered."""


def names(folder: Path | str = FOLDER) -> list[str]:
    """The models that have been trained."""
    return sorted(path.stem for path in Path(folder).glob("*.json"))


def recipe_names() -> list[str]:
    """The models that there is a recipe for."""
    return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(recipes.__path__) if m.name[0] != "_")


def recipe(name: str) -> ModuleType:
    """The recipe as a module; ``inspect.getsource`` shows it."""
    if name not in recipe_names():
        raise ZooError(f"no model {name!r}: there are recipes for {', '.join(recipe_names())}")
    return importlib.import_module(f"repgen.zoo.recipes.{name.replace('-', '_')}")


def record(name: str, folder: Path | str = FOLDER) -> dict:
    """What is on record about a trained model."""
    path = Path(folder) / f"{name}.json"
    if name not in names(folder):
        recipe(name)
        raise ZooError(f"{name} has not been trained here (no {path}): python -m repgen train {name}")
    try:
        found = json.loads(path.read_text())
        return found if found["sha256"] is None else found | {"sha256": str(found["sha256"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ZooError(f"{path} is damaged ({type(error).__name__}: {error}); {_again(name)}") from error


def load_pretrained(name: str, device: torch.device | str = "cpu", folder: Path | str = FOLDER) -> nn.Module:
    """The trained model on a device, in eval mode and float32.

    Parameters
    ----------
    name : str
        A model of the zoo: see `names`.
    device : torch.device or str
        Where it goes.
    folder : Path or str
        Where its two files are: the package's zoo, unless you trained it yourself.

    Returns
    -------
    Module
        Of the class that its recipe builds.

    Raises
    ------
    ZooError
        If the weights are not, bit for bit, those that the record was made of, and for a model whose recipe keeps the
        record alone.

    Examples
    --------
    >>> model = load_pretrained("linear-ae-digits")
    >>> model.training, model.encode(torch.zeros(2, model.encoder.in_features)).shape[0]
    (False, 2)
    """
    expected = record(name, folder)["sha256"]
    if expected is None:
        raise ZooError(f"of {name} only the record is kept, zoo.record({name!r}); its weights are made by its recipe: zoo.recipe({name!r})")
    path = Path(folder) / f"{name}.safetensors"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ZooError(f"the weights {path} cannot be read ({error}); {_again(name)}") from error
    if (found := hashlib.sha256(data).hexdigest()) != expected:
        raise ZooError(
            f"the weights {path} were cut short or altered: {len(data):,} bytes with sha256 "
            f"{found[:12]}..., {expected[:12]}... on record; {_again(name)}"
        )
    model = _build(recipe(name), seed=0)
    try:
        model.load_state_dict(dequantize(safetensors.torch.load(data)))
    except RuntimeError as error:
        raise ZooError(f"the weights {path} do not fit the model of their recipe: {error}") from error
    return model.to(device).eval()


def train_recipe(
    name: str,
    *,
    folder: Path | str = FOLDER,
    device: torch.device | str = "cpu",
    seed: int = 0,
    force: bool = False,
    **options,
) -> dict:
    """Trains a model by its recipe, writes weights and record into folder, returns the record.

    ``options`` go to ``fit`` in place of the recipe's own. Weights are stored as float16 if that
    changes no metric by more than a thousandth, those of large models as int8 (``repgen.zoo.quantization``)
    if by no more than five thousandths; an estimate whose error bar is among the metrics ("low",
    "high") may move within that. The metrics are those of what is stored. A recipe with
    WEIGHTS = False is there for its figures: no weights are stored, the metrics are in float32;
    what its ``details(model, *data)`` returns, if it has one, goes into the record as JSON.
    Raises ZooError, before training, if the data are a stand-in (unless ``force``) or the folder
    cannot be written.
    """
    device, steps = torch.device(device), recipe(name)
    data = steps.data(device)
    if (missing := sorted({part.name for part in data if part.stand_in})) and not force:
        raise ZooError(
            f"the data {', '.join(missing)} are not here, and weights trained on a stand-in would "
            f"pass for the real ones; python -m repgen data fetch {missing[0]}"
        )
    folder = Path(folder)
    distributed.on_main_process(lambda: _check_writable(folder))
    model, history = _trained(steps, seed, device, data, options)
    about = {
        "name": name,
        "about": steps.__doc__.strip(),
        "recipe": f"repgen/zoo/recipes/{Path(steps.__file__).name}",
        "changed_settings": {key: value for key, value in options.items() if key not in ("progress", "checkpoint")},
        "seed": seed,
        "data": [{"name": d.name, "origin": d.origin, "stand_in": d.stand_in, "examples": len(d.x)} for d in data],
        "epochs": history.epochs,
        "seconds": round(history.seconds, 1),
        "processes": distributed.rank_and_world_size()[1],
        "machine": machine(device),
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    about["parameters"] = sum(p.numel() for p in model.parameters())
    keep = getattr(steps, "WEIGHTS", True)
    if not keep and hasattr(steps, "details"):
        with torch.no_grad():
            about["details"] = steps.details(model.eval(), *data)
    return distributed.on_main_process(lambda: _write(folder, name, model.eval(), lambda m: steps.measure(m, *data), about, keep))


def repeat_recipe(name: str, seed: int, *, folder: Path | str = FOLDER, device: torch.device | str = "cpu", **options) -> dict:
    """Trains a model of the zoo once more from another seed and adds its metrics to the record, under "repeats".

    The weights on record stay; ``options`` (progress, checkpoint, resume) go to ``fit``. Raises
    ZooError for a model that has no record yet, the seed of the record itself, other settings than
    the recipe's, and stand-in data.
    """
    folder, device, steps = Path(folder), torch.device(device), recipe(name)
    if seed == record(name, folder)["seed"]:
        raise ZooError(f"seed {seed} is that of {name} itself; name another")
    if changed := sorted(set(options) - {"progress", "checkpoint", "resume"}):
        raise ZooError(f"a repetition keeps the recipe's settings, found {', '.join(changed)}")
    data = steps.data(device)
    if any(part.stand_in for part in data):
        raise ZooError(f"the data of {name} are not here, and what a stand-in gives is no repetition")
    distributed.on_main_process(lambda: _check_writable(folder))
    model, history = _trained(steps, seed, device, data, options)
    with torch.no_grad():
        metrics = steps.measure(model.eval(), *data)

    def add() -> dict:
        about = record(name, folder)
        about["repeats"] = about.get("repeats", {}) | {str(seed): {"metrics": metrics, "seconds": round(history.seconds, 1)}}
        write_whole(folder / f"{name}.json", lambda file: file.write(json.dumps(about, indent=1).encode() + b"\n"))
        return about

    return distributed.on_main_process(add)


def _write(folder: Path, name: str, model: nn.Module, measure, about: dict, keep: bool) -> dict:
    with torch.no_grad():
        full = measure(model)
        data, metrics, form = _smallest(model, measure, full, about["parameters"] > LARGE) if keep else (None, full, None)
    about = about | {
        "metrics": metrics,
        "metrics_in_float32": full,
        "dtype": form,
        "bytes": len(data) if keep else 0,
        "sha256": hashlib.sha256(data).hexdigest() if keep else None,
    }
    text = json.dumps(about, indent=1).encode() + b"\n"
    try:
        if keep:
            write_whole(folder / f"{name}.safetensors", lambda file: file.write(data))
        write_whole(folder / f"{name}.json", lambda file: file.write(text))
    except OSError as error:
        raise ZooError(f"{name} is trained but could not be written to {folder}: {error}") from error
    return about


def _smallest(model: nn.Module, measure, full: dict, large: bool) -> tuple[bytes, dict, str]:
    """The weights in the fewest bits that keep the metrics, those metrics, and the form's name."""
    state = {key: value.detach() for key, value in model.state_dict().items()}
    rounded = copy.deepcopy(model)
    bar = (full["high"] - full["low"]) / 2 if {"low", "high"} <= full.keys() else 0.0
    for form in ("int8", "float16", "float32") if large else ("float16", "float32"):
        weights = quantize(state, form, BULK)
        rounded.load_state_dict(dequantize(weights))
        metrics = full if form == "float32" else measure(rounded)
        if all(abs(metrics[key] - full[key]) <= max(FORMS.get(form, 0) * abs(full[key]), bar) for key in full):
            break
    return safetensors.torch.save({key: value.cpu().contiguous().clone() for key, value in weights.items()}), metrics, form


def machine(device: torch.device) -> dict:
    """What a training ran on: processor, cores that may be used, and the GPU if it is one."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"model name\s*:\s*(.+)", info.read_text())):
        processor = found[1].strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {"processor": processor, "cores": cores, "device": gpu or device.type.upper()}


def _build(steps: ModuleType, seed: int) -> nn.Module:
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        return steps.build()


def _trained(steps: ModuleType, seed: int, device: torch.device, data: tuple, options: dict) -> tuple[nn.Module, History]:
    model = _build(steps, seed).to(device)
    with torch.random.fork_rng([]):  # a recipe may begin other models on its way
        torch.default_generator.manual_seed(seed)
        return model, steps.train(model, *data, seed=seed, **options)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / ".writable", lambda file: None)
        (folder / ".writable").unlink()
    except OSError as error:
        raise ZooError(f"{folder} cannot be written ({error}); name another folder (--out)") from error


def _again(name: str) -> str:
    return f"restore the two files of {name}, or make them again: python -m repgen train {name}"
