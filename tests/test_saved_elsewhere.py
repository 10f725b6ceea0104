"""A notebook as other programs save it is collected, graded and handed back like any other."""

import copy
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parent.parent
NAME = "tiny"


def role(name, **options):
    return {
        "nbgrader": {
            "grade": False,
            "grade_id": name,
            "locked": False,
            "schema_version": 3,
            "solution": False,
            "task": False,
        }
        | options
    }


def exercise():
    cells = [
        new_markdown_cell("# Twice", metadata=role("title", locked=True)),
        new_code_cell(
            "### BEGIN SOLUTION\ndef twice(x):\n    return 2 * x\n### END SOLUTION",
            metadata=role("twice", solution=True),
        ),
        new_code_cell("assert twice(3) == 6", metadata=role("twice_test", grade=True, locked=True, points=2)),
        new_code_cell("print('a cell of no role')"),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def saved_by_colab(notebook):
    """No ids of cells but in their metadata, format 4.0, states of widgets without the usual frame."""
    notebook["nbformat_minor"] = 0
    notebook["metadata"] |= {"colab": {"provenance": [], "gpuType": "T4"}, "accelerator": "GPU"}
    notebook["metadata"]["kernelspec"].pop("language")
    model = {"model_module": "@jupyter-widgets/base", "model_name": "LayoutModel", "state": {"width": None}}
    notebook["metadata"]["widgets"] = {STATE: {uuid.uuid4().hex: model}}
    for cell in notebook["cells"]:
        cell["metadata"] |= {"id": cell.pop("id"), "colab": {"base_uri": "https://localhost:8080/"}, "outputId": "a"}
        cell["source"] = [line.replace("\n", "\r\n") for line in cell["source"]]


def saved_by_vs_code(notebook):
    notebook["metadata"]["kernelspec"] = {"name": "my-own-env", "display_name": ".venv (3.12.4)", "language": "python"}
    notebook["metadata"]["vscode"] = {"interpreter": {"hash": "31f2"}}
    for cell in notebook["cells"]:
        cell["metadata"]["vscode"] = {"languageId": "python"}


def saved_by_kaggle(notebook):
    notebook["metadata"] |= {"kaggle": {"accelerator": "none", "dataSources": []}, "papermill": {"duration": 3.1}}
    for cell in notebook["cells"]:
        cell.pop("id")
        cell["metadata"] |= {"_uuid": uuid.uuid4().hex, "execution": {"iopub.status.busy": "now"}, "trusted": True}
    notebook["nbformat_minor"] = 4


def saved_by_deepnote(notebook):
    """Without a kernel and a language."""
    notebook["metadata"] = {"deepnote": {}, "deepnote_notebook_id": uuid.uuid4().hex, "orig_nbformat": 2}
    for cell in notebook["cells"]:
        cell["metadata"] |= {
            "deepnote_cell_type": "code",
            "deepnote_to_be_reexecuted": False,
            "cell_id": "x",
            "tags": [],
        }
        cell["block_group"] = uuid.uuid4().hex  # not in the format


def with_states_of_widgets(notebook):
    state = {"model_module": "@jupyter-widgets/base", "model_name": "LayoutModel", "state": {}}
    whole = {"version_major": 2, "version_minor": 0, "state": {"a" * 32: state}}
    notebook["metadata"]["widgets"] = {STATE: whole}
    with_a_view_of_nothing(notebook)


def with_a_view_of_nothing(notebook):
    """A widget's view whose state was not saved."""
    output = new_output("display_data", {VIEW: {"model_id": "b" * 32, "version_major": 2, "version_minor": 0}})
    notebook["cells"][-1]["outputs"] = [json.loads(json.dumps(output))]


def with_part_of_a_state(notebook):
    notebook["metadata"]["widgets"] = {STATE: {"version_major": 2}}
    with_a_view_of_nothing(notebook)


def with_lines_without_end(notebook):
    output = new_output("stream", name="stdout", text="x" * 3_000_000 + "\n" + "y\n" * 20_000)
    notebook["cells"][-1]["outputs"] = [json.loads(json.dumps(output))]
    notebook["cells"][-1]["source"] = "print('x' * 3_000_000)"


CHANGES = {
    "colab": saved_by_colab,
    "vscode": saved_by_vs_code,
    "kaggle": saved_by_kaggle,
    "deepnote": saved_by_deepnote,
    "states": with_states_of_widgets,
    "no-state": with_a_view_of_nothing,
    "part-of-a-state": with_part_of_a_state,
    "long-lines": with_lines_without_end,
}
BYTES = {
    "mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "windows": lambda text: text.replace("\n", "\r\n").encode(),
    "one-line": lambda text: json.dumps(json.loads(text), ensure_ascii=False).encode(),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The points of each student by name, and the folder of the course."""
    from nbgrader.api import Gradebook

    folder = tmp_path_factory.mktemp("elsewhere")
    source = folder / "exercises" / NAME
    source.mkdir(parents=True)
    nbformat.write(exercise(), source / f"{NAME}.ipynb")
    env = os.environ | {
        "REPGEN_COURSE": str(folder / "course"),
        "REPGEN_EXERCISES": str(folder / "exercises"),
        "REPGEN_SANDBOX": "none",
        "OMP_NUM_THREADS": "1",
    }

    def run(*command):
        done = subprocess.run([sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True)
        return done.stdout + done.stderr

    run("-m", "nbgrader", "generate_assignment", NAME, "--create", "--log-level=WARN")
    release = json.loads((folder / "course" / "release" / NAME / f"{NAME}.ipynb").read_text())
    for cell in release["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "twice":
            cell["source"] = ["def twice(x):\n", "    return 2 * x  # é, 二\n"]
    for student in [*CHANGES, *BYTES]:
        notebook = copy.deepcopy(release)
        CHANGES.get(student, lambda notebook: None)(notebook)
        text = json.dumps(notebook, indent=1, ensure_ascii=False)
        place = folder / "handed-in" / student
        place.mkdir(parents=True)
        (place / f"{NAME}.ipynb").write_bytes(BYTES.get(student, str.encode)(text))
    said = run("tools/grade.py", "collect", NAME, str(folder / "handed-in"))
    said += run("-m", "nbgrader", "autograde", NAME, "--log-level=ERROR")
    said += run("-m", "nbgrader", "generate_feedback", NAME, "--force", "--log-level=WARN")
    with Gradebook(f"sqlite:///{folder / 'course' / 'gradebook.db'}") as book:
        return {s.student_id: s.score for s in book.assignment_submissions(NAME)}, folder / "course", said


@pytest.mark.parametrize("student", [*CHANGES, *BYTES])
def test_a_notebook_saved_elsewhere_is_graded_and_handed_back(graded, student):
    points, course, said = graded
    assert points.get(student) == 2, said[-3000:]
    page = course / "feedback" / student / NAME / f"{NAME}.html"
    assert page.exists() and "twice" in page.read_text(encoding="utf-8"), said[-3000:]
