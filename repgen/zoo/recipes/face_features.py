"""A convolutional net that tells the 30 training people apart: the ruler of the perceptual loss."""

import torch

from repgen.classifier import FaceFeatures
from repgen.datasets import load_data
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import augment


def data(device):
    return (load_data("faces", "train", device, size=64),)


def build():
    return FaceFeatures(size=64, classes=30, channels=(8, 16, 32))


def split_pictures(faces):
    """Of each person's ten pictures eight to learn from, two to be tested on: masks (300,)."""
    unseen = torch.arange(len(faces.x), device=faces.x.device) % 10 >= 8
    return ~unseen, unseen


def train(model, faces, **options):
    seen, _ = split_pictures(faces)
    x = augment(faces.x[seen], 10, most=3)
    settings = {"epochs": 12, "batch_size": 40, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, (x, faces.labels[seen].repeat(10)), **settings | options)


def measure(model, faces):
    right = (model(faces.x).argmax(1) == faces.labels).double()
    seen, unseen = split_pictures(faces)
    return {
        "accuracy on pictures seen": right[seen].mean().item(),
        "on two others of each person": right[unseen].mean().item(),
    }
