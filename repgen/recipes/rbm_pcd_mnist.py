"""An RBM 784-500 by persistent chains, on digits drawn black and white anew in every batch."""

import copy

import torch

from repgen.data import load
from repgen.partition import annealed_log_partition
from repgen.rbm import RBM, flip
from repgen.train import fit


def data(device):
    return load("mnist", "train", device), load("mnist", "test", device)


def build():
    return RBM(784, 500, chains=100, binarise=True)


def falling(fraction):
    """A straight line to nothing: what is left of the chains' noise in the weights averages out."""
    return 1 - fraction


def train(model, digits, unseen, **options):
    settings = {"epochs": 60, "batch_size": 100, "lr": 0.2, "optimizer": "sgd", "schedule": falling}
    model.centre_on(digits.flat.mean(0))
    return fit(model, digits.flat, **settings | options)


def measure(model, digits, unseen):
    """-log p(v) of the test images, log Z by annealing: in float64, where no rounding changes a draw."""
    rbm = copy.deepcopy(model).double()
    generator = torch.Generator(unseen.x.device).manual_seed(0)
    log_z = annealed_log_partition(rbm, digits.flat.double().mean(0), runs=100, steps=3000, generator=generator)
    with torch.no_grad():
        cost = rbm.free_energy(flip(unseen.flat.double(), generator)).mean().item()
    return {"test -log p(v), nats": cost + log_z.estimate, "low": cost + log_z.low, "high": cost + log_z.high}
