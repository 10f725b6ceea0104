"""What several models share: checks of shapes, dense stacks."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def pixels(x: Tensor, n: int) -> Tensor:
    """Images (N, D) or (N, C, H, W) as rows (N, n); ValueError where they have not n pixels."""
    if x.ndim < 2 or math.prod(x.shape[1:]) != n:
        raise ValueError(f"expected images of {n} pixels, (N, {n}) or (N, C, H, W), got shape {tuple(x.shape)}")
    return x.flatten(1)


def check_codes(z: Tensor, latent_dim: int) -> Tensor:
    """z as it is; ValueError where it is not (N, latent_dim)."""
    if z.ndim != 2 or z.shape[1] != latent_dim:
        raise ValueError(f"expected codes (N, {latent_dim}), got shape {tuple(z.shape)}")
    return z


def check_unit(x: Tensor, what: str = "x") -> None:
    """Raises ValueError for values outside [0, 1], NaN among them. A pass over x, and a wait for its device."""
    low, high = (bound.item() for bound in x.aminmax()) if x.numel() else (0.0, 1.0)
    if not (low >= 0 and high <= 1):  # NaN is neither
        raise ValueError(f"{what} must lie in [0, 1], found values from {low:.9g} to {high:.9g}; scale them first")


def check_labels(labels: Tensor, classes: int) -> Tensor:
    """Labels (N,) as they are; ValueError for others than whole numbers in 0..classes - 1."""
    if labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(f"labels are whole numbers, (N,); got {labels.dtype} of shape {tuple(labels.shape)}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels lie in 0..{classes - 1}, got {int(labels.min())}..{int(labels.max())}")
    return labels


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """(N, classes) of 0 and 1, float32, for labels (N,), whole numbers below ``classes``."""
    return F.one_hot(labels.long(), classes).float()


def mlp(sizes: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of these sizes, the activation between them: (N, sizes[0]) -> (N, sizes[-1])."""
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    return nn.Sequential(*(part for layer in layers[:-1] for part in (layer, activation())), layers[-1])


def check_channels(channels: Sequence[int]) -> tuple[int, ...]:
    """The numbers of maps, a layer or more and at least 1 each; ValueError for others."""
    channels = tuple(channels)
    if not channels or min(channels) < 1:
        raise ValueError(f"channels count the maps of each layer, such as (64, 32); got {channels}")
    return channels


def frame_for(size: int, channels: Sequence[int]) -> tuple[tuple[int, ...], int, int]:
    """The channels, the side of the smallest maps after a halving for each, rounded up, and the frame that rounding
    adds."""
    channels = check_channels(channels)
    halvings = 2 ** len(channels)
    side = -(-size // halvings)  # of the smallest maps, rounded up
    if size < halvings or size % 2:
        raise ValueError(
            f"{len(channels)} layers halve the picture, so size must be even and at least {halvings}; got {size}"
        )
    return channels, side, (side * halvings - size) // 2


def check_halvings(size: int, times: int) -> int:
    """The side that is left after so many exact halvings; ValueError where there is none."""
    if times < 1 or size < 2**times or size % 2**times:
        raise ValueError(f"{times} layers halve the picture, so size must be a multiple of {2**times}; got {size}")
    return size >> times


class Transposed(nn.Module):
    """The layer that goes back through another's weights: y = W^T x + b, W the other's, b its own."""

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self._of = (layer,)  # in a tuple, so that its weights are not counted twice
        self.in_features, self.out_features = layer.out_features, layer.in_features
        self.bias = nn.Parameter(torch.zeros(layer.in_features))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self._of[0].weight.T, self.bias)  # (N, K) -> (N, D)

    def as_linear(self) -> nn.Linear:
        """An ordinary layer with a copy of these weights."""
        copy = nn.Linear(self.in_features, self.out_features)
        copy.weight.data, copy.bias.data = self._of[0].weight.detach().T.clone(), self.bias.detach().clone()
        return copy
