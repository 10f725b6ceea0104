"""Tricks for GANs, one by one on the ring of 8 and the grid of 25, ten nets each. An hour and a half."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from repgen.gan import GAN
from repgen.zoo.recipes.gan_ring_seeds import CENTRES, EPOCHS, NETS, NOISE, Crowd, adam, data, falling, means, naive, quieter, seen, together
from repgen.train import cosine

__all__ = ["CENTRES", "NETS", "NOISE", "TRICKS", "WEIGHTS", "Crowd", "build", "data", "details", "game", "key", "measure", "train"]
WEIGHTS = False


class Spectral(nn.Module):
    """Divides each net's weights by their largest singular value, kept up to date by one turn of the power method a step."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.register_buffer("u", torch.randn(len(weight), weight.shape[2], 1))

    def forward(self, weight: Tensor) -> Tensor:
        with torch.no_grad():
            v = F.normalize(weight @ self.u, dim=1)
            if self.training:
                self.u = F.normalize(weight.mT @ v, dim=1)  # a new tensor: the old one may await a backward pass
        return weight / (v.mT @ weight @ self.u)  # (nets, 1, 1), each net's largest singular value


class WithSpread(nn.Module):
    """A discriminator that is also told how much each coordinate varies over its net's batch (Karras et al. 2018, section 3)."""

    def __init__(self, net: Crowd):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        spread = x.view(self.net.nets, -1, x.shape[1]).std(1, correction=0, keepdim=True)
        told = spread.expand(-1, len(x) // self.net.nets, -1).flatten(0, 1)
        return self.net(torch.cat([x, told], 1))


def leaky(x):
    return F.leaky_relu(x, 0.2)


def normalised(x):
    """Batch normalisation over each net's batch, then ReLU; scale and shift are left to the next layer."""
    return F.relu((x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt())


def game(nets=NETS, *, latent_dim=2, g=F.relu, d=F.relu, spectral=False, spread=False, pack=1, **options) -> GAN:
    discriminator = Crowd(nets, 2 * pack * (1 + spread), 128, 128, 128, 1, activation=d)
    if spectral:
        for layer in discriminator.layers:
            register_parametrization(layer, "weight", Spectral(layer.weight))
    generator = Crowd(nets, latent_dim, 128, 128, 128, 2, activation=g)
    return GAN(generator, WithSpread(discriminator) if spread else discriminator, latent_dim, pack=pack, **options)


# What is changed of the naive recipe: the game, then what is asked of ``fit``.
TRICKS = {
    "nothing": ({}, {}),
    "minimax loss": ({"objective": "minimax"}, {}),
    "least squares": ({"objective": "least squares"}, {}),
    "hinge loss": ({"objective": "hinge"}, {}),
    "label smoothing, 0.9": ({"smooth": 0.9}, {}),
    "Adam with b1 = 0.5": ({}, {"optimizer": adam(0.5, 0.999)}),
    "Adam with b1 = 0": ({}, {"optimizer": adam(0.0, 0.9)}),
    "a falling rate": ({}, {"schedule": cosine}),
    "two time scales, 4 : 1": ({"lrs": (2e-3, 5e-4)}, {}),
    "five discriminator steps": ({"steps": 5}, {}),
    "leaky ReLU": ({"g": leaky, "d": leaky}, {}),
    "batch norm in the generator": ({"g": normalised}, {}),
    "sixteen latent numbers": ({"latent_dim": 16}, {}),
    "averaged weights, 0.995": ({"ema_decay": 0.995}, {}),
    "spread of the batch": ({"spread": True}, {}),
    "packs of two": ({"pack": 2}, {}),
    "spectral normalisation": ({"spectral": True}, {}),
    "penalty at the data (R1)": ({"penalty": "r1", "weight": 0.1}, {}),
    "WGAN-GP": ({"objective": "wasserstein", "penalty": "gradient", "weight": 10.0, "steps": 5}, {"optimizer": adam(0.0, 0.9)}),
    "noise on all points": ({}, {"noise": "start"}),
    "noise, taken back": ({}, {"noise": "taken back"}),
    "Adam begun anew 25 times": ({}, {"anew": True}),
    "noise taken back, b1 = 0, a rate that falls from 0.002": (
        {},
        {"noise": "taken back", "optimizer": adam(0.0, 0.9), "schedule": falling, "lr": 2e-3},
    ),
}


def build():
    return nn.ModuleDict({key(place, name): game(**options) for place in CENTRES for name, (options, _) in TRICKS.items()})


def key(place, name):
    return f"{place}: {name}".replace(".", ",")  # a module's name holds no point


def train(model, ring, grid, seed=0, **options):
    histories = []
    for place, points in {"ring": ring, "grid": grid}.items():
        for name, (_, asked) in TRICKS.items():
            histories += played(model[key(place, name)], points.x, NOISE[place], seed, **asked | options)
    return together(histories)


def played(nets, x, between, seed, *, noise=None, anew=False, **options):
    """One game of 2,500 batches, by one ``fit`` or, where Adam is begun anew, by 25."""
    if noise == "start":
        nets.noise = between[0]
    elif noise == "taken back":
        options["schedule"] = quieter(nets, between, options.get("schedule", lambda fraction: 1.0))
    if anew:
        return [naive(nets, x, seed=100 * seed + k, **options | {"epochs": 1}) for k in range(EPOCHS)]
    return [naive(nets, x, seed=seed, **options)]


def tried(model):
    for place, centres in CENTRES.items():
        for name in TRICKS:
            yield f"{place}, {name}", seen(model[key(place, name)], *centres)


def measure(model, ring, grid):
    """Of 2,500 samples a net: modes found and the share of high quality, means over the nets."""
    return means(tried(model))


def details(model, ring, grid):
    """The same of each net by itself."""
    return {name: {"modes": [s.found for s in nets], "high quality, %": [100 * s.quality for s in nets]} for name, nets in tried(model)}
