"""An RBM 784-500 by CD-1, the shortest chains: a step away from the data and no more."""

from repgen.rbm import RBM
from repgen.zoo.recipes.rbm_pcd_mnist import centred_fit, data, measure

__all__ = ["build", "data", "measure", "train"]


def build():
    return RBM(784, 500, k=1, binarize=True)


def train(model, digits, unseen, **options):
    return centred_fit(model, digits, **{"epochs": 30, "lr": 0.1} | options)
