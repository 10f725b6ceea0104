"""A dense classifier, by the means of 2006 or by today's."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from repgen.autoencoder import pixels
from repgen.losses import categorical_nll


class Classifier(nn.Module):
    """784-500-500-2000-10 and the like: dense layers, then a softmax over the last size's classes.

    ``dropout`` is the share of each hidden layer, ``visible_dropout`` that of the pixels, switched
    off in a training step (Srivastava et al. 2014); ``batch_norm`` normalises each hidden layer's
    sums over the batch (Ioffe & Szegedy 2015). ``linear`` lists the layers that have weights, from
    the pixels up: ``repgen.pretraining.initialize_from(net.linear, layers)`` starts them at what greedy
    layers learned. Raises ValueError for sizes that make no classifier.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: type[nn.Module] = nn.ReLU,
        *,
        dropout: float = 0.0,
        visible_dropout: float = 0.0,
        batch_norm: bool = False,
    ):
        super().__init__()
        sizes = tuple(sizes)
        if len(sizes) < 2 or min(sizes) < 1 or sizes[-1] < 2:
            raise ValueError(f"sizes are the layers from the pixels to two classes or more, such as (784, 500, 10); got {sizes}")
        self.n_visible = sizes[0]
        parts: list[nn.Module] = [nn.Dropout(visible_dropout)] if visible_dropout else []
        for a, b in pairwise(sizes[:-1]):
            parts += [nn.Linear(a, b), *([nn.BatchNorm1d(b)] if batch_norm else []), activation()]
            parts += [nn.Dropout(dropout)] if dropout else []
        self.net = nn.Sequential(*parts, nn.Linear(sizes[-2], sizes[-1]))

    @property
    def linear(self) -> list[nn.Linear]:
        return [m for m in self.net if isinstance(m, nn.Linear)]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) of images (N, D) or (N, C, H, W)."""
        return self.net(pixels(x, self.n_visible))

    def loss(self, x: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Cross-entropy in nats, mean over the batch; dropout draws from torch's own generator, which ``fit`` seeds."""
        return categorical_nll(labels, self(x)).mean()

    @torch.no_grad()
    def error(self, x: Tensor, labels: Tensor) -> float:
        """The share of images whose most probable class is not their label, without dropout."""
        training = self.training
        self.eval()
        wrong = sum((self(part).argmax(1) != right).sum().item() for part, right in zip(x.split(4096), labels.split(4096)))
        self.train(training)
        return wrong / len(x)
