"""A VAE with 32 latents, 784-200-200-(32, 32) and back, small enough for a page: to move through."""

import torch
from torch import nn

from repgen.data import load
from repgen.metrics import reconstruction_error
from repgen.train import fit, warmup_cosine
from repgen.vae import VAE


def data(device):
    return load("mnist", "train", device), load("mnist", "test", device)


def build():
    return VAE((784, 200, 200, 32), nn.Tanh, binarise=True)


def train(model, digits, unseen, **options):
    settings = {"epochs": 30, "batch_size": 200, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)


def measure(model, digits, unseen):
    generator = torch.Generator(unseen.x.device).manual_seed(0)
    x = model.drawn(unseen.flat, generator)
    bound = sum(model.elbo(x, generator).total.mean().item() for _ in range(10)) / 10
    return {"test bound, nats": bound, "test error": reconstruction_error(unseen.flat, model.decode(model.encode(unseen.flat)))}
