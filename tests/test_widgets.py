"""What the widgets hand to the page: bytes, checks, still pictures. How they live there: tests/browser."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn
from widget_checks import same_in_every_run

from repgen import widgets
from repgen.pca import PCA
from repgen.widgets import CompareCodes, ComponentExplorer, DrawAndReconstruct, Interpolation, LatentMap, Network
from repgen.widgets.base import HERE

DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)
LABELS = torch.tensor(load_digits().target)
PCA2, PCA9 = PCA(2).fit(DIGITS), PCA(9).fit(DIGITS)


def net(*layers):
    torch.manual_seed(0)
    return nn.Sequential(*layers)


def by_hand(network, z):
    """The buffer read back as its docstring says, in numpy."""
    w, at, x = np.frombuffer(network.weights, network.spec["dtype"]).astype(np.float64), 0, np.asarray(z, np.float64)
    for layer in network.spec["layers"]:
        if layer["type"] == "linear":
            n, m = layer["n_in"], layer["n_out"]
            x = x @ w[at : at + n * m].reshape(m, n).T + w[at + n * m : at + n * m + m]
            at += n * m + m
        else:
            x = {"tanh": np.tanh, "sigmoid": lambda v: 1 / (1 + np.exp(-v))}[layer["type"]](x)
    assert at == len(w)
    return x


@pytest.mark.parametrize("bias", [True, False])
def test_the_bytes_are_the_network(bias):
    module = net(nn.Linear(3, 5, bias=bias), nn.Tanh(), nn.Dropout(0.5), nn.Sequential(nn.Linear(5, 4), nn.Sigmoid()))
    module.append(nn.Unflatten(1, (2, 2))).eval()
    z = torch.randn(6, 3)
    network = Network.from_module(module, "float32")
    want = module(z).flatten(1).detach().numpy()
    np.testing.assert_allclose(by_hand(network, z), want, atol=1e-6)
    np.testing.assert_allclose(network.decode(z), want, atol=1e-6)
    half = Network.from_module(module, "float16")
    assert len(half.weights) == len(network.weights) / 2
    np.testing.assert_allclose(by_hand(half, z), want, atol=2e-3)


def test_a_pca_is_one_linear_layer():
    z = PCA9.encode(DIGITS[:5])
    network = Network.from_module(PCA9, "float32")
    np.testing.assert_allclose(by_hand(network, z), PCA9.decode(z), atol=1e-5)


class Autoencoder(nn.Module):
    def __init__(self, squash):
        super().__init__()
        self.encoder, self.decoder, self.squash = net(nn.Linear(64, 2)), net(nn.Linear(2, 64)), squash

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z).sigmoid() if self.squash else self.decoder(z)


def test_a_decode_that_does_more_than_its_layers_is_refused():
    assert Network.from_module(Autoencoder(squash=False)).spec["n_out"] == 64
    with pytest.raises(ValueError, match="activation outside.*nn.Sequential"):
        Network.from_module(Autoencoder(squash=True))


@pytest.mark.parametrize(
    "layer, name",
    [(nn.GELU(), "GELU"), (nn.BatchNorm1d(4), "BatchNorm1d"), (nn.ConvTranspose1d(1, 1, 3), "ConvTranspose1d")],
)
def test_a_layer_that_the_page_cannot_compute_is_named_with_its_place(layer, name):
    with pytest.raises(TypeError, match=rf"decoder\[1\] is a {name}.*It knows"):
        Network.from_module(nn.Sequential(nn.Linear(2, 4), layer))
    with pytest.raises(TypeError, match=rf"decoder\[0\]\[1\] is a {name}"):
        Network.from_module(nn.Sequential(nn.Sequential(nn.Linear(2, 4), layer)))


def test_other_things_that_are_no_decoder():
    class Twice(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    for what in (Twice(2, 4), "a path", lambda z: z):
        with pytest.raises(TypeError, match="cannot compute"):
            Network.from_module(what)
    with pytest.raises(TypeError, match="no nn.Linear"):
        Network.from_module(nn.Sequential(nn.Tanh()))
    with pytest.raises(TypeError, match="not fitted"):
        Network.from_module(PCA(2))
    with pytest.raises(ValueError, match="gives 4 numbers, the next takes 5"):
        Network.from_module(nn.Sequential(nn.Linear(2, 4), nn.Linear(5, 4)))
    with pytest.raises(ValueError, match="float16' or 'float32"):
        Network.from_module(PCA2, "int8")


def test_weights_that_are_nan_or_too_large_for_half_precision():
    module = net(nn.Linear(2, 4))
    module[0].weight.data[0, 0] = 1e5
    assert Network.from_module(module, "float32").spec["n_out"] == 4
    with pytest.raises(ValueError, match="1 weights are NaN or too large for float16.*float32"):
        Network.from_module(module)
    module[0].weight.data[0] = torch.nan
    with pytest.raises(ValueError, match="2 weights are NaN"):
        Network.from_module(module, "float32")


def test_several_widgets_share_one_network():
    network = Network.from_module(PCA2)
    codes = PCA2.encode(DIGITS[:9])
    one, two = LatentMap(network, codes), LatentMap(network, codes)
    assert one.network is two.network is network
    assert one.get_state()["network"] == f"IPY_MODEL_{network.model_id}"
    assert "weights" not in one.get_state() and network._view_name is None


def test_codes_and_originals_of_a_map():
    codes = PCA2.encode(DIGITS[:50])
    shown = LatentMap(PCA2, codes, LABELS[:50], images=DIGITS[:50])
    low, high = torch.tensor(shown.box).T
    back = low + torch.tensor(np.frombuffer(shown.codes, np.uint16).astype(np.float32).reshape(50, 2)) / 65535 * (
        high - low
    )
    assert (back - codes).abs().max() < 1e-4 * (high - low).max()
    (x0, x1), (y0, y1) = shown.extent
    assert x0 < low[0] < high[0] < x1 and y0 < low[1] < high[1] < y1
    assert [shown.names[i] for i in shown.labels] == [str(int(c)) for c in LABELS[:50]]
    sheet = np.asarray(Image.open(io.BytesIO(shown.sprite)))
    across = sheet.shape[1] // 8
    for i in (0, 7, 49):
        tile = sheet[i // across * 8 :, i % across * 8 :][:8, :8]
        assert np.abs(tile.ravel() / 255 - DIGITS[i].numpy()).max() <= 0.5 / 255 + 1e-6


def test_a_map_of_many_points_keeps_rows_together():
    codes = torch.stack([torch.arange(5000.0), torch.arange(5000.0)], 1)
    images = (torch.arange(5000) % 10 / 10).reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    shown = LatentMap(PCA2, codes, torch.arange(5000) % 10, images=images)
    kept = (
        np.frombuffer(shown.codes, np.uint16).reshape(-1, 2)[:, 0] / 65535 * (shown.box[0][1] - shown.box[0][0])
        + shown.box[0][0]
    )
    kept = kept.round().astype(int)
    assert len(kept) == 2000 and list(kept % 10) == list(shown.labels)
    sheet = np.asarray(Image.open(io.BytesIO(shown.sprite)))
    across = sheet.shape[1] // 8
    assert [sheet[i // across * 8, i % across * 8] for i in range(2000)] == [round(k % 10 * 25.5) for k in kept]


CODES = PCA2.encode(DIGITS[:6])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"codes": torch.zeros(6, 3)}, r"codes: expected shape \(N, 2\), found \(6, 3\)"),
        ({"codes": torch.zeros(0, 2)}, "at least one point"),
        ({"codes": CODES.clone().index_fill_(0, torch.tensor([1]), torch.nan)}, "codes: 2 of 12 numbers are NaN"),
        ({"labels": LABELS[:5]}, r"expected 6 whole numbers, one a code, found shape \(5,\)"),
        ({"labels": LABELS[:6] / 2}, "whole numbers"),
        ({"labels": LABELS[:6], "names": ["zero", "one"]}, "2 names, but labels from 0 to 5"),
        ({"names": ["zero"]}, "names without labels"),
        ({"images": DIGITS[:5]}, "5 images for 6 codes"),
        ({"images": DIGITS[:6, :63]}, r"8 x 8 pixels, found shape \(6, 63\)"),
        ({"images": DIGITS[:6] * 16}, r"\[0, 1\], found 0 to 16"),
        ({"shape": (8, 9)}, "64 numbers: not an image of 8 x 9"),
        ({"extent": ((1, 0), (0, 1))}, "x0 < x1"),
        ({"point": (1, 2, 3)}, r"point: expected shape \(2\), found \(3,\)"),
        ({"decoder": PCA9}, "code of 2 numbers, this decoder takes 9"),
    ],
)
def test_a_map_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        LatentMap(**{"decoder": PCA2, "codes": CODES} | change)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"images": DIGITS[:3, :60]}, "8 x 8 pixels"),
        ({"images": DIGITS[:3] - 1}, r"\[0, 1\], found -1"),
        ({"labels": ["a", "b"]}, "2 labels for 3 images"),
        ({"n_used": 10}, "n_used=10 of 9"),
        ({"start": 3}, "start=3 of 3"),
        ({"codes": torch.zeros(5, 8)}, r"codes: expected shape \(N, 9\), found \(5, 8\)"),
    ],
)
def test_an_explorer_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        ComponentExplorer(**{"model": PCA9, "images": DIGITS[:3]} | change)


COLOUR = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
RGB = PCA(2).fit(COLOUR)
TO_COLOUR = [nn.Linear(2, 48), nn.Unflatten(1, (3, 4, 4)), nn.ConvTranspose2d(3, 3, 4, 2, 1), nn.Sigmoid()]


@pytest.mark.parametrize(
    "make",
    [
        lambda: LatentMap(RGB, RGB.encode(COLOUR), images=COLOUR),
        lambda: LatentMap(RGB, RGB.encode(COLOUR), shape=(8, 8)),
        lambda: LatentMap(RGB, RGB.encode(COLOUR), shape=(3, 8, 8)),
        lambda: LatentMap(net(*TO_COLOUR), RGB.encode(COLOUR)),
        lambda: LatentMap(PCA2, PCA2.encode(DIGITS[:40]), images=COLOUR),
        lambda: LatentMap(PCA2, PCA2.encode(DIGITS[:40]), images=COLOUR.flatten(1)),
        lambda: ComponentExplorer(RGB, COLOUR[:3]),
        lambda: DrawAndReconstruct({"PCA": RGB}, COLOUR[:3]),
        lambda: Interpolation(RGB, COLOUR[:3]),
        lambda: CompareCodes({"a": DIGITS[:40, :2], "b": DIGITS[:40, 2:4]}, COLOUR, LABELS[:40]),
        lambda: CompareCodes({"a": DIGITS[:40, :2], "b": DIGITS[:40, 2:4]}, COLOUR.flatten(1), LABELS[:40]),
    ],
)
def test_pictures_in_colour_are_refused_with_what_to_do(make):
    with pytest.raises(ValueError, match=r"colour pictures of 8 x 8.*grey.*channels=1"):
        make()


def test_a_number_of_pixels_that_is_no_picture_is_not_taken_for_colour():
    with pytest.raises(ValueError, match="gives 65 numbers: not an image of 8 x 8$"):
        LatentMap(net(nn.Linear(2, 65)), PCA2.encode(DIGITS))
    with pytest.raises(ValueError, match=r"shape=\(height, width\)"):
        LatentMap(PCA2, PCA2.encode(DIGITS), shape=(64,))


def test_an_explorer_of_an_autoencoder_needs_codes_to_measure_in():
    model = Autoencoder(squash=False)
    with pytest.raises(TypeError, match=r"pass codes=model.encode\(x\)"):
        ComponentExplorer(model, DIGITS[:3])
    codes = model.encode(DIGITS).detach()
    shown = ComponentExplorer(model, DIGITS[:3], codes=codes)
    np.testing.assert_allclose(np.frombuffer(shown.centre, np.float32), codes.mean(0), atol=1e-5)
    np.testing.assert_allclose(np.frombuffer(shown.deviations, np.float32), codes.std(0, correction=0), rtol=1e-4)
    assert shown.shares == []


def test_a_representation_is_the_same_in_every_run_and_has_a_still_picture():
    for make in (
        lambda: ComponentExplorer(PCA9, DIGITS[:3], title="T"),
        lambda: LatentMap(PCA2, CODES, LABELS[:6], title="T"),
    ):
        same_in_every_run(make)


def outdated(notebook):
    """The classes of widgets in a stored notebook whose script or style is not the package's own of today."""
    ours = {f"{c.__module__}.{c.__name__}": c for c in (getattr(widgets, name) for name in widgets.__all__)}
    stored = (
        notebook["metadata"].get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    )
    found = set()
    for state in (model["state"] for model in stored.values()):
        widget = ours.get(state.get("_anywidget_id"))
        if widget and (state["_esm"] != widget._esm or state.get("_css", "") != getattr(widget, "_css", "")):
            found.add(widget.__name__)
    return sorted(found)


