"""The pages around the book say what is: their code runs, their commands exist, their names are the package's."""

import contextlib
import functools
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
from torch import nn

import repgen
import repgen.evaluation.generative
import repgen.evaluation.parzen
import repgen.gan
import repgen.stylegan
from repgen import datasets, zoo
from repgen.__main__ import parser
from repgen.conditional_gan import ClassConditional, ConditionalGAN
from repgen.dbn import DBN
from repgen.evaluation import metrics, partition
from repgen.layers import mlp
from repgen.stylegan import StyleGenerator

matplotlib.use("agg")
ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "index.md")),
    *sorted([*(ROOT / "pages").glob("*.md"), *(ROOT / "chapters").glob("*/*.md")]),
]
OWN_DATA = ROOT / "pages" / "own_data.md"
NOTATION = (ROOT / "pages" / "notation.md").read_text(encoding="utf-8")


def blocks(path, language):
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def cells(text, columns):
    """The rows of the text's tables that have so many columns and hold code, each cell stripped."""
    lines = [line.strip().strip("|") for line in re.sub(r".*\n\|---.*", "", text).splitlines() if line.startswith("| ")]
    rows = [tuple(cell.strip() for cell in line.split(" | ")) for line in lines]
    return [row for row in rows if len(row) == columns and any("`" in cell for cell in row)]


@pytest.fixture(scope="module")
def own_data(tmp_path_factory):
    """The folder in which the page on one's own data was run, and what it left: 500 pictures, a table of 20 columns."""
    folder = tmp_path_factory.mktemp("own-data")
    rng = np.random.default_rng(0)
    for number in range(500):
        of_class = folder / "my-pictures" / ("round" if number % 2 else "square")
        of_class.mkdir(parents=True, exist_ok=True)
        grid = np.hypot(*np.mgrid[-20:20, -24:24]) if number % 2 else np.abs(np.mgrid[-20:20, -24:24]).max(0)
        picture = 255 * (grid < rng.uniform(6, 16))
        Image.fromarray(picture.astype(np.uint8)).save(of_class / f"{number:03}.png")
    hidden = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 20)) + 0.1 * rng.normal(size=(500, 20))
    header = ",".join(f"column {i}" for i in range(20))
    np.savetxt(folder / "my-table.csv", 100 + 5 * hidden, delimiter=",", header=header, comments="")
    torch.manual_seed(0)
    names = {}
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQDM_DISABLE", "1")
        for block in blocks(OWN_DATA, "python"):
            exec(compile(block, "own_data.md", "exec"), names)
    matplotlib.pyplot.close("all")
    return folder, names


def test_your_own_data_go_through_every_family(own_data):
    folder, names = own_data
    pictures, table, losses = names["pictures"], names["table"], names["history"].training["loss"]
    assert len(pictures) == 500 and pictures.classes == ("round", "square")
    torch.testing.assert_close(table.mean(0), torch.zeros(20), atol=1e-5, rtol=0)
    torch.testing.assert_close(table.std(0, correction=0), torch.ones(20), atol=1e-5, rtol=0)
    assert losses[-1] < 0.6 * losses[0]
    assert len(names["test"]) == 100 and names["net"].error(names["test"].x, names["test"].labels) < 0.1
    assert names["made"].shape == (100, 20) and abs(names["made"].mean() - 100) < 10  # in the table's units
    assert (folder / "vae-run.pt").exists()


FIVE = [block for block in blocks(OWN_DATA, "python") if "torch.save" in block]


@pytest.mark.parametrize("block", FIVE, ids=lambda block: block.split()[0])
def test_what_was_saved_is_there_another_day(own_data, monkeypatch, block):
    """The first line, the fourth and the fifth, in another session, give the model that was trained."""
    folder, names = own_data
    monkeypatch.chdir(folder)
    build, train, save, load, look = block.splitlines()  # five lines
    assert "fit(" in train and "torch.save(" in save and "load_state_dict(" in load
    model = build.split()[0]
    session = {name: value for name, value in names.items() if name != model}
    torch.manual_seed(1)
    exec("\n".join([build, load, look]), session)
    matplotlib.pyplot.close("all")
    trained, loaded = names[model].state_dict(), session[model].state_dict()
    assert session[model] is not names[model] and trained.keys() == loaded.keys()
    assert all(torch.equal(trained[name], loaded[name]) for name in trained)


def test_every_family_has_its_five_lines():
    built = " ".join(FIVE)
    for family in ("PCA(", "= Autoencoder(", "DenoisingAutoencoder(", "VAE.dense(", "RBM(", "GAN(", "Classifier("):
        assert family in built


