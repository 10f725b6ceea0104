"""A VAE with 32 latents, 784-200-200-(32, 32) and back, small enough for a page: to move through."""

import torch
from torch import nn

from repgen.train import fit, warmup_cosine
from repgen.vae import VAE
from repgen.zoo.recipes._common import make_loader, measure_error

data = make_loader("mnist")


def build():
    return VAE.dense((784, 200, 200, 32), nn.Tanh, binarize=True)


def train(model, digits, unseen, **options):
    settings = {"epochs": 30, "batch_size": 200, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)


def measure(model, digits, unseen):
    generator = torch.Generator(unseen.x.device).manual_seed(0)
    x = model.sample_input(unseen.flat, generator)
    bound = sum(model.elbo(x, generator).total.mean().item() for _ in range(10)) / 10
    return {"test bound, nats": bound, "test error": measure_error(model, unseen.flat)}
