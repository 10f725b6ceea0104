"""Modes found on the ring of 8 and the grid of 25, by ten nets each of a naive GAN and of one with a cure. Ten minutes."""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from repgen.datasets import synthetic
from repgen.datasets import load_data
from repgen.gan import GAN
from repgen.evaluation.metrics import modes
from repgen.train import cosine, fit

WEIGHTS = False
NETS, BATCH, EPOCHS = 10, 128, 25  # of 100 steps each
CENTRES = {"ring": (synthetic.ring_centres(), 0.01), "grid": (synthetic.grid_centres(), 0.05)}
NOISE = {"ring": (0.3, 0.003), "grid": (2.0, 0.015)}  # from half the distance of two clouds to a third of their width


class Each(nn.Module):
    """As many linear layers as there are nets, each with weights of its own, begun as nn.Linear's are."""

    def __init__(self, nets: int, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nets, inputs, outputs).uniform_(-1, 1) / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.empty(nets, 1, outputs).uniform_(-1, 1) / math.sqrt(inputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)  # (nets, N, inputs) -> (nets, N, outputs)


class Crowd(nn.Module):
    """Dense nets side by side: of a batch (nets N, inputs) the first N go to the first net, and so on.

    Two crowds make one GAN, in which generator i plays against discriminator i alone: the loss is
    the mean of theirs. Adam does not mind that each gradient is divided by the number of nets.
    """

    def __init__(self, nets: int, *sizes: int, activation=F.relu):
        super().__init__()
        self.layers = nn.ModuleList(Each(nets, a, b) for a, b in zip(sizes, sizes[1:]))
        self.nets, self.activation = nets, activation

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(self.nets, -1, x.shape[1])
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x).flatten(0, 1)


def game(nets=NETS, **options) -> GAN:
    return GAN(Crowd(nets, 2, 128, 128, 128, 2), Crowd(nets, 2, 128, 128, 128, 1), 2, **options)


def adam(b1, b2):
    return lambda parameters, lr: torch.optim.Adam(parameters, lr, betas=(b1, b2), fused=True)


def falling(fraction):
    """1 for the first half of the training, then down half a cosine."""
    return cosine(max(0.0, 2 * fraction - 1))


def taken_back(fraction, start, end):
    """The noise: from start to end by equal factors over four fifths of the training."""
    return start * (end / start) ** min(fraction / 0.8, 1)


def naive(model, x, *, seed=0, **options):
    """As one would begin: Adam as it comes, all along at one rate."""
    settings = {"epochs": EPOCHS, "batch_size": model.generator.nets * BATCH, "lr": 1e-3} | options
    return fit(model, x, seed=seed, **settings | {"checkpoint": None})


def with_cure(model, x, *, noise, seed=0, **options):
    """Instance noise that is taken back, no momentum, and a rate that falls in the end."""
    cure = {"lr": 2e-3, "optimizer": adam(0.0, 0.9), "schedule": quieter(model, noise, falling)}
    return naive(model, x, seed=seed, **cure | options)


def quieter(model, noise, schedule):
    """The schedule, which is asked before every step, and with it the model's noise at that step."""

    def asked(fraction):
        model.noise = taken_back(fraction, *noise)
        return schedule(fraction)

    return asked


def together(histories):
    """Several trainings as one entry of the record."""
    return histories[-1]._replace(epochs=sum(h.epochs for h in histories), seconds=sum(h.seconds for h in histories))


def part(options, name):
    """The options of one training among several: its checkpoint is a file of its own, beside the one that was named."""
    if options.get("checkpoint") is None:
        return options
    path = Path(options["checkpoint"])
    return options | {"checkpoint": path.with_name(f"{path.stem}-{name.replace(' ', '-')}{path.suffix}")}


def data(device):
    return load_data("ring", device=device, n=100 * NETS * BATCH), load_data("grid", device=device, n=100 * NETS * BATCH)


def build():
    return nn.ModuleDict(
        {
            "ring, naive": game(),
            "ring, naive minimax": game(objective="minimax"),
            "ring, with a cure": game(),
            "grid, naive": game(),
            "grid, with a cure": game(),
        }
    )


def train(model, ring, grid, seed=0, **options):
    histories = []
    for name, nets in model.items():
        x = ring.x if name.startswith("ring") else grid.x
        if "cure" in name:
            histories.append(with_cure(nets, x, noise=NOISE[name[:4]], seed=seed, **options))
        else:
            histories.append(naive(nets, x, seed=seed, **options))
    return together(histories)


def seen(nets: GAN, centres: Tensor, sd: float, n: int = 2500, seed: int = 0) -> list:
    """``modes`` of n samples of each net."""
    device = next(nets.parameters()).device
    y = nets.sample(n * nets.generator.nets, torch.Generator(device).manual_seed(seed))
    return [modes(part, centres, sd) for part in y.chunk(nets.generator.nets)]


def measure(model, ring, grid):
    """Of 2,500 samples a net: modes found and the share of high quality, means over the nets."""
    return means((name, seen(nets, *CENTRES[name[:4]])) for name, nets in model.items())


def means(tried):
    """The figures of (name, ``modes`` of each net), one pair a recipe."""
    figures = {}
    for name, nets in tried:
        figures[f"{name}: modes"] = sum(s.found for s in nets) / len(nets)
        figures[f"{name}: high quality, %"] = 100 * sum(s.quality for s in nets) / len(nets)
    return figures


def details(model, ring, grid):
    """The same of each net by itself, and the share of its rarest mode."""
    each = {}
    for name, nets in model.items():
        for i, s in enumerate(seen(nets, *CENTRES[name[:4]]), 1):
            each |= {f"{name}, net {i}: modes": s.found, f"{name}, net {i}: high quality, %": 100 * s.quality}
            each[f"{name}, net {i}: rarest mode, %"] = 100 * s.counts.min().item() / 2500
    return each
