"""Gives stored widgets the scripts and styles of today: `python tools/refresh_widgets.py [notebook ...]`.

A notebook stores the script and the style of each of its widgets (`_esm` and `_css`). After a change of these files
this writes the new ones into the notebooks, by default into all of the chapters, and seals them anew. Nothing else
changes and nothing is run; a widget whose *data* would be others has to be made again by `make notebooks`. `--check`
lists the notebooks that are out of date, and writes nothing.
"""

import argparse
import sys
from pathlib import Path

import nbformat
from publish import ROOT, seal, write

sys.path.append(str(ROOT / "_ext"))
import stored


def of_today():
    """{the name that a stored widget has: its class}."""
    from repgen import widgets

    classes = (getattr(widgets, name) for name in widgets.__all__)
    return {f"{c.__module__}.{c.__name__}": c for c in classes if hasattr(c, "_esm")}


def refresh(path, classes, check=False):
    """Writes today's scripts and styles into one notebook, unless `check`. Returns the classes that were out of date.

    SystemExit where the notebook's outputs no longer fit their seal: they are to be made anew, not sealed.
    """
    notebook = nbformat.read(path, as_version=4)
    record, before, outdated = notebook.metadata.get("repgen"), seal(notebook), set()
    for model in notebook.metadata.get("widgets", {}).get(stored.WIDGET_STATE, {}).get("state", {}).values():
        state = model["state"]
        if widget := classes.get(state.get("_anywidget_id")):
            today = {"_esm": str(widget._esm), "_css": str(getattr(widget, "_css", ""))}
            if any(state.get(trait, "") != text for trait, text in today.items()):
                outdated.add(widget.__name__)
                state.update(today)
    if outdated and not check:
        if record and record["seal"] != before:
            sys.exit(f"{path}: its outputs were changed by hand (the seal is broken); run `make notebooks ONLY={path}`")
        if record:
            record["seal"] = seal(notebook)
        write(notebook, path)
    return sorted(outdated)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="those of the chapters, if none is named")
    parser.add_argument("--check", action="store_true", help="list what is out of date, and write nothing")
    args = parser.parse_args(arguments)
    classes, found = of_today(), False
    for path in args.notebooks or sorted(ROOT.glob("chapters/[0-9]*/*.ipynb")):
        if names := refresh(path, classes, args.check):
            found = True
            print(f"{path}: {', '.join(names)}")
    return int(args.check and found)


if __name__ == "__main__":
    sys.exit(main())
