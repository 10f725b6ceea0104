"""Trained weights on record: with their recipe, metrics, seed, data, device, seconds, versions.

A model of the zoo is two files, NAME.safetensors and NAME.json, made by ``python -m repgen train
NAME`` from the recipe of that name in ``repgen/zoo/recipes``: a module with the functions ``data``,
``build``, ``train`` and ``measure``.
"""

import hashlib
import importlib
import json
import os
import pkgutil
from pathlib import Path
from types import ModuleType

import safetensors.torch
import torch
from torch import nn

from repgen.zoo import recipes
from repgen.zoo.make import machine, repeat_recipe, train_recipe
from repgen.zoo.quantization import FORMS, dequantize

__all__ = [
    "FOLDER",
    "FORMS",
    "ZooError",
    "build",
    "load_pretrained",
    "machine",
    "names",
    "recipe",
    "recipe_names",
    "record",
    "repeat_recipe",
    "train_recipe",
    "user_folder",
]
FOLDER = Path(__file__).parent / "weights"  # the models that come with the package


class ZooError(Exception):
    """A model that the zoo has not, or whose recipe or files are incomplete, damaged or altered."""


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


def user_folder() -> Path:
    """Where the models that you train go: the folder REPGEN_ZOO, or else my-zoo where you are."""
    return Path(os.environ.get("REPGEN_ZOO") or "my-zoo").expanduser()


def record(name: str, folder: Path | str = FOLDER) -> dict:
    """What is on record about a trained model."""
    path = Path(folder) / f"{name}.json"
    if name not in names(folder):
        recipe(name)
        raise ZooError(f"{name} has not been trained here (no {path}): {_command(name, folder)}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if found["sha256"] is None else found | {"sha256": str(found["sha256"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ZooError(f"{path} is damaged ({type(error).__name__}: {error}); {_again(name, folder)}") from error


def load_pretrained(name: str, device: torch.device | str = "cpu", folder: Path | str = FOLDER) -> nn.Module:
    """The trained model on a device, in eval mode and float32: that which came with the package, or that in ``folder``.

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
    folder = Path(folder)
    expected = record(name, folder)["sha256"]
    if expected is None:
        raise ZooError(
            f"of {name} only the record is kept, zoo.record({name!r}); its weights are made by its recipe: "
            f"zoo.recipe({name!r})"
        )
    path = folder / f"{name}.safetensors"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ZooError(f"the weights {path} cannot be read ({error}); {_again(name, folder)}") from error
    if (found := hashlib.sha256(data).hexdigest()) != expected:
        raise ZooError(
            f"the weights {path} were cut short or altered: {len(data):,} bytes with sha256 "
            f"{found[:12]}..., {expected[:12]}... on record; {_again(name, folder)}"
        )
    model = build(recipe(name), seed=0)
    try:
        model.load_state_dict(dequantize(safetensors.torch.load(data)))
    except RuntimeError as error:
        raise ZooError(f"the weights {path} do not fit the model of their recipe: {error}") from error
    if folder.resolve() != FOLDER.resolve():
        print(f"{name}: not the weights of the book, but those of {folder}")
    return model.to(device).eval()


def build(steps: ModuleType, seed: int) -> nn.Module:
    """An untrained model of a recipe; torch's own generator is left as it was."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        return steps.build()


def _command(name: str, folder: Path | str) -> str:
    where = "--publish" if Path(folder).resolve() == FOLDER.resolve() else f"--out {folder}"
    return f"python -m repgen train {name} {where}"


def _again(name: str, folder: Path | str) -> str:
    return f"restore the two files of {name}, or make them again: {_command(name, folder)}"