def test_stored_widgets_run_the_scripts_of_today():
    """A notebook stores its widgets' scripts: after a change of them, `make notebooks`."""
    shown = LatentMap(PCA2, CODES)
    stored = {m.model_id: {"state": dict(m.get_state())} for m in (shown, shown.network)}
    notebook = {"metadata": {"widgets": {"application/vnd.jupyter.widget-state+json": {"state": stored}}}}
    assert outdated(notebook) == []
    stored[shown.model_id]["state"]["_esm"] += "\n// of yesterday"
    assert outdated(notebook) == ["LatentMap"]
    chapters = Path(__file__).parents[1] / "chapters"
    for path in sorted(chapters.glob("[0-9]*/*.ipynb")):
        assert outdated(json.loads(path.read_text("utf-8"))) == [], f"{path.name}: run `make notebooks`"


def convolutions():
    """3 -> maps of 2 x 3 x 4 -> 5 x 5 x 8 -> 1 x 3 x 4, with uneven kernels, strides and paddings."""
    return net(
        nn.Linear(3, 24),
        nn.ELU(),
        nn.Unflatten(1, (2, 3, 4)),
        nn.ConvTranspose2d(2, 5, (3, 4), stride=(2, 2), padding=(1, 1)),
        nn.Tanh(),
        nn.Conv2d(5, 1, (3, 2), stride=(2, 2), padding=(1, 0), bias=False),
        nn.Flatten(),
        nn.Sigmoid(),
    )


