"""A convolutional VAE on 30 people's faces, 64 x 64, by the squared error of pixels (a Gaussian likelihood)."""

import torch

from repgen.conv_vae import conv_vae, shifted
from repgen.datasets import load_data
from repgen.losses import gaussian_kl
from repgen.evaluation.metrics import reconstruction_error
from repgen.train import fit, warmup_cosine


def data(device):
    return load_data("faces", "train", device, size=64), load_data("faces", "test", device, size=64)


def build():
    return conv_vae(size=64, channels=(8, 16, 32, 64), latent_dim=32, noise=0.1)


def train(model, faces, unseen, **options):
    x = shifted(faces.x, 5, torch.Generator().manual_seed(0))
    settings = {"epochs": 120, "batch_size": 30, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, x, **settings | options)


def measure(model, faces, unseen):
    def error(people):
        return reconstruction_error(people.flat, model.decode(model.encode(people.flat)))

    kl = gaussian_kl(*model.posterior(unseen.flat)).mean().item()
    return {"training error": error(faces), "test error": error(unseen), "test KL, nats": kl}
