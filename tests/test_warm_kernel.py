"""Forked kernels: what the ordinary kernel gives for cells that pass, fail, hang and die; and nothing left behind."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SERVE = [sys.executable, str(ROOT / "tools" / "warm_kernel.py"), "serve"]
FACTS = """
import json, os, random, sys
import numpy as np

facts = {"pid": os.getpid(), "folder": os.getcwd(), "told": os.environ.get("REPGEN_TOLD"), "argv": sys.argv[1:2]}
facts["path"], facts["group"] = sys.path, os.getpgid(0) == os.getpid()
facts["modules"] = [name for name in ("torch", "torch._dynamo", "sklearn", "repgen") if name in sys.modules]
facts["parent's threads"] = len(os.listdir(f"/proc/{os.getppid()}/task"))
facts["draws"] = [random.random(), np.random.rand()]
if "torch" in sys.modules:
    import torch

    facts["draws"].append(torch.rand(()).item())
if "figure" in globals():
    import matplotlib, matplotlib.pyplot as plt

    plt.figure()
    facts["matplotlib"] = {name: str(value) for name, value in matplotlib.rcParams.items()}
with open(f"{os.getpid()}.facts", "w") as file:
    json.dump(facts, file)
"""
NOTEBOOKS = {
    "passes": ["figure = True", FACTS, "print(len(facts)); 1 + 1"],
    "dies": ["import os; os._exit(3)", "1"],
    "fails": [FACTS, "1 / 0", "import sys; print('after', file=sys.stderr)"],
    "hangs": ["import time; time.sleep(100)", "2"],
    "is killed": ["import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
}
# Runs the notebooks that come in, in new kernels; prints what cells gave, or the error that ended the run.
CLIENT = """
import json, sys
import nbclient, nbformat

said = {}
for name, cells in json.load(sys.stdin).items():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    wait = lambda cell: 2 if "sleep" in cell.source else 100
    client = nbclient.NotebookClient(
        notebook, kernel_name="python3", startup_timeout=100, allow_errors=True,
        timeout_func=wait, interrupt_on_timeout=True,
    )
    try:
        client.execute()
        for output in sum((cell.outputs for cell in notebook.cells), []):
            output.pop("traceback", None)
        said[name] = [cell.outputs for cell in notebook.cells]
    except nbclient.exceptions.DeadKernelError as error:
        said[name] = type(error).__name__
print(json.dumps(said))
sys.exit(7)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not runpy.run_path(SERVE[1])["FORKS"], reason="only ordinary kernels here"),
]


def run(folder, *server):
    """What NOTEBOOKS give, by name, and the facts that they found about their kernels."""
    folder.mkdir()
    env = {name: value for name, value in os.environ.items() if name not in ("JUPYTER_PATH", "PYTHONPATH")}
    done = subprocess.run(
        [*server, sys.executable, "-c", CLIENT],
        cwd=folder,
        env=env | {"REPGEN_TOLD": "this", "OMP_NUM_THREADS": "1"},
        input=json.dumps(NOTEBOOKS),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 7, done.stdout + done.stderr
    facts = sorted(folder.glob("*.facts"), key=lambda file: file.stat().st_mtime_ns)
    return json.loads(done.stdout), [json.loads(file.read_text()) for file in facts]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    return run(folder / "ordinary"), run(folder / "warm", *SERVE)


def test_notebooks_give_what_they_give_in_the_ordinary_kernel(runs):
    (ordinary, _), (warm, _) = runs
    assert ordinary["dies"] == ordinary["is killed"] == "DeadKernelError"
    assert ordinary["fails"][1][0]["ename"] == "ZeroDivisionError" and ordinary["fails"][2][0]["text"] == "after\n"
    assert ordinary["hangs"][0][0]["ename"] == "KeyboardInterrupt" and ordinary["hangs"][1]
    assert warm == ordinary


def test_a_fork_is_what_a_process_of_its_own_is(runs):
    (_, ordinary), (_, warm) = runs
    assert len(ordinary) == len(warm) == 2
    for here, there in zip(ordinary, warm):
        assert there["modules"] == ["torch", "torch._dynamo", "sklearn"] and here["modules"] == []
        assert there["parent's threads"] == 1, "a lock that a thread holds stays locked in a fork"
        assert Path(here["folder"]).name == "ordinary" and Path(there["folder"]).name == "warm"
        for what in ("told", "argv", "path", "group", "matplotlib"):
            assert here.get(what) == there.get(what), what
    assert warm[0]["matplotlib"]
    assert len(warm[0]["draws"]) == 3 and not set(warm[0]["draws"]) & set(warm[1]["draws"]), "the same random numbers"


def test_no_kernel_outlives_its_command(runs):
    for _, kernels in runs:
        assert not [kernel["pid"] for kernel in kernels if os.path.exists(f"/proc/{kernel['pid']}")]
