"""A VAE with 50 latents, 784-200-200-(50, 50) and back, on digits drawn black and white anew in every batch."""

import torch
from torch import nn

from repgen.data import load
from repgen.train import fit, warmup_cosine
from repgen.vae import VAE


def data(device):
    return load("mnist", "train", device), load("mnist", "test", device)


def build():
    model = VAE((784, 200, 200, 50), nn.Tanh, binarise=True)
    for layer in model.modules():  # weights of Glorot & Bengio's size, as in the paper: from smaller ones fewer units wake
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


def train(model, digits, unseen, **options):
    settings = {"epochs": 900, "batch_size": 100, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)


def measure(model, digits, unseen):
    """The bound over ten draws, and from it the likelihood: their gap, L_5000 - L_1, varies little between images."""
    generator = torch.Generator(unseen.x.device).manual_seed(0)
    x = model.drawn(unseen.flat, generator)
    bound = sum(model.elbo(x, generator).total.double() for _ in range(10)) / 10  # (N,)
    some = x[:400]
    gap = bound[:400] + model.log_likelihood(some, 5000, generator)
    return {"test bound, nats": bound.mean().item(), "test -log p(x), nats": (bound.mean() - gap.mean()).item()}
