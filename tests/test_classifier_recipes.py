"""The recipes of the classifiers: three beginnings, one training."""

from itertools import pairwise

import pytest
import torch

from repgen.datasets import Data
from repgen.denoising import DenoisingAutoencoder
from repgen.rbm import RBM, as_linear
from repgen.zoo.recipes import _common
from repgen.zoo.recipes import dbn_classifier_mnist as dbn
from repgen.zoo.recipes import logistic_classifier_mnist as control
from repgen.zoo.recipes import sda_classifier_mnist as sda

INNER = list(pairwise(_common.CLASSIFIER_SIZES[:-1]))


@pytest.fixture
def begun(monkeypatch):
    """By recipe: the net as its training begins, what is asked of ``fit``, and the layers that it begins at."""
    stacks = {
        "dbn": [RBM(*size) for size in INNER],
        "sda": [DenoisingAutoencoder(size, corrupt=lambda x, generator=None: x) for size in INNER],
    }
    found = {}
    monkeypatch.setattr(_common, "pretrain", lambda layers, *_, **__: None)
    digits = Data(torch.rand(20, 1, 28, 28), torch.arange(20) % 10, "mnist", "here")
    for name, recipe in (("dbn", dbn), ("sda", sda), ("control", control)):
        stack = stacks.get(name)
        monkeypatch.setattr(_common, "fit", lambda model, data, **asked: found.setdefault(name, (model, asked, stack)))
        monkeypatch.setattr(recipe, "make_layers", lambda: stack, raising=False)
        torch.manual_seed(0)
        recipe.train(recipe.build(), digits, None, seed=3)
    return found


def test_one_training(begun):
    assert len(begun) == 3
    asked = [asked for _, asked, _ in begun.values()]
    schedules = [options.pop("schedule") for options in asked]
    assert asked[0] == asked[1] == asked[2] and asked[0]["seed"] == 3
    assert len({tuple(schedule(f / 7) for f in range(8)) for schedule in schedules}) == 1
    for net, _, _ in begun.values():
        assert not net.linear[-1].weight.any()


def test_three_beginnings(begun):
    for name, first in (("dbn", lambda rbm: as_linear(rbm)[0]), ("sda", lambda net: net.encoder[0])):
        net, _, layers = begun[name]
        for linear, layer in zip(net.linear, layers):
            assert torch.equal(linear.weight, first(layer).weight) and torch.equal(linear.bias, first(layer).bias)
    for linear, (a, b) in zip(begun["control"][0].linear, INNER):
        bound = 4 * (6 / (a + b)) ** 0.5  # Glorot & Bengio (2010), eq. 16, for logistic units
        assert 0.99 * bound < linear.weight.abs().max() <= bound and not linear.bias.any()
