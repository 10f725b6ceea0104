"""A linear autoencoder, 784 pixels to 30 numbers and back, on MNIST: PCA found by gradient descent."""

from repgen.autoencoder import LinearAutoencoder
from repgen.datasets import load_data
from repgen.evaluation.metrics import reconstruction_error
from repgen.train import fit, warmup_cosine


def data(device):
    return load_data("mnist", "train", device), load_data("mnist", "test", device)


def build():
    return LinearAutoencoder(784, 30)


def train(model, digits, unseen, **options):
    settings = {"epochs": 10, "batch_size": 128, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)


def measure(model, digits, unseen):
    return {"test error": reconstruction_error(unseen.flat, model.decode(model.encode(unseen.flat)))}
