"""A VAE of 32 latents, 1,024 pixels to 200 and back, on the faces of 30 people, mirrored and moved by a pixel or two."""

import torch
from torch import nn

from repgen.datasets import load_data
from repgen.evaluation.metrics import reconstruction_error
from repgen.train import fit, warmup_cosine
from repgen.vae import VAE


def data(device):
    return load_data("faces", "train", device), load_data("faces", "test", device)


def build():
    return VAE.dense((1024, 200, 32), nn.Tanh, likelihood="gaussian", noise=0.08)


def variants(x):
    """Images x (N, 1, H, W) and their mirror images, each moved by up to two pixels both ways: (50 N, H W)."""
    x = torch.cat([x, x.flip(3)])
    wide = nn.functional.pad(x, (2, 2, 2, 2), mode="replicate")
    h, w = x.shape[2:]
    return torch.cat([wide[..., i : i + h, j : j + w] for i in range(5) for j in range(5)]).flatten(1)


def train(model, faces, unseen, **options):
    settings = {"epochs": 20, "batch_size": 100, "lr": 1.5e-3, "schedule": warmup_cosine()}
    return fit(model, variants(faces.x), **settings | options)


def measure(model, faces, unseen):
    def error(images):
        return reconstruction_error(images.flat, model.decode(model.encode(images.flat)))

    return {"training error": error(faces), "test error": error(unseen)}