def by_definition(entry, w, b, x):
    """Each pixel of the smaller maps meets each kernel's weight at one pixel of the bigger ones."""
    up, y = entry["type"] == "conv_transposed", np.zeros(entry["out"]) + b[:, None, None]
    (small, big) = (x, y) if up else (y, x)
    for a, c, ky, kx in np.ndindex(w.shape):
        for i, j in np.ndindex(*small.shape[1:]):
            m, n = (q * s - p + k for q, s, p, k in zip((i, j), entry["stride"], entry["padding"], (ky, kx)))
            if 0 <= m < big.shape[1] and 0 <= n < big.shape[2]:
                if up:
                    y[c, m, n] += w[a, c, ky, kx] * x[a, i, j]
                else:
                    y[a, i, j] += w[a, c, ky, kx] * x[c, m, n]
    return y


def test_the_bytes_of_convolutions_are_their_weights():
    module, z = convolutions(), torch.randn(4, 3)
    network = Network.from_module(module, "float32")
    want = module(z).detach()
    assert network.spec["n_out"] == 12 and want.shape == (4, 12) and want.std() > 0.01
    torch.testing.assert_close(network.decode(z), want)
    buffer, got = np.frombuffer(network.weights, np.float32), []
    _, _, up, _, down, _ = network.spec["layers"]
    assert (up["type"], up["in"], up["out"], up["n_in"], up["n_out"]) == (
        "conv_transposed",
        [2, 3, 4],
        [5, 5, 8],
        24,
        200,
    )
    assert (down["type"], down["in"], down["out"]) == ("conv", [5, 5, 8], [1, 3, 4])
    parts = np.split(buffer, np.cumsum([24 * 3, 24, 2 * 5 * 12, 5, 1 * 5 * 6]))
    for row in z.numpy():
        x = row @ parts[0].reshape(24, 3).T + parts[1]
        x = np.where(x > 0, x, np.expm1(x)).reshape(2, 3, 4)
        x = np.tanh(by_definition(up, parts[2].reshape(2, 5, 3, 4), parts[3], x))
        x = by_definition(down, parts[4].reshape(1, 5, 3, 2), parts[5], x)
        got.append(1 / (1 + np.exp(-x.ravel())))
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert len(parts[5]) == 1 and parts[5][0] == 0  # a bias for the layer without one


