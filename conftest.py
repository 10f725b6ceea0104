"""For every run of pytest: a notebook's claims beside its cells, the longest files first, where the minutes went."""

import json
import os
import re
import time
from collections import Counter
from pathlib import Path

import fresh_run
import nbformat
import pytest
import stored

ROOT = Path(__file__).resolve().parent
# Seconds that a file of tests takes on one core, roughly: for the order alone. Those not named here take less.
SECONDS = {
    "tests/test_book.py": 1000,  # builds the book, for which others wait: so it comes before all
    "tests/browser/test_book_pages.py": 430,
    "tests/test_zoo.py": 200,
    "tests/test_exercises.py": 110,
}
# Tests of one file that go to a worker together, where the file is not one piece: by the first group that matches.
PIECES = {
    "tests/browser/test_book_pages.py": re.compile(r"\[(chapters/(?:exercises/)?\d\d)"),  # a chapter
    "tests/test_zoo.py": re.compile(r"_metrics_on_record\[(.+)\]"),  # a model
    "tests/test_exercises.py": re.compile(r"\[(?:right-|untouched-)?(\d\d_\w+)\]$"),  # an assignment
}


class Claims(pytest.Item):
    """The last test of a notebook: what it has just claimed against the claims in the stored file."""

    def runtest(self):
        cells = [item for item in self.session.items if item.parent is self.parent and item is not self]
        outputs = [cell.test_outputs for cell in cells]
        if None in outputs or len(cells) < len(stored.code_cells(self.parent.nb)):
            pytest.skip("not all of its cells were run")
        claims = [o.data[stored.CLAIM] for o in sum(outputs, []) if stored.CLAIM in o.get("data", {})]
        found = fresh_run.disagreements(stored.claims(self.parent.nb), claims)
        assert not found, "\n".join(found)

    def repr_failure(self, excinfo, style=None):
        return str(excinfo.value)

    def reportinfo(self):
        return self.path, 0, f"{self.path.name}: claims"


def is_notebook(item):
    return item.path.suffix == ".ipynb"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Claims are logged (REPGEN_CLAIMS_LOG) under this name. nbval starts a kernel in the setup of the first cell."""
    os.environ.pop("REPGEN_NOTEBOOK", None)
    if is_notebook(item):
        os.environ["REPGEN_NOTEBOOK"] = item.path.relative_to(item.config.rootpath).as_posix()


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    """Adds each notebook's claims, marks what is slow, and sorts files by their time: two workers end together."""
    files = {}
    for item in items:
        if {"book", "browser", "course"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
        files.setdefault(item.path, []).append(item)
    for tests in files.values():
        if is_notebook(tests[0]):
            tests.append(Claims.from_parent(tests[0].parent, name="claims"))
    items[:] = [item for path in sorted(files, key=seconds, reverse=True) for item in files[path]]


def seconds(path):
    """About how long a file takes: of a notebook on record, of tests in the table above."""
    if path.suffix == ".ipynb":
        return nbformat.read(path, as_version=4).metadata.get("repgen", {}).get("seconds", 0)
    return SECONDS.get(path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else "", 0)


def pytest_xdist_make_scheduler(config, log):
    """With --dist loadfile: files in the order of collection, the largest in pieces."""
    if config.option.dist != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return piece(nodeid)

    config.option.loadscopereorder = False
    return Scheduler(config, log)


def piece(nodeid):
    """What of the tests goes to one worker: the file, or a part of it."""
    file, _, name = nodeid.partition("::")
    part = file in PIECES and PIECES[file].search(name)
    return f"{file}::{part[1]}" if part else file


def pytest_terminal_summary(terminalreporter):
    """Which files took the longest, of all sessions that share REPGEN_MINUTES; how long the whole check took."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    if log := os.environ.get("REPGEN_MINUTES"):
        spent, session = Counter(), os.environ.get("REPGEN_SESSION", "")
        for report in sum(terminalreporter.stats.values(), []):
            if isinstance(report, pytest.TestReport):
                spent[report.nodeid.partition("::")[0]] += report.duration
        with open(log, "a", encoding="utf-8") as file:
            file.writelines(json.dumps([f"{name} {session}", took]) + "\n" for name, took in spent.items())
        rows = [json.loads(line) for line in Path(log).read_text(encoding="utf-8").splitlines()]
        total = sum(took for _, took in rows) / 60
        terminalreporter.section(f"{total:.1f} minutes of tests, by all workers, in {len(rows)} files; the longest")
        for name, took in sorted(rows, key=lambda row: -row[1])[:15]:
            terminalreporter.write_line(f"{took:7.1f} s  {name}")
    if began := os.environ.get("CI_BEGAN"):
        minutes, rest = divmod(int(time.time()) - int(began), 60)
        terminalreporter.write_line(f"{minutes} min {rest} s since the check began")
