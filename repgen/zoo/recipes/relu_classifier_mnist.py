"""784-500-500-2000-10 from random weights by today's methods: ReLU, batch norm, dropout, Adam on a falling rate."""

from repgen.classifier import Classifier
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import CLASSIFIER_SIZES, make_loader, measure_classifier

WEIGHTS = False
data, measure = make_loader("mnist"), measure_classifier


def build():
    return Classifier(CLASSIFIER_SIZES, dropout=0.3, visible_dropout=0.2, batch_norm=True)


def train(model, digits, unseen, **options):
    settings = {"epochs": 24, "batch_size": 128, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, (digits.flat, digits.labels), **settings | options)
