"""Pages of the exercises, made from their nbgrader sources while the book is built.

A reader sees the statement, what a student starts from and the visible tests; hint, solution and model answer are
folded; hidden tests are left out, of the page, of the search index and of the notebook that the page offers. What
is offered, as a download and in Colab, is the student's version in `assignments/`, which nbgrader makes.
"""

import json
import re
import shutil
from pathlib import Path

from sphinx.errors import ExtensionError

FOLDER = "chapters/exercises/"
STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
HIDDEN = re.compile(r"^[^\n]*BEGIN HIDDEN TESTS.*?END HIDDEN TESTS[^\n]*\n?", re.MULTILINE | re.DOTALL)
SOLUTION = re.compile(r"^([ \t]*)[^\n]*BEGIN SOLUTION[^\n]*\n(.*?)^[^\n]*END SOLUTION[^\n]*$", re.MULTILINE | re.DOTALL)
HINT = re.compile(r"<details>\s*<summary>(.*?)</summary>\n(.*)</details>", re.DOTALL)
MARKER = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)")


def source(cell):
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def markdown(text, cell, suffix):
    return {"cell_type": "markdown", "id": f"{cell['id']}-{suffix}"[:64], "metadata": {}, "source": text}


def dropdown(title, text):
    """`text` folded under `title`, with a fence longer than any fence in it."""
    fence = "`" * (3 + max((len(ticks) for ticks in re.findall(r"`{3,}", text)), default=0))
    return f"{fence}{{dropdown}} {title}\n{text.strip()}\n{fence}"


def stub(code):
    """An answer cell as a student gets it."""
    indented = lambda found: "\n".join(found[1] + line for line in STUB.split("\n"))
    return SOLUTION.sub(indented, code) if SOLUTION.search(code) else STUB


def shown(cell):
    """The cell as the page shows it, and what is to be folded after it; None for what is left out."""
    role, text = cell["metadata"].get("nbgrader", {}), source(cell)
    if cell["cell_type"] == "markdown":
        if role.get("solution"):
            return markdown(dropdown("Model answer", text.removeprefix("**Model answer.**")), cell, "model"), None
        return cell | {"source": HINT.sub(lambda found: dropdown(found[1], found[2]), text)}, None
    if role.get("solution"):
        solution = "".join(line for line in text.splitlines(keepends=True) if not MARKER.search(line))
        return cell | {"source": stub(text)}, markdown(
            dropdown("Solution", f"```python\n{solution.rstrip()}\n```"), cell, "solution"
        )
    visible = HIDDEN.sub("", text).rstrip()
    return (cell | {"source": visible} if visible else None), None


def page(notebook, name, colab):
    """The notebook whose page stands in the book, from the source of assignment `name`.

    A solution is folded below the tests of its answer.
    """
    cells, waiting = [], None
    for cell in notebook["cells"]:
        seen, folded = shown(cell)
        tested = cell["metadata"].get("nbgrader", {}).get("grade")
        cells += [c for c in (seen, waiting if tested else None) if c]
        waiting = folded or (None if tested else waiting)
    if waiting:
        raise ExtensionError(f"{name}: the last answer has no test")
    offer = (
        "```{admonition} Your copy\n:class: note\n"
        f"To answer the questions, {{download}}`download the notebook </assignments/{name}.ipynb>` or "
        f"[open it in Colab]({colab}). Here, hints and solutions are folded: try first.\n```"
    )
    cells.insert(1, markdown(offer, cells[0], "offer"))
    if left := [cell["id"] for cell in cells if MARKER.search(source(cell))]:
        raise ExtensionError(f"{name}: a marker of nbgrader has no partner in the cells {', '.join(left)}")
    return notebook | {"cells": cells}


def assignment(docname):
    """Name of the assignment whose page this is, or None."""
    return docname.rsplit("/", 1)[1] if docname.startswith(FOLDER) and docname.count("/") == 3 else None


def colab_address(config, name):
    options = config.html_theme_options
    repository = options.get("repository_url", "").removeprefix("https://github.com/").strip("/")
    branch = options.get("repository_branch", "main")
    return f"https://colab.research.google.com/github/{repository}/blob/{branch}/assignments/{name}.ipynb"


def on_source_read(app, docname, text):
    if name := assignment(docname):
        if not (Path(app.srcdir) / "assignments" / f"{name}.ipynb").exists():
            raise ExtensionError(f"assignments/{name}.ipynb is missing: run `make assignments`")
        text[0] = json.dumps(page(json.loads(text[0]), name, colab_address(app.config, name)))


def on_page(app, docname, template, context, doctree):
    """Launch buttons open the student's version, not the one with the solutions."""
    if name := assignment(docname):
        for group in context.get("header_buttons", []):
            for button in group.get("buttons", []):
                if f"{docname}.ipynb" in button.get("url", "") and "_sources" not in button["url"]:
                    button["url"] = button["url"].replace(f"{docname}.ipynb", f"assignments/{name}.ipynb")


def on_finish(app, exception):
    """The copy of the source that the page's download button offers becomes the student's version."""
    if exception is None and app.builder.format == "html":
        for docname in app.env.found_docs:
            copy = Path(app.outdir) / "_sources" / f"{docname}.ipynb"
            if (name := assignment(docname)) and copy.exists():
                shutil.copyfile(Path(app.srcdir) / "assignments" / f"{name}.ipynb", copy)


def setup(app):
    app.connect("source-read", on_source_read)
    app.connect("html-page-context", on_page, priority=900)
    app.connect("build-finished", on_finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
