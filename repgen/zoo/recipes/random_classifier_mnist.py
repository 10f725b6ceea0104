"""784-500-500-2000-10 from random weights as in 2006: logistic units, plain gradient descent, early stopping."""

from torch import nn

from repgen.classifier import Classifier
from repgen.train import fit
from repgen.zoo.recipes._common import CLASSIFIER_SIZES, make_loader, measure_classifier

WEIGHTS = False
data, measure = make_loader("mnist"), measure_classifier


def build():
    return Classifier(CLASSIFIER_SIZES, nn.Sigmoid)


def train(model, digits, unseen, **options):
    for layer in model.linear:  # LeCun et al. (1998): as wide as keeps a logistic unit off its flat ends
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)
    held_out = len(digits.x) // 6  # the last digits, 10,000 of 60,000, say when to stop
    seen, judge = ((digits.flat[part], digits.labels[part]) for part in (slice(-held_out), slice(-held_out, None)))
    settings = {"epochs": 40, "batch_size": 50, "lr": 0.2, "optimizer": "sgd", "validation": judge, "patience": 5}
    return fit(model, seen, **settings | options)
