"""A convolutional VAE on 30 people's faces, 64 x 64, by the squared error of pixels (a Gaussian likelihood)."""

from repgen.conv_vae import conv_vae
from repgen.losses import gaussian_kl
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import augment, make_loader, measure_both_errors

data = make_loader("faces", size=64)


def build():
    return conv_vae(size=64, channels=(8, 16, 32, 64), latent_dim=32, noise=0.1)


def train(model, faces, unseen, **options):
    settings = {"epochs": 120, "batch_size": 30, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, augment(faces.x, 5), **settings | options)


def measure(model, faces, unseen):
    kl = gaussian_kl(*model.posterior(unseen.flat)).mean().item()
    return measure_both_errors(model, faces, unseen) | {"test KL, nats": kl}
