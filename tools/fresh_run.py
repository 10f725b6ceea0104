"""Claims of a fresh run of a notebook against those that are stored with it."""

import pytest


def within(claim, measured):
    """Whether `measured` satisfies the conditions of a claim's record."""
    target = claim["published"] if claim["expected"] is None else claim["expected"]
    return (
        (claim["tol"] is None or target is None or abs(measured - target) <= claim["tol"])
        and (claim["at_most"] is None or measured <= claim["at_most"])
        and (claim["at_least"] is None or measured >= claim["at_least"])
    )


def agree(a, b, in_value):
    """Whether two bounds are both there or both not; and equal, but for what another machine's arithmetic changes."""
    return a is b is None or (None not in (a, b) and (not in_value or a == pytest.approx(b, rel=1e-2)))


def disagreements(old, new):
    """What a fresh run's claims `new` have against the stored ones `old` (lists of records), in words."""
    if [claim["id"] for claim in old] != [claim["id"] for claim in new]:
        return ["other claims, or in another order, than those stored: run `make notebooks`"]
    found = []
    for a, b in zip(old, new, strict=True):
        checked = b["status"] != "not checked"  # on the stand-in the figures are others, and what is computed from them
        same = all(a[name] == b[name] for name in ("published", "source", "tol", "unit"))
        if not same or not all(agree(a[name], b[name], checked) for name in ("expected", "at_most", "at_least")):
            found.append(f"other conditions than those stored: {b['sentence']}")
        if not checked:
            continue
        if b["status"] != "holds" or not within(a, b["measured"]):
            found.append(f"does not hold: {b['sentence']}")
        elif a["tol"] is not None and abs(a["measured"] - b["measured"]) > a["tol"]:
            found.append(f"stored {a['measured']:g}, now {b['measured']:g}, tolerance {a['tol']:g}: {b['sentence']}")
    return found
