"""784-30-784, linear code, logistic pixels: logistic PCA whose code is a flat function of the image. 30 seconds."""

from repgen.autoencoder import Autoencoder
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader, measure_test_error

data, measure = make_loader("mnist"), measure_test_error


def build():
    return Autoencoder((784, 30), reconstruction="cross-entropy")


def train(model, digits, unseen, **options):
    settings = {"epochs": 10, "batch_size": 256, "lr": 4e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)
