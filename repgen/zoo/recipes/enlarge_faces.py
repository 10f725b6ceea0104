"""Faces of 16 x 16 pixels to 64 x 64, of people that were not seen, by distance alone and with a game beside it. Two minutes."""

import torch
from torch import nn

from repgen.conv_vae import shifted
from repgen.datasets import load_data
from repgen.evaluation.metrics import psnr, ssim
from repgen.zoo.recipes.enlarge_mnist import FACTOR, enlarged, small, trained
from repgen.image_to_image import SuperResolver


def data(device):
    return load_data("faces", "train", device, size=64), load_data("faces", "test", device, size=64)


def build():
    """What is kept: the two generators."""
    return nn.ModuleDict({name: SuperResolver(FACTOR, 16, 2) for name in ("distance", "both")})


def train(model, faces, unseen, **options):
    x = shifted(faces.x, 2, torch.Generator().manual_seed(0))
    return trained(model, x, **{"epochs": 36, "batch_size": 16} | options)


def measure(model, faces, unseen):
    c = small(unseen.x)
    found = {}
    for name, net in model.items():
        y = enlarged(net, c)
        found |= {f"{name}: PSNR, dB": psnr(unseen.x, y), f"{name}: structural similarity": ssim(unseen.x, y)}
    return found
