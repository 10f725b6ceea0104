"""The pages around the book say what is: their code runs, their commands exist, their names are the package's."""

import contextlib
import importlib
import inspect
import re
import shlex
import subprocess
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

import repgen
from repgen.__main__ import parser

matplotlib.use("agg")
ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "pages").glob("*.md"))]
NOTATION = (ROOT / "pages" / "notation.md").read_text(encoding="utf-8")


def blocks(path, language):
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_your_own_data_go_through_every_family(tmp_path, monkeypatch):
    """All the code of the page, in order, on 500 pictures in two folders and a table of 20 columns."""
    rng = np.random.default_rng(0)
    for number in range(500):
        folder = tmp_path / "my-pictures" / ("round" if number % 2 else "square")
        folder.mkdir(parents=True, exist_ok=True)
        grid = np.hypot(*np.mgrid[-20:20, -24:24]) if number % 2 else np.abs(np.mgrid[-20:20, -24:24]).max(0)
        picture = 255 * (grid < rng.uniform(6, 16))
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{number:03}.png")
    hidden = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 20)) + 0.1 * rng.normal(size=(500, 20))
    header = ",".join(f"column {i}" for i in range(20))
    np.savetxt(tmp_path / "my-table.csv", 100 + 5 * hidden, delimiter=",", header=header)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names = {}
    for block in blocks(ROOT / "pages" / "own_data.md", "python"):
        exec(compile(block, "own_data.md", "exec"), names)
    matplotlib.pyplot.close("all")
    assert len(names["pictures"]) == 500 and names["pictures"].classes == ("round", "square")
    assert torch.equal(names["again"].encode(torch.from_numpy(names["table"])).isfinite().all(), torch.tensor(True))
    assert names["history"].training["loss"][-1] < 0.6 * names["history"].training["loss"][0]
    assert names["net"].error(names["pictures"].x, names["pictures"].labels) < 0.1
    assert names["made"].shape == (100, 20) and (tmp_path / "vae.pt").exists()


COMMANDS = [
    (path.name, line)
    for path in PAGES
    for block in blocks(path, "bash")
    for line in (line.partition(" #")[0].strip() for line in block.splitlines())
    if line
]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_of_the_pages_exist(page, line):
    """Their files are there, their targets can be made, and the package's own parser understands them."""
    words = shlex.split(line)
    for word in words:
        place = word.partition("=")[2] or word
        if re.match(r"(chapters|pages|tools|tests|repgen|benchmarks)/", place):
            assert (ROOT / place).exists(), f"{page}: {place} does not exist"
    if words[0] == "make" and len(words) > 1:
        known = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for target in (word for word in words[1:] if "=" not in word and word[0] != "-"):
            assert re.search(rf"^make {re.escape(target)}\b", known, re.MULTILINE), f"{page}: make {target}"
    if "repgen" in words and "-m" in words:
        arguments = [w.replace("NAME", "linear-ae-digits") for w in words[words.index("repgen") + 1 :]]
        parser().parse_args(arguments)


def test_the_commands_were_found():
    assert len(COMMANDS) > 15 and any("01_what_is_pca.ipynb" in line for _, line in COMMANDS)


TABLE = NOTATION.partition("## From the page to the package")[2].partition("\n## ")[0]
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in TABLE.splitlines() if line[:3] == "| $"
]


def resolve(name):
    """What a dotted name of the package means; `VAE(beta)` is a parameter of VAE."""
    name, _, parameter = name.rstrip(")").partition("(")
    found = repgen
    for part in name.split("."):
        with contextlib.suppress(ImportError):
            if hasattr(found, "__path__"):
                importlib.import_module(f"{found.__name__}.{part}")
        found = getattr(found, part)
    if parameter:
        assert parameter in inspect.signature(found).parameters, f"{name} has no parameter {parameter}"
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_every_name_of_the_notation_is_one_of_the_package(row):
    _, term, names = row
    assert term and re.findall(r"`([^`]+)`", names)
    for name in re.findall(r"`([^`]+)`", names):
        assert resolve(name) is not None


def test_a_wrong_name_is_found():
    assert len(ROWS) >= 30
    for wrong in ("VAE.posteriour", "VAE(betta)", "evaluation.partition.log_z"):
        with pytest.raises((AttributeError, AssertionError)):
            resolve(wrong)


def test_python_of_the_pages_compiles():
    for path in PAGES:
        for block in blocks(path, "python"):
            compile(re.sub(r"^( *)%", r"\1pass  # %", textwrap.dedent(block), flags=re.MULTILINE), path.name, "exec")
