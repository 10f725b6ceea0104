"""PCA against scikit-learn and closed forms."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as Reference

from repgen import PCA


def correlated(n=400, d=30, seed=0, mean=0.0):
    g = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=g) * torch.linspace(3, 0.1, d)[:, None]
    return torch.randn(n, d, generator=g) @ mixing + mean


def reference(x, k):
    return Reference(k, svd_solver="full").fit(x.double().numpy())


def signed_like(rows, model):
    """scikit-learn's signs depend on its solver; ours are fixed."""
    return torch.tensor(rows) * (torch.tensor(rows) * model.components).sum(1, keepdim=True).sign()


@pytest.mark.parametrize("n, d, k", [(400, 30, 7), (500, 5, 5), (20, 50, 8)])
def test_agrees_with_scikit_learn(n, d, k):
    x = correlated(n, d)
    ours, theirs = PCA(k).fit(x), reference(x, k)
    assert torch.allclose(ours.components.double(), signed_like(theirs.components_, ours), atol=1e-5)
    assert np.allclose(ours.mean, theirs.mean_, atol=1e-5)
    # float32 products: what is lost is measured by the largest variance, not by each one
    largest = theirs.explained_variance_[0]
    assert np.allclose(ours.explained_variance, theirs.explained_variance_, rtol=1e-5, atol=1e-6 * largest)
    assert np.allclose(ours.explained_variance_ratio, theirs.explained_variance_ratio_, rtol=1e-5, atol=1e-6)
    want = theirs.inverse_transform(theirs.transform(x.double().numpy()))
    assert np.allclose(ours.reconstruct(x), want, atol=1e-4)


@pytest.mark.parametrize("sizes", [[400], [100] * 4, [1, 399], [250, 0, 149, 1]])
def test_batches_give_the_one_shot_fit(sizes):
    x = correlated()
    whole, parts = PCA(10).fit(x), PCA(10).fit(iter(x.split(sizes)))
    assert parts.n_examples == 400
    for name in ("mean", "components"):
        assert torch.allclose(getattr(whole, name), getattr(parts, name), atol=1e-5)
    assert torch.allclose(whole.explained_variance, parts.explained_variance, rtol=1e-5)
    assert torch.allclose(whole.total_variance, parts.total_variance, rtol=1e-5)


def test_a_large_mean_costs_no_accuracy():
    x = correlated(mean=3000.0)
    ours, theirs = PCA(5).fit(x), reference(x, 5)
    assert np.allclose(ours.explained_variance, theirs.explained_variance_, rtol=1e-4)
    assert torch.allclose(ours.components.double(), signed_like(theirs.components_, ours), atol=1e-4)


def test_wide_and_tall_paths_agree():
    x = correlated(41, 40)
    tall = PCA(6).fit(x)
    wide = PCA(6)._fit_wide(x)
    assert torch.allclose(tall.components, wide.components, atol=1e-5)
    assert torch.allclose(tall.total_variance, wide.total_variance, rtol=1e-5)


def test_error_is_the_variance_left_out():
    x = correlated()
    model = PCA(4).fit(x)
    left_out = model.total_variance - model.explained_variance.sum()
    assert model.loss(x).item() == pytest.approx(left_out.item() * (len(x) - 1) / len(x), rel=1e-4)


def test_signs_do_not_depend_on_the_solver():
    x = correlated()
    flipped = PCA(5).fit(-x)
    model = PCA(5).fit(x)
    assert torch.allclose(model.components, flipped.components, atol=1e-5)
    peaks = model.components.gather(1, model.components.abs().argmax(1, keepdim=True))
    assert (peaks > 0).all()


def test_fewer_code_numbers_use_the_first_components():
    x = correlated()
    five, three = PCA(5).fit(x), PCA(3).fit(x)
    assert torch.allclose(five.decode(five.encode(x)[:, :3]), three.reconstruct(x), atol=1e-4)


def test_images_are_flattened_and_bytes_become_floats():
    x = torch.randint(0, 256, (50, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    model = PCA(3).fit(x)
    assert np.allclose(model.explained_variance, reference(x.flatten(1), 3).explained_variance_, rtol=1e-5)
    assert model.encode(x).shape == (50, 3)


def test_samples_have_the_components_variances():
    model = PCA(3).fit(correlated())
    z = model.encode(model.sample(40_000, generator=torch.Generator().manual_seed(1)))
    assert torch.allclose(z.var(0), model.explained_variance, rtol=0.04)
    assert torch.allclose(z.mean(0) / z.std(0), torch.zeros(3), atol=0.03)


@pytest.mark.parametrize(
    "x, k, message",
    [
        (torch.zeros(0, 5), 1, "at least two rows"),
        (torch.ones(1, 5), 1, "at least two rows"),
        (torch.randn(10, 3), 4, "at most 3 directions"),
        (torch.randn(4, 9), 4, "at most 3 directions"),
        (torch.randn(10), 1, r"shape \(10,\)"),
        (torch.randn(10, 3).index_fill(1, torch.tensor([1]), float("nan")), 1, "first is column 1"),
        (torch.randn(3, 9).index_fill(1, torch.tensor([4]), float("inf")), 1, "first is column 4"),
        ([torch.randn(4, 3), torch.randn(4, 2)], 1, "2 numbers wide"),
        ([], 1, "at least two rows"),
    ],
)
def test_bad_input_is_named(x, k, message):
    with pytest.raises(ValueError, match=message):
        PCA(k).fit(x)


def test_a_failed_fit_leaves_the_old_one():
    x = correlated()
    model = PCA(2).fit(x)
    before = model.components.clone()
    with pytest.raises(ValueError):
        model.fit(torch.full((10, 30), float("nan")))
    assert torch.equal(model.components, before)


def test_use_before_fit_and_wrong_width():
    with pytest.raises(RuntimeError, match="fit"):
        PCA(2).encode(torch.randn(3, 4))
    model = PCA(2).fit(torch.randn(10, 4))
    with pytest.raises(ValueError, match="4 pixels"):
        model.encode(torch.randn(3, 5))
    with pytest.raises(ValueError, match="at most 2"):
        model.decode(torch.randn(3, 3))
    with pytest.raises(ValueError, match="at least one component"):
        PCA(0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_gpu_agrees_with_cpu():
    x = correlated()
    a, b = PCA(5).fit(x), PCA(5).fit(x.cuda())
    assert torch.allclose(a.components, b.components.cpu(), atol=1e-5)
