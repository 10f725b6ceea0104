"""784-30-784 with a linear code and logistic pixels: logistic PCA whose code must be a flat function of the image. Half a minute."""

from repgen.autoencoder import Autoencoder
from repgen.zoo.recipes.deep_ae_mnist import data, measure
from repgen.train import fit, warmup_cosine

__all__ = ["build", "data", "measure", "train"]


def build():
    return Autoencoder((784, 30), reconstruction="cross-entropy")


def train(model, digits, unseen, **options):
    settings = {"epochs": 10, "batch_size": 256, "lr": 4e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)
