"""Curves in six numbers, 784-400-200-100-50-25-6, trained end to end by today's methods: no pretraining."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader, measure_test_error

data, measure = make_loader("curves"), measure_test_error


def build():
    return Autoencoder((784, 400, 200, 100, 50, 25, 6), nn.ELU, reconstruction="cross-entropy")


def train(model, curves, unseen, **options):
    settings = {"epochs": 250, "batch_size": 100, "lr": 1e-3, "schedule": warmup_cosine()}
    return fit(model, curves.flat, **settings | options)
