"""A VAE with 2 latents, 784-512-(2, 2)-512-784, on digits drawn black and white anew in every batch."""

import torch
from torch import nn

from repgen.losses import gaussian_kl
from repgen.train import fit, warmup_cosine
from repgen.vae import VAE
from repgen.zoo.recipes._common import make_loader

data = make_loader("mnist")


def build():
    model = VAE.dense((784, 512, 2), nn.Tanh, binarize=True)
    # Two inputs are few: with the usual small weights the decoder begins, and stays, smooth over the whole map. Six
    # times as large, each unit has its step at a place of its own, and classes that touch can have a border.
    first = model.decoder[0]
    nn.init.uniform_(first.weight, -4, 4)
    nn.init.uniform_(first.bias, -8, 8)
    return model


def train(model, digits, unseen, **options):
    settings = {"epochs": 24, "batch_size": 128, "lr": 5e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)


def measure(model, digits, unseen):
    """The bound on the test images, drawn black and white once: the mean over ten draws of the code."""
    generator = torch.Generator(unseen.x.device).manual_seed(0)
    x = model.sample_input(unseen.flat, generator)
    q = model.posterior(x)
    kl = gaussian_kl(*q).double().mean().item()
    draws = (model.conditional_nll(x, model.reparameterize(q, generator)) for _ in range(10))
    reconstruction = sum(nll.double().mean().item() for nll in draws) / 10
    return {"test bound, nats": reconstruction + kl, "test KL, nats": kl}
