"""A sentence of the book, bound to the measurement that backs it."""

import hashlib
import html
import json
import math
import os
import re

MIME = "application/vnd.repgen.claim+json"


class ClaimError(AssertionError):
    """A sentence of the book that its own measurement does not bear out."""


def claim(
    sentence: str,
    measured: float,
    *,
    published: float | None = None,
    source: str | None = None,
    expected: float | None = None,
    tol: float | None = None,
    at_most: float | None = None,
    at_least: float | None = None,
    unit: str = "",
    data=None,
) -> None:
    """Checks a sentence against its measurement and shows both.

    At least one condition must be given: ``tol`` with ``published`` or ``expected``, or a bound.

    Parameters
    ----------
    sentence : str
        May hold one format field, such as ``{:.2f}``, that is filled with ``measured``.
    measured : float
        What was found.
    published : float, optional
        A figure from the literature.
    source : str, optional
        Its BibTeX key.
    expected : float, optional
        A figure from theory.
    tol : float, optional
        How far from it the measurement may be, absolute.
    at_most, at_least : float, optional
        Bounds.
    unit : str
        Of the measurement, for the page of claims.
    data : optional
        The ``Data`` that the figure was measured on, or several of them: where one of them is a stand-in, the claim is
        shown as not checked.

    Raises
    ------
    ClaimError
        Where the claim does not hold.
    ValueError
        Where it could not fail.

    Examples
    --------
    >>> claim("Half of ten is {:.0f}", 10 / 2, expected=5, tol=1e-9)
    Half of ten is 5 ...
    >>> claim("Half of ten is more than {:.0f}", 10 / 2, at_least=6)
    Traceback (most recent call last):
    repgen.claims.ClaimError: ...
    """
    measured = float(measured)
    target = expected if expected is not None else published
    if (tol is None or target is None) and at_most is None and at_least is None:
        raise ValueError(f"this claim cannot fail; give tol with published or expected, or a bound: {sentence!r}")
    text = sentence.format(measured) if "{" in sentence else sentence
    record = {
        "id": _identifier(sentence), "sentence": text, "measured": measured, "unit": unit,
        "published": published, "source": source, "expected": expected,
        "tol": tol, "at_most": at_most, "at_least": at_least,
    }  # fmt: skip
    checked = not any(d.stand_in for d in _several(data))
    failures = _failures(record, target) if checked else []
    record["status"] = "fails" if failures else "holds" if checked else "not checked"
    _log(record)
    if failures:
        raise ClaimError(f"{text}\n  measured {_number(measured, unit)}, but {' and '.join(failures)}")
    _show(record)


def _several(data) -> list:
    if data is None:
        return []
    return [data] if hasattr(data, "stand_in") else list(data)


def _failures(r: dict, target: float | None) -> list[str]:
    m, out = r["measured"], []
    if not math.isfinite(m):
        return ["it has to be a finite number"]
    if r["tol"] is not None and target is not None and not abs(m - target) <= r["tol"]:
        out.append(f"it has to lie within {r['tol']:g} of {target:g}")
    if r["at_most"] is not None and not m <= r["at_most"]:
        out.append(f"it has to be at most {r['at_most']:g}")
    if r["at_least"] is not None and not m >= r["at_least"]:
        out.append(f"it has to be at least {r['at_least']:g}")
    return out


def _identifier(sentence: str) -> str:
    """The same sentence has the same anchor, whatever was measured."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"\{[^}]*\}", "", sentence.lower()))
    return f"claim-{'-'.join(words[:6])}-{hashlib.sha256(sentence.encode()).hexdigest()[:6]}"


def _number(value: float, unit: str = "") -> str:
    figure = f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"
    return f"{figure} {unit}".rstrip()


def _details(r: dict) -> list[tuple[str, str]]:
    """Label and figure of everything that stands beside the measurement."""
    parts = [("measured", _number(r["measured"], r["unit"]))]
    if r["published"] is not None:
        parts.append(("published", _number(r["published"], r["unit"])))
    if r["expected"] is not None:
        parts.append(("expected", _number(r["expected"], r["unit"])))
    if r["tol"] is not None:
        parts.append(("tolerance", f"± {r['tol']:g}"))
    if r["at_most"] is not None:
        parts.append(("has to be", f"≤ {r['at_most']:g}"))
    if r["at_least"] is not None:
        parts.append(("has to be", f"≥ {r['at_least']:g}"))
    return parts


STATUS = {"holds": "✓ holds", "not checked": "not checked on the stand-in"}


def _show(r: dict) -> None:
    status = STATUS[r["status"]]
    plain = f"{r['sentence']}\n  " + " · ".join(f"{a} {b}" for a, b in _details(r)) + f" · {status}"
    if r["source"]:
        plain += f" [{r['source']}]"
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        print(plain)
        return
    if get_ipython() is None:
        print(plain)
        return
    spans = []
    for label, figure in _details(r):
        cited = label == "published" and r["source"]
        cite = f' <span class="claim-source" data-key="{r["source"]}">[{r["source"]}]</span>' if cited else ""
        spans.append(f'<span class="claim-figure">{label} <b>{html.escape(figure)}</b>{cite}</span>')
    bundle = {
        "text/plain": plain,
        "text/html": f'<div class="repgen-claim" id="{r["id"]}"><p>{html.escape(r["sentence"])}</p>'
        f'<p class="claim-figures">{" · ".join(spans)} · <span class="claim-status">{status}</span></p></div>',
        MIME: r,
    }
    display(bundle, raw=True)


def _log(record: dict) -> None:
    """For the tests: a run of the notebooks leaves its figures where the variable points."""
    path = os.environ.get("REPGEN_CLAIMS_LOG")
    if path:
        line = json.dumps(record | {"notebook": os.environ.get("REPGEN_NOTEBOOK")})
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
