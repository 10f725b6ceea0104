"""Curves in six numbers, 784-400-200-100-50-25-6, by RBMs, unrolled, fine-tuned (Hinton & Salakhutdinov 2006)."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader, measure_test_error, pretrain_autoencoder

SIZES = (784, 400, 200, 100, 50, 25, 6)
data, measure = make_loader("curves"), measure_test_error


def build():
    return Autoencoder(SIZES, nn.Sigmoid, reconstruction="cross-entropy")


def train(model, curves, unseen, **options):
    model.load_state_dict(pretrain_autoencoder(SIZES, curves.flat, 30, options).state_dict())
    settings = {"epochs": 250, "batch_size": 100, "lr": 1e-3, "schedule": warmup_cosine()}
    return fit(model, curves.flat, **settings | options)
