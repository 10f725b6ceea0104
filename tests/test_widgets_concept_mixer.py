"""The widget that adds concept vectors: what is sent, what is refused, the still picture."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from widget_checks import same_in_every_run

from repgen.latents import attribute_vector
from repgen.pca import PCA
from repgen.vae import VAE
from repgen.widgets import ConceptMixer, Network

DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)
PCA9 = PCA(9).fit(DIGITS)
INK = {"ink": attribute_vector(PCA9.encode(DIGITS), DIGITS.sum(1)), "other": torch.arange(9.0)}


def test_the_page_gets_codes_and_vectors():
    widget = ConceptMixer(PCA9, DIGITS[:5], INK, measures=["slant", "thickness"], start=2)
    np.testing.assert_allclose(
        np.frombuffer(widget.codes, np.float32).reshape(5, 9), PCA9.encode(DIGITS[:5]), atol=1e-6
    )
    np.testing.assert_allclose(
        np.frombuffer(widget.vectors, np.float32).reshape(2, 9), torch.stack(list(INK.values())), atol=1e-6
    )
    assert widget.names == ["ink", "other"] and widget.amounts == [0.0, 0.0] and widget.start == 2
    torch.manual_seed(0)
    model = VAE.dense((64, 10, 3))
    network = Network.from_module(model)
    shared = ConceptMixer((model, network), DIGITS[:5], {"x": torch.ones(3)})
    assert shared.network is network and len(shared.codes) == 5 * 3 * 4


def a_generator():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(9, 64), torch.nn.Sigmoid()), torch.randn(4, 9)


def test_of_a_generator_the_images_are_those_of_its_codes():
    generator, z = a_generator()
    widget = ConceptMixer(generator, None, INK, codes=z)
    assert np.array_equal(np.frombuffer(widget.codes, np.float32).reshape(4, 9), z.numpy())
    with torch.no_grad():
        made = (255 * generator(z)).round()
    np.testing.assert_allclose(np.frombuffer(widget.images, np.uint8).reshape(4, 64), made, atol=1)
    assert widget.generated and not ConceptMixer(PCA9, DIGITS[:5], INK).generated


@pytest.mark.parametrize(
    "change, message",
    [
        ({"concepts": {}}, "at least one vector"),
        ({"concepts": {"thin": torch.ones(8)}}, r"the vector of thin: expected shape \(9\), found \(8,\)"),
        ({"concepts": {"thin": torch.full((9,), torch.nan)}}, "thin: 9 of 9 numbers are NaN"),
        ({"images": DIGITS[:0]}, "at least one image"),
        ({"labels": ["a"]}, "1 labels for 3 images"),
        ({"measures": ["beauty"]}, r"measures slant, thickness; got \['beauty'\]"),
        ({"start": 3}, "start=3 of 3 images"),
        ({"limit": 0}, "a limit above 0"),
        ({"images": None}, "images to encode or codes to decode, found neither"),
        ({"codes": torch.zeros(3, 9)}, "found both"),
        ({"images": None, "codes": torch.zeros(3, 8)}, r"codes: expected shape \(N, 9\), found \(3, 8\)"),
        ({"images": None, "codes": torch.zeros(0, 9)}, "at least one image"),
    ],
)
def test_what_is_wrong_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        ConceptMixer(**{"model": PCA9, "images": DIGITS[:3], "concepts": INK} | change)


def test_the_still_picture_goes_both_ways_and_is_the_same_in_every_run():
    one = same_in_every_run(lambda: ConceptMixer(PCA9, DIGITS[:3], INK, title="Mix"))
    assert repr(one) == "ConceptMixer('Mix': ink, other; 8 x 8 pixels, 3 images)"
    one.still(with_original := Figure())
    generator, z = a_generator()
    ConceptMixer(generator, None, INK, codes=z).still(without := Figure())
    assert [len(f.axes) for f in (with_original, without)] == [16, 14]  # rows of 7 amounts
