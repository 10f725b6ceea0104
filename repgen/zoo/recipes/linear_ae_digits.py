"""A linear autoencoder, 64 pixels to 10 numbers and back, on scikit-learn's digits: two seconds."""

from repgen.autoencoder import LinearAutoencoder
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader, measure_test_error

data, measure = make_loader("digits", size=8), measure_test_error


def build():
    return LinearAutoencoder(64, 10)


def train(model, digits, unseen, **options):
    settings = {"epochs": 150, "batch_size": 128, "lr": 2e-2, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)
