"""Non-local means, beside loops over pixels and cases that can be done in the head."""

import math

import numpy as np
import pytest
import torch

from repgen.evaluation.nl_means import nl_means


def by_loops(picture, noise, strength, patch, window):
    """The definition, pixel by pixel, in plain Python on a picture reflected by numpy."""
    p, r = patch // 2, window // 2
    wide = np.pad(picture.double().numpy(), p + r, mode="reflect")
    out = np.zeros(picture.shape)
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            cy, cx = y + p + r, x + p + r
            mine = wide[cy - p : cy + p + 1, cx - p : cx + p + 1]
            top = bottom = 0.0
            for j in range(cy - r, cy + r + 1):
                for i in range(cx - r, cx + r + 1):
                    d = ((wide[j - p : j + p + 1, i - p : i + p + 1] - mine) ** 2).mean()
                    weight = math.exp(-max(d - 2 * noise**2, 0) / (strength * noise) ** 2)
                    top, bottom = top + weight * wide[j, i], bottom + weight
            out[y, x] = top / bottom
    return torch.from_numpy(out)


@pytest.mark.parametrize(("patch", "window"), [(3, 5), (1, 3), (5, 3), (3, 1)])
def test_as_by_loops(patch, window):
    picture = torch.rand(9, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fast, slow = nl_means(picture, 0.15, 1.5, patch, window), by_loops(picture, 0.15, 1.5, patch, window)
    torch.testing.assert_close(fast, slow, atol=1e-12, rtol=0)
    if window > 1:
        assert (fast - picture).abs().max() > 0.01, "nothing was done, so nothing was compared"


def test_two_halves_stay_apart():
    """On black beside white, far from each other in units of the noise, each half is the mean of its own."""
    g = torch.Generator().manual_seed(1)
    clean = torch.cat([torch.zeros(40, 20), torch.ones(40, 20)], 1)
    noisy = clean + 0.05 * torch.randn(40, 40, generator=g)
    repaired = nl_means(noisy, 0.05)
    assert (repaired[:, 20:] - repaired[:, :20]).min() > 0.8
    assert (repaired - clean).square().mean() < (noisy - clean).square().mean() / 5


def test_a_huge_strength_is_the_mean_over_the_window():
    picture = torch.rand(12, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    wide = np.pad(picture.numpy(), 2, mode="reflect")
    mean = np.lib.stride_tricks.sliding_window_view(wide, (5, 5)).mean((2, 3))
    torch.testing.assert_close(nl_means(picture, 0.1, 1e6, 3, 5), torch.from_numpy(mean), atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("shape", "noise", "strength", "patch", "window", "says"),
    [
        ((9, 9), 0.1, 1, 4, 5, "odd"),
        ((9, 9), 0.1, 1, 3, 6, "odd"),
        ((9, 9), 0, 1, 3, 5, "positive"),
        ((9, 9), 0.1, -1, 3, 5, "positive"),
        ((9, 9), math.nan, 1, 3, 5, "positive"),
        ((1, 9, 9), 0.1, 1, 3, 5, r"\(1, 9, 9\)"),
        ((3, 9), 0.1, 1, 3, 5, "over 3"),
    ],
)
def test_what_makes_no_sense_is_refused(shape, noise, strength, patch, window, says):
    with pytest.raises(ValueError, match=says):
        nl_means(torch.rand(shape), noise, strength, patch, window)
