"""An RBM 784-500 by CD-25: chains of 25 steps that begin at the data in every batch."""

from repgen.rbm import RBM
from repgen.recipes.rbm_pcd_mnist import data, falling, measure
from repgen.train import fit

__all__ = ["build", "data", "measure", "train"]


def build():
    return RBM(784, 500, k=25, binarise=True)


def train(model, digits, unseen, **options):
    settings = {"epochs": 12, "batch_size": 100, "lr": 0.1, "optimizer": "sgd", "schedule": falling}
    model.centre_on(digits.flat.mean(0))
    return fit(model, digits.flat, **settings | options)
