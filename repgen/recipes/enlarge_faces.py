"""Faces of 16 x 16 pixels to 64 x 64, of people that were not seen, by distance alone and with a game beside it. Two minutes."""

import torch
from torch import nn

from repgen.conv_vae import shifted
from repgen.data import load
from repgen.metrics import psnr, ssim
from repgen.recipes.enlarge_mnist import FACTOR, both, small
from repgen.recipes.gan_ring_seeds import adam, falling, together
from repgen.recipes.halves_mnist import ByDistance
from repgen.train import fit
from repgen.translation import Enlarger, Patches


def data(device):
    return load("faces", "train", device, size=64), load("faces", "test", device, size=64)


def build():
    """What is kept: the two generators."""
    return nn.ModuleDict({name: Enlarger(FACTOR, 16, 2) for name in ("distance", "both")})


def train(model, faces, unseen, seed=0, **options):
    settings = {"epochs": 36, "batch_size": 16, "lr": 1e-3, "optimizer": adam(0.5, 0.999), "schedule": falling, "amp": True}
    settings = settings | options | {"checkpoint": None, "seed": seed}
    x = shifted(faces.x, 2, torch.Generator().manual_seed(0))
    opponent = Patches((24, 48)).to(x.device)
    return together([fit(game, (x, small(x)), **settings) for game in (ByDistance(model["distance"]), both(model, opponent))])


def measure(model, faces, unseen):
    c = small(unseen.x)
    found = {}
    for name, net in model.items():
        z = torch.randn(len(c), net.n_latent, generator=torch.Generator(c.device).manual_seed(0), device=c.device)
        y = net(z, c)
        found |= {f"{name}: PSNR, dB": psnr(unseen.x, y), f"{name}: structural similarity": ssim(unseen.x, y)}
    return found
