"""The latent plane: what is sent to the page, where its places are, checks, the still picture."""

import numpy as np
import pytest
import torch
import traitlets
from matplotlib.figure import Figure
from torch import nn
from widget_checks import lively, same_in_every_run

from repgen import dcgan
from repgen.widgets import LatentPlane, Network


def a_generator():
    """A small DCGAN in which all weights and all that batch normalisation keeps matter: 5 numbers -> 8 x 8 pixels."""
    net = lively(dcgan.generator(8, (6, 4), 5), 1, 2.5)
    for layer in net:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.weight.data += 1
    for k in range(20):
        net.train()(torch.randn(64, 5, generator=torch.Generator().manual_seed(k)))
    return net.eval().requires_grad_(False)


GENERATOR = a_generator()
LATENTS = torch.randn(7, 5, generator=torch.Generator().manual_seed(9))


def a_plane(**change):
    return LatentPlane(**{"decoder": dcgan.fold_batch_norm(GENERATOR), "latents": LATENTS} | change)


def z_at(x, y, corners=(0, 1, 2), shell=False):
    """z of one place, by definition."""
    a, b, c = (LATENTS[i].double().numpy() for i in corners)
    z = a + x * (b - a) + y * (c - a)
    if shell:
        shares = np.array([1 - x - y, x, y]) ** 2 / ((1 - x - y) ** 2 + x**2 + y**2)
        z *= np.sqrt(sum(s * v @ v for s, v in zip(shares, (a, b, c))) / (z @ z))
    return z


def decoded(places, corners=(0, 1, 2), shell=False):
    """Pictures (N, 8, 8) of places, by the generator itself."""
    z = np.stack([z_at(x, y, corners, shell) for x, y in places])
    return GENERATOR(torch.from_numpy(z).float())[:, 0]


# --- what the page gets


def test_the_page_gets_the_generator_and_the_samples():
    shown = a_plane(dtype="float32", title="Seven")
    assert [layer["type"] for layer in shown.network.spec["layers"]] == [
        "linear",
        "relu",
        "conv_transposed",
        "relu",
        "conv_transposed",
        "sigmoid",
    ]
    assert np.array_equal(np.frombuffer(shown.latents, np.float32).reshape(7, 5), LATENTS.numpy())
    pictures = GENERATOR(LATENTS).flatten(1)
    assert pictures.std(0).mean() > 0.1 and (shown.network.decode(LATENTS) - pictures).abs().max() < 1e-5
    assert (
        shown.shape == [8, 8]
        and shown.corners == [0, 1, 2]
        and shown.point == pytest.approx([1 / 3, 1 / 3])
        and not shown.shell
    )
    assert repr(shown) == "LatentPlane('Seven': plane of the samples 0, 1, 2 among 7, latents of 5, 8 x 8 pixels)"
    assert "shell of the samples 6, 0, 3" in repr(a_plane(shell=True, corners=(6, 0, 3)))


def test_weights_travel_in_two_bytes_each_and_are_those_of_the_folded_generator():
    folded = dcgan.fold_batch_norm(GENERATOR)
    count = sum(p.numel() for p in folded.parameters())
    shown, exact = a_plane(), a_plane(dtype="float32")
    assert len(shown.network.weights) == 2 * count and len(exact.network.weights) == 4 * count
    sent, full = np.frombuffer(shown.network.weights, np.float16), np.frombuffer(exact.network.weights, np.float32)
    assert np.array_equal(full, torch.cat([p.flatten() for layer in folded for p in layer.parameters()]).numpy())
    assert 0 < np.abs(sent - full).max() < 1e-3 * np.abs(full).max()


def test_a_network_can_be_shared_and_images_need_not_be_square():
    network = Network.from_module(nn.Linear(5, 12))
    assert a_plane(decoder=network, shape=(3, 4)).network is network


def test_a_draw_has_one_of_the_usual_lengths():
    lengths = torch.randn(200_000, 5, generator=torch.Generator().manual_seed(0)).norm(dim=1)
    assert a_plane().usual == pytest.approx(lengths.quantile(torch.tensor([0.025, 0.975])).tolist(), abs=0.02)


# --- places


PLACES = [(0, 0), (1, 0), (0, 1), (0.5, 0.5), (0.2, 0.3), (-0.25, 1.25), (1.2, 0.9)]


@pytest.mark.parametrize("shell", [False, True])
def test_the_corners_are_the_samples_and_places_between_are_as_defined(shell):
    shown = a_plane(corners=(4, 2, 6), shell=shell)
    z = shown.latent(PLACES)
    assert torch.allclose(z[:3], LATENTS[[4, 2, 6]], atol=1e-6)
    assert np.allclose(z, np.stack([z_at(x, y, (4, 2, 6), shell) for x, y in PLACES]), atol=1e-6)
    assert torch.equal(shown.latent(torch.tensor(PLACES).reshape(7, 1, 2)), z[:, None])
    shown.point = [0.2, 0.3]
    assert torch.equal(shown.latent(), shown.latent((0.2, 0.3)))


def test_on_the_shell_the_direction_stays_and_the_length_is_between_those_of_the_corners():
    places = 1.5 * torch.rand(200, 2, generator=torch.Generator().manual_seed(2)) - 0.25
    flat, shell = a_plane().latent(places), a_plane(shell=True).latent(places)
    assert torch.cosine_similarity(flat, shell).min() > 1 - 1e-6
    lengths = LATENTS[:3].norm(dim=1)
    assert shell.norm(dim=1).min() >= lengths.min() - 1e-5 and shell.norm(dim=1).max() <= lengths.max() + 1e-5
    assert flat.norm(dim=1).min() < 0.8 * lengths.min()


