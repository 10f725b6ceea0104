"""Many small GANs at once on points in the plane: what gan-ring-seeds and gan-tricks train and count."""

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from repgen.datasets import load_data, synthetic
from repgen.evaluation.metrics import modes
from repgen.train import History, fit

NETS, BATCH, EPOCHS = 10, 128, 25  # of 100 steps each
CENTRES = {"ring": (synthetic.ring_centres(), 0.01), "grid": (synthetic.grid_centres(), 0.05)}
NOISE = {"ring": (0.3, 0.003), "grid": (2.0, 0.015)}  # from half the distance of two clouds to a third of their width


class BatchedLinear(nn.Module):
    """As many linear layers as there are nets, each with weights of its own, initialised as nn.Linear's are."""

    def __init__(self, nets: int, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nets, inputs, outputs).uniform_(-1, 1) / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.empty(nets, 1, outputs).uniform_(-1, 1) / math.sqrt(inputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)  # (nets, N, inputs) -> (nets, N, outputs)


class BatchedMLP(nn.Module):
    """Dense nets side by side: of a batch (nets N, inputs) the first N go to the first net, and so on.

    Two of these make one GAN, in which generator i plays against discriminator i alone: the loss is
    the mean of theirs. Adam does not mind that each gradient is divided by the number of nets.
    """

    def __init__(self, nets: int, *sizes: int, activation=F.relu):
        super().__init__()
        self.layers = nn.ModuleList(BatchedLinear(nets, a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.nets, self.activation = nets, activation

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(self.nets, -1, x.shape[1])
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x).flatten(0, 1)


def data(device):
    """Points of the ring and of the grid, (100 batches of all nets, 2) each."""
    return tuple(load_data(name, device=device, n=100 * NETS * BATCH) for name in CENTRES)


def fit_naively(model, x: Tensor, **options) -> History:
    """As one would begin: Adam as it comes, all along at one rate."""
    settings = {"epochs": EPOCHS, "batch_size": model.generator.nets * BATCH, "lr": 1e-3}
    return fit(model, x, **settings | options)


def anneal_noise(start: float, end: float) -> Callable[[float], float]:
    """The instance noise: from start to end by equal factors over four fifths of the training."""
    return lambda progress: start * (end / start) ** min(progress / 0.8, 1)


def count_modes(nets, centres: Tensor, std: float, n: int = 2500, seed: int = 0) -> list:
    """``modes`` of n samples of each net."""
    device = next(nets.parameters()).device
    y = nets.sample(n * nets.generator.nets, torch.Generator(device).manual_seed(seed))
    return [modes(part, centres, std) for part in y.chunk(nets.generator.nets)]


def average_modes(counts: Iterable[tuple[str, list]]) -> dict[str, float]:
    """Of (name, ``modes`` of each net): the modes found and the share of high quality, means over the nets."""
    figures = {}
    for name, nets in counts:
        figures[f"{name}: modes"] = sum(s.found for s in nets) / len(nets)
        figures[f"{name}: high quality, %"] = 100 * sum(s.quality for s in nets) / len(nets)
    return figures
