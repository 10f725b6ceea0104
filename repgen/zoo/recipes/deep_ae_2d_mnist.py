"""784-1000-500-250-2: the deep autoencoder with a code that can be drawn, pretrained by RBMs and fine-tuned."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader, measure_test_error, pretrain_autoencoder

SIZES = (784, 1000, 500, 250, 2)
data, measure = make_loader("mnist"), measure_test_error


def build():
    return Autoencoder(SIZES, nn.Sigmoid, reconstruction="cross-entropy")


def train(model, digits, unseen, **options):
    model.load_state_dict(pretrain_autoencoder(SIZES, digits.flat, 10, options).state_dict())
    settings = {"epochs": 30, "batch_size": 128, "lr": 1e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)
