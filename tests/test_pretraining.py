from functools import partial

import pytest
import torch
from torch import nn

from repgen import Autoencoder, DenoisingAutoencoder, fit
from repgen.classifier import Classifier
from repgen.corruption import mask
from repgen.pretraining import initialize_from, pretrain, unroll
from repgen.rbm import RBM


def digits(n=60, d=8, seed=0):
    return torch.rand(n, d, generator=torch.Generator().manual_seed(seed))


def machines(*, visible="bernoulli", code="bernoulli", centre=True):
    torch.manual_seed(1)
    x = digits()
    stack = [RBM(8, 6, visible=visible), RBM(6, 4, hidden=code)]
    pretrain(
        stack, x, [{"lr": 0.1}, {"lr": 0.01}], epochs=3, batch_size=20, optimizer="sgd", centre=centre, progress=False
    )
    return stack, x


def test_layers_train_on_the_codes_below():
    stack, x = machines(centre=False)
    torch.manual_seed(1)
    first, second = RBM(8, 6), RBM(6, 4)
    fit(first, x, epochs=3, batch_size=20, optimizer="sgd", lr=0.1, progress=False)
    with torch.no_grad():
        codes = first.hidden_given_visible(x)
    fit(second, codes, epochs=3, batch_size=20, optimizer="sgd", lr=0.01, progress=False)
    for ours, by_hand in zip(stack, (first, second)):
        torch.testing.assert_close(ours.weight, by_hand.weight, rtol=0, atol=0)


def test_centres_each_on_what_it_sees():
    stack, x = machines()
    torch.testing.assert_close(stack[0].visible_offset, x.mean(0))
    with torch.no_grad():
        torch.testing.assert_close(stack[1].visible_offset, stack[0].hidden_given_visible(x).mean(0))


@pytest.mark.parametrize(
    "visible, code", [("bernoulli", "bernoulli"), ("bernoulli", "gaussian"), ("gaussian", "gaussian")]
)
def test_unrolled_net_does_what_the_machines_do(visible, code):
    stack, x = machines(visible=visible, code=code)
    net = unroll(stack)
    with torch.no_grad():
        up = stack[1].hidden_given_visible(stack[0].hidden_given_visible(x))
        down = stack[0].visible_given_hidden(stack[1].visible_given_hidden(up))
        torch.testing.assert_close(net.encode(x), up)
        torch.testing.assert_close(net.decode(up), down)
    assert net.reconstruction == ("cross-entropy" if visible == "bernoulli" else "squared error")


@pytest.mark.parametrize("tied", [False, True])
def test_unrolled_autoencoders_do_what_they_did(tied):
    torch.manual_seed(0)
    stack = [
        DenoisingAutoencoder(s, nn.Sigmoid, code=nn.Sigmoid, tied=tied, corrupt=partial(mask, p=0.2))
        for s in ((8, 6), (6, 4))
    ]
    x = digits()
    pretrain(stack, x, epochs=2, progress=False)
    net = unroll(stack)
    with torch.no_grad():
        up = stack[1].encode(stack[0].encode(x))
        torch.testing.assert_close(net.encode(x), up)
        torch.testing.assert_close(net.decode(up), stack[0].decode(stack[1].decode(up)))
    fit(net, x, epochs=1, progress=False)  # weights of its own: no longer shared with the stack
    with torch.no_grad():
        assert not torch.equal(net.encode(x), up) and torch.equal(stack[1].encode(stack[0].encode(x)), up)


def test_classifier_begins_at_the_features():
    stack, x = machines()
    net = Classifier((8, 6, 4, 3), nn.Sigmoid, visible_dropout=0.1, dropout=0.2, batch_norm=False).eval()
    initialize_from(net.linear, stack)
    with torch.no_grad():
        features = stack[1].encode(stack[0].encode(x))
        torch.testing.assert_close(net(x), net.linear[-1](features))


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: pretrain([], digits(), epochs=1), "no layer"),
        (lambda: pretrain([RBM(8, 6), RBM(5, 4)], digits(), epochs=1), "5 inputs cannot stand on one with 6"),
        (lambda: pretrain([RBM(8, 6)], digits(), [{}, {}], epochs=1), "settings for 2 layers, there are 1"),
        (lambda: initialize_from(Classifier((8, 5, 3)).linear, [RBM(8, 6)]), "do not fit"),
        (lambda: Classifier((8,)), "two classes or more"),
        (lambda: Classifier((8, 1)), "two classes or more"),
    ],
)
def test_what_does_not_fit(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_classifier_against_torch():
    torch.manual_seed(0)
    net, x, labels = Classifier((8, 6, 3)), digits(), torch.arange(60) % 3
    by_hand = nn.functional.cross_entropy(net.linear[1](net.linear[0](x).relu()), labels)
    torch.testing.assert_close(net.loss(x, labels), by_hand)
    wrong = (net(x).argmax(1) != labels).double().mean().item()
    assert net.error(x, labels) == pytest.approx(wrong) and net.training


def test_error_is_measured_without_dropout():
    torch.manual_seed(0)
    net = Classifier((8, 50, 3), dropout=0.9)
    x = digits(200)
    labels = net.eval()(x).argmax(1)
    assert net.train().error(x, labels) == 0


def test_unrolling_an_autoencoder_keeps_its_kind():
    stack = [
        Autoencoder((8, 4), nn.Tanh, code=nn.Tanh, output=nn.Identity),
        Autoencoder((4, 2), nn.Tanh, output=nn.Identity),
    ]
    net = unroll(stack)
    assert [type(m) for m in net.encoder] == [nn.Linear, nn.Tanh, nn.Linear, nn.Identity] and type(
        net.decoder[-1]
    ) is nn.Identity


def test_every_layer_has_its_own_checkpoint(tmp_path):
    x = torch.rand(40, 6, generator=torch.Generator().manual_seed(0))

    def layers():
        torch.manual_seed(0)
        return [RBM(6, 4), RBM(4, 3)]

    once, twice = layers(), layers()
    settings = {"epochs": 2, "batch_size": 10, "progress": False}
    pretrain(once, x, **settings)
    for _ in range(2):  # the second call finds both layers trained
        twice = layers()
        pretrain(twice, x, checkpoint=tmp_path / "run.pt", **settings)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run-layer-1.pt", "run-layer-2.pt"]
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(once, twice, strict=True))