def test_a_convolutional_autoencoder_is_two_chains():
    encoder = net(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 3, 4, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))
    decoder = net(nn.Linear(2, 48), nn.Unflatten(1, (3, 4, 4)), nn.ConvTranspose2d(3, 1, 4, 2, 1), nn.Flatten())
    network = Network.from_autoencoder(nn.Sequential(encoder, decoder), "float32")
    assert (network.spec["n_in"], network.spec["n_code"], network.spec["n_out"]) == (64, 2, 64)
    torch.testing.assert_close(network.encode(DIGITS[:5]), encoder(DIGITS[:5]))
    z = torch.randn(5, 2)
    torch.testing.assert_close(network.decode(z), decoder(z).detach())


@pytest.mark.parametrize(
    "layers, message",
    [
        ((nn.ConvTranspose2d(2, 1, 4),), r"nothing before it says of what shape.*nn.Unflatten\(1, \(C, H, W\)\)"),
        ((nn.Unflatten(1, (3, 2, 2)), nn.ConvTranspose2d(2, 1, 4)), "takes 2 channels, but is given maps of 3 x 2 x 2"),
        (
            (nn.Unflatten(1, (2, 2, 2)), nn.ConvTranspose2d(2, 1, 4)),
            "gives 12 numbers, the ConvTranspose2d after it takes 2 x 2 x 2 = 8",
        ),
        (
            (nn.Unflatten(1, (3, 2, 2)), nn.ConvTranspose2d(3, 1, 4), nn.Linear(9, 4)),
            "gives 25 numbers, the next takes 9",
        ),
        ((nn.Unflatten(1, (3, 2, 2)), nn.Conv2d(3, 1, 4)), "cannot be applied to maps of 3 x 2 x 2"),
    ],
)
def test_convolutions_that_do_not_fit_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        Network.from_module(net(nn.Linear(2, 12), *layers))


