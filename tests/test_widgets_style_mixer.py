"""The style mixer: what is sent to the page, its settings, checks, the still picture."""

import copy

import numpy as np
import pytest
import torch
import traitlets
from matplotlib.figure import Figure
from torch import nn
from widget_checks import same_in_every_run

from repgen.stylegan import StyleGenerator
from repgen.widgets import StyleMixer


def a_generator(size=8, channels=(6, 4)):
    """A small generator in which all weights, the noise and the mean style matter: 5 numbers -> styles of 7 ->
    pictures."""
    g = torch.Generator().manual_seed(4)
    net = StyleGenerator(size, channels, latent_dim=5, style_dim=7).eval().requires_grad_(False)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        tensor.copy_(torch.randn(tensor.shape, generator=g) * (0.4 if tensor.ndim < 2 else 1.0))
        tensor *= 3.0 if name == "last.weight" else 1.0
        tensor += 1.0 * name.endswith("affine.bias")
    return net


GENERATOR = a_generator()
LATENTS = torch.randn(6, 5, generator=torch.Generator().manual_seed(9))
SHARES = (0.0, 0.25, 1.0, 0.6)


def a_mixer(**change):
    return StyleMixer(**{"generator": GENERATOR, "latents": LATENTS} | change)


def made(shares, chosen=(0, 1), psi=1.0, noise=1.0, net=GENERATOR, drawn=None):
    """Pictures (N, size, size) of shares (N, L), by the generator itself, with `drawn` in place of its noise."""
    net = copy.deepcopy(net)
    for i, layer in enumerate(net.layers):
        layer.strength *= noise
        if drawn is not None:
            layer.noise.copy_(drawn[i].reshape(layer.noise.shape))
    a, b = net.mean_style + psi * (net.styles(LATENTS)[list(chosen)] - net.mean_style)
    return net.synthesis(torch.stack([torch.stack([(1 - t) * a + t * b for t in each]) for each in shares]))[:, 0]


def crossing(k, n=4):
    return [0.0] * k + [1.0] * (n - k)


# --- what the page gets


def test_the_page_gets_the_generator_and_the_samples():
    shown = a_mixer(dtype="float32", title="Six", chosen=(4, 2), psi=0.7)
    assert [layer["type"] for layer in shown.mapping.spec["layers"]] == ["linear", "leaky_relu"] * 3
    assert np.array_equal(np.frombuffer(shown.latents, np.float32).reshape(6, 5), LATENTS.numpy())
    assert shown.spec["layers"] == [
        {"n_in": 6, "n_out": 6, "side": 4, "double": False},
        {"n_in": 6, "n_out": 6, "side": 4, "double": False},
        {"n_in": 6, "n_out": 4, "side": 8, "double": True},
        {"n_in": 4, "n_out": 4, "side": 8, "double": False},
    ]
    rest = torch.cat([v.flatten() for name, v in GENERATOR.state_dict().items() if not name.startswith("mapping")])
    assert np.array_equal(np.sort(np.frombuffer(shown.weights, np.float32)), rest.sort().values.numpy())
    assert shown.shape == [8, 8] and shown.chosen == [4, 2] and (shown.psi, shown.noise, shown.seed) == (0.7, 1.0, 0)
    assert (
        repr(shown)
        == "StyleMixer('Six': A is sample 4, B is sample 2 of 6, 4 layers from 4 x 4 to 8 x 8 pixels, psi 0.7, noise 1)"
    )


def test_weights_travel_in_two_bytes_each():
    sent, full = (
        np.frombuffer(a_mixer().weights, np.float16),
        np.frombuffer(a_mixer(dtype="float32").weights, np.float32),
    )
    assert sent.size == full.size and 0 < np.abs(sent - full).max() < 1e-3 * np.abs(full).max()
    assert a_mixer().mapping.spec["dtype"] == a_mixer().spec["dtype"] == "float16"


@pytest.mark.parametrize(
    "channels, shares", [((6, 4), [0.0, 0, 1, 1]), ((3,), [0.0, 1]), ((4, 3, 2), [0.0, 0, 0, 1, 1, 1])]
)
def test_at_first_the_coarse_half_is_that_of_a(channels, shares):
    assert a_mixer(generator=a_generator(8, channels)).shares == shares


# --- styles and settings