def test_the_shell_keeps_draws_at_right_angles_distributed_as_draws_are():
    """There it is z / sqrt(a^2 + b^2 + c^2), a weighted sum of the variance of one."""
    shown = a_plane(latents=torch.eye(5)[:4] * torch.tensor([1.0, 2, 3, 4])[:, None], shell=True)
    for x, y in PLACES:
        weights = torch.tensor([1 - x - y, x, y, 0, 0]) * torch.tensor([1.0, 2, 3, 4, 0])
        assert torch.allclose(shown.latent((x, y)), weights / ((1 - x - y) ** 2 + x**2 + y**2) ** 0.5, atol=1e-6)


def test_the_shell_has_a_hole_in_the_middle_of_opposites_but_no_nan():
    shown = a_plane(latents=torch.cat([LATENTS[:1], -LATENTS[:1], LATENTS[2:]]), shell=True)
    assert shown.latent((0.5, 0.0)).isfinite().all()


# --- traits


def test_corners_point_and_shell_can_be_set():
    shown = a_plane()
    shown.corners, shown.point, shown.shell = (6, 5, 0), (1.25, -0.25), True
    assert (shown.corners, shown.point, shown.shell) == ([6, 5, 0], [1.25, -0.25], True)
    assert np.allclose(shown.latent(), z_at(1.25, -0.25, (6, 5, 0), True), atol=1e-6)


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("corners", [0, 1, 1], "three different samples"),
        ("corners", [0, 1, 7], r"of 0 to 6, found \[0, 1, 7\]"),
        ("point", [2, 0], "x from -0.25 to 1.25"),
        ("point", [0, float("nan")], "1 of 2 numbers are NaN"),
        ("point", [0], "expected shape"),
    ],
)
def test_a_trait_is_not_set_to_nonsense(name, value, message):
    shown = a_plane()
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(shown, name, value)
    assert shown.corners == [0, 1, 2] and shown.point == pytest.approx([1 / 3, 1 / 3])


# --- the still picture


@pytest.mark.parametrize("change", [{}, {"shell": True, "corners": (3, 1, 5)}, {"latents": LATENTS[:3]}])
def test_the_still_picture_is_the_same_in_every_run(change):
    same_in_every_run(lambda: a_plane(**change))


def test_the_still_picture_shows_the_view():
    pictures = [
        a_plane(**change)._repr_mimebundle_()[0]["image/png"]
        for change in ({}, {"shell": True}, {"corners": (0, 2, 1)}, {"title": "T"})
    ]
    assert len(set(pictures)) == 4


@pytest.mark.parametrize("shell", [False, True])
def test_the_still_picture_holds_the_samples_and_the_plane(shell):
    figure = Figure(figsize=(7, 3.5))
    a_plane(shell=shell, corners=(5, 0, 3)).still(figure)
    images = [image.get_array() for ax in figure.axes for image in ax.get_images()]
    letters = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert np.allclose(images[:7], GENERATOR(LATENTS)[:, 0], atol=1e-5)
    assert letters[:7] == [["B"], [], [], ["C"], [], ["A"], []] and letters[-1] == ["A", "B", "C"]
    middles = -0.25 + 1.5 * (np.arange(9) + 0.5) / 9
    for row, y in enumerate(middles[::-1]):  # downwards
        for column, picture in enumerate(decoded([(x, y) for x in middles], (5, 0, 3), shell)):
            assert np.allclose(images[7][8 * row : 8 * row + 8, 8 * column : 8 * column + 8], picture, atol=1e-4)


# --- checks


def with_nan():
    latents = LATENTS.clone()
    latents[3, 2] = torch.nan
    return latents


@pytest.mark.parametrize(
    "change, message",
    [
        ({"latents": LATENTS[:2]}, "at least 3 samples, for three corners, found 2"),
        ({"latents": LATENTS[:, :4]}, r"latents: expected shape \(N, 5\), found \(7, 4\)"),
        ({"latents": LATENTS[0]}, r"latents: expected shape \(N, 5\), found \(5,\)"),
        ({"latents": with_nan()}, "latents: 1 of 35 numbers are NaN"),
        ({"corners": (0, 1)}, r"corners: expected three different samples of 0 to 6, found \[0, 1\]"),
        ({"corners": (0, 1, 0)}, r"found \[0, 1, 0\]"),
        ({"corners": (0, 1, 7)}, r"found \[0, 1, 7\]"),
        ({"corners": (0, 1, -1)}, r"found \[0, 1, -1\]"),
        ({"corners": (0, 1, 1.5)}, "three different samples"),
        ({"extent": ((0, 1),)}, r"extent: expected shape \(2, 2\)"),
        ({"extent": ((1, 0), (0, 1))}, "around the corners"),
        ({"extent": ((0.1, 2), (0, 1))}, "around the corners, which are at 0 and 1"),
        ({"extent": ((0, 1), (0, float("inf")))}, "extent: 1 of 4 numbers are NaN or infinite"),
        ({"point": (0, 0, 0)}, r"point: expected shape \(2\), found \(3,\)"),
        ({"point": (0, 1.3)}, "a place .* of the map, .* y from -0.25 to 1.25"),
        ({"shape": (8, 9)}, "64 numbers: not an image of 8 x 9"),
        ({"dtype": "float64"}, "'float16' or 'float32'"),
    ],
)
def test_it_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        a_plane(**change)


def test_batch_normalisation_that_was_not_folded_is_refused():
    with pytest.raises(TypeError, match="BatchNorm1d"):
        a_plane(decoder=GENERATOR)
