"""Curves in six numbers, 784-400-200-100-50-25-6, by RBMs layer by layer, unrolled, fine-tuned (Hinton & Salakhutdinov 2006)."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.datasets import load_data
from repgen.zoo.recipes.deep_ae_2d_mnist import pretrained
from repgen.zoo.recipes.deep_ae_mnist import measure
from repgen.train import fit, warmup_cosine

__all__ = ["build", "data", "measure", "train"]
SIZES = (784, 400, 200, 100, 50, 25, 6)


def data(device):
    return load_data("curves", "train", device), load_data("curves", "test", device)


def build():
    return Autoencoder(SIZES, nn.Sigmoid, reconstruction="cross-entropy")


def train(model, curves, unseen, **options):
    own = {key: value for key, value in options.items() if key in ("seed", "progress")}
    model.load_state_dict(pretrained(SIZES, curves.flat, 30, **own).state_dict())
    settings = {"epochs": 250, "batch_size": 100, "lr": 1e-3, "schedule": warmup_cosine()}
    return fit(model, curves.flat, **settings | options)
