"""A linear autoencoder, 1,024 pixels to 100 numbers and back, on the faces of 30 people."""

import torch
from torch import nn

from repgen.autoencoder import LinearAutoencoder
from repgen.datasets import load_data
from repgen.evaluation.metrics import reconstruction_error
from repgen.train import fit, warmup_cosine


def data(device):
    return load_data("faces", "train", device), load_data("faces", "test", device)


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


def measure(model, faces, unseen):
    def error(images):
        return reconstruction_error(images.flat, model.decode(model.encode(images.flat)))

    return {"training error": error(faces), "test error": error(unseen)}
