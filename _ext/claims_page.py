"""The page of claims: all claims of the stored notebooks, one table a notebook."""

import html
import re

import stored

HEAD = "| Claim | Measured | Published | It has to be | |\n|---|---|---|---|---|\n"


def plain(text):
    """`text` as Markdown that shows it as it is, safe in a table."""
    return re.sub(r"([\\`*_{}\[\]<>$|~^#])", r"\\\1", text)


def condition(claim):
    """What the measured figure is checked against, in words."""
    parts = []
    target = claim["published"] if claim["expected"] is None else claim["expected"]
    if claim["tol"] is not None and target is not None:
        parts.append(f"within {claim['tol']:g} of {target:.6g}")
    if claim["at_least"] is not None:
        parts.append(f"at least {claim['at_least']:g}")
    if claim["at_most"] is not None:
        parts.append(f"at most {claim['at_most']:g}")
    return ", ".join(parts)


def row(claim, page):
    """One line of the table: the sentence, linked to where it was measured, and its figures."""
    place = html.escape(f"../{page}.html#{claim['id']}", quote=True)
    published = "" if claim["published"] is None else f"{claim['published']:.6g}"
    if claim["source"]:
        published += f" {{cite:p}}`{claim['source']}`"
    status = {"holds": "✓ holds"}.get(claim["status"], claim["status"])
    measured = plain(f"{claim['measured']:.4g} {claim['unit']}".rstrip())
    cells = [
        f'<a href="{place}">{html.escape(claim["sentence"]).replace("|", "&#124;")}</a>',
        measured,
        published,
        plain(condition(claim)),
        status,
    ]
    return "| " + " | ".join(cells) + " |\n"


def markdown(root):
    """Text of the page, and the files that it was made from."""
    text, files, count = [], [], 0
    for page, path in stored.notebooks(root):
        files.append(str(path))
        notebook = stored.read(path)
        claims = stored.claims(notebook)
        if claims:
            count += len(claims)
            rows = "".join(row(claim, page) for claim in claims)
            text.append(f"## {stored.title(notebook)}\n\n{{.claims}}\n{HEAD}{rows}")
    summary = f"The book makes **{count} claims** at present." if count else "No notebook makes a claim yet."
    return "\n".join([summary + "\n", *text]), files
