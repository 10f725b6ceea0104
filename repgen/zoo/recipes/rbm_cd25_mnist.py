"""An RBM 784-500 by CD-25: chains of 25 steps that begin at the data in every batch."""

from repgen.rbm import RBM
from repgen.zoo.recipes.rbm_pcd_mnist import centred_fit, data, measure

__all__ = ["build", "data", "measure", "train"]


def build():
    return RBM(784, 500, k=25, binarize=True)


def train(model, digits, unseen, **options):
    return centred_fit(model, digits, **{"epochs": 12, "lr": 0.1} | options)
