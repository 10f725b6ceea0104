"""An RBM 784-500 by CD-1, the shortest chains: a step away from the data and no more."""

from repgen.rbm import RBM
from repgen.zoo.recipes._common import fit_rbm, make_loader, measure_rbm

data, measure = make_loader("mnist"), measure_rbm


def build():
    return RBM(784, 500, k=1, binarize=True)


def train(model, digits, unseen, **options):
    return fit_rbm(model, digits, **{"epochs": 30, "lr": 0.1} | options)
