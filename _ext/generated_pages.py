"""Fills the marks in pages whose text comes from the stored notebooks; a changed notebook makes such a page new."""

from pathlib import Path

import claims_page
import run_times_page

PAGES = {"<!-- claims -->": claims_page.markdown, "<!-- run times -->": run_times_page.markdown}


def fill(app, docname, source):
    for mark, markdown in PAGES.items():
        if mark in source[0]:
            text, files = markdown(app.srcdir)
            source[0] = source[0].replace(mark, text)
            app.env.dependencies[docname].update([*files, str(Path(app.srcdir) / "_toc.yml")])


def setup(app):
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
