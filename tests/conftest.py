"""Shared by the tests of the book: the repository, and the book as it is built from it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
pytest.register_assert_rewrite("widget_checks")  # so that its assertions, too, say what they found


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """Folder of the built pages: REPGEN_BOOK, or built here, once for all workers; REPGEN_BOOK=make: by `make book`."""
    wanted = os.environ.get("REPGEN_BOOK", "")
    if wanted not in ("", "make"):
        return Path(wanted)
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of this run, and of all its workers
    done = folder / "book" / "done"
    with FileLock(folder / "book.lock"):
        if wanted == "make":
            env = {
                name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
            }
            run = subprocess.run(["make", "book"], cwd=ROOT, env=env, capture_output=True, text=True)
            assert run.returncode == 0, f"the book does not build:\n{run.stdout[-2000:]}\n{run.stderr[-6000:]}"
            return ROOT / "_build" / "html"
        if not done.exists():
            build(ROOT, folder / "book")
            done.touch()
    return folder / "book" / "_build" / "html"


@pytest.fixture(scope="session")
def build_book():
    return build


def build(source, target):
    """Builds the book in `source` as `make book` does; a warning is a failure. Returns the folder of the pages."""
    run = subprocess.run(
        [
            Path(sys.executable).with_name("jupyter-book"),
            "build",
            "-W",
            "-n",
            "--keep-going",
            "-q",
            "--path-output",
            target,
            source,
        ],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, f"the book does not build:\n{run.stdout[-2000:]}\n{run.stderr[-6000:]}"
    return target / "_build" / "html"
