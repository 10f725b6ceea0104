"""The net of vae-mnist, trained from scratch on the importance-weighted bound of five draws."""

from torch import nn

from repgen.recipes.vae_mnist import data, measure  # noqa: F401
from repgen.train import fit, warmup_cosine
from repgen.vae import IWAE


def build():
    return IWAE((784, 200, 200, 50), nn.Tanh, binarise=True, k=5)


def train(model, digits, unseen, **options):
    settings = {"epochs": 100, "batch_size": 100, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)
