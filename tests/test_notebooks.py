"""The stored notebooks: as a run left them, in the book's anatomy, with claims that a fresh run bears out."""

import copy
import difflib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import address
import nbformat
import publish
import pytest
import stored
import without_data
from fresh_run import disagreements, within
from packaging.requirements import Requirement
from pybtex.database import parse_file

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("the_conftest", ROOT / "conftest.py")
the_conftest = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(the_conftest)
NOTEBOOKS = {page: path for page, path in stored.notebooks(ROOT) if "/exercises/" not in page}
KEYS = set(parse_file(str(ROOT / "references.bib")).entries)
SECONDS = 90  # what a notebook may take on two cores
IMAGES = ("image/png", "image/jpeg", "image/svg+xml")


# Each check is given a notebook, and raises AssertionError with what is wrong.


def sealed(notebook):
    record = notebook.metadata.get("repgen")
    assert record, "its outputs were never stored by `make notebooks`"
    assert record["seal"] == publish.seal(notebook), "code, outputs or widget state were changed since `make notebooks`"


def ran_in_order(notebook):
    cells = stored.code_cells(notebook)
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1)), f"not run from top to bottom in one go: {counts}"
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error", f"a stored error: {output.evalue}"
            assert output.get("name") != "stderr", f"stored stderr: {output.text}"


def fast(notebook):
    record = notebook.metadata.repgen
    assert record["cores"] == 2 and record["seconds"] < SECONDS, (
        f"took {record['seconds']} s on {record['cores']} cores"
    )
    said = re.search(r"Runs in \*\*(\d+) seconds?\*\*", notebook.cells[0].source)
    assert said, "the first cell does not say how long it runs"
    assert int(said[1]) == max(1, round(record["seconds"])), f"says {said[1]} s, took {record['seconds']} s"


def bullets(text):
    """The list that follows `text` in the prose, one string an item."""
    lines = text.strip().splitlines()
    items = []
    for line in lines:
        if line.startswith(("- ", "* ")):
            items.append(line[2:])
        elif items and line.startswith("  "):
            items[-1] += " " + line.strip()
        else:
            break
    return items


def anatomy(notebook):
    cells = notebook.cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# "), "does not begin with its title"
    assert not re.search(r"^# ", "\n".join(c.source for c in cells[1:] if c.cell_type == "markdown"), re.M), (
        "two titles"
    )
    assert 15 <= len(cells) <= 45, f"{len(cells)} cells"
    prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    will, have = (
        re.findall(rf"\*\*You {word}\*\*:?\n+((?:[-*] .*\n?(?:  .*\n?)*)+)", prose) for word in ("will", "have")
    )
    assert len(will) == len(have) == 1, "needs one list **You will** and one list **You have**"
    assert "You will" in cells[0].source, "the promises belong in the first cell"
    will, have = bullets(will[0]), bullets(have[0])
    assert len(will) == len(have) >= 3, f"{len(will)} promises, {len(have)} kept"
    for promise, kept in zip(will, have, strict=True):
        same = difflib.SequenceMatcher(None, promise.split(), kept.split()).ratio()
        assert same >= 0.6, f"promised {promise!r}, kept {kept!r}"
    for heading in ("Exercises", "References"):
        assert re.search(rf"^## {heading}\b", prose, re.M), f"no section {heading!r}"


def set_up(notebook):
    cell = stored.code_cells(notebook)[0]
    assert {"setup", "hide-input"} <= set(cell.metadata.get("tags", [])), (
        "the first code cell is not tagged setup, hide-input"
    )
    assert cell.source.startswith(address.setup_cell(address.current())), (
        "the setup cell does not begin as CONTRIBUTING.md says"
    )


def described(notebook):
    for cell in stored.code_cells(notebook):
        for output in cell.outputs:
            data = output.get("data", {})
            if stored.WIDGET_VIEW not in data and any(kind in data for kind in IMAGES):
                options = cell.metadata.get("mystnb", {})
                assert options.get("figure", {}).get("caption"), f"a figure without a caption:\n{cell.source}"
                assert options.get("image", {}).get("alt"), f"a figure without alternative text:\n{cell.source}"


def widgets_alive(notebook):
    state = notebook.metadata.get("widgets", {}).get(stored.WIDGET_STATE, {}).get("state", {})
    for cell in stored.code_cells(notebook):
        for output in cell.outputs:
            view = output.get("data", {}).get(stored.WIDGET_VIEW)
            assert view is None or view["model_id"] in state, f"a widget without its state:\n{cell.source}"


