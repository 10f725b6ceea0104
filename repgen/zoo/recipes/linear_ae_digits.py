"""A linear autoencoder, 64 pixels to 10 numbers and back, on scikit-learn's digits: two seconds."""

from repgen.autoencoder import LinearAutoencoder
from repgen.datasets import load_data
from repgen.evaluation.metrics import reconstruction_error
from repgen.train import fit, warmup_cosine


def data(device):
    return load_data("digits", "train", device, size=8), load_data("digits", "test", device, size=8)


def build():
    return LinearAutoencoder(64, 10)


def train(model, digits, unseen, **options):
    settings = {"epochs": 150, "batch_size": 128, "lr": 2e-2, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)


def measure(model, digits, unseen):
    return {"test error": reconstruction_error(unseen.flat, model.decode(model.encode(unseen.flat)))}
