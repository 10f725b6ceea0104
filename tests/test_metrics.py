"""Structural similarity against its definition, window by window, and closed cases."""

import numpy as np
import pytest
import torch
from repgen import metrics
from scipy.signal.windows import gaussian


def pictures(n=2, c=1, h=17, w=14, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(n, c, h, w, generator=g)
    return x, (0.7 * x + 0.3 * torch.rand(n, c, h, w, generator=g) + 0.02)


def slow(x, y, peak=1.0):
    """The definition of Wang et al. (2004), eq. 13, with sums over each window."""
    bell = gaussian(11, 1.5)
    weight = np.outer(bell, bell) / np.outer(bell, bell).sum()
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    found = []
    for a, b in zip(x.double().numpy().reshape(-1, *x.shape[2:]), y.double().numpy().reshape(-1, *y.shape[2:])):
        for i in range(a.shape[0] - 10):
            for j in range(a.shape[1] - 10):
                p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
                mp, mq = (weight * p).sum(), (weight * q).sum()
                vp, vq = (weight * (p - mp) ** 2).sum(), (weight * (q - mq) ** 2).sum()
                cov = (weight * (p - mp) * (q - mq)).sum()
                found.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return np.mean(found)


@pytest.mark.parametrize("c", [1, 3])
def test_ssim_is_its_definition(c):
    x, y = pictures(c=c)
    assert metrics.ssim(x, y) == pytest.approx(slow(x, y), abs=1e-9)
    assert metrics.ssim(255 * x, 255 * y, peak=255) == pytest.approx(metrics.ssim(x, y), abs=1e-6)
    assert metrics.ssim(x, y) == pytest.approx(metrics.ssim(y, x), abs=1e-12)


def test_ssim_in_closed_cases():
    x, _ = pictures()
    assert metrics.ssim(x, x) == pytest.approx(1, abs=1e-9)
    a, b = torch.full((1, 1, 11, 11), 0.25), torch.full((1, 1, 11, 11), 0.75)  # only the means are left
    assert metrics.ssim(a, b) == pytest.approx((2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4), abs=1e-9)
    board = (torch.arange(12)[:, None] + torch.arange(12)) % 2 - 0.5  # mean near 0 in each window, and its negative
    assert metrics.ssim(board[None, None], -board[None, None]) < -0.98


def test_ssim_refuses():
    x, y = pictures()
    for bad in ((x, y[:1]), (x[..., :10], y[..., :10]), (x[0], y[0]), (x[:0], y[:0])):
        with pytest.raises(ValueError, match="SSIM compares"):
            metrics.ssim(*bad)


class Coder:
    """A stand-in for a VAE, whose code is a linear map with known variances."""

    def __init__(self, scales):
        self.scales = torch.tensor(scales)

    def encode(self, x):
        return x[:, : len(self.scales)] * self.scales + 3


def test_active_units_are_those_whose_means_vary():
    x = torch.tensor([[1.0, 1, 1], [-1, -1, -1]] * 2)  # variance 1 in each column, the divisor N
    vae = Coder([0.5, 0.09, 0.11])
    assert torch.allclose(metrics.activity(vae, x), torch.tensor([0.25, 0.0081, 0.0121]))
    assert metrics.active_units(vae, x) == 2 and metrics.active_units(vae, x, above=0.2) == 1
    assert metrics.active_units(Coder([0.0, 0.0]), x) == 0
    with pytest.raises(ValueError, match="at least 2"):
        metrics.activity(vae, x[:1])
