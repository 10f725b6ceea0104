"""Gabor fits: parameters that were put in come out, and noise does not pass for a Gabor."""

import math

import pytest
import torch

from repgen.evaluation.gabor import fit_gabors, gabor


def test_a_gabor_is_what_its_formula_says():
    one = torch.ones(1, dtype=torch.float64)
    even, odd = gabor(3 * one, 5 * one, 2 * one, 1.5 * one, 0.4 * one, 0.15 * one, 9)
    for row, column in ((5, 3), (2, 7), (8, 0)):
        dx, dy = column - 3, row - 5
        u, v = dx * math.cos(0.4) + dy * math.sin(0.4), dy * math.cos(0.4) - dx * math.sin(0.4)
        window = math.exp(-(u * u + v * v / 1.5**2) / 8)
        assert even[0, row, column].item() == pytest.approx(window * math.cos(2 * math.pi * 0.15 * u))
        assert odd[0, row, column].item() == pytest.approx(window * math.sin(2 * math.pi * 0.15 * u))


def synthetic(n=24, size=12):
    g = torch.Generator().manual_seed(0)

    def between(low, high):
        return low + (high - low) * torch.rand(n, generator=g)

    p = dict(
        x=between(3, 8),
        y=between(3, 8),
        sigma=between(1.2, 2.2),
        aspect=between(0.8, 1.8),
        angle=between(0, math.pi),
        frequency=between(0.12, 0.3),
    )
    even, odd = gabor(**p, size=size)
    phase = between(0, 2 * math.pi)[:, None, None]
    return p, 3 * (phase.cos() * even + phase.sin() * odd) + 0.7


def test_the_parameters_that_were_put_in_come_out():
    p, pictures = synthetic()
    found = fit_gabors(pictures)
    assert found.r2.min() > 0.98
    assert torch.allclose(found.fitted, pictures, atol=0.5)
    turn = (found.angle - p["angle"] + math.pi / 2) % math.pi - math.pi / 2
    for name, off, most in (
        ("angle", turn, math.radians(6)),
        ("x", found.x - p["x"], 0.3),
        ("y", found.y - p["y"], 0.3),
        ("frequency", found.frequency - p["frequency"], 0.02),
        ("sigma", (found.sigma / p["sigma"]).log(), 0.15),
    ):
        assert off.abs().median() < most / 4, f"{name}: {off}"
        assert (off.abs() < most).float().mean() > 0.9, f"{name}: {off}"


def test_r2_is_the_share_explained():
    _, pictures = synthetic(6)
    pictures = pictures + 0.5 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(3))
    found = fit_gabors(pictures)
    left = (pictures - found.fitted).square().sum((1, 2))
    total = (pictures - pictures.mean((1, 2), keepdim=True)).square().sum((1, 2))
    assert torch.allclose(found.r2, 1 - left / total, atol=1e-4)


def test_noise_and_checkered_nonsense_do_not_fit():
    noise = torch.randn(100, 12, 12, generator=torch.Generator().manual_seed(1))
    assert fit_gabors(noise).r2.max() < 0.5


def test_what_is_no_stack_of_pictures_is_refused():
    for bad in (torch.zeros(3, 144), torch.zeros(2, 4, 6), torch.zeros(0, 6, 6)):
        with pytest.raises(ValueError, match="square pictures"):
            fit_gabors(bad)
    with pytest.raises(ValueError, match="one grey"):
        fit_gabors(torch.ones(2, 6, 6))
