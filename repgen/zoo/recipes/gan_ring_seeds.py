"""Modes found on the ring of 8 and the grid of 25 by ten naive GANs and by ten with a cure. Ten minutes."""

from torch import nn

from repgen.gan import GAN
from repgen.zoo.recipes import _toy_gans
from repgen.zoo.recipes._common import adam, checkpoint_for, combine_histories, half_cosine_decay
from repgen.zoo.recipes._toy_gans import (
    CENTRES,
    NETS,
    NOISE,
    BatchedMLP,
    anneal_noise,
    average_modes,
    count_modes,
    fit_naively,
)

WEIGHTS = False
data = _toy_gans.data


def build_game(nets=NETS, **options) -> GAN:
    return GAN(BatchedMLP(nets, 2, 128, 128, 128, 2), BatchedMLP(nets, 2, 128, 128, 128, 1), 2, **options)


def build():
    return nn.ModuleDict(
        {
            "ring, naive": build_game(),
            "ring, naive minimax": build_game(objective="minimax"),
            "ring, with a cure": build_game(instance_noise=anneal_noise(*NOISE["ring"])),
            "grid, naive": build_game(),
            "grid, with a cure": build_game(instance_noise=anneal_noise(*NOISE["grid"])),
        }
    )


def fit_with_cure(model, x, **options):
    """Beside instance noise that falls: no momentum, and a rate that falls in the end."""
    cure = {"lr": 2e-3, "optimizer": adam(0.0, 0.9), "schedule": half_cosine_decay}
    return fit_naively(model, x, **cure | options)


def train(model, ring, grid, **options):
    histories = []
    for name, nets in model.items():
        x = (ring if name.startswith("ring") else grid).x
        way = fit_with_cure if "cure" in name else fit_naively
        histories.append(way(nets, x, **checkpoint_for(options, name)))
    return combine_histories(histories)


def measure(model, ring, grid):
    """Of 2,500 samples a net: modes found and the share of high quality, means over the nets."""
    return average_modes((name, count_modes(nets, *CENTRES[name[:4]])) for name, nets in model.items())


def details(model, ring, grid):
    """The same of each net by itself, and the share of its rarest mode."""
    each = {}
    for name, nets in model.items():
        for i, s in enumerate(count_modes(nets, *CENTRES[name[:4]]), 1):
            each |= {f"{name}, net {i}: modes": s.found, f"{name}, net {i}: high quality, %": 100 * s.quality}
            each[f"{name}, net {i}: rarest mode, %"] = 100 * s.counts.min().item() / 2500
    return each
