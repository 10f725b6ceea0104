"""What the notebooks of the book hold in store: claims, run times, words. Reads files only, runs nothing."""

import re
from pathlib import Path

import nbformat
import yaml

CLAIM = "application/vnd.repgen.claim+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def pages(root):
    """Pages named in `_toc.yml`, in reading order, as paths below `root` without their suffix."""

    def walk(entry):
        if isinstance(entry, dict):
            for key, value in entry.items():
                if key in ("root", "file"):
                    yield value
                else:
                    yield from walk(value)
        elif isinstance(entry, list):
            for item in entry:
                yield from walk(item)

    return list(walk(yaml.safe_load((Path(root) / "_toc.yml").read_text(encoding="utf-8"))))


def notebooks(root):
    """The book's notebooks, in reading order: `(page, path)` pairs."""
    files = ((page, Path(root) / f"{page}.ipynb") for page in pages(root))
    return [(page, path) for page, path in files if path.exists()]


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def claims(notebook):
    """The records of the claims in the stored outputs, in order."""
    return [
        output.data[CLAIM]
        for cell in code_cells(notebook)
        for output in cell.outputs
        if CLAIM in output.get("data", {})
    ]


def title(notebook):
    """The notebook's first heading, without the `#`."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = re.search(r"^# +(.+)$", cell.source, re.MULTILINE)
            if heading:
                return heading.group(1).strip()
    raise ValueError("the notebook has no title: its first cell should start with '# '")


def minutes(notebook):
    """Minutes to read a notebook: a pace of 200 words of prose a minute and 100 of code, not a measurement."""
    words = {"markdown": 0, "code": 0, "raw": 0}
    for cell in notebook.cells:
        words[cell.cell_type] += len(re.findall(r"[\w’'-]+", cell.source))
    return max(1, round(words["markdown"] / 200 + words["code"] / 100))
