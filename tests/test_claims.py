"""A claim that does not hold must not pass, and one that could not fail must not be written."""

import io
import json
import os
import subprocess
import sys
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


@pytest.mark.parametrize("condition", [{}, dict(published=1.0), dict(unit="nats")])
def test_a_claim_that_cannot_fail_is_refused(condition):
    with pytest.raises(ValueError, match="cannot fail"):
        claim("The figure is {:.2f}", 1.0, **condition)


INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    "condition, message",
    [
        (dict(expected=1.0, tol=INF), "tol is inf"),
        (dict(expected=1.0, tol=NAN), "tol is nan"),
        (dict(expected=1.0, tol=-0.1), "tol is negative"),
        (dict(expected=INF, tol=0.1), "expected is inf"),
        (dict(published=NAN, tol=0.1), "published is nan"),
        (dict(published=NAN, at_most=3.0), "published is nan"),
        (dict(at_most=INF), "at_most is inf"),
        (dict(at_least=-INF), "at_least is -inf"),
        (dict(at_least=NAN, at_most=3.0), "at_least is nan"),
        (dict(at_least=2.0, at_most=1.0), "at_least=2.*at_most=1"),
        (dict(tol=0.1, at_most=3.0), "tol without"),
        (dict(expected=1.0, at_most=3.0), "expected without tol"),
        (dict(published=1.0, expected=2.0, tol=3.0), "two claims"),
        (dict(published=1.0, expected=1.0, at_most=3.0), "two claims"),
    ],
)
def test_conditions_that_check_nothing_or_cannot_hold_are_refused(condition, message):
    with pytest.raises(ValueError, match=message):
        claim("The figure is {:.2f}", 1.0, **condition)


@pytest.mark.parametrize(
    "sentence, shown",
    [
        ("Of $x_{i}$, {:.0%} are seen", "Of $x_{i}$, 50% are seen"),
        (r"$\frac{a}{b}$ is {:.1f}, in $\mathbb{R}^{10}$", r"$\frac{a}{b}$ is 0.5, in $\mathbb{R}^{10}$"),
        ("${}^2$ and {{}} stay, {:.2f}", "${}^2$ and {{}} stay, 0.50"),
        ("It is {}", "It is 0.5"),
        ("$p_{i}$ is small", "$p_{i}$ is small"),
        ("{ is no field, nor is } {:g}", "{ is no field, nor is } 0.5"),
    ],
)
def test_only_the_field_is_filled(sentence, shown, capsys):
    claim(sentence, 0.5, at_most=1)
    assert capsys.readouterr().out.splitlines()[0] == shown


def test_a_sentence_with_two_fields_is_refused():
    for sentence in ("{:.1f} is {:.2f}", "{} and {}"):
        with pytest.raises(ValueError, match="2 format fields"):
            claim(sentence, 0.5, at_most=1)


@pytest.mark.parametrize("sentence", ["The error is 0.4", "After 20 steps, it is 1.5 nats", "1,200 of them", "51 %"])
def test_a_sentence_that_states_another_number_is_refused(sentence):
    with pytest.raises(ValueError, match="states .* but 0.5 was measured.*format field"):
        claim(sentence, 0.5, at_most=1)


@pytest.mark.parametrize(
    "sentence, measured",
    [("After 20 steps, it is 0.5", 0.5), ("It is 50 %", 0.4987), ("1,200 of them", 1200), ("-2.10", -2.1)],
)
def test_a_sentence_may_state_the_measured_number_itself(sentence, measured, capsys):
    claim(sentence, measured, at_least=-5)
    assert sentence in capsys.readouterr().out


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


def test_a_source_cannot_bring_markup_along():
    start_ipython()
    with capture_output() as captured:
        claim("It is {:.1f}", 2.0, published=2.0, tol=0.1, source='a"><script>alert(1)</script>')
    shown = captured.outputs[0].data["text/html"]
    assert "<script>" not in shown and 'data-key="a&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in shown


def test_a_console_that_knows_few_characters_is_no_failure(monkeypatch, capsys):
    for encoding in ("cp1252", "ascii", "cp437", "utf-8"):
        console = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
        monkeypatch.setattr(sys, "stdout", console)
        monkeypatch.setattr("IPython.get_ipython", lambda: None)
        claim("$θ$ is {:.1f}", 2.0, expected=2.0, tol=0.1, at_most=3)
        said = console.buffer.getvalue().decode(encoding)
        assert " is 2.0" in said and "holds" in said
        assert ("± 0.1" in said and "≤ 3" in said) == (encoding == "utf-8")
        assert encoding == "utf-8" or "<= 3" in said


def test_a_claim_is_printed_by_a_plain_python_with_such_a_console():
    run = [sys.executable, "-X", "utf8=0", "-c", "from repgen import claim; claim('It is {:.1f}', 2.0, at_most=3)"]
    said = subprocess.run(run, env=os.environ | {"PYTHONIOENCODING": "cp1252"}, capture_output=True, check=True)
    assert b"It is 2.0" in said.stdout and b"<= 3" in said.stdout


def test_the_anchor_does_not_move_with_the_measurement(capsys, tmp_path, monkeypatch):
    log = tmp_path / "claims.jsonl"
    monkeypatch.setenv("REPGEN_CLAIMS_LOG", str(log))
    for value in (1.0, 2.0):
        claim("It is {:.1f}", value, at_most=5)
    claim("It was {:.1f}", 1.0, at_most=5)
    a, b, c = (json.loads(line)["id"] for line in log.read_text().splitlines())
    assert a == b != c
