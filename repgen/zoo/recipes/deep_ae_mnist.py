"""784-1000-500-250-30 and back, trained end to end: half an hour on two cores, a minute on a GPU."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.datasets import load_data
from repgen.evaluation.metrics import reconstruction_error
from repgen.train import fit, warmup_cosine


def data(device):
    return load_data("mnist", "train", device), load_data("mnist", "test", device)


def build():
    return Autoencoder((784, 1000, 500, 250, 30), nn.ELU)


def train(model, digits, unseen, **options):
    settings = {"epochs": 60, "batch_size": 128, "lr": 1e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)


def measure(model, digits, unseen):
    return {"test error": reconstruction_error(unseen.flat, model.decode(model.encode(unseen.flat)))}
