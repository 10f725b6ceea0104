"""Sphinx extension: the anywidgets of stored notebook outputs live in the built pages.

Needs nothing in the configuration beyond its name: it puts `widget_host.js` in the place of
ipywidgets' html-manager, moves each page's widget state out of the page into a script of its own
(the text does not wait for the weights), and shows a widget's `image/png` until the widget has
started, for good where there is no JavaScript.

A widget that could not live in the page is a warning, so an error under `-W`: no state in the
notebook, or a model that needs a kernel.
"""

import hashlib
import json
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util import logging

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
HOST = Path(__file__).parent / "widget_host.js"
STATES = "widget_states"  # folder of the pages' states, under the build's _static
LOGGER = logging.getLogger(__name__)


def problem(model_id, state):
    """Why the widget `model_id` could not live in a page that holds `state`; None where it can."""
    if model_id not in state:
        return (
            f"holds the view of a widget but not its state (metadata.widgets, model {model_id}): the page would "
            "show nothing there. Run `make notebooks`, which stores outputs and widget state together"
        )
    model = state[model_id]
    if model.get("model_module") != "anywidget":
        return (
            f"shows a {model.get('model_name')} of {model.get('model_module')}, which needs a kernel: the page can "
            "only hold anywidgets. A progress bar? Run `make notebooks`, which switches them off (TQDM_DISABLE=1)"
        )
    used = [v[len("IPY_MODEL_") :] for k, v in model["state"].items() if k != "layout" and _is_reference(v)]
    return next((found for found in (problem(other, state) for other in used) if found), None)


def _is_reference(value):
    return isinstance(value, str) and value.startswith("IPY_MODEL_")


def use_host(app, config):
    """The host in place of requirejs and html-manager, which myst-nb would load from CDNs."""
    config.nb_ipywidgets_js = {HOST.name: {"async": "async"}}
    config.html_static_path = [*config.html_static_path, str(HOST)]


def prepare_views(app, doctree):
    """Checks the widgets of a page that has been read, and puts the still picture beside each view."""
    docname = app.env.docname
    js_files = NbMetadataCollector.get_js_files(app.env, docname)
    body = js_files["ipywidgets_state"][1]["body"] if "ipywidgets_state" in js_files else "{}"
    state = json.loads(body).get("state", {})
    app.env.metadata[docname].pop("widget_problem", None)
    for view in list(doctree.findall(lambda node: _mime(node) == VIEW)):
        script = view.children[0].astext()
        model_id = json.loads(script.partition(">")[2].rpartition("<")[0])["model_id"]
        if found := problem(model_id, state):
            app.env.metadata[docname]["widget_problem"] = True
            LOGGER.warning(f"{app.env.doc2path(docname, base=False)} {found}", location=docname, type="static_widgets")
        beside = {_mime(node): node for node in view.parent.children}
        view.insert(0, nodes.raw("", '<div class="widget-output">', format="html"))
        if "image/png" in beside:
            image = beside["image/png"].children[0].deepcopy()
            text = beside["text/plain"].astext() if "text/plain" in beside else "a widget"
            image["alt"] = f"Still picture of the interactive {text}" if not image.get("alt") else image["alt"]
            image["classes"] = ["widget-still"]
            view += image
        view += nodes.raw("", "</div>", format="html")


def _mime(node):
    return node.get("mime_type") if isinstance(node, nodes.container) else None


def read_again(app, env, added, changed, removed):
    """A page with a problem is read at every build until it is gone: the warning must not hide in a cache."""
    return [docname for docname, data in env.metadata.items() if data.get("widget_problem")]


def move_state(app, pagename, templatename, context, doctree):
    """The page's state as a script beside the page, the first to be fetched, without holding anything up."""
    for file in list(context.get("script_files", [])):
        attributes = getattr(file, "attributes", {})
        if attributes.get("type") != STATE:
            continue
        context["script_files"].remove(file)
        text = f"(self.widgetStates ??= []).push({attributes['body']});\n"
        name = f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.js"
        folder = Path(app.outdir, "_static", STATES)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        app.add_js_file(f"{STATES}/{name}", priority=100, loading_method="async", fetchpriority="high")


def setup(app):
    app.connect("config-inited", use_host)
    app.connect("doctree-read", prepare_views)
    app.connect("env-get-outdated", read_again)
    app.connect("html-page-context", move_state, priority=900)  # after myst-nb has added it
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
