"""Tricks for GANs, one by one on the ring of 8 and the grid of 25, ten nets each. An hour and a half."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from repgen.gan import GAN
from repgen.train import cosine
from repgen.zoo.recipes import _toy_gans
from repgen.zoo.recipes._common import adam, checkpoint_for, combine_histories, half_cosine_decay
from repgen.zoo.recipes._toy_gans import (
    CENTRES,
    EPOCHS,
    NETS,
    NOISE,
    BatchedMLP,
    anneal_noise,
    average_modes,
    count_modes,
    fit_naively,
)

WEIGHTS = False
FIXED = ("lr",)  # it is one of the tricks
data = _toy_gans.data


class Spectral(nn.Module):
    """Divides each net's weights by their largest singular value, found by one turn of the power method a step."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.u: Tensor
        self.register_buffer("u", torch.randn(len(weight), weight.shape[2], 1))

    def forward(self, weight: Tensor) -> Tensor:
        with torch.no_grad():
            v = F.normalize(weight @ self.u, dim=1)
            if self.training:
                self.u = F.normalize(weight.mT @ v, dim=1)  # a new tensor: the old one may await a backward pass
        return weight / (v.mT @ weight @ self.u)  # (nets, 1, 1), each net's largest singular value


class WithSpread(nn.Module):
    """A discriminator that also sees each coordinate's spread over its net's batch (Karras et al. 2018, sec. 3)."""

    def __init__(self, net: BatchedMLP):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        spread = x.view(self.net.nets, -1, x.shape[1]).std(1, correction=0, keepdim=True)
        spread = spread.expand(-1, len(x) // self.net.nets, -1).flatten(0, 1)
        return self.net(torch.cat([x, spread], 1))


def leaky_relu(x):
    return F.leaky_relu(x, 0.2)


def batch_norm_relu(x):
    """Batch normalisation over each net's batch, then ReLU; scale and shift are left to the next layer."""
    return F.relu((x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt())


def build_game(nets=NETS, *, latent_dim=2, g=F.relu, d=F.relu, spectral=False, spread=False, pack=1, **options):
    discriminator = BatchedMLP(nets, 2 * pack * (1 + spread), 128, 128, 128, 1, activation=d)
    if spectral:
        for layer in discriminator.layers:
            register_parametrization(layer, "weight", Spectral(layer.weight))
    generator = BatchedMLP(nets, latent_dim, 128, 128, 128, 2, activation=g)
    return GAN(generator, WithSpread(discriminator) if spread else discriminator, latent_dim, pack=pack, **options)


def hold_noise(start, end):
    """The instance noise as it begins, all along."""
    return start


# What is changed of the naive recipe: the game, then what is asked of ``fit``. Noise is that of the place, NOISE.
TRICKS = {
    "nothing": ({}, {}),
    "minimax loss": ({"objective": "minimax"}, {}),
    "least squares": ({"objective": "least squares"}, {}),
    "hinge loss": ({"objective": "hinge"}, {}),
    "label smoothing, 0.9": ({"label_smoothing": 0.1}, {}),
    "Adam with b1 = 0.5": ({}, {"optimizer": adam(0.5, 0.999)}),
    "Adam with b1 = 0": ({}, {"optimizer": adam(0.0, 0.9)}),
    "a falling rate": ({}, {"schedule": cosine}),
    "two time scales, 4 : 1": ({"lrs": (2e-3, 5e-4)}, {}),
    "five discriminator steps": ({"n_critic": 5}, {}),
    "leaky ReLU": ({"g": leaky_relu, "d": leaky_relu}, {}),
    "batch norm in the generator": ({"g": batch_norm_relu}, {}),
    "sixteen latent numbers": ({"latent_dim": 16}, {}),
    "averaged weights, 0.995": ({"ema_decay": 0.995}, {}),
    "spread of the batch": ({"spread": True}, {}),
    "packs of two": ({"pack": 2}, {}),
    "spectral normalisation": ({"spectral": True}, {}),
    "penalty at the data (R1)": ({"penalty": "r1", "penalty_weight": 0.1}, {}),
    "WGAN-GP": (
        {"objective": "wasserstein", "penalty": "gradient", "penalty_weight": 10.0, "n_critic": 5},
        {"optimizer": adam(0.0, 0.9)},
    ),
    "noise on all points": ({"instance_noise": hold_noise}, {}),
    "noise, taken back": ({"instance_noise": anneal_noise}, {}),
    "Adam begun anew 25 times": ({}, {"anew": True}),
    "noise taken back, b1 = 0, a rate that falls from 0.002": (
        {"instance_noise": anneal_noise},
        {"optimizer": adam(0.0, 0.9), "schedule": half_cosine_decay, "lr": 2e-3},
    ),
}


def build():
    games = {}
    for place, noise in NOISE.items():
        for trick, (changes, _) in TRICKS.items():
            options = {key: value(*noise) if key == "instance_noise" else value for key, value in changes.items()}
            games[name_game(place, trick)] = build_game(**options)
    return nn.ModuleDict(games)


def name_game(place, trick):
    return f"{place}: {trick}".replace(".", ",")  # a module's name holds no point


def train(model, ring, grid, **options):
    histories = []
    for place, points in {"ring": ring, "grid": grid}.items():
        for trick, (_, settings) in TRICKS.items():
            name = name_game(place, trick)
            histories += fit_with_trick(model[name], points.x, **settings | checkpoint_for(options, name))
    return combine_histories(histories)


def fit_with_trick(nets, x, *, anew=False, seed=0, **options):
    """One game of 2,500 batches, by one ``fit`` or, where Adam is begun anew, by 25."""
    if not anew:
        return [fit_naively(nets, x, seed=seed, **options)]
    courses = [checkpoint_for(options | {"seed": 100 * seed + k, "epochs": 1}, f"{k + 1}") for k in range(EPOCHS)]
    return [fit_naively(nets, x, **course) for course in courses]


def count_all_modes(model):
    """(setting, ``modes`` of each net), one pair a trick and place."""
    for place, centres in CENTRES.items():
        for trick in TRICKS:
            yield f"{place}, {trick}", count_modes(model[name_game(place, trick)], *centres)


def measure(model, ring, grid):
    """Of 2,500 samples a net: modes found and the share of high quality, means over the nets."""
    return average_modes(count_all_modes(model))


def details(model, ring, grid):
    """The same of each net by itself."""
    return {
        name: {"modes": [s.found for s in nets], "high quality, %": [100 * s.quality for s in nets]}
        for name, nets in count_all_modes(model)
    }
