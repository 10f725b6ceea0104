"""Runs notebooks and stores what they show: `make notebooks`, or `python tools/publish.py [notebook ...]`.

Each notebook runs top to bottom in a fresh kernel, in its own folder, on two threads. Its outputs, the state of
its widgets, how long it took and with which versions are written into the file, in one step: a notebook that
fails, or that ran on stand-in data, is left as it was.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import sys
import time
from pathlib import Path

import nbclient
import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "_ext"))
import stored

THREADS = 2  # what "on two CPU cores" in the notebooks means
RUN_LINE = re.compile(r"Runs in \*\*\d+ seconds?\*\*")
READ_LINE = re.compile(r"takes about \*\*\d+ minutes?\*\*")
ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}")


class Refused(Exception):
    """A run whose outputs may not be stored."""


def seal(notebook):
    """Checksum of what a run left: sources and outputs of the code cells, state of the widgets.

    An output changed by hand no longer fits the seal in `metadata.repgen.seal`.
    """
    cells = [[cell.source, cell.outputs, cell.execution_count] for cell in stored.code_cells(notebook)]
    content = json.dumps([cells, notebook.metadata.get("widgets", {})], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def execute(notebook, folder):
    """Runs `notebook` in place, in `folder`, and returns the seconds it took, the kernel's start included."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    client = nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=True,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # no word about the kernel's own transport
    )
    threads = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    # A thread that waits must not hold a core: beside other work, small tensor operations then take a hundred times as
    # long.
    env = os.environ | threads | {"TQDM_DISABLE": "1", "OMP_WAIT_POLICY": "passive"}
    env.pop("REPGEN_CLAIMS_LOG", None)
    start = time.perf_counter()
    client.execute(env=env)
    return time.perf_counter() - start


def model_ids(notebook, name):
    """Gives the widgets' random ids names that stay the same from run to run. Returns the notebook so renamed."""
    state = notebook.metadata.get("widgets", {}).get(stored.WIDGET_STATE, {}).get("state", {})
    text = nbformat.writes(notebook)
    for number, old in enumerate(state):
        text = text.replace(old, hashlib.sha256(f"{name}/{number}".encode()).hexdigest()[:32])
    return nbformat.reads(text, as_version=4)


def strip(notebook):
    """Takes out what differs from machine to machine and says nothing."""
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "text" in output:
                output.text = ADDRESS.sub(" at 0x…", output.text)
            for kind, value in output.get("data", {}).items():
                if kind.startswith("text/") and isinstance(value, str):
                    output.data[kind] = ADDRESS.sub(" at 0x…", value)


def check(notebook, allow_stand_in):
    """Raises Refused where the outputs must not stand in the book."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            claim = output.get("data", {}).get(stored.CLAIM)
            if claim and claim["status"] != "holds" and not allow_stand_in:
                raise Refused(
                    f"a claim is {claim['status']}: it ran on stand-in data. Set REPGEN_DATA to the real data."
                )
            if output.get("name") == "stderr":
                raise Refused(f"a cell wrote to stderr, which readers would see:\n{output.text}")
            text = json.dumps(output)
            for path in {str(ROOT), str(Path.home()), os.environ.get("REPGEN_DATA") or str(ROOT)} - {"/"}:
                if path in text:
                    raise Refused(f"an output names a folder of this machine ({path}):\n{cell.source}")


def versions():
    found = {"python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in ("repgen", "torch", "numpy", "scikit-learn")}


def publish(path, allow_stand_in=False):
    """Runs the notebook at `path` and stores what it shows. Returns its seconds.

    Raises Refused, or nbclient's CellExecutionError with the failing cell, and then leaves the file alone.
    """
    before = path.read_bytes()
    notebook = nbformat.reads(before.decode(), as_version=4)
    first = notebook.cells[0]
    if not RUN_LINE.search(first.source):
        raise Refused(
            "its first cell lacks the line 'Runs in **0 seconds** on two CPU cores', which is filled in here."
        )
    seconds = round(execute(notebook, path.parent), 1)
    strip(notebook)
    notebook = model_ids(notebook, path.stem)
    check(notebook, allow_stand_in)
    whole = max(1, round(seconds))
    unit = "second" if whole == 1 else "seconds"
    first = notebook.cells[0]
    first.source = RUN_LINE.sub(f"Runs in **{whole} {unit}**", first.source)
    first.source = READ_LINE.sub(f"takes about **{stored.minutes(notebook)} minutes**", first.source)
    notebook.metadata["repgen"] = {
        "seconds": seconds,
        "cores": THREADS,
        "date": datetime.date.today().isoformat(),
        "versions": versions(),
        "seal": seal(notebook),
    }
    if path.read_bytes() != before:
        raise Refused("it was edited while it ran; the file was left as it is. Publish it again.")
    write(notebook, path)
    return seconds


def write(notebook, path):
    """Writes the whole file or none of it."""
    nbformat.validate(notebook)
    part = path.with_name(f".{path.name}.part")
    part.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "notebooks", nargs="*", type=Path, help="those of the chapters and the exercises, if none is named"
    )
    parser.add_argument(
        "--allow-stand-in", action="store_true", help="store outputs of stand-in data too (not for the book)"
    )
    args = parser.parse_args()
    failed = 0
    everything = [*ROOT.glob("chapters/[0-9]*/[0-9]*.ipynb"), *ROOT.glob("chapters/exercises/*/*.ipynb")]
    for path in args.notebooks or sorted(everything):
        path = path.resolve()
        try:
            print(f"{path.relative_to(ROOT)}: {publish(path, args.allow_stand_in):.1f} s", flush=True)
        except (Refused, nbclient.exceptions.CellExecutionError) as error:
            failed += 1
            print(f"{path}: not stored.\n{error}", file=sys.stderr, flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
