"""784-500-500-2000-10 from random weights by today's methods: ReLU, batch norm, dropout, Adam on a falling rate."""

from repgen.classifier import Classifier
from repgen.zoo.recipes.dbn_classifier_mnist import SIZES, data, measure
from repgen.train import fit, warmup_cosine

__all__ = ["WEIGHTS", "build", "data", "measure", "train"]
WEIGHTS = False


def build():
    return Classifier(SIZES, dropout=0.3, visible_dropout=0.2, batch_norm=True)


def train(model, digits, unseen, **options):
    settings = {"epochs": 24, "batch_size": 128, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, (digits.flat, digits.labels), **settings | options)
