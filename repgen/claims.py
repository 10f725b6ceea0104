"""A sentence of the book, bound to the measurement that backs it."""

import hashlib
import html
import json
import math
import os
import re
import sys

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

    At least one condition must be given: ``tol`` with ``published`` or ``expected``, which together would be two
    claims, or a bound, beside which ``published`` may stand for comparison. Conditions are constants, the same on every
    machine: what depends on the run goes into ``measured``, as a difference or a ratio.

    Parameters
    ----------
    sentence : str
        Holds one format field, ``{:.2f}`` or the like, that is filled with ``measured``; all other braces stay as they
        are, so LaTeX needs no care. Where it has no field, a number that it states has to be the measured one.
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
        Where it could not fail or could not hold, where a condition is not finite or has no effect, and where the
        sentence states another number than the measured one.

    Examples
    --------
    >>> claim("Half of ten is {:.0f}", 10 / 2, expected=5, tol=1e-9)
    Half of ten is 5 ...
    >>> claim("Half of ten is more than {:.0f}", 10 / 2, at_least=6)
    Traceback (most recent call last):
    repgen.claims.ClaimError: ...
    """
    measured = float(measured)
    limits = {"published": published, "expected": expected, "tol": tol, "at_most": at_most, "at_least": at_least}
    if fault := _fault(**limits):
        raise ValueError(f"{fault}: {sentence!r}")
    text = _fill(sentence, measured)
    record = {
        "id": _identifier(sentence),
        "sentence": text,
        "measured": measured,
        "unit": unit,
        "source": source,
    } | limits
    checked = not any(d.stand_in for d in _several(data))
    failures = _failures(record, expected if published is None else published) if checked else []
    record["status"] = "fails" if failures else "holds" if checked else "not checked"
    _log(record)
    if failures:
        raise ClaimError(f"{text}\n  measured {_number(measured, unit)}, but {' and '.join(failures)}")
    _show(record)


def _fault(published, expected, tol, at_most, at_least) -> str | None:
    """Why these conditions would check nothing, or nothing could meet them; None where they are sound."""
    for name, value in locals().items():
        if value is not None and not math.isfinite(value):
            return f"{name} is {value}, which checks nothing: give a finite number"
    bounded = at_most is not None or at_least is not None
    if published is not None and expected is not None:
        return "published and expected are two claims: give each its own"
    if tol is None and not bounded:
        return "this claim cannot fail; give tol with published or expected, or a bound"
    if tol is None and expected is not None:
        return "expected without tol is compared with nothing"
    if tol is not None and expected is None and published is None:
        return "tol without published or expected has no effect"
    if tol is not None and tol < 0:
        return f"tol is negative, {tol}: nothing could meet it"
    if None not in (at_most, at_least) and at_least > at_most:
        return f"nothing is at_least={at_least} and at_most={at_most}"
    return None


NUMBER = re.compile(r"(?<![\w.{^])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w}])(?:\s*(%))?")


def _fill(sentence: str, measured: float) -> str:
    """The sentence with the measured figure in its field. ValueError for two fields, or another figure in the text."""
    fields = re.findall(r"\{:[^{}]*\}", sentence) or re.findall(r"(?<!\{)\{\}(?!\})", sentence)
    if len(fields) > 1:
        raise ValueError(f"{len(fields)} format fields for one measured figure: {sentence!r}")
    if fields:
        return sentence.replace(fields[0], fields[0].format(measured))
    stated = list(NUMBER.finditer(sentence))
    if stated and not any(_states(number, measured) for number in stated):
        figures = " and ".join(number[0] for number in stated)
        raise ValueError(
            f"the sentence states {figures}, but {measured:g} was measured; give it a format field, such as "
            f"{{:.2f}}, that is filled with what was measured: {sentence!r}"
        )
    return sentence


def _states(number: re.Match, measured: float) -> bool:
    """Whether a number of the text is the measured one, rounded to as many digits."""
    figure = number[0].removesuffix("%").strip().replace(",", "")
    decimals = len(figure.partition(".")[2])
    return float(figure) == round(measured * (100 if number[1] else 1), decimals)


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


# For a console that has not all characters (cp1252 on Windows, say).
ASCII = str.maketrans({"✓": "+", "±": "+-", "≤": "<=", "≥": ">=", "·": "|"})


def _printable(text: str) -> str:
    """`text` as this console can print it."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(encoding, "replace").decode(encoding)


STATUS = {"holds": "✓ holds", "not checked": "not checked on the stand-in"}


def _show(r: dict) -> None:
    status = STATUS[r["status"]]
    plain = f"{r['sentence']}\n  " + " · ".join(f"{a} {b}" for a, b in _details(r)) + f" · {status}"
    if r["source"]:
        plain += f" [{r['source']}]"
    plain = _printable(plain)
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
        key = html.escape(r["source"] or "")
        cite = f' <span class="claim-source" data-key="{key}">[{key}]</span>' if cited else ""
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
