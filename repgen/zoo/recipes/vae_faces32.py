"""A VAE of 32 latents, 1,024 pixels to 200 and back, on faces of 30 people, mirrored and moved by a pixel or two."""

from torch import nn

from repgen.train import fit, warmup_cosine
from repgen.vae import VAE
from repgen.zoo.recipes._common import add_mirror_images, make_loader, measure_both_errors, shift_everywhere

data, measure = make_loader("faces"), measure_both_errors


def build():
    return VAE.dense((1024, 200, 32), nn.Tanh, likelihood="gaussian", noise=0.08)


def train(model, faces, unseen, **options):
    x = shift_everywhere(add_mirror_images(faces.x), 2).flatten(1)  # (50 N, H W): 25 ways, mirrored or not
    settings = {"epochs": 20, "batch_size": 100, "lr": 1.5e-3, "schedule": warmup_cosine()}
    return fit(model, x, **settings | options)
