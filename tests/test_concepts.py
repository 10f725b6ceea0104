"""Paths, directions and what is measured on a drawing: against figures that were drawn to a known measure."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LinearRegression

from repgen.datasets.olivetti_glasses import GLASSES
from repgen.latents import attribute_vector, lerp, slant, slerp, thickness


def bar(degrees, width, length=16, size=28, fine=8):
    """A white bar that leans to the right by so many degrees, its edges soft over a pixel: (size, size)."""
    n = size * fine
    y, x = torch.meshgrid(*[(torch.arange(n) + 0.5) / fine - size / 2] * 2, indexing="ij")
    a = math.radians(degrees)
    along, off = x * math.sin(a) - y * math.cos(a), x * math.cos(a) + y * math.sin(a)
    inside = ((along.abs() < length / 2) & (off.abs() < width / 2)).float()
    return inside.reshape(size, fine, size, fine).mean((1, 3))


# Paths


def test_a_path_begins_and_ends_where_it_should():
    a, b = torch.randn(2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for path in (lerp, slerp):
        got = path(a, b, torch.tensor([0.0, 1.0], dtype=torch.float64))
        torch.testing.assert_close(got, torch.stack([a, b]))


def test_the_arc_turns_evenly_in_the_plane_of_its_ends():
    """Against a rotation done by complex numbers."""
    angles = torch.tensor([0.3, 1.9], dtype=torch.float64)
    a, b = 2 * torch.stack([angles.cos(), angles.sin()], 1)
    t = torch.linspace(0, 1, 9, dtype=torch.float64)
    turned = torch.polar(torch.full_like(t, 2.0), 0.3 + 1.6 * t)
    torch.testing.assert_close(slerp(a, b, t), torch.stack([turned.real, turned.imag], 1))
    lengths = lerp(a, b, t).norm(dim=1)
    assert lengths.min() == pytest.approx(2 * math.cos(0.8)) and lengths.argmin() == 4


def test_an_arc_where_there_is_none():
    a = torch.tensor([1.0, 2.0])
    t = torch.linspace(0, 1, 3)
    torch.testing.assert_close(slerp(a, 3 * a, t), lerp(a, 3 * a, t))
    torch.testing.assert_close(slerp(0 * a, a, t), lerp(0 * a, a, t))
    with pytest.raises(ValueError, match="no shortest arc"):
        slerp(a, -a, t)


# Directions


def test_a_direction_is_that_along_which_the_score_grows():
    """Of round codes and a linear score, both ends differ along the score's own gradient only."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(40_000, 3, generator=generator)
    score = z @ torch.tensor([3.0, 0.0, -4.0])
    found = attribute_vector(z, score)
    fitted = torch.tensor(LinearRegression().fit(z.numpy(), score.numpy()).coef_)
    assert torch.cosine_similarity(found, fitted, dim=0) > 0.999
    assert found.norm() == pytest.approx(2 * 1.39981, abs=0.03)  # the mean of a normal variable's top fifth is 1.39981


def test_two_values_are_split_between_them():
    z = torch.tensor([[0.0], [1.0], [2.0], [9.0]])
    assert attribute_vector(z, torch.tensor([0.0, 0.0, 0.0, 1.0])) == 8
    assert attribute_vector(z, torch.tensor([True, False, False, True])) == 3
    assert attribute_vector(z, torch.tensor([1.0, 2.0, 3.0, 4.0]), share=0.5) == 5


@pytest.mark.parametrize(
    "score, share, message",
    [
        (torch.zeros(4), 0.2, "same for every code"),
        (torch.arange(3.0), 0.2, "one score a code, 4"),
        (torch.arange(4.0), 0.6, "at most 0.5"),
        (torch.arange(4.0), 0, "above 0"),
    ],
)
def test_a_score_that_tells_nothing_is_refused(score, share, message):
    with pytest.raises(ValueError, match=message):
        attribute_vector(torch.zeros(4, 2), score, share)


# Drawings


@pytest.mark.parametrize("degrees", [-35, -10, 0, 20, 40])
def test_the_slant_of_a_leaning_stroke(degrees):
    """A thin sheared stroke: of a rotated one the moments say nearly the same."""
    drawn = torch.stack(
        [bar(degrees, 1.5, 20), 0.3 * bar(degrees, 1.5, 20), bar(degrees, 1.5, 20).roll((3, -2), (0, 1))]
    )
    torch.testing.assert_close(slant(drawn), torch.full((3,), float(degrees)), atol=1.0, rtol=0)


def test_the_slant_of_a_sheared_image_is_that_of_the_shear():
    """Upright once, then each row moved by 0.5 per row: the tangent grows by 0.5 exactly."""
    x = bar(0, 3)
    sheared = torch.stack([row.roll(round(0.5 * (14 - i))) for i, row in enumerate(x)])
    assert torch.rad2deg(torch.tensor(0.5).atan()).item() == pytest.approx(slant(sheared[None]).item(), abs=1.0)


@pytest.mark.parametrize("degrees", [0, 17, 45])
@pytest.mark.parametrize("width", [2.0, 3.0, 4.5])
def test_the_width_of_a_stroke(degrees, width):
    """2 w l / (2 l + 2 w), for the ends count, too; thin diagonal strokes have no sharp edge, and are the worst."""
    exact = width * 16 / (16 + width)
    assert thickness(bar(degrees, width)[None]).item() == pytest.approx(exact, rel=0.14)


def test_neither_paleness_nor_a_soft_edge_is_thickness():
    x = bar(20, 4.0)
    soft = torch.from_numpy(gaussian_filter(x.numpy(), 0.8))
    got = thickness(torch.stack([x, 0.4 * x, soft]))
    assert got[1] == pytest.approx(got[0].item(), rel=1e-4)
    assert got[2] == pytest.approx(got[0].item(), rel=0.12)


def test_thicker_is_thicker_and_an_empty_page_is_nothing():
    widths = thickness(torch.stack([bar(10, w) for w in (1.5, 2.5, 3.5)]))
    assert (widths.diff() > 0.5).all()
    assert torch.equal(thickness(torch.zeros(1, 28, 28)), torch.zeros(1)) and torch.equal(
        slant(torch.zeros(1, 28, 28)), torch.zeros(1)
    )
    for measure in (slant, thickness):
        with pytest.raises(ValueError, match=r"drawings \(N, height, width\)"):
            measure(torch.zeros(3, 784))


# Labels


def test_the_labels_are_photographs_and_no_one_is_named_twice():
    assert list(GLASSES) == sorted(set(GLASSES)) and min(GLASSES) >= 0 and max(GLASSES) < 400
    people = np.bincount([i // 10 for i in GLASSES], minlength=40)
    assert sorted(np.flatnonzero(people == 10)) == [1, 5, 13, 26, 27, 30, 33, 36]
    assert sorted(np.flatnonzero((people > 0) & (people < 10))) == [3, 6, 12, 16, 18, 19, 35]
