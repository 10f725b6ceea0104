"""What every page loads: MathJax from the book's own folder, no second copy of the icons, no index that it does not
search; and what it says of itself to others."""

import importlib.util
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

# Of MathJax: what typesets TeX, zooms and speaks English.
PARTS = [
    "tex-chtml.js",
    "input/tex/extensions",
    "output/chtml/fonts/woff-v2",
    "a11y",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
]
# The theme brings its icons twice, as fonts and as a script of 1.5 MB. The fonts are enough.
ICONS = "scripts/fontawesome.js"

# For searching as one types, which is switched off, the theme has every page load the index of the whole book.
SEARCH = re.compile(rb'\s*<script src="[^"]*(searchtools|language_data|searchindex)\.js[^"]*"></script>')


def mathjax():
    """The folder of MathJax 3 in sphinx-mathjax-offline (a package whose name no import statement can spell)."""
    return Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"


def copy(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    for part in PARTS:
        source, target = mathjax() / part, static / "mathjax" / part
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
    (static / ICONS).write_text("// The icons come from fonts.\n")


def forget_search(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    for page in set(Path(app.outdir).rglob("*.html")) - {Path(app.outdir) / "search.html"}:
        text = page.read_bytes()
        if SEARCH.search(text):
            page.write_bytes(SEARCH.sub(b"", text))


def tell_address(app, config):
    """The book's address stands in one place; what is shared and what is not found are told it from there."""
    config.ogp_site_url = config.html_baseurl
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path


def setup(app):
    app.connect("config-inited", tell_address, priority=0)
    app.connect("config-inited", lambda app, config: setattr(config, "mathjax_path", "mathjax/tex-chtml.js"))
    app.connect("build-finished", copy)
    app.connect("build-finished", forget_search)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
