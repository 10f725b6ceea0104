"""Every recipe: killed in any of its stages and called again, it ends at the same bits; and what it may import."""

import ast
import os
import re
import sys
from itertools import groupby
from pathlib import Path

import pytest
import torch

from repgen import zoo
from repgen.datasets import Data
from repgen.train import fit
from repgen.zoo import ZooError
from repgen.zoo.recipes import _toy_gans

FOLDER = Path(zoo.recipes.__path__[0])
TRICKS = (
    "nothing",
    "noise, taken back",
    "Adam begun anew 25 times",
    "averaged weights, 0.995",
    "spectral normalisation",
)
SHAPES = {
    "mnist": (1, 28, 28),
    "curves": (1, 28, 28),
    "digits": (1, 8, 8),
    "face_patches": (1, 25, 25),
    "faces": (1, 64, 64),
}
SMALL = {"linear-ae-faces": (1, 32, 32), "vae-faces32": (1, 32, 32)}


class Killed(BaseException):
    """As by a power cut: nobody catches it."""


def made_up(name):
    """As many data sets as the recipe asks for, of a few examples each."""
    sets = []
    for i, part in enumerate(zoo.record(name)["data"]):
        n, shape = (2560, (2,)) if part["name"] in ("ring", "grid") else (20, SMALL.get(name) or SHAPES[part["name"]])
        x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(i))
        sets.append(Data(x, torch.arange(n) % 10, part["name"], "made up"))
    return tuple(sets)


@pytest.fixture
def shorten(monkeypatch):
    """Two epochs a stage, on nets of a few units where the recipe says its sizes, and a fifth of the tricks."""

    def two_epochs(model, data, *, epochs=10, **settings):
        return fit(model, data, epochs=min(epochs, 2), **settings)

    def apply(name):
        zoo.recipe(name)  # imported, so that what follows finds it
        for module in [m for key, m in sys.modules.items() if key.startswith("repgen.") and m]:
            if getattr(module, "fit", None) is fit:
                monkeypatch.setattr(module, "fit", two_epochs)
            for sizes in ("SIZES", "PATCH_SIZES"):
                if found := getattr(module, sizes, None):
                    monkeypatch.setattr(module, sizes, (found[0], *(6 - i for i in range(len(found) - 1))))
        steps = zoo.recipe(name)
        if name == "gan-mnist":
            monkeypatch.setattr(steps, "HELD_OUT", 4)
        if name == "gan-tricks":
            monkeypatch.setattr(steps, "TRICKS", {trick: steps.TRICKS[trick] for trick in TRICKS})
            monkeypatch.setattr(steps, "EPOCHS", 3)
        if name == "strangers-faces":
            patches = torch.rand(12, 625, generator=torch.Generator().manual_seed(9))
            monkeypatch.setattr(steps, "make_patches", lambda faces, people, n: [patches[: people + 2], None])
        return steps

    return apply


@pytest.fixture
def written(monkeypatch):
    """The checkpoints that were written, in order; ``written.limit`` is how many are before the power goes."""

    class Written(list):
        limit = None

    files, replace = Written(), os.replace

    def counted(source, target):
        replace(source, target)
        if Path(target).suffix == ".pt":
            files.append(Path(target).name)
            if len(files) == files.limit:
                raise Killed

    monkeypatch.setattr(os, "replace", counted)
    return files


def train(steps, data, checkpoint, seed=3):
    model = zoo.build(steps, seed)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        history = steps.train(model, *data, seed=seed, progress=False, checkpoint=checkpoint)
    return model.state_dict(), history.epochs


@pytest.mark.parametrize("name", zoo.recipe_names())
def test_killed_in_any_stage_and_called_again_it_ends_at_the_same_bits(name, shorten, written, tmp_path):
    steps = shorten(name)
    if "checkpoint" in getattr(steps, "FIXED", ()):
        with pytest.raises(ZooError, match="leaves no choice of checkpoint"):
            zoo.train_recipe(name, folder=tmp_path / "zoo", checkpoint=tmp_path / "run.pt")
        assert not list(tmp_path.iterdir())
        return
    data = made_up(name)
    whole, epochs = train(steps, data, tmp_path / "whole" / "run.pt")
    assert len(written) > 1
    stages = [(file, len(list(group))) for file, group in groupby(written)]
    assert len({file for file, _ in stages}) == len(stages), "two stages write one file"
    total, firsts = len(written), [sum(n for _, n in stages[:i]) + 1 for i in range(len(stages))]
    moments = {firsts[0], stages[0][1], firsts[len(firsts) // 2], firsts[-1]} - {total}
    for moment in sorted(moments):
        checkpoint = tmp_path / f"killed after {moment}" / "run.pt"
        written.clear()
        written.limit = moment
        with pytest.raises(Killed):
            train(steps, data, checkpoint)
        written.clear()
        written.limit = None
        again, counted = train(steps, data, checkpoint)
        assert len(written) == total - moment, "what was finished was trained once more"
        assert counted == epochs and again.keys() == whole.keys()
        for key, value in whole.items():
            assert torch.equal(again[key], value), f"{key}, killed after {moment} of {total}"


def test_restart_forgets_every_stage(shorten, written, tmp_path):
    steps = shorten("dbn-classifier-mnist")
    data = made_up("dbn-classifier-mnist")
    train(steps, data, tmp_path / "run.pt")
    first = list(written)
    assert [file for file, _ in groupby(first)] == ["run-layer-1.pt", "run-layer-2.pt", "run-layer-3.pt", "run.pt"]
    written.clear()
    steps.train(zoo.build(steps, 0), *data, progress=False, checkpoint=tmp_path / "run.pt", resume=False, seed=4)
    assert written == first


# --- what a recipe is made of

# Whose point it is to be another recipe with one change, and which.
VARIANTS = {
    "enlarge_faces": "enlarge_mnist",  # faces for digits
    "vae_2d_seeds_mnist": "vae_2d_mnist",  # other seeds
    "vae_faces_perceptual": "vae_faces",  # it goes on from there
}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_recipes_import_the_package_and_what_they_share_and_no_other_recipe(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            taken = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            taken = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in taken:
            if module.startswith("repgen.zoo.recipes"):
                other = module.removeprefix("repgen.zoo.recipes.").split(".")[0]
                assert other[0] == "_" or VARIANTS.get(path.stem) == other, f"{path.stem} imports {other}"


PARTICIPLES = re.compile(
    r"(^|_)(\w+ed|told|left|seen|met|begun|drawn|given|taken|made|kept|shown|known|built|found|lost|held)(_|$)"
)


@pytest.mark.parametrize(
    "path", sorted([*FOLDER.glob("*.py"), *FOLDER.parent.glob("*.py")]), ids=lambda path: path.stem
)
def test_functions_say_what_they_do_and_not_what_was_done(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert not [name for name in names if PARTICIPLES.search(name) and name != "load_pretrained"]


def test_points_are_loaded_for_all_nets():
    ring, grid = _toy_gans.data("cpu")
    assert ring.x.shape == grid.x.shape == (100 * _toy_gans.NETS * _toy_gans.BATCH, 2)
    assert (ring.name, grid.name) == ("ring", "grid")
