"""A linear autoencoder, 784 pixels to 30 numbers and back, on MNIST: PCA found by gradient descent."""

from repgen.autoencoder import LinearAutoencoder
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader, measure_test_error

data, measure = make_loader("mnist"), measure_test_error


def build():
    return LinearAutoencoder(784, 30)


def train(model, digits, unseen, **options):
    settings = {"epochs": 10, "batch_size": 128, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)
