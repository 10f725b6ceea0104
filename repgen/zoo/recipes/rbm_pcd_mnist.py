"""An RBM 784-500 by persistent chains, on digits drawn black and white anew in every batch."""

import copy

import torch

from repgen.datasets import load_data
from repgen.evaluation.partition import annealed_log_partition
from repgen.rbm import RBM
from repgen.train import fit


def data(device):
    return load_data("mnist", "train", device), load_data("mnist", "test", device)


def build():
    return RBM(784, 500, chains=100, binarize=True)


def centred_fit(model, digits, **settings):
    """Centres the machine on the digits' mean and trains it; lr falls to nothing, so that the chains' noise averages out."""
    model.centre_on(digits.flat.mean(0))
    common = {"batch_size": 100, "optimizer": "sgd", "schedule": lambda fraction: 1 - fraction}
    return fit(model, digits.flat, **common | settings)


def train(model, digits, unseen, **options):
    return centred_fit(model, digits, **{"epochs": 60, "lr": 0.2} | options)


def measure(model, digits, unseen):
    """-log p(v) of the test images, log Z by annealing: in float64, where no rounding changes a draw."""
    rbm = copy.deepcopy(model).double()
    generator = torch.Generator(unseen.x.device).manual_seed(0)
    log_z = annealed_log_partition(rbm, digits.flat.double().mean(0), runs=100, steps=3000, generator=generator)
    with torch.no_grad():
        cost = rbm.free_energy(torch.bernoulli(unseen.flat.double(), generator=generator)).mean().item()
    return {"test -log p(v), nats": cost + log_z.estimate, "low": cost + log_z.low, "high": cost + log_z.high}
