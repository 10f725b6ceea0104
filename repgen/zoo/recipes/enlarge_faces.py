"""Faces of 16 x 16 pixels to 64 x 64, of strangers, by distance alone and with a game beside it. Two minutes."""

from torch import nn

from repgen.evaluation.metrics import psnr, ssim
from repgen.image_to_image import SuperResolver
from repgen.zoo.recipes._common import augment, make_loader
from repgen.zoo.recipes.enlarge_mnist import FACTOR, downscale, enlarge, fit_both

FIXED = ("lr",)  # each player has its own
data = make_loader("faces", size=64)


def build():
    """What is kept: the two generators."""
    return nn.ModuleDict({name: SuperResolver(FACTOR, 16, 2) for name in ("distance", "both")})


def train(model, faces, unseen, **options):
    return fit_both(model, augment(faces.x, 2), **{"epochs": 36, "batch_size": 16} | options)


def measure(model, faces, unseen):
    c = downscale(unseen.x)
    found = {}
    for name, net in model.items():
        y = enlarge(net, c)
        found |= {f"{name}: PSNR, dB": psnr(unseen.x, y), f"{name}: structural similarity": ssim(unseen.x, y)}
    return found
