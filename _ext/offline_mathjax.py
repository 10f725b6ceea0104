"""MathJax from the book's own folder: the parts that typeset TeX, zoom and speak, of what sphinx-mathjax-offline brings."""

import importlib.util
import shutil
from pathlib import Path

PARTS = ["tex-chtml.js", "input/tex/extensions", "output/chtml/fonts/woff-v2", "a11y", "sre/mathmaps/base.json", "sre/mathmaps/en.json"]


def source():
    """The folder of MathJax 3. (The package's name has hyphens, so it cannot be imported by a plain statement.)"""
    return Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"


def copy(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static" / "mathjax"
    for part in PARTS:
        if (target / part).exists():
            continue
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source() / part).is_dir():
            shutil.copytree(source() / part, target / part)
        else:
            shutil.copyfile(source() / part, target / part)


def setup(app):
    app.connect("config-inited", lambda app, config: setattr(config, "mathjax_path", "mathjax/tex-chtml.js"))
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
