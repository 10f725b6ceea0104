"""A linear autoencoder, 1,024 pixels to 100 numbers and back, on the faces of 30 people."""

import torch
from torch import nn

from repgen.autoencoder import LinearAutoencoder
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader, measure_both_errors

data, measure = make_loader("faces"), measure_both_errors


def build():
    model = LinearAutoencoder(1024, 100)
    nn.init.zeros_(model.encoder.weight)  # 300 faces span 300 directions; in the others it learns nothing
    return model


def train(model, faces, unseen, **options):
    mean = faces.flat.mean(0)  # a large mean makes the valley narrow: learn without it, put it back after
    settings = {"epochs": 1500, "batch_size": 100, "lr": 3e-3, "schedule": warmup_cosine()}
    history = fit(model, faces.flat - mean, **settings | options)
    with torch.no_grad():  # V (x - mean) + c = V x + (c - V mean)
        model.encoder.bias -= model.encoder.weight @ mean
        model.decoder.bias += mean
    return history
