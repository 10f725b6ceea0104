"""For every run of pytest: tells a notebook under nbval its name, and says how long the whole check has taken."""

import os
import time

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """The claims of a notebook are logged under this name. (nbval starts a kernel in the setup of its first cell.)"""
    if item.path.suffix == ".ipynb":
        os.environ["REPGEN_NOTEBOOK"] = item.path.relative_to(item.config.rootpath).as_posix()


def pytest_terminal_summary(terminalreporter):
    if began := os.environ.get("CI_BEGAN"):
        minutes, seconds = divmod(int(time.time()) - int(began), 60)
        terminalreporter.write_line(f"{minutes} min {seconds} s since the check began")
