"""The repository's habits: one version, whole wheels, comments that say why, docstrings that run, an API page."""

import doctest
import importlib
import inspect
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
import zipfile
from pathlib import Path

import api_reference
import pytest
import torch
import yaml
from packaging.requirements import Requirement

import repgen

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MODULES = [repgen.__name__, *(module.name for module in pkgutil.walk_packages(repgen.__path__, "repgen."))]
IMPORTED = [name for name in MODULES if not name.endswith("__main__")]


def sources():
    """The Python files of the repository, as git knows them; without git, those beside this one."""
    run = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True
    )
    files = (
        run.stdout.split() if run.returncode == 0 else [str(path.relative_to(ROOT)) for path in ROOT.glob("*/**/*.py")]
    )
    return [ROOT / file for file in files if (ROOT / file).exists()]


def pins():
    """The versions of requirements.txt, those that hold here."""
    needs = [
        Requirement(line)
        for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()
        if line[:1] not in ("", "#")
    ]
    return {
        need.name: next(iter(need.specifier)).version for need in needs if need.marker is None or need.marker.evaluate()
    }


# One version


def test_the_version_is_written_once_and_cited():
    assert PROJECT["project"]["dynamic"] == ["version"] and "version" not in PROJECT["project"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == repgen.__version__
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest[1] == repgen.__version__, "CHANGELOG.md begins with another version"


def test_hooks_have_the_pinned_versions():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    asked = {need for hook in hooks for need in hook["additional_dependencies"] if need.startswith("ruff")}
    assert asked == {f"ruff=={pins()['ruff']}"}


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names in a wheel that is built of a copy of the package, with no word from outside."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "repgen", copy / "repgen", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    (copy / "tests").mkdir()  # a folder beside the package that is none of it
    (copy / "tests" / "__init__.py").touch()
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        "out",
        ".",
    ]
    run = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    [path] = (copy / "out").glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        return path.name, {name: opened.read(name) for name in opened.namelist()}


def test_a_wheel_holds_every_file_of_the_package(wheel):
    name, files = wheel
    assert name.startswith(f"repgen-{repgen.__version__}-py3")
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "repgen").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    there = {file for file in files if ".dist-info/" not in file}
    assert here == there
    assert {"repgen/py.typed", "repgen/zoo/weights/ae-32-mnist.safetensors"} <= there


def test_a_wheel_brings_the_command(wheel):
    _, files = wheel
    [entry] = [text.decode() for file, text in files.items() if file.endswith("entry_points.txt")]
    assert "repgen = repgen.__main__:main" in entry


@pytest.mark.parametrize(
    "called, program",
    [("/usr/bin/repgen", "repgen"), ("repgen.exe", "repgen"), ("x/repgen/__main__.py", "python -m repgen")],
)
def test_the_help_names_the_command_as_it_was_called(called, program, monkeypatch, capsys):
    from repgen.__main__ import main

    monkeypatch.setattr(sys, "argv", [called])
    main([])
    assert capsys.readouterr().out.startswith(f"usage: {program} [")


# Comments that say why


def excuses(file):
    """The comments of a file that silence a tool: (line, comment)."""
    with open(file, "rb") as lines:
        comments = [token for token in tokenize.tokenize(lines.readline) if token.type == tokenize.COMMENT]
    return [
        (token.start[0], token.string)
        for token in comments
        if re.search(r"#\s*(noqa|fmt: |type: ignore|mypy: |ruff: )", token.string)
    ]


def says_why(comment):
    """Whether more is said than what is silenced: `# noqa: F401 - why`, `# type: ignore[code]  # why`."""
    rest = re.sub(
        r"#\s*(noqa(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)?|fmt: (skip|on|off)|type: ignore(\[[\w, -]+\])?)", "", comment
    )
    return len(rest.strip("# -:").split()) >= 2


def test_says_why():
    for good in (
        "# noqa: F401 - part of the recipe",
        "# fmt: skip - a table",
        "# type: ignore[misc]  # traits are untyped",
    ):
        assert says_why(good)
    for bad in ("# noqa", "# noqa: E731", "# fmt: skip", "# type: ignore[arg-type]", "# noqa: F401, E402 -"):
        assert not says_why(bad)


