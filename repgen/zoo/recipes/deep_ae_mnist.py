"""784-1000-500-250-30 and back, trained end to end: half an hour on two cores, a minute on a GPU."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader, measure_test_error

data, measure = make_loader("mnist"), measure_test_error


def build():
    return Autoencoder((784, 1000, 500, 250, 30), nn.ELU)


def train(model, digits, unseen, **options):
    settings = {"epochs": 60, "batch_size": 128, "lr": 1e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)
