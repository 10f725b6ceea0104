"""The widget that goes from one image to another: what is sent, what is refused, the still picture."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from widget_checks import same_in_every_run

from repgen.autoencoder import Autoencoder
from repgen.pca import PCA
from repgen.vae import VAE
from repgen.widgets import Interpolation, Network

DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)
PCA9 = PCA(9).fit(DIGITS)


def nets():
    torch.manual_seed(0)
    return {"autoencoder": Autoencoder((64, 20, 5), nn.Tanh), "VAE": VAE.dense((64, 20, 4))}


def test_the_page_gets_the_codes_one_net_after_the_other():
    models = nets()
    widget = Interpolation(models, DIGITS[:6])
    sent = np.frombuffer(widget.codes, np.float32)
    with torch.no_grad():
        wanted = [models[name].encode(DIGITS[:6]).flatten() for name in models]
    np.testing.assert_allclose(sent, torch.cat(wanted), atol=1e-6)
    assert len(sent) == 6 * (5 + 4) and widget.labels == [f"image {i}" for i in range(1, 7)]
    assert [network.spec["n_in"] for network in widget.networks] == [5, 4]
    assert len(widget.images) == 6 * 64 and widget.pair == [0, 1]


def test_weights_can_be_shared_with_another_widget():
    network = Network.from_module(PCA9)
    one, two = Interpolation({"PCA": (PCA9, network)}, DIGITS[:3]), Interpolation((PCA9), DIGITS[:3])
    assert one.networks[0] is network and two.names == ["PCA"]
    np.testing.assert_allclose(np.frombuffer(one.codes, np.float32).reshape(3, 9), PCA9.encode(DIGITS[:3]), atol=1e-6)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"models": {}}, "expected at least one"),
        ({"models": {"PCA": PCA9, "net": nn.Linear(5, 63)}}, "net: images of 63 pixels, the others' are 8 x 8"),
        ({"images": DIGITS[:1]}, "two or more to go between, found 1"),
        ({"images": 2 * DIGITS[:3]}, r"\[0, 1\], found 0 to 2"),
        ({"labels": ["a"]}, "1 labels for 3 images"),
        ({"pair": (0, 3)}, r"pair=\[0, 3\].* two of 3 images"),
        ({"pair": (0, 1, 2)}, "two of 3 images"),
        ({"place": 1.5}, "a place from 0 to 1"),
        ({"shape": (8, 9)}, "not an image of 8 x 9"),
    ],
)
def test_what_is_wrong_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        Interpolation(**{"models": {"PCA": PCA9}, "images": DIGITS[:3]} | change)


def test_the_still_picture_is_the_way_and_the_same_in_every_run():
    models = nets()
    labels = torch.tensor([3, 1, 4, 1])
    one = same_in_every_run(lambda: Interpolation(models, DIGITS[:4], labels, pair=(2, 0), title="On the way"))
    assert repr(one) == "Interpolation('On the way': autoencoder, VAE; 8 x 8 pixels, 4 images)"
    assert one.labels == ["3", "1", "4", "1"]
    shown = []

    class Axes:
        def imshow(self, values, **_):
            shown.append(torch.as_tensor(values).flatten().float())

        def set(self, **_): ...
        def set_ylabel(self, *_, **__): ...

    class Figure:
        def subplots(self, lines, columns, **_):
            return [[Axes() for _ in range(columns)] for _ in range(lines)]

        def suptitle(self, *_, **__): ...

    one.still(Figure())
    with torch.no_grad():
        z = models["VAE"].encode(DIGITS[[2, 0]])
        middle = models["VAE"].decode(z.mean(0, keepdim=True))[0]
    assert len(shown) == 4 * 9
    torch.testing.assert_close(shown[0], DIGITS[2], atol=3e-3, rtol=0)
    torch.testing.assert_close(shown[2 * 9 + 4], middle)  # VAE, straight, half-way
    assert (shown[3 * 9 + 4] - middle).abs().max() > 1e-3  # the arc is elsewhere
