"""A claim's limits are constants: what was measured in the run, and so differs from machine to machine, is no limit.

The rule, read from the code of the notebooks: `at_most`, `at_least`, `expected`, `tol` and `published` are made of
numbers, `math`, arithmetic, and names that are bound to such things alone. What is computed otherwise and still the
same everywhere, a closed form or a property of the data, stands in ALLOWED, with the reason.
"""

import ast
import re
from pathlib import Path

import nbformat
import pytest
import stored

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = {page: path for page, path in stored.notebooks(ROOT) if "/exercises/" not in page}
LIMITS = ("at_most", "at_least", "expected", "tol", "published")
PLAIN = {"abs", "enumerate", "float", "int", "len", "list", "max", "min", "range", "round", "sum", "tuple", "zip"}
PARTS = (
    ast.BinOp, ast.UnaryOp, ast.Tuple, ast.List, ast.Dict, ast.Subscript, ast.Slice, ast.Compare, ast.IfExp,
)  # fmt: skip

THEORY = "a closed form or an integral on a grid, of fixed numbers"
DATA = "counted from the data alone"
SPECTRUM = "from the eigenvalues of the data's covariance"
ALLOWED = {  # page: {limit as `ast.unparse` writes it: why it is the same on all machines}
    "01_foundations/01_what_is_pca": {"left_out": SPECTRUM},
    "01_foundations/03_pca_by_a_network": {"variance[0].item() / variance[2].item()": SPECTRUM, "start": SPECTRUM},
    "01_foundations/05_maximum_likelihood": {
        "ink.mean().item()": DATA,
        "ink.std(correction=0).item()": DATA,
        "cross_entropy.item()": THEORY,
        "mean.item()": THEORY,
        "deviation.item()": THEORY,
        "(D - len(variance)) / 2 * math.log(10)": DATA,
    },
    "02_undercomplete/01_encoder_decoder_code": {"(2 * y * (1 - y)).item()": THEORY},
    "04_denoising/01_repairing_digits": {"exactly": DATA},
    "06_variational/02_the_bound": {"log_px.item()": THEORY, "exact": THEORY},
    "06_variational/03_gradients_through_chance": {"truth": THEORY, "2 * (p - 0.45) * p * (1 - p)": THEORY},
    "06_variational/05_moving_through_it": {"length": THEORY, "length / math.sqrt(2)": THEORY},
    "06_variational/06_going_wrong": {"by_formula": SPECTRUM, "dead * math.log(10)": DATA},
    "07_boltzmann/01_a_machine_small_enough_to_count": {
        "p.max().item()": THEORY,
        "Z.log().item()": THEORY,
        "(free_energy(V, W, b, c)[7] + Z.log()).item()": THEORY,
    },
    "09_adversarial/01_the_game": {
        "most.item()": THEORY,
        "js(data, made).item()": THEORY,
        "cloud_js(0.5).item()": THEORY,
    },
    "09_adversarial/08_judging_samples": {
        "(2 * 4.25 - 2 * root).item()": THEORY,
        "2 * slope(torch.eye(64)) / 1000": THEORY,
    },
    "09_adversarial/10_styles": {"COARSE": "how many layers the recipe's net has at its smallest side"},
}


def tree(source):
    """The code of a cell; lines for IPython are left out."""
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE))


def bindings(trees):
    """{name: what it is bound to, anywhere in the notebook}; None stands for what cannot be a constant."""
    found = {}

    def bind(target, value):
        while isinstance(target, ast.Subscript | ast.Attribute | ast.Starred):  # x[i] = ... changes x
            target = target.value
        if isinstance(target, ast.Name):
            found.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple | ast.List):
            alike = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
            for part, of_it in zip(target.elts, value.elts if alike else [value] * len(target.elts)):
                bind(part, of_it)

    for node in (node for one in trees for node in ast.walk(one)):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                bind(target, node.value)
        elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.NamedExpr):
            bind(node.target, node.value)
        elif isinstance(node, ast.For | ast.comprehension):
            bind(node.target, node.iter)
        elif isinstance(node, ast.withitem) and node.optional_vars:
            bind(node.optional_vars, None)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.setdefault(node.name, []).append(None)
        elif isinstance(node, ast.arg):
            found.setdefault(node.arg, []).append(None)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                found.setdefault((alias.asname or alias.name).split(".")[0], []).append(None)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            bind(node.func.value, None)  # x.append(...) changes x: a name with methods is no plain number
    return found


