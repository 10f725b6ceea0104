"""Sparse codes against scikit-learn's lasso and closed forms."""

import pytest
import torch
from sklearn.decomposition import sparse_encode

from repgen.sparse_coding import energy, ista, psd_loss, soft_threshold


@pytest.fixture
def problem():
    g = torch.Generator().manual_seed(0)
    dictionary = torch.nn.functional.normalize(torch.randn(24, 12, generator=g, dtype=torch.float64), dim=1)
    return torch.randn(20, 12, generator=g, dtype=torch.float64), dictionary


@pytest.mark.parametrize("fast", [False, True])
def test_codes_are_the_lassos(problem, fast):
    x, dictionary = problem
    theirs = torch.from_numpy(
        sparse_encode(x.numpy(), dictionary.numpy(), algorithm="lasso_cd", alpha=0.3, max_iter=100_000)
    )
    ours = ista(x, dictionary, 0.3, steps=20_000 if not fast else 3_000, fast=fast)
    gap = energy(x, ours, dictionary, 0.3) - energy(x, theirs, dictionary, 0.3)
    assert gap.max() < 1e-5 and gap.min() > -1e-4  # scikit-learn stops at a tolerance of its own
    torch.testing.assert_close(ours @ dictionary, theirs @ dictionary, atol=2e-2, rtol=0)


def test_ista_never_goes_up_and_fista_is_ahead(problem):
    x, dictionary = problem
    path = [energy(x, ista(x, dictionary, 0.1, n), dictionary, 0.1) for n in (1, 2, 5, 20, 100)]
    assert all((b <= a + 1e-12).all() for a, b in zip(path, path[1:]))
    best = energy(x, ista(x, dictionary, 0.1, 20_000), dictionary, 0.1)
    slow, fast = (energy(x, ista(x, dictionary, 0.1, 60, fast=f), dictionary, 0.1) - best for f in (False, True))
    assert fast.mean() < 0.5 * slow.mean()


def test_orthonormal_atoms_need_one_step(problem):
    x, _ = problem
    atoms = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).Q
    torch.testing.assert_close(ista(x, atoms, 0.4, steps=1), soft_threshold(x @ atoms.T, 0.4))


def test_without_a_price_the_picture_is_explained_and_with_a_high_one_the_code_is_zero(problem):
    x, dictionary = problem
    assert (ista(x, dictionary, 0.0, 5_000, fast=True) @ dictionary - x).abs().max() < 1e-4
    assert (ista(x, dictionary, float((x @ dictionary.T).abs().max()) + 0.01) == 0).all()


def test_soft_threshold():
    a = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])
    assert soft_threshold(a, 0.5).tolist() == [-1.5, 0.0, 0.0, 0.0, 1.5]


def test_psd_adds_the_distance_to_the_prediction(problem):
    x, dictionary = problem
    z, said = ista(x, dictionary, 0.2), torch.zeros(20, 24, dtype=torch.float64)
    loss = psd_loss(x, z, said, dictionary, 0.2, 0.7)
    by_hand = [0.5 * ((a - b @ dictionary) ** 2).sum() + 0.2 * b.abs().sum() + 0.7 * (b**2).sum() for a, b in zip(x, z)]
    torch.testing.assert_close(loss, torch.stack(by_hand))


@pytest.mark.parametrize(
    ("change", "message"),
    [(dict(weight=-1.0), "0 or more"), (dict(steps=0), "at least one"), (dict(x=torch.zeros(3, 5)), "same D")],
)
def test_bad_input(problem, change, message):
    x, dictionary = problem
    with pytest.raises(ValueError, match=message):
        ista(**dict(x=x, dictionary=dictionary, weight=0.1, steps=5) | change)
