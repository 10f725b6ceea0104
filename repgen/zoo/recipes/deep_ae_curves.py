"""Curves in six numbers, 784-400-200-100-50-25-6, trained end to end by today's methods: no pretraining."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.zoo.recipes.deep_ae_mnist import measure
from repgen.zoo.recipes.deep_ae_pretrained_curves import SIZES, data
from repgen.train import fit, warmup_cosine

__all__ = ["build", "data", "measure", "train"]


def build():
    return Autoencoder(SIZES, nn.ELU, reconstruction="cross-entropy")


def train(model, curves, unseen, **options):
    settings = {"epochs": 250, "batch_size": 100, "lr": 1e-3, "schedule": warmup_cosine()}
    return fit(model, curves.flat, **settings | options)
