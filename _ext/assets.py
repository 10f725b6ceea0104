"""What every page loads: MathJax from the book's own folder, no second copy of the icons, no index that it does not
search; and what it says of itself to others."""

import functools
import importlib.util
import itertools
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from PIL import Image

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

# What folds a chapter's pages away in the menu, and says so with a sign only.
CHEVRON = re.compile(rb"(>([^<>]+)</a>\s*<details[^>]*>)<summary>")

# Pictures of the book that say no size yet.
IMAGE = re.compile(rb'<img (?![^>]*(?:width|loading)=)[^>]*?src="((?!data:|https?:)[^"]+\.png)"[^>]*>')


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


def finish(app, exception):
    """Takes out the search's index, and gives pictures their sizes and the menu's folds their names."""
    if exception is not None or app.builder.format != "html":
        return
    root = Path(app.outdir)
    for page in root.rglob("*.html"):
        before = page.read_bytes()
        text = before if page == root / "search.html" else SEARCH.sub(b"", before)
        text = CHEVRON.sub(rb'\1<summary aria-label="Pages of \2">', with_sizes(text, page.parent))
        if text != before:
            page.write_bytes(text)


def with_sizes(text, folder):
    """A page whose images say how large they are; all but the first two are fetched when they are about to be seen."""
    number = itertools.count()

    def complete(tag):
        path = folder / unquote(tag[1].decode())
        lazy = b'loading="lazy" ' if next(number) > 1 else b""
        pixels = b'width="%d" height="%d" ' % size(path.resolve()) if path.is_file() else b""
        return b"<img " + lazy + pixels + tag[0].removeprefix(b"<img ")

    return IMAGE.sub(complete, text)


@functools.cache
def size(path):
    with Image.open(path) as image:
        return image.size


def configure(app, config):
    """MathJax in its own time; and the book's address, which stands in one place, for what is shared or not found."""
    config.mathjax_path = "mathjax/tex-chtml.js"
    config.mathjax_options = {"async": "async", "fetchpriority": "low"}
    config.ogp_site_url = config.html_baseurl
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path


def setup(app):
    size.cache_clear()
    app.connect("config-inited", configure, priority=0)
    app.connect("build-finished", copy)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
