"""Classifiers: a dense one, by the means of 2006 or by today's, and two small convolutional ones."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from repgen.layers import check_halvings, check_labels, pixels
from repgen.losses import categorical_nll


class CrossEntropyClassifier(nn.Module):
    """What classifiers have in common: a forward pass to logits (N, K), trained on their cross-entropy."""

    def loss(self, x: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Cross-entropy in nats, mean over the batch; dropout draws from torch's own generator, which ``fit`` seeds."""
        return categorical_nll(labels, self(x)).mean()

    def check(self, x: Tensor, labels: Tensor) -> None:
        """What ``fit`` asks once: ValueError for labels that are not whole numbers from 0 to K - 1."""
        with torch.no_grad():
            training = self.training
            classes = self.eval()(x[:1]).shape[1]
            self.train(training)
        check_labels(labels, classes)

    @torch.no_grad()
    def error(self, x: Tensor, labels: Tensor) -> float:
        """The share of images whose most probable class is not their label, without dropout."""
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        wrong = sum(
            (self(part).argmax(1) != right).sum().item()
            for part, right in zip(x.split(4096), labels.split(4096), strict=True)
        )
        for module, training in modes:
            module.training = training
        return wrong / len(x)


class Classifier(CrossEntropyClassifier):
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
            raise ValueError(
                f"sizes are the layers from the pixels to two classes or more, such as (784, 500, 10); got {sizes}"
            )
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


class ConvClassifier(CrossEntropyClassifier):
    """A small convolutional classifier of pictures (N, 1, size, size), and the features its answer rests on.

    Three convolutions, the last two of stride 2, then a linear layer to ``n_features`` features and
    one to the logits. Raises ValueError for pictures of another size.
    """

    def __init__(self, size: int = 28, classes: int = 10, channels: int = 16, n_features: int = 64):
        super().__init__()
        self.size, side = size, check_halvings(size, 2)
        parts: list[nn.Module] = []
        for a, b, stride in ((1, channels, 1), (channels, 2 * channels, 2), (2 * channels, 2 * channels, 2)):
            parts += [nn.Conv2d(a, b, 4 if stride == 2 else 3, stride, 1), nn.BatchNorm2d(b), nn.ReLU()]
        flat = 2 * channels * side**2
        self.features = nn.Sequential(*parts, nn.Flatten(), nn.Dropout(0.3), nn.Linear(flat, n_features), nn.ReLU())
        self.last = nn.Linear(n_features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) of pictures (N, 1, size, size)."""
        if x.shape[1:] != (1, self.size, self.size):
            raise ValueError(f"expected pictures (N, 1, {self.size}, {self.size}), got shape {tuple(x.shape)}")
        return self.last(self.features(x))


class FaceFeatures(CrossEntropyClassifier):
    """A small convolutional classifier of pictures (N, 1, size, size), whose maps say how alike two pictures look."""

    def __init__(self, size: int = 64, classes: int = 30, channels: Sequence[int] = (8, 16, 32)):
        super().__init__()
        self.size, side = size, check_halvings(size, len(channels))
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 5 if a == 1 else 3, padding="same") for a, b in pairwise((1, *channels))
        )
        self.head = nn.Linear(channels[-1] * side**2, classes)

    def maps(self, x: Tensor, depth: int | None = None) -> list[Tensor]:
        """What each of the first ``depth`` layers sees in pictures x, (N, 1, size, size) or rows: (N, C, H, W) each."""
        x, seen = x.view(-1, 1, self.size, self.size), []
        for layer in self.layers[:depth]:
            seen.append(F.elu(layer(x)))
            x = F.avg_pool2d(seen[-1], 2)
        return seen

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return self.head(F.dropout(F.avg_pool2d(self.maps(x)[-1], 2).flatten(1), 0.5, self.training))

    def texture(self, x: Tensor, window: int = 4) -> Tensor:
        """How strong the detail is that the first layer sees in x at half its size, window by window: (N, C, h, w).

        The root mean square, over a window, of what a map has less its local mean: how much of
        an edge there is, and not at which pixel. At full size a lattice of single pixels would
        pass for detail.
        """
        half = F.avg_pool2d(x.view(-1, 1, self.size, self.size), 2)
        seen = F.elu(self.layers[0](half))
        fine = seen - F.avg_pool2d(seen, 3, 1, 1, count_include_pad=False)
        return (F.avg_pool2d(fine.square(), window) + 1e-5).sqrt()

    def distances(self, x: Tensor, y: Tensor) -> Tensor:
        """Squared errors of the first layer's maps and of their texture, (N, 2)."""
        pairs = (self.maps(x, 1)[0], self.maps(y, 1)[0]), (self.texture(x), self.texture(y))
        return torch.stack([(a - b).square().flatten(1).sum(1) for a, b in pairs], 1)