CHOICES = [(name, *pair) for name, *pair in cells(OWN_DATA.read_text(encoding="utf-8"), 3)]


@pytest.mark.parametrize(("family", "of_pictures", "of_a_table"), CHOICES)
def test_the_model_for_the_data_takes_them(own_data, family, of_pictures, of_a_table):
    names = own_data[1]
    for data, code in (("x", of_pictures), ("table", of_a_table)):
        data = f"({data}, pictures.labels)" if family == "Classifier" else data
        code = code.strip("`")
        eval(f"{code}.fit({data})" if family == "PCA" else f"fit({code}, {data}, epochs=1, progress=False)", names)


MISTAKES = cells(OWN_DATA.read_text(encoding="utf-8"), 2)


@pytest.mark.parametrize(("code", "said"), MISTAKES)
def test_what_does_not_suit_is_refused_in_the_words_of_the_page(own_data, code, said):
    code = code.strip("`")
    code = code if code.startswith("PCA") else f"{code[:-1]}, epochs=1, progress=False)"
    with pytest.raises((ValueError, TypeError), match=re.escape(said.strip("`"))):
        eval(code, own_data[1])


def test_a_sigmoid_generator_is_not_refused_a_table(own_data):
    fit = "fit(GAN(mlp((8, 64, 20)).append(nn.Sigmoid()), mlp((20, 64, 1)), 8), table, epochs=1, progress=False)"
    assert eval(fit, own_data[1]).epochs == 1


def test_the_tables_of_the_page_were_found():
    assert len(FIVE) == 7 and len(CHOICES) == 7 and len(MISTAKES) == 12


COMMAND = re.compile(
    r"(make [a-z]|(python|torchrun|\S*/python) .*-m repgen|repgen (train|zoo|data|info|--help)|\.venv/bin/)"
)


def commands(path):
    """The lines of a page's shell blocks, and the commands that stand in its sentences."""
    text = path.read_text(encoding="utf-8")
    lines = [line.partition(" #")[0].strip() for block in blocks(path, "bash") for line in block.splitlines()]
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [line for line in lines if line] + [c for c in re.findall(r"`([^`\n]+)`", prose) if COMMAND.match(c)]


COMMANDS = [(path.relative_to(ROOT).as_posix(), line) for path in PAGES for line in commands(path)]


@functools.cache
def targets():
    run = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(re.findall(r"^make (\S+)", run.stdout, re.MULTILINE))


def try_command(line):
    """AssertionError where a file is not there or a target cannot be made, SystemExit where the parser refuses it."""
    words = shlex.split(line)
    for word in words:
        place = word.partition("=")[2] or word
        if re.match(r"(chapters|pages|tools|tests|repgen|benchmarks|assignments)(/|$)", place) and word != words[0]:
            assert (ROOT / place).exists() or place == "repgen", f"{place} does not exist"
    if words[0] == "make":
        for target in (word for word in words[1:] if "=" not in word and word[0] != "-"):
            assert target in targets(), f"make {target} is not there"
    if words[0] == "repgen" or ("-m" in words and words[words.index("-m") + 1] == "repgen"):
        arguments = ["linear-ae-digits" if w == "NAME" else w for w in words[words.index("repgen") + 1 :]]
        if arguments != ["--help"]:
            args = parser().parse_args(arguments)
            if args.command in ("train", "zoo") and args.name:
                assert args.name in zoo.recipe_names(), f"{args.name} has no recipe"
            if args.command == "data" and getattr(args, "name", None):
                assert args.name in {row.name for row in datasets.status()}, f"{args.name} is no data set"


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_of_the_pages_exist(page, line):
    """Their files are there, their targets can be made, and the package's own parser understands them."""
    try_command(line)


@pytest.mark.parametrize(
    "line",
    [
        "make notebooks ONLY=chapters/01_foundations/01_what_pca_is.ipynb",
        "make books",
        "python -m repgen train linear-ae-digit --out my-zoo",
        "torchrun --nproc_per_node=2 -m repgen train NAME --outt my-zoo",
        "repgen data get mnist",
        "python -m repgen data fetch mnisst",
        ".venv/bin/python -m pytest tests/test_nothing.py",
    ],
)
def test_a_command_that_is_wrong_is_found(line):
    with pytest.raises((AssertionError, SystemExit)):
        try_command(line)


def test_the_commands_were_found():
    lines = [line for _, line in COMMANDS]
    assert len(lines) > 30 and any("01_what_is_pca.ipynb" in line for line in lines)
    assert any(line.startswith("torchrun") for line in lines) and "make help" in lines  # in sentences


