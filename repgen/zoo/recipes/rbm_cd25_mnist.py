"""An RBM 784-500 by CD-25: chains of 25 steps that begin at the data in every batch."""

from repgen.rbm import RBM
from repgen.zoo.recipes._common import fit_rbm, make_loader, measure_rbm

data, measure = make_loader("mnist"), measure_rbm


def build():
    return RBM(784, 500, k=25, binarize=True)


def train(model, digits, unseen, **options):
    return fit_rbm(model, digits, **{"epochs": 12, "lr": 0.1} | options)
