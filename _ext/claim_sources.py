"""Turns the BibTeX key under a claim into a link to the bibliography: "Hinton & Salakhutdinov, 2006"."""

import html
import re
from pathlib import Path

from pybtex.database import parse_file

BIBLIOGRAPHY = "pages/bibliography"
SPAN = re.compile(r'<span class="claim-source" data-key="([^"]*)">[^<]*</span>')


def short(entry):
    """Names and year as running text has them."""
    names = [" ".join(person.prelast_names + person.last_names) for person in entry.persons["author"]]
    if len(names) > 2:
        names = [f"{names[0]} et al."]
    return f"{' & '.join(names)}, {entry.fields['year']}"


def link(app, pagename, templatename, context, doctree):
    if pagename == BIBLIOGRAPHY:  # docutils calls it a list, but its entries are not list items: readers' aids stumble
        context["body"] = context["body"].replace(
            '<div role="list" class="citation-list">', '<div class="citation-list">'
        )
    body = context.get("body", "")
    if 'class="claim-source"' not in body:
        return
    target = app.builder.get_relative_uri(pagename, BIBLIOGRAPHY)

    def replace(match):
        key = html.unescape(match[1])
        if key not in app.claim_entries:
            raise KeyError(f"{pagename}: a claim cites {key!r}, which is not in references.bib")
        return f'<a class="claim-source" href="{target}#ref-{key}">{html.escape(short(app.claim_entries[key]))}</a>'

    context["body"] = SPAN.sub(replace, body)


def load(app):
    app.claim_entries = {}
    for name in app.config.bibtex_bibfiles:
        app.claim_entries.update(parse_file(str(Path(app.srcdir) / name)).entries)


def setup(app):
    app.connect("builder-inited", load)
    app.connect("html-page-context", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
