"""784-1000-500-250-2: the deep autoencoder with a code that can be drawn, pretrained by RBMs and fine-tuned."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.pretraining import pretrain, unroll
from repgen.rbm import RBM
from repgen.zoo.recipes.deep_ae_mnist import data, measure
from repgen.train import fit, warmup_cosine

__all__ = ["build", "data", "measure", "pretrained", "train"]


def build():
    return Autoencoder((784, 1000, 500, 250, 2), nn.Sigmoid, reconstruction="cross-entropy")


def pretrained(sizes, x, epochs, **options):
    """An autoencoder of these sizes begun at RBMs with a linear code, each trained for so many epochs."""
    *inner, last = zip(sizes, sizes[1:])
    stack = [RBM(a, b, mean_visible=True) for a, b in inner] + [RBM(*last, hidden="gaussian", mean_visible=True)]
    each = [{"lr": 0.1}] * len(inner) + [{"lr": 0.003}]
    pretrain(stack, x, each, epochs=epochs, batch_size=100, optimizer="sgd", schedule=lambda fraction: 1 - fraction, **options)
    return unroll(stack)


def train(model, digits, unseen, **options):
    own = {key: value for key, value in options.items() if key in ("seed", "progress")}
    model.load_state_dict(pretrained((784, 1000, 500, 250, 2), digits.flat, 10, **own).state_dict())
    settings = {"epochs": 30, "batch_size": 128, "lr": 1e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)
