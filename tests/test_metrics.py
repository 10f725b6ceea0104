"""Structural similarity against its definition, window by window, and closed cases."""

import numpy as np
import pytest
import torch
from scipy.signal.windows import gaussian

from repgen.datasets import synthetic
from repgen.evaluation import metrics


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
    assert metrics.active_units(vae, x) == 2 and metrics.active_units(vae, x, threshold=0.2) == 1
    assert metrics.active_units(Coder([0.0, 0.0]), x) == 0
    with pytest.raises(ValueError, match="at least 2"):
        metrics.activity(vae, x[:1])


# --- modes found


def test_modes_are_counted_sample_by_sample():
    """Against a loop over samples, in three dimensions, with a mode that nothing falls to."""
    g = torch.Generator().manual_seed(0)
    centres = 3 * torch.randn(6, 3, generator=g)
    samples = torch.cat(
        [
            centres[torch.randint(5, (300,), generator=g)] + 0.4 * torch.randn(300, 3, generator=g),
            5 * torch.randn(50, 3, generator=g),
        ]
    )
    counts = [0] * 6
    for y in samples.double().numpy():
        far = [np.linalg.norm(y - c) for c in centres.double().numpy()]
        counts[int(np.argmin(far))] += min(far) <= 3 * 0.2
    seen = metrics.modes(samples, centres, 0.2)
    assert seen.counts.tolist() == counts and 0 < sum(counts) < 350
    assert seen.found == sum(c > 0 for c in counts) and seen.quality == pytest.approx(sum(counts) / 350)


def test_modes_in_closed_cases():
    centres = synthetic.ring_centres()
    seen = metrics.modes(centres[[0, 0, 3]], centres, 0.01)
    assert (seen.found, seen.quality, seen.counts.tolist()) == (2, 1.0, [2, 0, 0, 1, 0, 0, 0, 0])
    near, off = torch.tensor([[1.0299, 0.0]]), torch.tensor([[1.0301, 0.0]])  # 3 sd is 0.03
    assert metrics.modes(near, centres, 0.01).found == 1 and metrics.modes(off, centres, 0.01).found == 0
    assert metrics.modes(off, centres, 0.01, radius=4).found == 1
    assert metrics.modes(torch.zeros(5, 2), centres, 0.01).quality == 0


@pytest.mark.parametrize(
    "draw, centres, sd",
    [(synthetic.ring, synthetic.ring_centres(), 0.01), (synthetic.grid, synthetic.grid_centres(), 0.05)],
)
def test_the_data_find_all_their_modes_evenly_and_are_of_the_quality_of_a_plane(draw, centres, sd):
    x, which = draw(100_000, torch.Generator().manual_seed(0))
    seen = metrics.modes(x, centres, sd)
    assert seen.found == len(centres) and seen.quality == pytest.approx(1 - np.exp(-4.5), abs=0.0015)
    assert all(c == pytest.approx(0.989 * 1e5 / len(centres), rel=0.1) for c in seen.counts.tolist())
    means = torch.stack([x[which == k].mean(0) for k in range(len(centres))])
    assert torch.allclose(means, centres, atol=5 * sd / 60)


@pytest.mark.parametrize(
    "samples, centres, sd, words",
    [
        (torch.zeros(4, 3), torch.zeros(8, 2), 0.1, r"got \(4, 3\) and \(8, 2\)"),
        (torch.zeros(4), torch.zeros(8, 2), 0.1, r"got \(4,\)"),
        (torch.zeros(0, 2), torch.zeros(8, 2), 0.1, "at least one of each"),
        (torch.zeros(4, 2), torch.zeros(0, 2), 0.1, "at least one of each"),
        (
            torch.tensor([[0.0, 1.0], [0.0, float("nan")], [float("inf"), 0.0]]),
            torch.zeros(1, 2),
            0.1,
            "2 of 3 samples are not finite",
        ),
        (torch.zeros(4, 2), torch.zeros(8, 2), 0.0, "above 0"),
        (torch.zeros(4, 2), torch.zeros(8, 2), float("nan"), "above 0"),
    ],
)
def test_modes_refuse(samples, centres, sd, words):
    with pytest.raises(ValueError, match=words):
        metrics.modes(samples, centres, sd)
