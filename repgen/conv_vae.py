"""Convolutional encoders and decoders for square pictures, the VAE of both, and one that judges by features, not
pixels."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from repgen.layers import check_channels, check_halvings
from repgen.vae import VAE


def conv_encoder(
    size: int, channels: Sequence[int], outputs: int, activation: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    """Pictures as rows (N, size^2) to ``outputs`` numbers: a convolution of stride 2 a number in ``channels``, then one
    linear layer.

    Kernels are 4 x 4. Raises ValueError where ``size`` cannot be halved that often.
    """
    channels = check_channels(channels)
    side = check_halvings(size, len(channels))
    down = [
        part for a, b in pairwise((1, *channels)) for part in (nn.Conv2d(a, b, 4, stride=2, padding=1), activation())
    ]
    # (N, size^2) -> (N, 1, size, size) -> (N, C, side, side) -> (N, outputs)
    return nn.Sequential(
        nn.Unflatten(1, (1, size, size)), *down, nn.Flatten(), nn.Linear(channels[-1] * side**2, outputs)
    )


def conv_decoder(
    size: int, channels: Sequence[int], latent_dim: int, activation: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    """Codes (N, latent_dim) to pictures as rows (N, size^2) in [0, 1]: the mirror image of ``conv_encoder``.

    In transposed convolutions (Dumoulin & Visin 2016) of 4 x 4, a multiple of the stride, so that every
    output pixel is covered equally often and no chequerboard is built in (Odena et al. 2016).
    """
    channels = check_channels(channels)
    side = check_halvings(size, len(channels))
    up: list[nn.Module] = []
    for a, b in pairwise((*reversed(channels), 1)):
        up += [activation(), nn.ConvTranspose2d(a, b, 4, stride=2, padding=1)]
    # (N, K) -> (N, C, side, side) -> (N, 1, size, size) -> (N, size^2)
    first = nn.Linear(latent_dim, channels[-1] * side**2)
    return nn.Sequential(first, up[0], nn.Unflatten(1, (channels[-1], side, side)), *up[1:], nn.Flatten(), nn.Sigmoid())


def conv_vae(
    size: int = 64,
    channels: Sequence[int] = (8, 16, 32, 64),
    latent_dim: int = 32,
    activation: type[nn.Module] = nn.ReLU,
    *,
    likelihood: str = "gaussian",
    **options,
) -> VAE:
    """A VAE whose encoder halves the picture once a layer and whose decoder doubles it again.

    Pictures (N, 1, size, size), or as rows (N, size^2). ``options`` are those of ``VAE``.
    """
    encoder = conv_encoder(size, channels, 2 * latent_dim, activation)
    decoder = conv_decoder(size, channels, latent_dim, activation)
    return VAE(encoder, decoder, latent_dim, n_visible=size * size, likelihood=likelihood, **options)


class PerceptualVAE(VAE):
    """A VAE that measures a reconstruction by ``distance``(x, x') -> (N,), and not pixel by pixel.

    The loss is distance + beta KL: a compromise of the same form, in which exp(-distance) takes
    the place of p(x|z). Where that is no density over pictures the total is no bound on any
    likelihood (Hou et al. 2017; Dosovitskiy & Brox 2016).
    """

    def __init__(self, *nets_and_size, distance: Callable[[Tensor, Tensor], Tensor], **options):
        super().__init__(*nets_and_size, likelihood="none", **options)
        self.distance = distance

    def conditional_nll(self, x: Tensor, z: Tensor) -> Tensor:
        """distance(x, decode(z)), (N,)."""
        return self.distance(x.flatten(1), self.decode(z))
