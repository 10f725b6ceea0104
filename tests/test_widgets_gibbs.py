"""Gibbs in the page: what is sent to it, checks, the still picture."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from widget_checks import same_in_every_run

from repgen.rbm import RBM
from repgen.widgets import Gibbs, Network
from repgen.widgets.gibbs import HOLDS, conditionals

DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)


def a_machine(n_visible=64, n_hidden=20, centred=True, seed=0, **units):
    torch.manual_seed(seed)
    rbm = RBM(n_visible, n_hidden, centre=torch.rand(n_visible) if centred else None, **units)
    with torch.no_grad():
        for p in rbm.parameters():
            p.normal_(0, 0.5)
    return rbm


@pytest.mark.parametrize("centred", [False, True])
def test_the_network_says_what_the_machine_says(centred):
    rbm = a_machine(centred=centred)
    network = conditionals(rbm, "float32")
    v, h = torch.rand(7, 64).round(), torch.rand(7, 20).round()
    assert torch.allclose(network.encode(v), rbm.hidden_given_visible(v), atol=1e-6)
    assert torch.allclose(network.decode(h), rbm.visible_given_hidden(h), atol=1e-6)
    assert network.encode(v).std() > 0.1 and network.decode(h).std() > 0.1
    assert len(network.weights) == 4 * (64 * 20 + 20 + 64)  # the weights travel once
    assert len(conditionals(rbm).weights) == 2 * (64 * 20 + 20 + 64)


def test_the_page_gets_images_and_settings():
    shown = Gibbs(
        a_machine(),
        DIGITS[:3].reshape(3, 1, 8, 8),
        [7, torch.tensor(8), "nine"],
        hold="left half",
        start=2,
        seed=5,
        speed=20,
    )
    assert shown.images == (DIGITS[:3] * 255).round().byte().numpy().tobytes() and shown.labels == ["7", "8", "nine"]
    assert (shown.hold, shown.start, shown.seed, shown.speed, shown.shape) == ("left half", 2, 5, 20, [8, 8])
    assert (
        repr(shown)
        == "Gibbs('Gibbs in the page': 64 visible and 20 hidden units, 8 x 8 pixels, 3 images, 0.0 MB of weights)"
    )


def test_noise_is_as_white_as_the_data_where_the_machine_knows_them():
    rbm, half = a_machine(), bytes([128] * 64)
    assert Gibbs(rbm, DIGITS[:1]).noise == (rbm.visible_offset * 255).round().byte().numpy().tobytes()
    assert Gibbs(a_machine(centred=False), DIGITS[:1]).noise == Gibbs(conditionals(rbm), DIGITS[:1]).noise == half
    assert Gibbs(rbm, DIGITS[:1], noise=torch.zeros(64)).noise == bytes(64)


def test_a_network_of_the_page_is_used_again():
    network = conditionals(a_machine())
    assert Gibbs(network, DIGITS[:2]).network is network
    with pytest.raises(TypeError, match="decoder only"):
        Gibbs(Network.from_module(nn.Linear(3, 64)), DIGITS[:2])


def test_what_is_held_at_first():
    held = {what: Gibbs(a_machine(), DIGITS[:1], hold=what).held().reshape(8, 8) for what in HOLDS}
    assert not held["nothing"].any()
    assert held["upper half"][:4].all() and not held["upper half"][4:].any()
    assert held["left half"][:, :4].all() and not held["left half"][:, 4:].any()
    wide = Gibbs(a_machine(15), torch.rand(1, 15), shape=(3, 5), hold="upper half").held().reshape(3, 5)
    assert np.array_equal(wide.any(1), [True, False, False])


@pytest.mark.parametrize("hold", HOLDS)
def test_the_still_picture_is_the_same_in_every_run(hold):
    same_in_every_run(lambda: Gibbs(a_machine(), DIGITS[:2], hold=hold))


def test_the_still_picture_shows_the_chain():
    pictures = [
        Gibbs(a_machine(), DIGITS[:2], **change)._repr_mimebundle_()[0]["image/png"]
        for change in ({}, {"start": 1}, {"start": -1}, {"seed": 1}, {"hold": "upper half"})
    ]
    assert len(set(pictures)) == 5


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"rbm": nn.Linear(64, 20)}, TypeError, "a Linear has no hidden_given_visible"),
        ({"rbm": a_machine(visible="gaussian")}, ValueError, "has gaussian and bernoulli ones"),
        ({"rbm": a_machine(hidden="gaussian")}, ValueError, "has bernoulli and gaussian ones"),
        ({"images": DIGITS[:0]}, ValueError, "at least one to begin at"),
        ({"images": None}, ValueError, "at least one to begin at"),
        ({"images": DIGITS[:3, :60]}, ValueError, "8 x 8 pixels"),
        ({"images": DIGITS[:3] * 16}, ValueError, r"\[0, 1\], found 0 to 16"),
        ({"labels": ["a"]}, ValueError, "1 labels for 3 images"),
        ({"shape": (8, 9)}, ValueError, "not an image of 8 x 9"),
        ({"start": 3}, ValueError, "0 to 2, or -1 for noise, got 3"),
        ({"start": -2}, ValueError, "got -2"),
        ({"hold": "right half"}, ValueError, "hold is one of nothing, upper half, left half; got 'right half'"),
        ({"hold": "upper half", "start": -1}, ValueError, "starts from noise"),
        ({"noise": torch.rand(63)}, ValueError, "noise: expected images of 8 x 8 pixels"),
        ({"noise": torch.full((64,), 2.0)}, ValueError, "noise: expected values in"),
        ({"speed": 0}, ValueError, "1 to 60 steps a second, got 0"),
    ],
)
def test_it_says_what_is_wrong(change, error, message):
    with pytest.raises(error, match=message):
        Gibbs(**{"rbm": a_machine(), "images": DIGITS[:3]} | change)
