"""Stored widgets get today's scripts and styles, and nothing else of their notebooks changes."""

import json

import nbformat
import publish
import pytest
import refresh_widgets
import stored
from test_notebooks import sealed
from test_widgets import CODES, PCA2, outdated

from repgen.widgets import LatentMap

CLASSES = refresh_widgets.of_today()


@pytest.fixture
def path(tmp_path):
    """A sealed notebook with a widget and its network in store."""
    shown = LatentMap(PCA2, CODES)
    states = {m.model_id: {"state": dict(m.get_state()) | {"codes": "", "weights": ""}} for m in (shown, shown.network)}
    states["other"] = {"state": {"_esm": "not ours", "_anywidget_id": "somebody.Else"}}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("1 + 1"), nbformat.v4.new_markdown_cell("Text")]
    )
    notebook.metadata["widgets"] = {stored.WIDGET_STATE: {"state": json.loads(json.dumps(states, default=str))}}
    notebook.metadata["repgen"] = {"seconds": 1.0, "seal": publish.seal(notebook)}
    publish.write(notebook, tmp_path / "notebook.ipynb")
    return tmp_path / "notebook.ipynb"


def age(path):
    """Gives the widget a script and a style of yesterday, sealed as `make notebooks` would have."""
    notebook = nbformat.read(path, as_version=4)
    for model in notebook.metadata["widgets"][stored.WIDGET_STATE]["state"].values():
        if model["state"].get("_anywidget_id", "").endswith("LatentMap"):
            model["state"] |= {"_esm": "// of yesterday", "_css": ".rg {}"}
    notebook.metadata.repgen["seal"] = publish.seal(notebook)
    publish.write(notebook, path)


def test_what_is_of_today_is_left_alone(path):
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert refresh_widgets.refresh(path, CLASSES) == [] and (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_only_scripts_styles_and_the_seal_change(path):
    today = path.read_bytes()
    age(path)
    yesterday = path.read_bytes()
    assert outdated(json.loads(yesterday)) == ["LatentMap"]
    assert refresh_widgets.refresh(path, CLASSES, check=True) == ["LatentMap"] and path.read_bytes() == yesterday
    assert refresh_widgets.refresh(path, CLASSES) == ["LatentMap"]
    assert path.read_bytes() == today and outdated(json.loads(today)) == []
    sealed(nbformat.read(path, as_version=4))
    assert [*path.parent.iterdir()] == [path]


def test_a_broken_seal_is_not_mended(path):
    age(path)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "1 + 2"
    publish.write(notebook, path)
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="seal is broken"):
        refresh_widgets.refresh(path, CLASSES)
    assert path.read_bytes() == before


def test_the_command_says_what_is_out_of_date(path, capsys):
    assert refresh_widgets.main(["--check", str(path)]) == 0 and capsys.readouterr().out == ""
    age(path)
    assert refresh_widgets.main(["--check", str(path)]) == 1 and "LatentMap" in capsys.readouterr().out
    assert refresh_widgets.main([str(path)]) == 0 == refresh_widgets.main(["--check", str(path)])