def test_styles_are_mixed_and_truncated_as_defined():
    shown = a_mixer(chosen=(4, 2), shares=SHARES, psi=0.7)
    w, m = GENERATOR.styles(LATENTS), GENERATOR.mean_style
    for got, t in zip(shown.styles(), SHARES):
        torch.testing.assert_close(got, m + 0.7 * ((1 - t) * w[4] + t * w[2] - m))
    assert torch.equal(shown.styles([SHARES, crossing(1)])[0], shown.styles())
    shown.psi = 0
    assert torch.equal(shown.styles(), m.expand(4, -1))


def test_settings_can_be_changed():
    shown = a_mixer()
    shown.chosen, shown.shares, shown.psi, shown.noise = (5, 0), SHARES, 1.5, 0
    assert (shown.chosen, shown.psi, shown.noise) == ([5, 0], 1.5, 0.0) and shown.shares == list(SHARES)


BAD = [
    ("chosen", [1, 1], "two different samples"),
    ("chosen", [0, 6], r"of 0 to 5, found \[0, 6\]"),
    ("chosen", [0, -1], r"found \[0, -1\]"),
    ("chosen", [0, 1, 2], r"found \[0, 1, 2\]"),
    ("chosen", [0, 1.5], r"found \[0.0, 1.5\]"),
    ("shares", [0, 1, 1], r"shares: expected shape \(4\), found \(3,\)"),
    ("shares", [0, 1, 1, 1.1], "shares: expected 0 to 1"),
    ("shares", [0, 1, 1, -0.1], "shares: expected 0 to 1"),
    ("shares", [0, 1, 1, float("nan")], "shares: 1 of 4 numbers are NaN"),
    ("psi", 1.6, "psi: expected 0 to 1.5, found 1.6"),
    ("psi", float("nan"), "psi: 1 of 1 numbers are NaN"),
    ("noise", -0.1, "noise: expected 0 to 2, found -0.1"),
]


@pytest.mark.parametrize("name, value, message", BAD)
def test_a_trait_is_not_set_to_nonsense(name, value, message):
    shown = a_mixer()
    before = getattr(shown, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(shown, name, value)
    assert getattr(shown, name) == before


# --- the still picture


@pytest.mark.parametrize("change", [{}, {"generator": a_generator(12, (4, 3, 2)), "chosen": (3, 1), "psi": 0.5}])
def test_the_still_picture_is_the_same_in_every_run(change):
    same_in_every_run(lambda: a_mixer(**change))


@pytest.mark.parametrize("settings", [{}, {"chosen": (5, 3), "psi": 0.5, "noise": 2.0}, {"noise": 0.0}])
def test_the_still_picture_holds_a_the_mix_b_and_the_crossings(settings):
    figure = Figure(figsize=(7, 3.6))
    a_mixer(shares=SHARES, **settings).still(figure)
    images = [ax.get_images()[0].get_array() for ax in figure.axes]
    want = made([crossing(4), SHARES, crossing(0), *(crossing(k) for k in (4, 3, 2, 1, 0))], **settings)
    assert np.allclose(images, want, atol=1e-5) and want.std(0).mean() > 0.03
    a, b = settings.get("chosen", (0, 1))
    assert [ax.get_title() for ax in figure.axes] == [
        f"A: sample {a + 1}",
        "the mix",
        f"B: sample {b + 1}",
        "A",
        "3",
        "2",
        "1",
        "B",
    ]


# --- checks


def with_nan():
    latents = LATENTS.clone()
    latents[3, 2] = torch.nan
    return latents


def with_a_weight(value):
    net = copy.deepcopy(GENERATOR)
    net.layers[1].weight[0, 0, 0, 0] = value
    return net


@pytest.mark.parametrize(
    "change, message",
    [
        ({"latents": LATENTS[:1]}, "at least 2 samples, for A and B, found 1"),
        ({"latents": LATENTS[:, :4]}, r"latents: expected shape \(N, 5\), found \(6, 4\)"),
        ({"latents": LATENTS[0]}, r"latents: expected shape \(N, 5\), found \(5,\)"),
        ({"latents": with_nan()}, "latents: 1 of 30 numbers are NaN"),
        ({"generator": with_a_weight(1e5)}, "1 weights are NaN or too large for float16: .* dtype='float32'"),
        ({"generator": with_a_weight(torch.nan), "dtype": "float32"}, "1 weights are NaN"),
        ({"dtype": "float64"}, "'float16' or 'float32'"),
        *(({name: value}, message) for name, value, message in BAD),
    ],
)
def test_it_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        a_mixer(**change)


def test_another_kind_of_generator_is_refused():
    with pytest.raises(TypeError, match="a Sequential has no styles to mix: expected a StyleGenerator"):
        a_mixer(generator=nn.Sequential(nn.Linear(5, 64)))
