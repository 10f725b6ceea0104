"""A claim that does not hold must not pass, and one that could not fail must not be written."""

import json
from types import SimpleNamespace

import pytest
from IPython.testing.globalipapp import start_ipython
from IPython.utils.capture import capture_output

from repgen import ClaimError, claim
from repgen.claims import MIME

REAL, STAND_IN = SimpleNamespace(stand_in=False), SimpleNamespace(stand_in=True)


@pytest.mark.parametrize(
    "measured, condition",
    [
        (13.89, dict(published=13.87, tol=0.01)),
        (13.85, dict(published=13.87, tol=0.01)),
        (1.1, dict(expected=1.0, tol=0.05)),
        (3.01, dict(at_most=3.0)),
        (2.99, dict(at_least=3.0)),
        (2.0, dict(at_least=1.0, at_most=1.5)),
        (float("nan"), dict(at_most=3.0)),
        (float("inf"), dict(at_least=3.0)),
    ],
)
def test_a_false_claim_fails(measured, condition):
    with pytest.raises(ClaimError, match="measured"):
        claim("The figure is {:.2f}", measured, **condition)


@pytest.mark.parametrize(
    "measured, condition",
    [
        (13.866, dict(published=13.87, tol=0.01)),
        (3.0, dict(at_most=3.0)),
        (3.0, dict(at_least=3.0)),
        (1.0, dict(expected=1.0, tol=0.0)),
    ],
)
def test_a_true_claim_shows_its_figures(measured, condition, capsys):
    claim("The figure is {:.2f}", measured, **condition)
    out = capsys.readouterr().out
    assert f"The figure is {measured:.2f}" in out and "holds" in out


@pytest.mark.parametrize("condition", [{}, dict(published=1.0), dict(tol=0.1), dict(expected=2.0, unit="nats")])
def test_a_claim_that_cannot_fail_is_refused(condition):
    with pytest.raises(ValueError, match="cannot fail"):
        claim("The figure is {:.2f}", 1.0, **condition)


@pytest.mark.parametrize("data", [STAND_IN, [REAL, STAND_IN]])
def test_on_the_stand_in_nothing_is_checked(data, capsys):
    claim("Too large", 9.0, at_most=1.0, data=data)
    assert "not checked on the stand-in" in capsys.readouterr().out


def test_on_real_data_it_is_checked():
    with pytest.raises(ClaimError):
        claim("Too large", 9.0, at_most=1.0, data=[REAL, REAL])


def test_the_notebook_output_and_the_log_hold_the_record(tmp_path, monkeypatch):
    log = tmp_path / "claims.jsonl"
    monkeypatch.setenv("REPGEN_CLAIMS_LOG", str(log))
    monkeypatch.setenv("REPGEN_NOTEBOOK", "a.ipynb")
    start_ipython()
    with capture_output() as captured:
        claim("Error < {:.1f}", 2.04, published=2.0, tol=0.1, source="key2000", unit="nats")
    bundle = captured.outputs[0].data
    assert bundle[MIME]["measured"] == 2.04 and bundle[MIME]["status"] == "holds"
    assert bundle[MIME]["sentence"] == "Error < 2.0"
    assert "Error &lt; 2.0" in bundle["text/html"] and 'data-key="key2000"' in bundle["text/html"]
    assert f'id="{bundle[MIME]["id"]}"' in bundle["text/html"]
    assert json.loads(log.read_text()) == bundle[MIME] | {"notebook": "a.ipynb"}


def test_the_anchor_does_not_move_with_the_measurement(capsys, tmp_path, monkeypatch):
    log = tmp_path / "claims.jsonl"
    monkeypatch.setenv("REPGEN_CLAIMS_LOG", str(log))
    for value in (1.0, 2.0):
        claim("It is {:.1f}", value, at_most=5)
    claim("It was {:.1f}", 1.0, at_most=5)
    a, b, c = (json.loads(line)["id"] for line in log.read_text().splitlines())
    assert a == b != c
