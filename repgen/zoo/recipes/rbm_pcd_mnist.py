"""An RBM 784-500 by persistent chains, on digits drawn black and white anew in every batch."""

from repgen.rbm import RBM
from repgen.zoo.recipes._common import fit_rbm, make_loader, measure_rbm

data, measure = make_loader("mnist"), measure_rbm


def build():
    return RBM(784, 500, chains=100, binarize=True)


def train(model, digits, unseen, **options):
    return fit_rbm(model, digits, **{"epochs": 60, "lr": 0.2} | options)