@pytest.mark.parametrize(
    "how", [{"groups": 3}, {"dilation": 2}, {"padding": "same"}, {"padding": 1, "padding_mode": "reflect"}]
)
def test_kinds_of_convolution_that_the_page_does_not_know_are_refused(how):
    with pytest.raises(TypeError, match="groups=1, dilation=1, and zeros"):
        Network.from_module(net(nn.Linear(2, 12), nn.Unflatten(1, (3, 2, 2)), nn.Conv2d(3, 3, 1, **how)))


@pytest.mark.parametrize("name", [name for name in widgets.__all__ if name not in ("Network", "record")])
def test_a_script_asks_for_nothing_that_python_does_not_send(name):
    """A trait that has another name in the script than in Python is undefined there, and silently so."""
    widget = getattr(widgets, name)
    own = (HERE / f"{widget.__module__.rpartition('.')[2]}.js").read_text("utf-8")
    asked = set(re.findall(r'\bget\("(\w+)"\)|"change:(\w+)"', own))
    assert {trait for pair in asked for trait in pair if trait} <= {*widget.class_trait_names(sync=True)}


def test_stored_widgets_have_the_traits_of_today():
    for path in (Path(__file__).resolve().parent.parent / "chapters").glob("[0-9]*/*.ipynb"):
        for name, state in stored_states(json.loads(path.read_text("utf-8"))):
            unknown = {key for key in state if key[0] != "_"} - {*getattr(widgets, name).class_trait_names(sync=True)}
            assert not unknown, f"{path.name}: {name} has no {unknown}"


def stored_states(notebook):
    """(the class's name, its state) of the package's widgets that a notebook has stored."""
    kind = "application/vnd.jupyter.widget-state+json"
    for model in notebook["metadata"].get("widgets", {}).get(kind, {}).get("state", {}).values():
        module, _, name = model["state"].get("_anywidget_id", "").rpartition(".")
        if module.startswith("repgen.widgets"):
            yield name, model["state"]
