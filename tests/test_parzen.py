"""Parzen windows against scikit-learn's kernel density, a closed form, and their own definition."""

import math

import pytest
import torch
from sklearn.neighbors import KernelDensity

from repgen.evaluation import parzen


@pytest.mark.parametrize("sigma", [0.1, 0.5, 2.0])
def test_scikit_learns_kernel_density(sigma):
    g = torch.Generator().manual_seed(0)
    x, samples = torch.rand(37, 6, generator=g), torch.rand(50, 6, generator=g)
    expected = KernelDensity(bandwidth=sigma).fit(samples.double().numpy()).score_samples(x.double().numpy())
    torch.testing.assert_close(
        parzen.log_density(x, samples, sigma, chunk=10), torch.from_numpy(expected), rtol=1e-5, atol=1e-4
    )


def test_several_widths_at_once():
    g = torch.Generator().manual_seed(1)
    x, samples, sigmas = torch.rand(5, 3, generator=g), torch.rand(7, 3, generator=g), torch.tensor([0.2, 0.7])
    together = parzen.log_density(x, samples, sigmas)
    assert together.shape == (2, 5)
    for row, sigma in zip(together, sigmas.tolist(), strict=True):
        torch.testing.assert_close(row, parzen.log_density(x, samples, sigma))


def test_one_sample_is_one_gaussian():
    x, centre = torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)
    expected = -25 / (2 * 4) - math.log(2 * math.pi * 4)
    assert parzen.log_density(x, centre, 2.0).item() == pytest.approx(expected, rel=1e-6)


def test_pictures_far_away_do_not_underflow():
    x, samples = torch.ones(2, 784), torch.zeros(3, 784)
    expected = -784 / (2 * 0.01) - 784 / 2 * math.log(2 * math.pi * 0.01)
    assert parzen.log_density(x, samples, 0.1).tolist() == pytest.approx([expected] * 2, rel=1e-6)


def test_the_chosen_width_is_near_the_best():
    """Of many samples of a Gaussian the best width is small; of a few it is near the data's own."""
    g = torch.Generator().manual_seed(2)
    held_out, many = torch.randn(500, 1, generator=g), torch.randn(5000, 1, generator=g)
    sigmas = torch.tensor([0.01, 0.1, 0.3, 1.0, 3.0])
    few = parzen.select_bandwidth(held_out, many[:2], sigmas)
    assert few.sigma == pytest.approx(1.0) and parzen.select_bandwidth(held_out, many, sigmas).sigma < 0.5
    assert few.log_density == pytest.approx(parzen.log_density(held_out, many[:2], 1.0).mean().item())
    entropy = -(1 + math.log(2 * math.pi)) / 2
    assert parzen.select_bandwidth(held_out, many, sigmas).log_density == pytest.approx(entropy, abs=0.05)


def test_what_cannot_be_measured():
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"got \(2, 3\) and \(2, 4\)"):
        parzen.log_density(x, torch.zeros(2, 4), 1.0)
    with pytest.raises(ValueError, match="no samples"):
        parzen.log_density(x, x[:0], 1.0)
    for sigma in (0.0, -1.0, float("nan"), torch.tensor([0.1, 0.0])):
        with pytest.raises(ValueError, match="above 0"):
            parzen.log_density(x, x, sigma)
    with pytest.raises(ValueError, match="no held-out"):
        parzen.select_bandwidth(x[:0], x)
