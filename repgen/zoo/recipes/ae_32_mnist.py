"""An autoencoder of 32 numbers, 784-200-200-32 and back: the layers of vae-32-mnist, without noise and prior."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader, measure_test_error

data, measure = make_loader("mnist"), measure_test_error


def build():
    return Autoencoder((784, 200, 200, 32), nn.Tanh, reconstruction="cross-entropy")


def train(model, digits, unseen, **options):
    settings = {"epochs": 30, "batch_size": 200, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)
