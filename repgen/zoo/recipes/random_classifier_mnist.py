"""784-500-500-2000-10 from random weights by the methods of 2006: logistic units, plain gradient descent, early stopping."""

from torch import nn

from repgen.classifier import Classifier
from repgen.zoo.recipes.dbn_classifier_mnist import SIZES, data, measure
from repgen.train import fit

__all__ = ["WEIGHTS", "build", "data", "measure", "train"]
WEIGHTS = False


def build():
    return Classifier(SIZES, nn.Sigmoid)


def train(model, digits, unseen, **options):
    for layer in model.linear:  # LeCun et al. (1998): as wide as keeps a logistic unit off its flat ends
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)
    own, held_out = slice(0, 50_000), slice(50_000, None)
    seen, judge = ((digits.flat[part], digits.labels[part]) for part in (own, held_out))
    settings = {"epochs": 40, "batch_size": 50, "lr": 0.2, "optimizer": "sgd", "validation": judge, "patience": 5}
    return fit(model, seen, **settings | options)
