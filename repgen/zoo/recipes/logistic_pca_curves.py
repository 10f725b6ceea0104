"""Logistic PCA of the curves, with 6 numbers and with 18, by alternating Newton steps: half a minute on one core."""

from torch import nn

from repgen.logistic_pca import LogisticPCA
from repgen.zoo.recipes import deep_ae_mnist
from repgen.zoo.recipes.deep_ae_pretrained_curves import data
from repgen.zoo.recipes.logistic_pca_mnist import fitted

__all__ = ["build", "data", "measure", "train"]


def build():
    return nn.ModuleDict({"6": LogisticPCA(6), "18": LogisticPCA(18)})


def train(models, curves, unseen, **options):
    return fitted({f"cost, {k} numbers": model for k, model in models.items()}, curves.flat, **options)


def measure(models, curves, unseen):
    return {f"{what}, {k} numbers": error for k, model in models.items() for what, error in deep_ae_mnist.measure(model, curves, unseen).items()}
