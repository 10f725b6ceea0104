"""An autoencoder of 32 numbers, 784-200-200-32 and back: the layers of vae-32-mnist, without noise and without prior."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.datasets import load_data
from repgen.evaluation.metrics import reconstruction_error
from repgen.train import fit, warmup_cosine


def data(device):
    return load_data("mnist", "train", device), load_data("mnist", "test", device)


def build():
    return Autoencoder((784, 200, 200, 32), nn.Tanh, reconstruction="cross-entropy")


def train(model, digits, unseen, **options):
    settings = {"epochs": 30, "batch_size": 200, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)


def measure(model, digits, unseen):
    return {"test error": reconstruction_error(unseen.flat, model.decode(model.encode(unseen.flat)))}
