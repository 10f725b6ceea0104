"""Compare codes: what is sent to the page, who is near, checks, the still picture."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from widget_checks import same_in_every_run

from repgen.pca import PCA
from repgen.widgets import CompareCodes

BUNDLED = load_digits()
DIGITS = torch.tensor(BUNDLED.data / 16, dtype=torch.float32)[:120]  # (120, 64)
LABELS = torch.tensor(BUNDLED.target[:120])
PCA2 = PCA(2).fit(DIGITS)
FLAT = PCA2.encode(DIGITS)  # (120, 2)
# no ties
CURVED = torch.stack(
    [4 * ((DIGITS[:, :32].sum(1) - 9) / 3).tanh(), (DIGITS @ torch.arange(64.0).sin()).exp().sqrt()], 1
)
REBUILT = PCA2.decode(FLAT)  # (120, 64), beyond [0, 1] in places


def a_comparison(**change):
    return CompareCodes(
        **{
            "codes": {"PCA": FLAT, "curved": CURVED},
            "images": DIGITS,
            "labels": LABELS,
            "reconstructions": {"PCA": REBUILT},
            "chosen": 7,
        }
        | change
    )


def test_the_page_gets_codes_classes_pictures_and_errors():
    shown = a_comparison(images=DIGITS.reshape(-1, 1, 8, 8), names=[f"a {d}" for d in range(10)])
    assert shown.maps == ["PCA", "curved"] and shown.names == [f"a {d}" for d in range(10)]
    assert np.array_equal(
        np.frombuffer(shown.codes, np.float32).reshape(2, 120, 2), torch.stack([FLAT, CURVED]).numpy()
    )
    assert np.array_equal(np.frombuffer(shown.labels, np.uint8), LABELS.numpy())
    errors = np.frombuffer(shown.errors, np.float32).reshape(2, 120)
    assert REBUILT.min() < -0.01 and REBUILT.max() > 1.01  # what lies beyond black and white counts
    assert np.allclose(errors[0], (DIGITS - REBUILT).square().sum(1), rtol=1e-5) and np.isnan(errors[1]).all()
    assert (shown.rebuilt, shown.shape, shown.chosen, shown.neighbours) == ([1, -1], [8, 8], 7, 5)
    assert repr(shown) == "CompareCodes('Compare codes': PCA, curved; 120 images of 8 x 8 pixels, 10 classes)"


def test_the_sprite_holds_the_images_and_then_the_reconstructions():
    shown = a_comparison(reconstructions={"curved": DIGITS.flip(0), "PCA": REBUILT})
    assert shown.rebuilt == [1, 2]  # in the order of the maps
    sheet = np.asarray(Image.open(io.BytesIO(shown.sprite)))
    tiles = sheet.reshape(sheet.shape[0] // 8, 8, -1, 8).transpose(0, 2, 1, 3).reshape(-1, 64)[:360]
    want = torch.cat([DIGITS, REBUILT.clamp(0, 1), DIGITS.flip(0)])
    assert np.abs(tiles / 255 - want.numpy()).max() < 0.5 / 255 + 1e-6


@pytest.mark.parametrize("chosen", [0, 7, 119])
def test_neighbours_are_those_of_scikit_learn(chosen):
    shown = a_comparison(chosen=chosen, neighbours=9)
    for name, codes in (("PCA", FLAT), ("curved", CURVED)):
        want = (
            NearestNeighbors(n_neighbors=10).fit(codes.numpy()).kneighbors(codes[chosen : chosen + 1].numpy())[1][0, 1:]
        )
        assert shown.nearest(name).tolist() == want.tolist()


def test_images_need_not_be_square():
    assert a_comparison(images=DIGITS.reshape(-1, 4, 16)).shape == [4, 16]
    assert a_comparison(shape=(16, 4)).shape == [16, 4]


@pytest.mark.parametrize(
    "change",
    [{}, {"reconstructions": None}, {"codes": {"a": FLAT, "b": CURVED, "c": FLAT.flip(1)}, "reconstructions": {}}],
)
def test_the_still_picture_is_the_same_in_every_run(change):
    same_in_every_run(lambda: a_comparison(**change))


def test_the_still_picture_shows_the_choice():
    pictures = [
        a_comparison(**change)._repr_mimebundle_()[0]["image/png"]
        for change in ({}, {"chosen": 8}, {"reconstructions": None}, {"codes": {"PCA": CURVED, "curved": FLAT}})
    ]
    assert len(set(pictures)) == 4


@pytest.mark.parametrize(
    "change, message",
    [
        ({"codes": FLAT}, "a dict of two maps or more"),
        ({"codes": {"PCA": FLAT}}, "a dict of two maps or more"),
        (
            {"codes": {"PCA": FLAT, "curved": CURVED[:, :1]}},
            r"codes of curved: expected shape \(N, 2\), found \(120, 1\)",
        ),
        ({"codes": {"PCA": FLAT, "curved": CURVED[1:]}}, "codes of curved: 119 points for 120 images"),
        ({"codes": {"PCA": FLAT, "curved": CURVED.log()}}, "codes of curved: .* NaN or infinite"),
        ({"images": DIGITS[:, :60]}, "8 x 8 pixels, found shape"),
        ({"images": DIGITS * 16}, r"images: expected values in \[0, 1\], found 0 to 16"),
        ({"labels": None}, "labels: expected one a point"),
        ({"labels": LABELS[1:]}, "labels: expected 120 whole numbers"),
        ({"labels": LABELS.float()}, "whole numbers"),
        ({"names": ["zero"]}, "give one name a class"),
        ({"reconstructions": {"pca": REBUILT}}, "reconstructions of pca, but the maps are PCA, curved"),
        (
            {"reconstructions": {"PCA": REBUILT[1:]}},
            r"reconstructions of PCA: expected shape \(120, 64\), found \(119, 64\)",
        ),
        ({"reconstructions": {"PCA": REBUILT[:, 1:]}}, r"expected shape \(120, 64\), found \(120, 63\)"),
        ({"chosen": 120}, "the number of a point, 0 to 119, got 120"),
        ({"chosen": -1}, "got -1"),
        ({"neighbours": 0}, "neighbours: expected 1 or more"),
        ({"neighbours": 120}, "fewer than the 120 points, got 120"),
    ],
)
def test_it_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        a_comparison(**change)


def test_more_points_than_can_be_seen_are_refused():
    many = {"codes": {"a": torch.rand(2001, 2), "b": torch.rand(2001, 2)}, "images": torch.rand(2001, 64)}
    with pytest.raises(ValueError, match="2001 points: more than 2000"):
        a_comparison(**many, labels=torch.zeros(2001, dtype=torch.long), reconstructions=None)
