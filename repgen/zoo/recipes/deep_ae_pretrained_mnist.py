"""784-1000-500-250-30 as Hinton & Salakhutdinov made it: RBMs layer by layer, unrolled, fine-tuned; logistic units, linear code."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.zoo.recipes.deep_ae_2d_mnist import pretrained
from repgen.zoo.recipes.deep_ae_mnist import data, measure
from repgen.train import fit, warmup_cosine

__all__ = ["build", "data", "measure", "train"]


def build():
    return Autoencoder((784, 1000, 500, 250, 30), nn.Sigmoid, reconstruction="cross-entropy")


def train(model, digits, unseen, **options):
    own = {key: value for key, value in options.items() if key in ("seed", "progress")}
    model.load_state_dict(pretrained((784, 1000, 500, 250, 30), digits.flat, 12, **own).state_dict())
    settings = {"epochs": 50, "batch_size": 128, "lr": 1e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)
