"""A convolutional VAE for square pictures, and one that judges by features instead of pixels."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from repgen.vae import VAE


class ConvVAE(VAE):
    """A VAE whose encoder halves the picture once a layer and whose decoder doubles it again.

    Pictures (N, 1, size, size), or as rows (N, size^2). The encoder has a convolution of stride 2
    for each number in ``channels``, then one linear layer to the means and log-variances of
    ``latent_dim`` latents; the decoder is its mirror image in transposed convolutions (Dumoulin &
    Visin 2016), ending in a sigmoid. Kernels are 4 x 4, a multiple of the stride, so that every
    output pixel is covered equally often and no chequerboard is built in (Odena et al. 2016).
    ``likelihood``, ``noise`` and ``beta`` as in ``VAE``. Raises ValueError where ``size`` cannot
    be halved that often.
    """

    def __init__(
        self,
        size: int = 64,
        channels: Sequence[int] = (8, 16, 32, 64),
        latent_dim: int = 32,
        activation: type[nn.Module] = nn.ReLU,
        *,
        likelihood: str = "gaussian",
        noise: float | None = None,
        beta: float = 1.0,
    ):
        nn.Module.__init__(self)
        channels = tuple(channels)
        side = size >> len(channels)  # of the smallest maps
        if not channels or min((*channels, latent_dim)) < 1:
            raise ValueError(f"channels and latent_dim count units, such as (16, 32) and 10; got {channels} and {latent_dim}")
        if side < 1 or side << len(channels) != size:
            raise ValueError(f"{len(channels)} layers halve the picture, so size must be a multiple of {2 ** len(channels)}; got {size}")
        self.n_visible, self.latent_dim = size * size, latent_dim
        self._settings(nn.Sigmoid, likelihood, noise, beta, False)
        maps, flat = (channels[-1], side, side), channels[-1] * side * side
        down, up = [], []
        for a, b in pairwise((1, *channels)):
            down += [nn.Conv2d(a, b, 4, stride=2, padding=1), activation()]
            up = [nn.ConvTranspose2d(b, a, 4, stride=2, padding=1), activation(), *up]
        # (N, size^2) -> (N, 1, size, size) -> (N, C, side, side) -> (N, 2 K)
        self.encoder = nn.Sequential(nn.Unflatten(1, (1, size, size)), *down, nn.Flatten(), nn.Linear(flat, 2 * latent_dim))
        # (N, K) -> (N, C, side, side) -> (N, 1, size, size) -> (N, size^2)
        up[-1:] = [nn.Flatten(), nn.Sigmoid()]
        self.decoder = nn.Sequential(nn.Linear(latent_dim, flat), activation(), nn.Unflatten(1, maps), *up)


class PerceptualVAE(ConvVAE):
    """A ConvVAE that measures a reconstruction by ``distance``(x, x') -> (N,), and not pixel by pixel.

    The loss is distance + beta KL: a compromise of the same form, in which exp(-distance) takes
    the place of p(x|z). Where that is no density over pictures the total is no bound on any
    likelihood (Hou et al. 2017; Dosovitskiy & Brox 2016).
    """

    def __init__(self, *args, distance: Callable[[Tensor, Tensor], Tensor], **options):
        super().__init__(*args, noise=1.0, **options)
        self.log_var_x = None  # pixels have no noise of their own here
        self.distance = distance

    def conditional_nll(self, x: Tensor, z: Tensor) -> Tensor:
        """distance(x, decode(z)), (N,)."""
        return self.distance(x.flatten(1), self.decode(z))


class FaceFeatures(nn.Module):
    """A small convolutional classifier of pictures (N, 1, size, size), whose maps say how alike two pictures look."""

    def __init__(self, size: int = 64, classes: int = 30, channels: Sequence[int] = (8, 16, 32)):
        super().__init__()
        if size % 2 ** len(channels):
            raise ValueError(f"{len(channels)} poolings halve the picture, so size must be a multiple of {2 ** len(channels)}; got {size}")
        self.size = size
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 5 if a == 1 else 3, padding="same") for a, b in pairwise((1, *channels)))
        self.head = nn.Linear(channels[-1] * (size >> len(channels)) ** 2, classes)

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

    def loss(self, x: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The cross-entropy, nats per picture."""
        return F.cross_entropy(self(x), labels)

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