TABLE = NOTATION.partition("## From the page to the package")[2].partition("\n## ")[0]
ROWS = cells(TABLE, 3)


def resolve(name):
    """What a dotted name of the package means; `VAE(beta)` is a parameter of VAE."""
    name, _, parameter = name.rstrip(")").partition("(")
    found = repgen
    for part in name.split("."):
        with contextlib.suppress(ImportError):
            if hasattr(found, "__path__"):
                importlib.import_module(f"{found.__name__}.{part}")
        # what `fit` or `__init__` sets stands as an annotation on the class
        found = getattr(found, part) if hasattr(found, part) or part not in inspect.get_annotations(found) else part
    if parameter:
        assert parameter in inspect.signature(found).parameters, f"{name} has no parameter {parameter}"
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_every_name_of_the_notation_is_one_of_the_package(row):
    _, term, names = row
    assert term and re.findall(r"`([^`]+)`", names)
    for name in re.findall(r"`([^`]+)`", names):
        assert resolve(name) is not None


@functools.cache
def symbols():
    """Something small for every name with which the code in the column "In code" begins."""
    x, labels = torch.rand(9, 6), torch.arange(9) % 3
    model, vae, rbm = repgen.Autoencoder((6, 2)), repgen.VAE.dense((6, 4, 2)), repgen.RBM(6, 3)
    model.loss(x).backward()
    nets = {
        "model": model,
        "encode": model.encode,
        "decode": model.decode,
        "p": next(model.parameters()),
        "vae": vae,
        "rbm": rbm,
        "dbn": DBN((6, 4, 3)),
        "gan": repgen.GAN(mlp((2, 6)), mlp((6, 1)), 2),
        "pca": repgen.PCA(2).fit(x),
        "cgan": ConditionalGAN(ClassConditional(mlp((5, 6)), 3), ClassConditional(mlp((9, 1)), 3), 2),
        "net": StyleGenerator(4, (4,), latent_dim=2, style_dim=6),
        "layer": nn.Linear(6, 2),
        "q": vae.posterior(x),
    }
    numbers = {
        "x": x,
        "y": x.flip(0),
        "v": x,
        "samples": x,
        "z": torch.zeros(9, 2),
        "h": torch.rand(9, 3),
        "w": torch.rand(6),
        "A": torch.eye(6),
        "labels": labels,
        "c": labels,
        "logits": torch.zeros(9, 3),
        "sigma": 0.5,
        "psi": 0.5,
        "lr": 0.1,
        "k": 1,
        "l": 0,
        "n": 3,
        "latent_dim": 2,
        "n_components": 2,
    }
    functions = vars(metrics) | vars(partition) | vars(repgen.gan)
    modules = vars(repgen) | vars(repgen.evaluation) | {"torch": torch, "F": nn.functional, "f": torch.exp}
    return functions | modules | nets | numbers


def try_code(code, names):
    """Evaluates it; of `Name(..., option=1)`, whose other arguments are left out, looks whether it has the option."""
    called, dots, options = code.partition("(..., ")
    taken = inspect.signature(eval(called, names)).parameters if dots else {}
    for option in re.findall(r"(\w+)=", options):
        assert option in taken, f"{called} has no option {option}"
    return eval(called if dots else code, names)


BESIDE = re.findall(r"`([^`]+)`", " ".join(row[2] for row in cells(NOTATION.partition("## From the page")[0], 3)))


@pytest.mark.parametrize("code", sorted({*BESIDE} - {"*"}))
def test_the_code_beside_a_symbol_runs(code):
    try_code(code, symbols())


def test_a_wrong_name_is_found():
    assert len(ROWS) >= 40
    for wrong in ("VAE.posteriour", "VAE(betta)", "PCA.componnents", "evaluation.partition.log_z"):
        with pytest.raises((AttributeError, AssertionError)):
            resolve(wrong)
    for wrong in ("GAN(..., steps=1)", "judging.frechet(x, y)", "rbm.free_energie(v)"):
        with pytest.raises((AttributeError, AssertionError, NameError)):
            try_code(wrong, symbols())


def test_python_of_the_pages_compiles():
    for path in PAGES:
        for block in blocks(path, "python"):
            assert path != OWN_DATA or max(map(len, block.splitlines())) <= 80, "a reader has to scroll"
            compile(re.sub(r"^( *)%", r"\1pass  # %", textwrap.dedent(block), flags=re.MULTILINE), path.name, "exec")
