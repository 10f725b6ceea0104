"""The widgets that draw, corrupt and repair, and the autoencoders they send: bytes, checks, still pictures."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from widget_checks import lively, same_in_every_run

from repgen import corruption
from repgen.autoencoder import Autoencoder, LinearAutoencoder
from repgen.denoising import DenoisingAutoencoder
from repgen.pca import PCA
from repgen.widgets import CorruptAndRepair, DrawAndReconstruct, LatentMap, Network

DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)
PCA9 = PCA(9).fit(DIGITS)


AUTOENCODERS = {
    "pca": lambda: PCA9,
    "linear": lambda: lively(LinearAutoencoder(64, 5)),
    "shallow": lambda: lively(Autoencoder((64, 7))),
    "deep": lambda: lively(Autoencoder((64, 20, 10, 3), nn.ELU, code=nn.Tanh)),
    "tied": lambda: lively(Autoencoder((64, 20, 10, 3), nn.Tanh, tied=True, reconstruction="cross-entropy")),
    "overcomplete": lambda: lively(DenoisingAutoencoder((64, 100), corrupt=partial(corruption.mask, p=0.3), tied=True)),
    "sequential": lambda: lively(nn.Sequential(nn.Sequential(nn.Linear(64, 8), nn.Softplus()), nn.Linear(8, 64))),
}


def by_hand(network, x):
    """(code, image) from the buffer read back as network.py says, in numpy."""
    f = {
        "tanh": np.tanh,
        "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
        "relu": lambda v: np.maximum(v, 0),
        "elu": lambda v: np.where(v > 0, v, np.expm1(v)),
        "softplus": lambda v: np.log1p(np.exp(v)),
    }
    w, at, x = np.frombuffer(network.weights, network.spec["dtype"]).astype(np.float64), 0, np.asarray(x, np.float64)
    for i, layer in enumerate(network.spec["layers"]):
        if i == network.spec["n_encoder"]:
            code = x
        if "n_in" not in layer:
            x = f[layer["type"]](x)
            continue
        n, m = layer["n_in"], layer["n_out"]
        if layer["type"] == "linear":
            weight, at = w[at : at + n * m].reshape(m, n), at + n * m
        else:
            weight = w[layer["at"] : layer["at"] + n * m].reshape(n, m).T
        x, at = x @ weight.T + w[at : at + m], at + m
    assert at == len(w)
    return code, x


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_the_bytes_are_the_autoencoder(name):
    model, x = AUTOENCODERS[name](), DIGITS[:7]
    network = Network.from_autoencoder(model, "float32")
    with torch.no_grad():
        code = model[0](x) if name == "sequential" else model.encode(x)
        image = model[1](code) if name == "sequential" else model.decode(code)
    assert code.std() > 0.01 and image.std() > 0.01
    assert network.spec["n_code"] == code.shape[1]
    for got in (by_hand(network, x), (network.encode(x), network.decode(code))):
        np.testing.assert_allclose(got[0], code, atol=2e-6)
        np.testing.assert_allclose(got[1], image, atol=2e-6)
    half = by_hand(Network.from_autoencoder(model), x)
    np.testing.assert_allclose(half[1], image, atol=1e-2)


def test_weights_that_are_used_both_ways_travel_once():
    numbers = lambda name: len(Network.from_autoencoder(AUTOENCODERS[name](), "float32").weights) // 4
    assert numbers("pca") == 64 * 9 + 9 + 64
    assert numbers("tied") == 64 * 20 + 20 * 10 + 10 * 3 + 20 + 10 + 3 + 10 + 20 + 64
    assert numbers("shallow") == 2 * 64 * 7 + 7 + 64
    whole = Network.from_module(nn.Sequential(AUTOENCODERS["tied"]().encoder, AUTOENCODERS["tied"]().decoder))
    assert (whole.spec["n_in"], whole.spec["n_out"], len(whole.weights) // 2) == (64, 64, numbers("tied"))


def test_a_training_model_stays_in_training():
    model = lively(nn.Sequential(nn.Sequential(nn.Linear(64, 8), nn.Dropout(0.5)), nn.Linear(8, 64)))
    wrapped = LinearAutoencoder(64, 8)
    wrapped.encoder, wrapped.decoder = nn.Sequential(nn.Dropout(0.5), model[0][0]), model[1]
    wrapped.encoder.in_features, wrapped.encoder.out_features = 64, 8
    Network.from_autoencoder(wrapped.train())
    assert wrapped.training and wrapped.encoder[0].training


class Squashing(Autoencoder):
    def encode(self, x):
        return super().encode(x).sigmoid()


class Variational(Autoencoder):
    def encode(self, x):
        return super().encode(x), torch.ones(1)


def test_what_is_no_autoencoder_for_the_page_is_refused():
    with pytest.raises(ValueError, match="Squashing.encode does not give what its layers give"):
        Network.from_autoencoder(Squashing((64, 5)))
    with pytest.raises(TypeError, match="Variational.encode gives a tuple"):
        Network.from_autoencoder(Variational((64, 5)))
    with pytest.raises(TypeError, match=r"encoder\[1\] is a GELU"):
        Network.from_autoencoder(Autoencoder((64, 20, 5), nn.GELU))
    with pytest.raises(TypeError, match="the encoder has no nn.Linear layer: there is nothing to encode with"):
        Network.from_autoencoder(nn.Sequential(nn.Tanh(), nn.Linear(64, 64)))
    with pytest.raises(TypeError, match="a Linear is no autoencoder"):
        Network.from_autoencoder(nn.Linear(64, 64))
    with pytest.raises(TypeError, match="a decoder only"):
        Network.from_autoencoder(Network.from_module(PCA9))
    with pytest.raises(TypeError, match="not fitted"):
        Network.from_autoencoder(PCA(9))
    with pytest.raises(ValueError, match="takes 64 numbers, but the decoder gives 60"):
        Network.from_autoencoder(nn.Sequential(nn.Linear(64, 5), nn.Linear(5, 60)))
    with pytest.raises(ValueError, match="gives 5 numbers, the next takes 6"):
        Network.from_autoencoder(nn.Sequential(nn.Linear(64, 5), nn.Linear(6, 64)))
    with pytest.raises(ValueError, match="float16' or 'float32"):
        Network.from_autoencoder(PCA9, "int8")
    with pytest.raises(ValueError, match="a map needs a code of 2"):
        LatentMap(Network.from_autoencoder(PCA(2).fit(DIGITS)), torch.zeros(3, 2))


NARROW = nn.Sequential(nn.Linear(63, 5), nn.Linear(5, 63))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"models": {}}, "expected at least one"),
        ({"models": {"PCA": PCA9, "net": NARROW}}, "net: images of 63 pixels, the others' are 8 x 8"),
        ({"models": {"net": Squashing((64, 5))}}, "^net: Squashing.encode does not give"),
        ({"models": NARROW}, "63 numbers: not an image of 8 x 8"),
        ({"shape": (8, 9)}, "64 numbers: not an image of 8 x 9"),
        ({"images": DIGITS[:3, :60]}, "8 x 8 pixels"),
        ({"images": DIGITS[:3] * 16}, r"\[0, 1\], found 0 to 16"),
        ({"labels": ["a", "b"]}, "2 labels for 3 images"),
        ({"images": None, "labels": ["a"]}, "1 labels without images"),
    ],
)
def test_a_pad_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        DrawAndReconstruct(**{"models": {"PCA": PCA9}, "images": DIGITS[:3]} | change)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "pink"}, "kind is one of masking, Gaussian, salt and pepper; got 'pink'"),
        ({"amount": 1.1}, r"amount: expected a number in \[0, 1\], got 1.1"),
        ({"amount": float("nan")}, "got nan"),
        ({"images": DIGITS[:0]}, "images: expected at least one"),
        ({"images": DIGITS[:3] - 1}, r"\[0, 1\], found -1"),
        ({"labels": torch.arange(4)}, "4 labels for 3 images"),
    ],
)
def test_a_repair_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        CorruptAndRepair(**{"model": PCA9, "images": DIGITS[:3]} | change)


def test_an_error_of_type_stays_one_and_names_the_model():
    with pytest.raises(TypeError, match="^mine: a Linear is no autoencoder"):
        DrawAndReconstruct({"mine": nn.Linear(64, 64)})


def test_a_widget_says_how_much_it_weighs_and_shares_what_it_can():
    network = Network.from_autoencoder(nn.Sequential(nn.Linear(64, 5000), nn.Linear(5000, 64)), "float32")
    pad = DrawAndReconstruct({"big": network, "again": network, "PCA": PCA9}, DIGITS[:3], torch.tensor([0, 1, 2]))
    assert (
        repr(pad)
        == "DrawAndReconstruct('Draw and reconstruct': big, again, PCA; 8 x 8 pixels, 3 images, 2.6 MB of weights)"
    )
    assert pad.labels == ["0", "1", "2"] and pad.start == 0
    assert pad.get_state()["networks"][:2] == [f"IPY_MODEL_{network.model_id}"] * 2
    assert CorruptAndRepair(network, DIGITS[:3]).networks[0] is network
    assert DrawAndReconstruct(network).start == -1 and DrawAndReconstruct(PCA9).names == ["PCA"]


def test_the_noise_of_the_still_picture_is_the_packages_own():
    x = DIGITS[:3].double()  # in 255 steps, as on the page
    widget = CorruptAndRepair(PCA9, DIGITS[:3], kind="salt and pepper", amount=0.4)
    seen = {}
    widget._show_rows = lambda figure, rows: seen.update(rows)
    widget.still(None)
    damaged = corruption.salt_and_pepper((x * 255).round() / 255, 0.4, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(seen["corrupted"], damaged, atol=1e-6)
    np.testing.assert_allclose(seen["repaired"], PCA9.reconstruct(damaged.float()), atol=1e-5)


def test_a_representation_is_the_same_in_every_run_and_has_a_still_picture():
    for make in (
        lambda: DrawAndReconstruct({"PCA, 9 numbers": PCA9, "again": PCA9}, DIGITS[:3]),
        lambda: DrawAndReconstruct(PCA9),
        lambda: CorruptAndRepair(PCA9, DIGITS[:12], kind="Gaussian"),
    ):
        same_in_every_run(make)
