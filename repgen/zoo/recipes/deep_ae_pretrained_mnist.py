"""784-1000-500-250-30 as Hinton & Salakhutdinov made it: RBMs, unrolled; logistic units, linear code."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader, measure_test_error, pretrain_autoencoder

SIZES = (784, 1000, 500, 250, 30)
data, measure = make_loader("mnist"), measure_test_error


def build():
    return Autoencoder(SIZES, nn.Sigmoid, reconstruction="cross-entropy")


def train(model, digits, unseen, **options):
    model.load_state_dict(pretrain_autoencoder(SIZES, digits.flat, 12, options).state_dict())
    settings = {"epochs": 50, "batch_size": 128, "lr": 1e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)
