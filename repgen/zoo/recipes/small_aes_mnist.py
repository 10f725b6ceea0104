"""A digit in 10 numbers by three nets of one size: a shallow one, a deep one, a deep one that repairs. Two minutes."""

from functools import partial

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.corruption import salt_and_pepper
from repgen.denoising import DenoisingAutoencoder
from repgen.evaluation.metrics import reconstruction_error
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader

data = make_loader("mnist")


class SmallAutoencoders(nn.Module):
    """Three nets with some 85,000 weights each, trained side by side on the same batches."""

    def __init__(self):
        super().__init__()
        self.shallow = Autoencoder((784, 106, 10), tied=True)
        self.deep = Autoencoder((784, 100, 50, 10), tied=True)
        self.denoising = DenoisingAutoencoder((784, 100, 50, 10), tied=True, corrupt=partial(salt_and_pepper, p=0.2))

    def loss(self, x, generator=None):
        """The sum of the three losses: no net shares a weight with another, so each learns from its own."""
        return sum(net.loss(x, generator) for net in self.children())


def build():
    return SmallAutoencoders()


def train(model, digits, unseen, **options):
    settings = {"epochs": 10, "batch_size": 128, "lr": 4e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)


def measure(model, digits, unseen):
    def error(net):
        return reconstruction_error(unseen.flat, net.decode(net.encode(unseen.flat)))

    return {
        "test error": error(model.deep),
        "test error of the shallow net": error(model.shallow),
        "test error of the denoising net": error(model.denoising),
    }
