"""The noise dial and the path on the latent map: what is sent to the page, checks, still pictures."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

from repgen.pca import PCA
from repgen.vae import VAE
from repgen.widgets import LatentMap, Network, NoiseDial

DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)
PCA2 = PCA(2).fit(DIGITS)


def a_vae(n_code=2):
    torch.manual_seed(0)
    return VAE.dense((64, 20, n_code), nn.ReLU)


def numbers(data, width):
    return torch.tensor(np.frombuffer(data, np.float32).reshape(-1, width))


@pytest.mark.parametrize("n_code", [2, 5])
def test_the_page_gets_the_posteriors_and_the_decoder(n_code):
    vae = a_vae(n_code)
    shown = NoiseDial(vae, DIGITS[:3].reshape(3, 1, 8, 8), [7, torch.tensor(8), "nine"], draws=4, seed=3)
    wanted = vae.encoder(DIGITS[:3])  # the means, then the log-variances
    assert torch.allclose(numbers(shown.means, n_code), wanted[:, :n_code])
    assert torch.allclose(numbers(shown.deviations, n_code) ** 2, wanted[:, n_code:].exp())
    assert torch.equal(numbers(shown.noise, n_code), torch.randn(4, n_code, generator=torch.Generator().manual_seed(3)))
    assert shown.images == (DIGITS[:3] * 255).round().byte().numpy().tobytes() and shown.labels == ["7", "8", "nine"]
    assert shown.network.spec["n_in"] == n_code and "n_encoder" not in shown.network.spec
    assert len(shown.network.weights) == 2 * (20 * (n_code + 1) + 64 * 21)


def test_a_network_of_the_page_is_used_again():
    vae = a_vae()
    network = Network.from_module(vae, "float32")
    assert NoiseDial(vae, DIGITS[:2], network=network).network is network


def test_the_still_picture_shows_the_draws():
    pictures = []
    for scale in (0.0, 0.0, 3.0):
        data = NoiseDial(a_vae(), DIGITS[:2], scale=scale, draws=5)._repr_mimebundle_()[0]
        pictures.append(data["image/png"])
    assert pictures[0] == pictures[1] != pictures[2]
    assert Image.open(io.BytesIO(base64.b64decode(pictures[0]))).width == 770
    assert (
        repr(NoiseDial(a_vae(), DIGITS[:2]))
        == "NoiseDial('Noise dial': 2 images of 8 x 8 pixels, codes of 2, 16 draws)"
    )


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"vae": PCA2}, TypeError, r"a PCA has no posterior\(x\)"),
        ({"images": DIGITS[:0]}, ValueError, "at least one to choose from"),
        ({"images": DIGITS[:3, :60]}, ValueError, "8 x 8 pixels"),
        ({"images": DIGITS[:3] * 16}, ValueError, r"\[0, 1\], found 0 to 16"),
        ({"labels": ["a"]}, ValueError, "1 labels for 3 images"),
        ({"scale": 6}, ValueError, "0 to 5 posterior deviations, got 6"),
        ({"scale": -1}, ValueError, "got -1"),
        ({"widest": 0}, ValueError, "above 0"),
        ({"draws": 0}, ValueError, "at least one"),
        ({"shape": (8, 9)}, ValueError, "not an image of 8 x 9"),
    ],
)
def test_a_dial_says_what_is_wrong(change, error, message):
    with pytest.raises(error, match=message):
        NoiseDial(**{"vae": a_vae(), "images": DIGITS[:3]} | change)


def test_posteriors_that_are_not_finite_are_refused():
    vae = a_vae()
    vae.encoder[-1].bias.data[0] = float("nan")
    with pytest.raises(ValueError, match="means: 3 of 6 numbers are NaN"):
        NoiseDial(vae, DIGITS[:3])


# The latent map on the scale of a prior, and its path


def test_a_map_by_quantiles_decodes_places_of_equal_probability():
    network = Network.from_module(PCA2, "float32")
    codes = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    shown = LatentMap(network, codes, prior="normal")
    assert shown.extent == [[-3.5, 3.5]] * 2 and shown.prior == "normal"
    middles = torch.special.ndtri((torch.arange(9) + 0.5) / 9)  # of nine parts, each as probable
    for row, column in ((0, 0), (0, 8), (4, 4), (7, 2)):
        want = PCA2.decode(torch.tensor([[middles[column], middles[8 - row]]])).reshape(8, 8)
        assert (shown._tiles[row, column] - want).abs().max() < 0.02  # all but what lies beyond 3.5
    even = LatentMap(network, codes, extent=((-1, 1), (-1, 1)))
    assert even.prior == "" and torch.allclose(even._tiles[0, 8].flatten(), PCA2.decode(torch.ones(1, 2))[0], atol=1e-5)


def test_a_path_is_kept_and_drawn():
    codes = PCA2.encode(DIGITS[:50])
    corners = [[0.0, 1.0], [2.0, -1.0], [2.0, 0.5]]
    shown, plain = LatentMap(PCA2, codes, path=corners), LatentMap(PCA2, codes)
    assert shown.path == corners and plain.path == []
    assert shown._repr_mimebundle_()[0]["image/png"] != plain._repr_mimebundle_()[0]["image/png"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"prior": "uniform"}, "evenly spaced axes.*got 'uniform'"),
        ({"path": [[1.0, 2.0, 3.0]]}, r"path: expected shape \(N, 2\), found \(1, 3\)"),
        ({"path": [[1.0, float("nan")]]}, "path: 1 of 2 numbers are NaN"),
    ],
)
def test_a_map_says_what_is_wrong_with_its_path_or_prior(change, message):
    with pytest.raises(ValueError, match=message):
        LatentMap(PCA2, torch.zeros(1, 2), **change)
