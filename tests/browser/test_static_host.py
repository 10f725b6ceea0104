"""The Sphinx extension and its host: pages built from notebooks, with what may go wrong in them."""

import functools
import http.server
import io
import json
import sys
import threading
from pathlib import Path

import anywidget
import ipywidgets
import nbformat
import pytest
import torch
import traitlets as t
from ipywidgets.embed import dependency_state, embed_data
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from repgen.widgets import LatentMap

EXT = Path(__file__).parents[2] / "_ext"
STATE = "application/vnd.jupyter.widget-state+json"


class Broken(anywidget.AnyWidget):
    _esm = "export default { render() { throw new Error('broken on purpose') } };"


class Counter(anywidget.AnyWidget):
    """Uses what the host promises: a factory, initialize, events on a shared model, set, send."""

    _esm = """
    export default async () => ({
      initialize({ model }) { model.set("count", model.get("count") + 10); },
      render({ model, el }) {
        const show = () => { el.textContent = `count ${model.get("count")}, ${model.get("nested").data.byteLength} bytes`; };
        model.on("change:count", show);
        show();
        el.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); model.send({}); };
      },
    });"""
    count = t.Int(0).tag(sync=True)
    nested = t.Dict({"data": b"12345"}).tag(sync=True)


def stored(*widgets):
    return embed_data(views=widgets, state=dependency_state(widgets, drop_defaults=False))["manager_state"]


def notebook(folder, *widgets, state=True, repeat=1):
    """A notebook with the widgets' stored outputs, as `make notebooks` leaves it."""
    book = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
    book.cells = [nbformat.v4.new_markdown_cell("# A page")]
    for widget in widgets * repeat:
        bundle = widget._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        book.cells.append(nbformat.v4.new_code_cell("w", outputs=[nbformat.v4.new_output("display_data", data=data)]))
    if state:
        book.metadata["widgets"] = {STATE: stored(*widgets)}
    (folder / "source").mkdir(exist_ok=True)
    nbformat.write(book, folder / "source/page.ipynb")


def build(folder):
    """Sphinx on `folder / "source"`: the warnings of this build."""
    if str(EXT) not in sys.path:
        sys.path.insert(0, str(EXT))
    warnings = io.StringIO()
    settings = {
        "extensions": ["myst_nb", "static_widgets"],
        "nb_execution_mode": "off",
        "html_theme": "basic",
        "root_doc": "page",
    }
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            folder / "source", None, folder / "html", folder / "trees", "html", settings, status=None, warning=warnings
        )
        app.build()
    return warnings.getvalue()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A page with a map, a widget that throws, and one shown twice."""
    folder = tmp_path_factory.mktemp("book")
    torch.manual_seed(0)
    shown = LatentMap(torch.nn.Linear(2, 64), torch.randn(30, 2), title="A map")
    notebook(folder, shown, Broken(), Counter(), repeat=2)
    assert build(folder) == ""
    return folder / "html"


def test_widgets_live_from_file_and_a_broken_one_is_seen(built, open_page):
    page, seen = open_page((built / "page.html").as_uri())
    page.wait_for_selector(".widget-error")
    page.wait_for_selector(".rg-map")
    assert page.locator(".rg-map").count() == 2
    assert page.locator(".widget-error").count() == 2
    assert "could not start (broken on purpose)" in page.locator(".widget-error").first.text_content()
    assert any("broken on purpose" in error for error in seen.errors)
    assert len([text for text in seen.failed() if "could not start" in text]) == 2
    assert seen.outside == []
    assert page.locator(".widget-still").count() == 0  # the live widget has taken its place


def test_views_of_one_model_change_together(built, open_page):
    page, _ = open_page((built / "page.html").as_uri())
    views = page.get_by_text("count ")
    views.first.wait_for()
    assert views.all_text_contents() == ["count 10, 5 bytes"] * 2  # initialised once, drawn twice
    views.first.click()
    assert views.all_text_contents() == ["count 11, 5 bytes"] * 2


def test_widgets_live_over_http(built, open_page):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=built)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page, seen = open_page(f"http://127.0.0.1:{server.server_port}/page.html")
        page.wait_for_selector(".rg-map")
        assert seen.outside == []
        server.shutdown()


def test_without_javascript_there_is_a_picture(built, open_page):
    page, _ = open_page((built / "page.html").as_uri(), java_script_enabled=False)
    still = page.locator("img.widget-still").first
    assert still.is_visible() and still.bounding_box()["width"] > 300
    assert still.get_attribute("alt").startswith("Still picture of the interactive LatentMap('A map'")


def test_the_text_does_not_wait_for_the_weights(built):
    html = (built / "page.html").read_text()
    assert '"weights"' not in html and "cdn" not in html
    states = list((built / "_static/widget_states").iterdir())
    assert len(states) == 1 and f"_static/widget_states/{states[0].name}" in html
    assert "weights" in states[0].read_text()


def test_a_state_that_is_missing_fails_the_build_until_it_is_there(tmp_path):
    shown = Counter()
    notebook(tmp_path, shown, state=False)
    for _ in range(2):  # a second build must not pass because the page was cached
        warnings = build(tmp_path)
        assert "WARNING: page.ipynb holds the view of a widget but not its state" in warnings
        assert "make notebooks" in warnings
    notebook(tmp_path, shown)
    assert build(tmp_path) == ""


def test_a_state_of_other_widgets_is_missing_too(tmp_path):
    shown, other = Counter(), Counter()
    notebook(tmp_path, shown)
    book = json.loads((tmp_path / "source/page.ipynb").read_text())
    book["metadata"]["widgets"] = {STATE: stored(other)}
    (tmp_path / "source/page.ipynb").write_text(json.dumps(book))
    assert "not its state" in build(tmp_path)


def test_a_network_that_is_missing_from_the_state(tmp_path):
    shown = LatentMap(torch.nn.Linear(2, 64), torch.randn(30, 2))
    notebook(tmp_path, shown)
    book = json.loads((tmp_path / "source/page.ipynb").read_text())
    del book["metadata"]["widgets"][STATE]["state"][shown.network.model_id]
    (tmp_path / "source/page.ipynb").write_text(json.dumps(book))
    assert f"not its state (metadata.widgets, model {shown.network.model_id})" in build(tmp_path)


def test_a_widget_that_needs_a_kernel_fails_the_build(tmp_path):
    notebook(tmp_path, ipywidgets.IntProgress())
    warnings = build(tmp_path)
    assert (
        "page.ipynb shows a IntProgressModel" in warnings
        and "needs a kernel" in warnings
        and "TQDM_DISABLE" in warnings
    )


def test_a_page_whose_state_never_came_says_so(built, open_page):
    html = (built / "page.html").read_text().replace("widget_states/", "gone/")
    (built / "broken.html").write_text(html)
    page, seen = open_page((built / "broken.html").as_uri())
    page.wait_for_selector(".widget-error")
    assert "holds no state for widget" in page.locator(".widget-error").first.text_content()
    assert page.locator("img.widget-still").first.is_visible()  # the picture stays
