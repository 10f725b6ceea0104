"""Logistic PCA against L-BFGS, autograd and closed forms."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize

from repgen.logistic_pca import LogisticPCA, newton_step


def grey(n=40, d=12, seed=0):
    """Pixels in [0, 1] around a flat map of two numbers, float64."""
    g = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, 2, generator=g).double() @ torch.randn(2, d, generator=g).double()
    return (0.8 * logits.sigmoid() + 0.2 * torch.rand(n, d, generator=g)).clamp(0, 1)


def cost(x, weight, bias, z, ridge):
    """What is minimised, in nats per image, written out."""
    p = F.binary_cross_entropy_with_logits(z @ weight.T + bias, x, reduction="none").sum(1).mean()
    return p + ridge / 2 * (z.square().sum(1).mean() + weight.square().sum() + bias.square().sum())


def fitted(x, k=2, ridge=1e-2, sweeps=400, tol=1e-12):
    return LogisticPCA(k, x.shape[1], ridge=ridge).fit(x, sweeps=sweeps, tol=tol)


def test_a_step_from_nothing_is_newtons():
    x, a = grey(7, 5), torch.randn(5, 3, generator=torch.Generator().manual_seed(1)).double()
    u, offset, ridge = torch.zeros(7, 3).double(), torch.full((5,), 0.3).double(), 0.1

    def f(row, target):
        return (
            F.binary_cross_entropy_with_logits(a @ row + offset, target, reduction="sum")
            + ridge / 2 * row.square().sum()
        )

    want = torch.stack(
        [
            row - torch.linalg.solve(torch.func.hessian(f)(row, target), torch.func.grad(f)(row, target))
            for row, target in zip(u, x)
        ]
    )
    costs = newton_step(x, a, u, offset, ridge)
    torch.testing.assert_close(u, want)
    torch.testing.assert_close(costs, torch.stack([f(row, target) for row, target in zip(want, x)]))


def test_blocks_change_nothing(monkeypatch):
    x, a = grey(30, 20), torch.randn(20, 3, generator=torch.Generator().manual_seed(1)).double()
    whole, parts = torch.zeros(30, 3).double(), torch.zeros(30, 3).double()
    one = newton_step(x, a, whole, x.new_zeros(20), 0.1)
    monkeypatch.setattr("repgen.logistic_pca.BLOCK", 7 * 20)
    monkeypatch.setattr("repgen.logistic_pca.CHUNK", 6)
    many = newton_step(x, a, parts, x.new_zeros(20), 0.1)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(many, one)


def test_a_step_that_is_too_long_is_cut():
    """Where the logistic function is flat Newton's step overshoots: from -10 it would go up by 11,000."""
    x, a, u = torch.full((1, 1), 0.5).double(), torch.ones(1, 1).double(), torch.full((1, 1), -10.0).double()
    before = F.softplus(u).item() - 0.5 * u.item()
    assert newton_step(x, a, u, x.new_zeros(1), 1e-12).item() < before
    for _ in range(60):
        newton_step(x, a, u, x.new_zeros(1), 1e-12)
    assert u.item() == pytest.approx(0, abs=1e-6)


def test_no_worse_than_lbfgs_on_everything_together():
    x, k, ridge = grey(), 2, 1e-2
    n, d = x.shape

    def f(flat):
        t = torch.tensor(flat, requires_grad=True)
        w, b, z = t.split([d * k, d, n * k])
        value = cost(x, w.view(d, k), b, z.view(n, k), ridge)
        value.backward()
        return value.item(), t.grad.numpy()

    best = min(
        minimize(
            f,
            np.random.default_rng(seed).normal(size=d * k + d + n * k),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-9},
        ).fun
        for seed in range(5)
    )
    assert fitted(x, k, ridge).costs[-1] == pytest.approx(best, rel=1e-5)


def test_the_gradient_is_zero_at_the_end():
    x, ridge = grey(), 1e-2
    model = fitted(x, ridge=ridge, sweeps=3000, tol=1e-15)
    parts = [model.weight.detach().clone(), model.bias.detach().clone(), model.encode(x, tol=1e-14)]
    parts = [part.requires_grad_() for part in parts]
    cost(x, *parts, ridge).backward()
    for part in parts[:2]:
        assert part.grad.abs().max() < 1e-4
    assert parts[2].grad.abs().max() * len(x) < 1e-3  # an image's own


def test_the_cost_is_what_it_says_and_never_rises():
    x = grey()
    model = fitted(x)
    assert len(model.costs) > 5
    assert all(b <= a * (1 + 1e-12) for a, b in zip(model.costs, model.costs[1:]))
    assert model.costs[-1] == pytest.approx(cost(x, model.weight, model.bias, model.encode(x), 1e-2).item(), rel=1e-5)


