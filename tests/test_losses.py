"""Losses against torch.distributions, metrics against scikit-learn, SciPy and closed forms."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import distributions

from repgen import losses
from repgen.evaluation import metrics


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gaussian_nll_is_the_density():
    x, mean, log_var = draw(6, 3, 2), draw(6, 3, 2, seed=1), draw(6, 3, 2, seed=2)
    want = -distributions.Normal(mean, (log_var / 2).exp()).log_prob(x).flatten(1).sum(1)
    assert torch.allclose(losses.gaussian_nll(x, mean, log_var), want)
    half_squared = 0.5 * (x - mean).square().flatten(1).sum(1) + 3 * math.log(2 * math.pi)
    assert torch.allclose(losses.gaussian_nll(x, mean), half_squared)


def test_bernoulli_nll_is_the_mass_and_is_stable():
    logits, x = draw(6, 4), (draw(6, 4, seed=1) > 0).double()
    want = -distributions.Bernoulli(logits=logits).log_prob(x).sum(1)
    assert torch.allclose(losses.bernoulli_nll(x, logits), want)
    extreme = losses.bernoulli_nll(torch.tensor([[1.0, 0.0]]), torch.tensor([[-200.0, 200.0]]))
    assert extreme.item() == pytest.approx(400)


def test_continuous_bernoulli_nll_is_the_density():
    logits, x = 6 * draw(6, 4), torch.sigmoid(draw(6, 4, seed=1))
    want = -distributions.ContinuousBernoulli(logits=logits).log_prob(x).sum(1)
    assert torch.allclose(losses.continuous_bernoulli_nll(x, logits), want)
    a = torch.tensor([-40.0, -3.0, -0.21, -0.19, -1e-3, 0.0, 1e-6, 0.5, 9.0], dtype=torch.float64)
    t = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000  # midpoints: the area under each density is 1
    density = (-losses.continuous_bernoulli_nll(t.repeat(len(a))[:, None], a.repeat_interleave(len(t))[:, None])).exp()
    assert torch.allclose(density.view(len(a), -1).mean(1), torch.ones_like(a), atol=1e-6)


def test_continuous_bernoulli_nll_has_gradients_everywhere():
    a = torch.tensor([-300.0, -5.0, -0.2, -1e-4, 0.0, 1e-9, 0.1, 30.0], dtype=torch.float64)
    for dtype in (torch.float64, torch.float32):
        logits = a.to(dtype)[:, None].requires_grad_()
        (slope,) = torch.autograd.grad(
            losses.continuous_bernoulli_nll(torch.full_like(logits, 0.3), logits).sum(), logits
        )
        safe = torch.where(a.abs() < 1e-3, 1.0, a)
        mean = torch.where(a.abs() < 1e-3, 0.5 + a / 12, -1 / torch.expm1(-safe) - 1 / safe)  # d/da = mean(a) - x
        assert torch.allclose(slope[:, 0].double(), mean - 0.3, atol=1e-8 if dtype is torch.float64 else 2e-6)


def test_categorical_nll_is_the_mass():
    logits, labels = draw(6, 4), torch.tensor([0, 1, 2, 3, 3, 0])
    want = -distributions.Categorical(logits=logits).log_prob(labels)
    assert torch.allclose(losses.categorical_nll(labels, logits), want)


def test_losses_refuse_what_would_broadcast_or_is_out_of_range():
    with pytest.raises(ValueError, match="differ in shape"):
        losses.gaussian_nll(draw(4, 1), draw(4))
    with pytest.raises(ValueError, match="differ in shape"):
        losses.bernoulli_nll(torch.zeros(4, 3), draw(3))
    with pytest.raises(ValueError, match="values from 0 to 255"):
        losses.bernoulli_nll(torch.tensor([[0.0, 255.0]]), torch.zeros(1, 2))
    with pytest.raises(IndexError, match="3 is out of bounds"):
        losses.categorical_nll(torch.tensor([3]), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="labels"):
        losses.categorical_nll(torch.tensor([[1]]), torch.zeros(1, 3))


def test_reconstruction_error_sums_pixels_and_averages_images():
    x, y = torch.zeros(2, 1, 2, 2), torch.tensor([[1.0, 0, 0, 2], [0, 0, 0, 3]])
    assert metrics.reconstruction_error(x, y) == pytest.approx((1 + 4 + 9) / 2)
    with pytest.raises(ValueError, match="no images"):
        metrics.reconstruction_error(x[:0], y[:0])
    with pytest.raises(ValueError, match="compare"):
        metrics.reconstruction_error(x, y[:1])


def test_psnr_by_hand():
    x = torch.zeros(1, 10)
    assert metrics.psnr(x, x + 0.1) == pytest.approx(20, abs=1e-4)
    assert metrics.psnr(x, x + 25.5, peak=255) == pytest.approx(20, abs=1e-4)


@pytest.mark.parametrize("k, l", [(3, 3), (2, 5), (5, 2)])
def test_principal_angles_agree_with_scipy(k, l):
    a, b = draw(k, 8), draw(l, 8, seed=1)
    want = np.sort(np.rad2deg(scipy.linalg.subspace_angles(a.T.numpy(), b.T.numpy())))
    assert np.allclose(metrics.principal_angles(a, b), want, atol=1e-4)


def test_principal_angles_see_tiny_and_right_angles():
    e = torch.eye(4, dtype=torch.float64)
    tilted = torch.stack([e[0], e[1] * math.cos(1e-9) + e[2] * math.sin(1e-9)])
    assert metrics.principal_angles(e[:2], tilted)[1].item() == pytest.approx(math.degrees(1e-9), rel=1e-4)
    assert metrics.principal_angles(e[:2], e[2:]).tolist() == [90, 90]
    mixed = metrics.principal_angles(e[:2], torch.stack([e[0] + e[1], 2 * e[1]]))
    assert torch.allclose(mixed, torch.zeros(2), atol=1e-5)
    with pytest.raises(ValueError, match="independent"):
        metrics.principal_angles(torch.stack([e[0], e[0]]), e[:2])
