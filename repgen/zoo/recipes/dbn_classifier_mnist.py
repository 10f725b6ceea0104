"""784-500-500-2000-10 begun at three Boltzmann machines, fine-tuned with dropout: a quarter of an hour on one core."""

import torch
from torch import nn

from repgen.classifier import Classifier
from repgen.pretraining import initialize_from, pretrain
from repgen.rbm import RBM
from repgen.zoo.recipes.dbn_mnist import data, falling
from repgen.train import fit, warmup_cosine

__all__ = ["SIZES", "build", "data", "layers", "measure", "train", "tune"]
SIZES = (784, 500, 500, 2000, 10)


def build():
    return Classifier(SIZES, nn.Sigmoid, dropout=0.5, visible_dropout=0.2)


def layers(digits, **options):
    machines = [RBM(a, b).to(digits.x.device) for a, b in zip(SIZES[:3], SIZES[1:4])]
    each = [{"epochs": 12}, {"epochs": 10}, {"epochs": 6}]
    pretrain(machines, digits.flat, each, batch_size=100, lr=0.1, optimizer="sgd", schedule=falling, amp="auto", **options)
    return machines


def decayed(parameters, lr):
    """Adam that also draws every weight towards 0."""
    return torch.optim.AdamW(parameters, lr, weight_decay=0.03, fused=True)


def train(model, digits, unseen, layers=layers, **options):
    own = {key: value for key, value in options.items() if key in ("seed", "progress")}
    initialize_from(model.linear, layers(digits, **own))
    return tune(model, digits, **options)


def tune(model, digits, **options):
    nn.init.zeros_(model.linear[-1].weight)  # the classes begin equal
    settings = {"epochs": 80, "batch_size": 256, "lr": 4e-3, "optimizer": decayed, "schedule": warmup_cosine(), "amp": "auto"}
    return fit(model, (digits.flat, digits.labels), **settings | options)


def measure(model, digits, unseen):
    return {"test error, %": 100 * model.error(unseen.flat, unseen.labels)}
