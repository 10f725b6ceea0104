"""Ask for a digit: what is sent to the page, checks, the still picture."""

import pytest
import torch
from torch import nn
from widget_checks import same_in_every_run

from repgen.dbn import DBN
from repgen.rbm import RBM
from repgen.widgets import AskForADigit
from repgen.widgets.ask_for_a_digit import top_pair, way_down


def a_net(sizes=(64, 20, 12, 30), classes=4, centred=True, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    net = DBN(sizes, classes=classes, **options)
    with torch.no_grad():
        for rbm in net.rbms:
            for p in rbm.parameters():
                p.copy_(0.6 * torch.randn(p.shape, generator=generator))
            if centred:
                rbm.visible_offset.uniform_(0, 1, generator=generator)
                rbm.hidden_offset.fill_(0.5)
    return net


@pytest.mark.parametrize("centred", [False, True])
def test_the_networks_say_what_the_net_says(centred):
    net = a_net(centred=centred)
    top, down = top_pair(net.top, "float32"), way_down(net.rbms[:-1], "float32")
    x, h = torch.rand(7, 12).round(), torch.rand(7, 30).round()
    v = net.top.join(x, torch.tensor([0, 1, 2, 3, 0, 1, 2]))
    assert torch.allclose(top.encode(v), net.top.hidden_given_visible(v), atol=1e-6) and top.encode(v).std() > 0.1
    total, means = top.decode(h), net.top.visible_given_hidden(h)
    assert torch.allclose(total[:, :12].sigmoid(), means[:, :12], atol=1e-6) and means[:, :12].std() > 0.1
    assert torch.allclose(total[:, 12:].softmax(1), means[:, 12:], atol=1e-6) and means[:, 12:].std() > 0.1
    assert torch.allclose(down.decode(x), net.decode(x), atol=1e-6) and down.decode(x).std() > 0.1
    # each once
    assert len(top.weights) == 4 * (16 * 30 + 16 + 30) and len(down.weights) == 4 * (12 * 20 + 20 * 64 + 20 + 64)


def test_the_page_gets_settings():
    shown = AskForADigit(a_net(), ["a", 7, torch.tensor(8), "d"], asked=2, speed=10, every=50, seed=5)
    assert (shown.labels, shown.asked, shown.speed, shown.every, shown.seed) == (["a", "7", "8", "d"], 2, 10, 50, 5)
    assert shown.shape == [8, 8] and AskForADigit(a_net(), shape=(4, 16)).shape == [4, 16]
    assert repr(shown) == "AskForADigit('Ask for a digit': 64-20-12-30, 4 classes, 8 x 8 pixels, 0.0 MB of weights)"
    assert AskForADigit(a_net()).labels == ["0", "1", "2", "3"]
    assert len(AskForADigit(a_net(), dtype="float32").top.weights) == 2 * len(AskForADigit(a_net()).top.weights)


def test_the_nets_of_the_book_are_light():
    shown = AskForADigit(a_net((784, 400, 400, 800), 10))
    assert len(shown.top.weights) + len(shown.down.weights) < 1.61e6
    assert repr(shown).endswith("784-400-400-800, 10 classes, 28 x 28 pixels, 1.6 MB of weights)")


@pytest.mark.parametrize("sizes", [(64, 12, 30), (64, 20, 12, 30)])
def test_the_still_picture_is_the_same_in_every_run(sizes):
    same_in_every_run(lambda: AskForADigit(a_net(sizes)))


def test_the_still_picture_shows_the_net_and_its_classes():
    pictures = [
        AskForADigit(a_net(**net), **change)._repr_mimebundle_()[0]["image/png"]
        for net, change in (
            ({}, {}),
            ({"seed": 1}, {}),
            ({}, {"seed": 1}),
            ({"classes": 3}, {}),
            ({}, {"labels": "abcd"}),
        )
    ]
    assert len(set(pictures)) == 5


def test_the_still_picture_holds_the_class():
    """A net whose features are those of its class, and whose pixels are its features."""
    net = a_net((16, 4, 8), classes=4, centred=False)
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
        top, below = net.top, net.rbms[0]
        for k in range(4):  # hidden unit k sees class k alone, and switches feature k on
            top.weight[4 + k, k] = 40.0
            top.weight[k, k] = 40.0
            below.weight[4 * k : 4 * k + 4, k] = 40.0
        top.hidden_bias.fill_(-60.0)
        top.hidden_bias[:4] = -20.0
        top.weight[:4, :4] += 1 - torch.eye(4)
        top.visible_bias[:4] = -20.0
        below.visible_bias.fill_(-20.0)
    shown = AskForADigit(net)
    kept = {}
    shown._show_rows = lambda figure, rows: kept.update(rows) or figure.subplots(1, 4, squeeze=False)
    shown._repr_mimebundle_()
    for k, row in enumerate(kept["step 500"].reshape(4, 4, 4)):
        assert row[k].min() > 0.9  # the line of pixels that belongs to the class asked for


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"dbn": nn.Linear(64, 20)}, TypeError, "a Linear has no rbms and classes"),
        ({"dbn": RBM(64, 20)}, TypeError, "a RBM has no rbms"),
        ({"dbn": a_net(classes=0)}, ValueError, r"without classes, .*DBN\(sizes, classes=10\)"),
        ({"dbn": a_net((64, 20))}, ValueError, "stands on the pixels"),
        ({"dbn": a_net(hidden="gaussian")}, ValueError, "has gaussian ones"),
        ({"labels": ["a"]}, ValueError, "1 labels for 4"),
        ({"shape": (8, 9)}, ValueError, "not an image of 8 x 9"),
        ({"asked": 4}, ValueError, "0 to 3, or -1 for none, got 4"),
        ({"asked": -2}, ValueError, "got -2"),
        ({"speed": 0}, ValueError, "1 to 50 steps a frame, got 0"),
        ({"every": 0}, ValueError, "every: expected a step"),
    ],
)
def test_it_says_what_is_wrong(change, error, message):
    with pytest.raises(error, match=message):
        AskForADigit(**{"dbn": a_net()} | change)