def claims_hold(notebook):
    claims = stored.claims(notebook)
    assert claims, "makes no claim"
    assert len({claim["id"] for claim in claims}) == len(claims), "two claims have the same name"
    for claim in claims:
        assert claim["status"] == "holds", f"stored as {claim['status']!r}: {claim['sentence']}"
        assert claim["source"] is None or claim["source"] in KEYS, f"{claim['source']} is not in references.bib"
        assert (claim["published"] is None) or claim["source"], (
            f"a published figure without its source: {claim['sentence']}"
        )
        assert within(claim, claim["measured"]), f"the stored figures contradict the claim: {claim['sentence']}"


def cited(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text):
        for key in re.split(r"\s*,\s*", keys):
            assert key in KEYS, f"{key} is not in references.bib"


def says_nothing_of_the_machine(notebook):
    text = json.dumps([cell.outputs for cell in stored.code_cells(notebook)])
    found = re.search(r"(/home/|/root/|/Users/|/tmp/|/work/|site-packages|[A-Z]:\\\\)[^\"\s]*| at 0x[0-9a-f]{4,}", text)
    assert not found, f"an output names a place on a machine: {found[0]}"


CHECKS = [
    sealed,
    ran_in_order,
    fast,
    anatomy,
    set_up,
    described,
    widgets_alive,
    claims_hold,
    cited,
    says_nothing_of_the_machine,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("page", NOTEBOOKS)
def test_notebook(page, check):
    check(stored.read(NOTEBOOKS[page]))


def test_every_notebook_is_in_the_book():
    lying_there = {path for path in ROOT.glob("chapters/[0-9]*/*.ipynb")}
    assert lying_there == set(NOTEBOOKS.values())
    assert NOTEBOOKS, "the book has no notebook"


def test_the_address_is_the_same_everywhere():
    assert address.problems() == []
    url = address.current()
    assert address.setup_cell(url) in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("\n   ", "\n")


# That the checks can fail: a sound notebook, doctored in one way each.


def sound():
    """A small notebook that passes every check."""
    cell, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    record = {
        "id": "claim-a",
        "sentence": "Half is 0.5",
        "measured": 0.5,
        "unit": "",
        "published": 0.5,
        "source": min(KEYS),
        "expected": None,
        "tol": 0.1,
        "at_most": 0.7,
        "at_least": None,
        "status": "holds",
    }
    display = nbformat.v4.new_output
    cells = [
        cell(
            "# A title\n\n**You will**\n\n- see one thing\n- see two things\n- see three things\n\n*Runs in **3 "
            "seconds** on two CPU cores.*"
        ),
        code(address.setup_cell(address.current()) + "\nimport repgen", metadata={"tags": ["setup", "hide-input"]}),
        code("claim(...)", outputs=[display("display_data", {stored.CLAIM: record, "text/plain": "Half is 0.5"})]),
        code("figure", outputs=[display("display_data", {"image/png": "AAAA"})]),
        code("widget", outputs=[display("display_data", {stored.WIDGET_VIEW: {"model_id": "m"}, "image/png": "AAAA"})]),
        *(cell(f"Text {i}") for i in range(10)),
        cell(
            "**You have**\n\n- seen one thing\n- seen two things\n- seen three things\n\n## Exercises\n\n## "
            "References\n"
        ),
    ]
    cells[3].metadata["mystnb"] = {"figure": {"caption": "A figure"}, "image": {"alt": "What it shows"}}
    notebook = nbformat.v4.new_notebook(cells=cells)
    for count, c in enumerate(stored.code_cells(notebook), 1):
        c.execution_count = count
    notebook.metadata["widgets"] = {stored.WIDGET_STATE: {"state": {"m": {"state": {}}}}}
    notebook.metadata["repgen"] = {"seconds": 3.1, "cores": 2}
    notebook.metadata.repgen["seal"] = publish.seal(notebook)
    return notebook


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_sound_notebook_passes(check):
    check(sound())


def record(notebook):
    return stored.claims(notebook)[0]


DOCTORED = {
    "a number in an output": (sealed, lambda n: n.cells[2].outputs[0].data.update({"text/plain": "Half is 0.6"})),
    "a number in a claim": (sealed, lambda n: record(n).update(measured=0.51)),
    "a line of code": (sealed, lambda n: n.cells[2].update(source="claim(..., tol=1)")),
    "the widget's weights": (
        sealed,
        lambda n: n.metadata.widgets[stored.WIDGET_STATE]["state"]["m"]["state"].update(w=1),
    ),
    "no record": (sealed, lambda n: n.metadata.pop("repgen")),
    "another order": (ran_in_order, lambda n: n.cells[2].update(execution_count=7)),
    "a stored error": (
        ran_in_order,
        lambda n: n.cells[2].outputs.append(nbformat.v4.new_output("error", ename="E", evalue="e", traceback=[])),
    ),
    "a stored warning": (
        ran_in_order,
        lambda n: n.cells[2].outputs.append(nbformat.v4.new_output("stream", name="stderr", text="w")),
    ),
    "too slow": (fast, lambda n: n.metadata.repgen.update(seconds=91.0)),
    "another time in the text": (fast, lambda n: n.cells[0].update(source=n.cells[0].source.replace("**3 s", "**2 s"))),
    "no title": (anatomy, lambda n: n.cells[0].update(source="## " + n.cells[0].source)),
    "a promise less": (
        anatomy,
        lambda n: n.cells[-1].update(source=n.cells[-1].source.replace("- seen one thing\n", "")),
    ),
    "another promise": (
        anatomy,
        lambda n: n.cells[-1].update(source=n.cells[-1].source.replace("seen one thing", "bought a hat")),
    ),
    "no references": (anatomy, lambda n: n.cells[-1].update(source=n.cells[-1].source.replace("## References", ""))),
    "another repository": (
        set_up,
        lambda n: n.cells[1].update(source=n.cells[1].source.replace("github.com/", "github.com/x")),
    ),
    "no tag": (set_up, lambda n: n.cells[1].metadata.update(tags=["setup"])),
    "no caption": (described, lambda n: n.cells[3].metadata.mystnb.pop("figure")),
    "no alternative text": (described, lambda n: n.cells[3].metadata.mystnb.pop("image")),
    "no widget state": (widgets_alive, lambda n: n.metadata.pop("widgets")),
    "run on a stand-in": (claims_hold, lambda n: record(n).update(status="not checked")),
    "an unknown source": (claims_hold, lambda n: record(n).update(source="nobody1900nothing")),
    "out of its tolerance": (claims_hold, lambda n: record(n).update(measured=0.61)),
    "over its bound": (claims_hold, lambda n: record(n).update(measured=0.71, tol=None)),
    "an unknown citation": (cited, lambda n: n.cells[5].update(source="See {cite:t}`nobody1900nothing`.")),
    "a folder": (
        says_nothing_of_the_machine,
        lambda n: n.cells[2].outputs[0].data.update({"text/plain": "/home/somebody/x"}),
    ),
}


@pytest.mark.parametrize("what", DOCTORED)
def test_a_doctored_notebook_fails(what):
    check, doctor = DOCTORED[what]
    notebook = sound()
    doctor(notebook)
    with pytest.raises(AssertionError):
        check(notebook)


# Claims of a fresh run against the stored ones: conftest.py compares them after each notebook's last cell.


def test_disagreements_are_found():
    old = [record(sound())]

    def against(**changes):
        return disagreements(old, [copy.deepcopy(dict(old[0])) | changes])

    assert against() == [] and against(measured=0.55) == [] and against(status="not checked", measured=3.0) == []
    assert against(measured=0.61) and against(status="fails") and against(tol=0.2) and against(id="claim-b")
    assert disagreements(old, [])
    assert against(tol=None) and against(at_most=1.0) and against(at_least=0.1, status="not checked")
    assert against(at_most=1.0, status="not checked") == []
    bound = old[0]["expected"] = 0.5
    assert against(expected=bound * 1.001) == [] and against(expected=bound * 1.1)
    assert against(expected=bound * 3, status="not checked") == [] and against(expected=None, status="not checked")
    old[0]["measured"] = 0.42
    assert against(measured=0.58), "both near the target, but not near each other"


# nbval sees what it should see.


@pytest.fixture(scope="module")
def nbval_runs(tmp_path_factory):
    """Outcomes by cell and of the claims, of a sound notebook and of one with a false claim and a changed output."""
    folder = tmp_path_factory.mktemp("nbval")
    code, display = nbformat.v4.new_code_cell, nbformat.v4.new_output
    strict = {"tags": ["nbval-check-output"]}
    claimed = {
        "id": "claim-half-is-461586",
        "sentence": "Half is 0.5",
        "measured": 0.5,
        "unit": "",
        "published": None,
        "source": None,
        "expected": 0.5,
        "tol": 0.01,
        "at_most": None,
        "at_least": None,
        "status": "holds",
    }
    first = [
        code("from repgen.claims import claim"),
        code(
            "claim('Half is {:.1f}', 0.5, expected=0.5, tol=0.01)",
            outputs=[display("display_data", {stored.CLAIM: claimed})],
        ),
    ]
    more = [
        code("print('as stored')", metadata=strict, outputs=[display("stream", name="stdout", text="as stored\n")]),
        code("print('as stored')", metadata=strict, outputs=[display("stream", name="stdout", text="as never seen\n")]),
        code("print('not compared')", outputs=[display("stream", name="stdout", text="something else\n")]),
        code("claim('Half is {:.1f}', 0.6, expected=0.5, tol=0.01)"),
    ]
    other = copy.deepcopy(first)
    other[1].outputs[0].data[stored.CLAIM].update(measured=0.495, tol=0.001)
    for name, cells in {"sound": first, "doctored": first + more, "other": other}.items():
        for count, cell in enumerate(cells, 1):
            cell.execution_count = count
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    paths = os.pathsep.join(str(ROOT / name) for name in (".", "tools", "_ext"))
    run = subprocess.run(
        [
            sys.executable,
            ROOT / "tools" / "warm_kernel.py",
            "serve",
            sys.executable,
            "-m",
            "pytest",
            "--nbval-lax",
            "--nbval-kernel-name",
            "python3",
            "-v",
            "-p",
            "no:cacheprovider",
            "-p",
            "conftest",
            folder,
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    outcomes = {}
    for name, test, outcome in re.findall(r"(\w+)[.:]+ipynb::(Cell \d+|claims) (PASSED|FAILED)", run.stdout):
        outcomes.setdefault(name, {})[test] = outcome
    assert {name: len(found) for name, found in outcomes.items()} == {"sound": 3, "doctored": 7, "other": 3}, (
        run.stdout + run.stderr
    )
    return run, outcomes


def failed(outcomes):
    return [test for test, outcome in outcomes.items() if outcome == "FAILED"]


@pytest.mark.slow
def test_nbval_fails_a_false_claim_and_a_changed_output(nbval_runs):
    run, outcomes = nbval_runs
    assert run.returncode == 1 and failed(outcomes["sound"]) == []
    assert failed(outcomes["doctored"]) == ["Cell 3", "Cell 5"]


@pytest.mark.slow
def test_after_its_cells_a_notebook_is_failed_for_other_claims_than_those_stored(nbval_runs):
    run, outcomes = nbval_runs
    assert failed(outcomes["other"]) == ["claims"] and "other conditions than those stored: Half is 0.5" in run.stdout


# Which tests go to one worker.


@pytest.mark.parametrize(
    "nodeid, piece",
    [
        ("tests/test_pca.py::test_a[x]", "tests/test_pca.py"),
        ("chapters/01_a/02_b.ipynb::Cell 3", "chapters/01_a/02_b.ipynb"),
        ("chapters/01_a/02_b.ipynb::claims", "chapters/01_a/02_b.ipynb"),
        ("tests/test_exercises.py::test_a[01_foundations]", "tests/test_exercises.py::01_foundations"),
        ("tests/test_exercises.py::test_a[right-01_foundations]", "tests/test_exercises.py::01_foundations"),
        ("tests/test_exercises.py::test_wrong_answer_fails[q1-x]", "tests/test_exercises.py"),
        (
            "tests/browser/test_book_pages.py::test_a[chapters/exercises/01_a/01_a]",
            "tests/browser/test_book_pages.py::chapters/exercises/01",
        ),
    ],
)
def test_only_the_largest_files_are_divided_among_workers(nodeid, piece):
    assert the_conftest.piece(nodeid) == piece


# Publishing.


def notebook_file(folder, *sources):
    first = nbformat.v4.new_markdown_cell(
        "# T\n\nRuns in **0 seconds** on two CPU cores; reading takes about **0 minutes**."
    )
    cells = [first, *map(nbformat.v4.new_code_cell, sources)]
    path = folder / "notebook.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_publishing_twice_gives_the_same_file_but_for_the_time(tmp_path):
    path = notebook_file(tmp_path, "import ipywidgets; ipywidgets.IntSlider()", "print(object()); print(1)", "1 + 1")
    seconds = publish.publish(path)
    notebook = stored.read(path)
    sealed(notebook), ran_in_order(notebook), widgets_alive(notebook), says_nothing_of_the_machine(notebook)
    said = re.search(r"Runs in \*\*(\d+) seconds?\*\* .* \*\*1 minutes\*\*", notebook.cells[0].source)
    assert int(said[1]) == max(1, round(seconds)) == max(1, round(notebook.metadata.repgen.seconds))
    assert notebook.metadata.language_info.get("version") is None
    publish.publish(path)
    again = stored.read(path)
    assert again.metadata.widgets == notebook.metadata.widgets, "the widgets' names changed"
    assert stored.code_cells(again) == stored.code_cells(notebook)
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1 / 0", "ZeroDivisionError"),
        ("import sys; print('w', file=sys.stderr)", "stderr"),
        ("import pathlib; print(pathlib.Path.home() / 'x')", "folder of this machine"),
        (
            "from IPython.display import display\n"
            f"display({{'{stored.CLAIM}': {{'status': 'not checked'}}, 'text/plain': ''}}, raw=True)",
            "stand-in",
        ),
    ],
)
def test_what_must_not_be_stored_is_refused(tmp_path, source, message):
    path = notebook_file(tmp_path, "1", source)
    before = path.read_bytes()
    with pytest.raises((publish.Refused, publish.nbclient.exceptions.CellExecutionError), match=message):
        publish.publish(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_notebook_edited_while_it_runs_is_left_alone(tmp_path):
    path = notebook_file(
        tmp_path, "from pathlib import Path; p = Path('notebook.ipynb'); _ = p.write_text(p.read_text() + ' ')"
    )
    before = path.read_bytes()
    with pytest.raises(publish.Refused, match="edited while it ran"):
        publish.publish(path)
    assert path.read_bytes() == before + b" "


def test_a_new_address_reseals_without_a_run(tmp_path):
    path = tmp_path / "notebook.ipynb"
    nbformat.write(sound(), path)
    new = "https://github.com/somebody-else/a-fork"
    assert address.rewrite(path, address.current(), new) and not address.rewrite(path, address.current(), new)
    notebook = stored.read(path)
    sealed(notebook)
    assert notebook.cells[1].source.startswith(address.setup_cell(new))
    assert notebook.cells[2].outputs == sound().cells[2].outputs
    notebook.cells[2].outputs[0].data["text/plain"] = "changed by hand"
    nbformat.write(notebook, path)
    with pytest.raises(SystemExit, match="seal is broken"):
        address.rewrite(path, new, address.current())


def test_pages_address():
    assert address.pages_url("https://github.com/You/a-fork") == "https://you.github.io/a-fork/"
    text = "see https://you.github.io/a-fork/ and install https://github.com/You/a-fork"
    there = address.replaced(text, "https://github.com/You/a-fork", "https://github.com/b/c")
    assert there == "see https://b.github.io/c/ and install https://github.com/b/c"


# What Colab brings stays.


def test_colabs_packages_are_never_replaced():
    """The versions that Colab ships satisfy the package's ranges, and no upper bound will exclude its next ones."""
    lines = (ROOT / "tools" / "colab.txt").read_text(encoding="utf-8").splitlines()
    shipped = dict(line.split("==") for line in lines if "==" in line)
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    needs = {need.name: need.specifier for need in map(Requirement, needs)}
    for name in needs.keys() - {"anywidget"}:
        assert needs[name].contains(shipped[name], prereleases=True), f"{name} {shipped[name]} would be replaced"
    for name, specifier in needs.items():
        assert {part.operator for part in specifier} == {">="}, f"{name}{specifier}: lower bounds only"


def test_what_is_pinned_satisfies_the_ranges():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = {}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            pins.setdefault(pin.name, []).append(next(iter(pin.specifier)).version)
    for need in map(Requirement, [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]):
        assert need.name in pins, f"{need.name} is not pinned"
        assert all(need.specifier.contains(version) for version in pins[need.name]), (
            f"{need} is pinned to {pins[need.name]}"
        )


@pytest.mark.parametrize(
    "code, same",
    [
        ('x = load_data("ring", n=100)', True),
        ('faces = load(\n    "faces", "train")', False),
        ("images = load_data(name)", False),
        ("from repgen.zoo.recipes import dbn_mnist", False),
        ('net = zoo.load_pretrained("vae-2d-mnist")', False),
    ],
)
def test_only_what_needs_no_data_set_is_spared_the_run_without(tmp_path, code, same):
    path = tmp_path / "a.ipynb"
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1"), nbformat.v4.new_code_cell(code)]), path
    )
    assert without_data.indifferent(path) == same
