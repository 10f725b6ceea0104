"""Shared by the tests of the book: the repository, and the book as it is built from it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytest.register_assert_rewrite("widget_checks")  # so that its assertions, too, say what they found


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """Folder of the built pages: the one that `make` has just built (REPGEN_BOOK), else one built here and now."""
    if built := os.environ.get("REPGEN_BOOK"):
        return Path(built)
    return build(ROOT, tmp_path_factory.mktemp("book"))


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