def test_whoever_silences_a_tool_says_why():
    silent = [
        f"{file.relative_to(ROOT)}:{line}: {text}"
        for file in sources()
        for line, text in excuses(file)
        if not says_why(text)
    ]
    assert not silent, "\n".join(silent)


# Docstrings


@pytest.mark.parametrize("name", IMPORTED)
def test_examples_in_docstrings_run(name, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.delenv("REPGEN_CLAIMS_LOG", raising=False)  # an example is no claim of the book
    torch.manual_seed(0)
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert found.failed == 0


def documented():
    """Everything on the API page: (its name, the thing whose docstring is shown)."""
    for name in api_reference.modules(repgen):
        for thing in api_reference.public(importlib.import_module(name)).values():
            yield f"{name}.{thing.__name__}", thing
            if inspect.isclass(thing):
                for key, member in vars(thing).items():
                    member = getattr(member, "__func__", member)
                    if not key.startswith("_") and inspect.isfunction(member) and member.__doc__:
                        yield f"{name}.{thing.__name__}.{key}", member


def test_sections_name_the_parameters_that_there_are():
    for name, thing in documented():
        doc = inspect.getdoc(thing)
        for section in re.findall(r"^([A-Z]\w+)\n-{3,}$", doc, re.MULTILINE):
            assert section in ("Parameters", "Returns", "Raises", "Examples", "References"), f"{name}: {section}"
        body = re.search(r"^Parameters\n-+\n((?:.+\n?|\n(?= ))*)", doc, re.MULTILINE)
        if body:
            listed = [
                part.strip(" *")
                for line in re.findall(r"^(\S.*)$", body[1], re.MULTILINE)
                for part in line.split(" : ")[0].split(",")
            ]
            there = inspect.signature(thing).parameters
            assert listed and set(listed) <= set(there), (
                f"{name} documents {sorted(set(listed) - set(there))}, which it does not take"
            )


def test_the_first_sentence_stands_alone():
    """It is what the table of names shows."""
    for name in repgen.__all__:
        sentence = api_reference.summary(getattr(repgen, name))
        assert 1 <= len(sentence.split()) <= 30, f"{name}: {sentence}"


# The API page


def test_every_module_is_on_the_api_page():
    page = (ROOT / "pages" / "api.md").read_text("utf-8")
    asked = [
        name
        for mark in api_reference.MARK.findall(page)
        for name in api_reference.chosen(mark, api_reference.modules(repgen))
    ]
    inner = {"repgen", "repgen.zoo.recipes", *(name for name in MODULES if name.startswith("repgen.zoo.recipes."))}
    assert len(asked) == len(set(asked)), "a module is there twice"
    missing = set(api_reference.modules(repgen)) - set(asked) - inner
    assert not missing, f"pages/api.md lacks {sorted(missing)}"
    with pytest.raises(ValueError, match="no such module"):
        api_reference.chosen("repgen.nothing", api_reference.modules(repgen))


def test_the_built_page_shows_signatures_and_sections(book):
    from bs4 import BeautifulSoup

    page = BeautifulSoup((book / "pages" / "api.html").read_text("utf-8"), "html.parser")
    for name in repgen.__all__:
        thing = getattr(repgen, name)
        entry = page.find(id=f"{thing.__module__}.{thing.__qualname__}")
        assert entry is not None, f"{name} is not on the page"
        assert page.find("a", href=f"#{entry['id']}") is not None
    text = page.get_text()
    assert "batch_size: int = 128" in re.sub(r"\s+", " ", page.find(id="repgen.train.fit").get_text())
    assert str(ROOT) not in text and "PosixPath" not in text and "**kwargs: t.Any" not in text


def test_docstrings_mean_what_they_say():
    """Stars, bars and underscores are themselves; code is code; lists and aligned lines are kept."""
    shown = api_reference.restructured(
        "Draws p(v|h) of *batch, x_i and x_ by `f(a*b)`(x).\n\n    a   b\n\n>>> 1 + 1\n2"
    )
    assert shown == "Draws p(v\\|h) of \\*batch, x_i and x\\_ by ``f(a*b)``\\ (x).\n\n::\n\n    a   b\n\n>>> 1 + 1\n2\n"
    listed = api_reference.restructured("Text.\n\none: first,\n    and more\ntwo, three: second\nRaises nothing.")
    assert listed == "Text.\n\n``one``\n    first, and more\n``two, three``\n    second\n\nRaises nothing.\n"
    parts = api_reference.restructured(
        "Text.\n\nParameters\n----------\nx : Tensor\n    Of p(x|z), a*b.\n\nExamples\n--------\n>>> f(*x)\n1"
    )
    assert "x : Tensor\n    Of p(x\\|z), a\\*b." in parts and ">>> f(*x)\n1" in parts


# Commands and settings


def test_workflows_run_make_targets_that_there_are():
    makefiles = "".join(path.read_text("utf-8") for path in (ROOT / "Makefile", *(ROOT / "tools").glob("*.mk")))
    targets = set(re.findall(r"^([a-z][\w.-]*):", makefiles, re.MULTILINE))
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text("utf-8")
        for job in yaml.safe_load(text)["jobs"].values():
            commands = [step["run"] for step in job["steps"] if "run" in step]
            for command in commands + [
                case["command"] for case in job.get("strategy", {}).get("matrix", {}).get("include", [])
            ]:
                if command != "${{ matrix.command }}" and command != ".ci/run":
                    assert command.startswith("make ") and set(command.split()[1:]) <= targets, (
                        f"{path.name}: {command}"
                    )
        for action in re.findall(r"uses: (\S+)(.*)", text):
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action[0]) and re.fullmatch(r" # v\d+(\.\d+)*", action[1]), (
                action
            )
    for path in [*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"]:
        assert yaml.safe_load(path.read_text("utf-8")), path


def test_quickest_names_one_notebook_a_chapter(tmp_path):
    from quickest import quickest

    for chapter, seconds in (("01_a", (5, 3)), ("02_b", (1,)), ("exercises", (0,))):
        for i, each in enumerate(seconds):
            path = tmp_path / "chapters" / chapter / f"{i}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"metadata": {"repgen": {"seconds": each}}}))
    (tmp_path / "chapters" / "02_b" / "draft.ipynb").write_text('{"metadata": {}}')
    assert quickest(tmp_path) == ["chapters/01_a/1.ipynb", "chapters/02_b/0.ipynb"]
    assert len(quickest(ROOT)) == len(list((ROOT / "chapters").glob("[0-9]*")))


# CONTRIBUTING's example


@pytest.fixture(scope="module")
def example():
    """The model of "Add a model in one file", run as it stands in the text: the names that it defines."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    [code] = re.findall(
        r"^```python\n(.*?)^```",
        text.split("## Add a model in one file")[1].split("\n## ")[0],
        re.MULTILINE | re.DOTALL,
    )
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    names = {"__name__": "example"}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    return names


def test_the_example_model_keeps_the_contract(example):
    x = repgen.load_data("digits", size=8).x
    training, held_out = x[:1000], x[1000:]
    torch.manual_seed(0)
    model = example["AnnealedVAE"](64, latent_dim=4)
    history = repgen.fit(model, training, epochs=15, batch_size=50, lr=3e-3, validation=held_out, progress=False)
    p, h = training.flatten(1).mean(0).clamp(1e-4, 1 - 1e-4), held_out.flatten(1)
    best_constant = -(h * p.log() + (1 - h) * (1 - p).log()).sum(1).mean()  # 27.6 nats; three seeds give 25.3 to 25.4
    assert history.validation["objective"][-1] < best_constant - 1
    assert set(history.training) == {"objective", "reconstruction", "kl"}
    z = model.encode(held_out)
    assert z.shape == (500, 4) and model.decode(z).shape == (500, 64)
    assert torch.equal(
        model.sample(3, torch.Generator().manual_seed(1)), model.sample(3, torch.Generator().manual_seed(1))
    )


def test_the_example_anneals(example):
    """At the start of training the objective is the reconstruction alone; at the end, the bound."""
    model, x = example["AnnealedVAE"](64, latent_dim=4), torch.rand(8, 64)
    for progress, weight in ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (1.0, 1.0)):
        terms = model.loss(x, generator=torch.Generator().manual_seed(0), progress=progress)
        assert torch.allclose(terms.objective, terms.reconstruction + weight * terms.kl)
    assert terms == model.loss(x, generator=torch.Generator().manual_seed(0))