def test_encode_finds_the_codes_of_the_fit():
    x = grey()
    model = fitted(x, sweeps=1000, tol=1e-14)
    z = model.encode(x, tol=1e-12)
    again = z + 1e-2 * torch.randn(z.shape, generator=torch.Generator().manual_seed(0))
    for _ in range(20):  # convex: from elsewhere to the same codes
        newton_step(x, model.weight, again, model.bias, model.ridge)
    torch.testing.assert_close(z, again, rtol=1e-3, atol=1e-3)
    one_by_one = torch.cat([model.encode(row[None], tol=1e-12) for row in x])
    torch.testing.assert_close(z, one_by_one, rtol=1e-3, atol=1e-3)


def test_images_that_are_all_alike_get_their_mean():
    """With nothing to tell apart, what is left is a bias a pixel: logit(mean), pulled in by the ridge."""
    mean = torch.tensor([0.1, 0.5, 0.9, 0.3]).double()
    x = mean.expand(30, 4) + 1e-4 * torch.randn(30, 4, generator=torch.Generator().manual_seed(0)).double()
    model = fitted(x, k=1, ridge=1e-3)
    torch.testing.assert_close(model.reconstruct(x), mean.expand(30, 4), atol=3e-3, rtol=0)


def test_black_pixels_stay_finite():
    x = grey()
    x[:, :3], x[:, 3] = 0, 1
    model = fitted(x, ridge=1e-4, sweeps=50)
    y = model.reconstruct(x)
    assert model.weight.isfinite().all() and model.bias.isfinite().all()
    assert y[:, :3].max() < 0.01 and y[:, 3].min() > 0.99


def test_leaves_less_cross_entropy_than_flat_maps_do():
    """PCA's best plane cannot reach what saturates; the mean cannot tell images apart."""
    x = grey(300)
    model, p = fitted(x, ridge=1e-4, sweeps=60), x.mean(0)
    least = F.binary_cross_entropy(x, x, reduction="none").sum(1).mean()
    mean = F.binary_cross_entropy(p.expand_as(x), x, reduction="none").sum(1).mean()
    ours = F.binary_cross_entropy(model.reconstruct(x), x, reduction="none").sum(1).mean()
    assert model.loss(x).item() == pytest.approx(ours.item(), rel=1e-6)
    assert least < ours < least + 0.1 * (mean - least)


def test_float32_and_images_of_any_shape():
    x = grey(50, 16).float()
    flat, square = LogisticPCA(2, 16, ridge=1e-2).fit(x), LogisticPCA(2, 16, ridge=1e-2).fit(x.view(50, 1, 4, 4))
    assert flat.weight.dtype == torch.float32
    torch.testing.assert_close(flat.reconstruct(x), square.reconstruct(x.view(50, 4, 4)))
    slow = fitted(x.double(), sweeps=40, tol=1e-5)
    torch.testing.assert_close(flat.reconstruct(x).double(), slow.reconstruct(x.double()), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LogisticPCA(0), "latent_dim=0"),
        (lambda: LogisticPCA(12, 12), "fewer than the 12"),
        (lambda: LogisticPCA(2, 12, ridge=0), "ridge must be positive"),
        (lambda: LogisticPCA(2, 12).fit(torch.rand(9, 11)), "12 pixels"),
        (lambda: LogisticPCA(2, 12).fit(torch.rand(9)), "12 pixels"),
        (lambda: LogisticPCA(2, 12).fit(torch.rand(9, 12) - 1), r"pixels in \[0, 1\]"),
        (lambda: LogisticPCA(2, 12).fit(torch.full((9, 12), float("nan"))), "NaN"),
        (lambda: LogisticPCA(2, 12).fit(torch.rand(1, 12)), "at least two rows"),
        (lambda: LogisticPCA(2, 12).fit(torch.rand(9, 12), sweeps=0), "sweeps"),
        (lambda: fitted(grey(), sweeps=1).encode(torch.rand(3, 13).double()), "12 pixels"),
        (lambda: fitted(grey(), sweeps=1).decode(torch.rand(3, 3).double()), r"codes \(N, 2\)"),
        (lambda: LogisticPCA(2, 12).encode(torch.rand(3, 12)), "fit"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        make()


def test_a_failed_fit_leaves_the_old_one():
    model = fitted(grey(), sweeps=2)
    before = model.weight.clone()
    with pytest.raises(ValueError):
        model.fit(torch.full((9, 12), 2.0))
    assert torch.equal(model.weight, before)
