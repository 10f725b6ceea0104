"""Logistic PCA of the curves, with 6 numbers and with 18, by alternating Newton steps: half a minute on one core."""

from torch import nn

from repgen.logistic_pca import LogisticPCA
from repgen.zoo.recipes._common import NEWTON_FIXED, fit_by_newton, make_loader, measure_error

FIXED = NEWTON_FIXED
data = make_loader("curves")


def build():
    return nn.ModuleDict({"6": LogisticPCA(6), "18": LogisticPCA(18)})


def train(models, curves, unseen, **options):
    return fit_by_newton({f"cost, {k} numbers": model for k, model in models.items()}, curves.flat, **options)


def measure(models, curves, unseen):
    return {f"test error, {k} numbers": measure_error(model, unseen.flat) for k, model in models.items()}