def constant(node, bound, within=()):
    """Whether an expression is made of constants alone."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.Name):
        values = bound.get(node.id, [None])
        return node.id not in within and all(constant(value, bound, (*within, node.id)) for value in values)
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "math"
    if isinstance(node, ast.Call):
        plain = isinstance(node.func, ast.Name) and node.func.id in PLAIN and node.func.id not in bound
        function = plain or (isinstance(node.func, ast.Attribute) and constant(node.func, bound, within))
        return function and not node.keywords and all(constant(part, bound, within) for part in node.args)
    if isinstance(node, PARTS):
        return all(constant(part, bound, within) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))
    return False


def computed_limits(notebook):
    """The limits of a notebook's claims that are no constants: (limit, expression, sentence)."""
    trees = [tree(cell.source) for cell in stored.code_cells(notebook)]
    bound = bindings(trees)
    return [
        (keyword.arg or "**", ast.unparse(keyword.value), ast.unparse(call.args[0]) if call.args else "")
        for call in (node for one in trees for node in ast.walk(one))
        if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "claim"
        for keyword in call.keywords
        if keyword.arg is None or (keyword.arg in LIMITS and not constant(keyword.value, bound))
    ]


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_limits_are_constants(page):
    allowed = ALLOWED.get(page.removeprefix("chapters/"), {})
    found = [
        f"{limit}={expression} of {sentence}"
        for limit, expression, sentence in computed_limits(stored.read(NOTEBOOKS[page]))
        if expression not in allowed
    ]
    assert found == [], "give a number, and claim the difference or the ratio: what was measured is no limit"


def test_what_is_allowed_is_used():
    for page, expressions in ALLOWED.items():
        used = {expression for _, expression, _ in computed_limits(stored.read(NOTEBOOKS[f"chapters/{page}"]))}
        assert set(expressions) <= used, page


def notebook(*sources):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


@pytest.mark.parametrize(
    "setting, limit",
    [
        ("", "0.5"),
        ("", "-2 * math.log(2) + 0.3"),
        ("K = 3", "K / 2"),
        ("n_in, n_out = 784, 30", "2 * n_in * n_out"),
        ("betas = (0.1, 0.3)", "max(betas[1:])"),
        ("betas = [0.1, 0.3]\nfor low, high in zip(betas, betas[1:]):\n    pass", "0.9 * low"),
        ("%matplotlib inline\nfloor = math.log(14)", "floor"),
    ],
)
def test_constants_are_told(setting, limit):
    assert computed_limits(notebook(setting, f"claim('It is {{:.1f}}', x, at_most={limit})")) == []


@pytest.mark.parametrize(
    "setting, limit",
    [
        ("loss = model.loss(x)", "loss"),
        ("loss = 1.0\nloss = model.loss(x)", "loss"),
        ("loss = 1.0\nloss += step()", "loss"),
        ("a = model.loss(x)\nb = a\nc = 2 * b", "c + 0.1"),
        ("losses = [1.0]\nlosses.append(run())", "losses[0]"),
        ("losses = {}\nlosses['a'] = run()", "losses['a']"),
        ("losses = [1.0]\nlosses[0] = run()", "min(losses)"),
        ("for loss in history:\n    pass", "loss"),
        ("def f(tol):\n    pass", "tol"),
        ("max = run", "max(1, 2)"),
        ("a = b\nb = a", "a"),
        ("", "somewhere_else"),
        ("", "zoo.record('x')['metrics']['error']"),
        ("", "x.min().item()"),
    ],
)
def test_what_was_measured_is_told_from_constants(setting, limit):
    for name in LIMITS:
        found = computed_limits(notebook(setting, f"repgen.claim('It is {{:.1f}}', x, {name}={limit})"))
        assert [(kind, ast.parse(code, mode="eval").body is not None) for kind, code, _ in found] == [(name, True)]
    assert len(computed_limits(notebook(setting, f"claim('It is {{:.1f}}', x, **dict(at_most={limit}))"))) == 1
