"""The two players of a DCGAN: deep convolutional nets that double a picture's size layer by layer, and halve it
again."""

import copy
from collections.abc import Sequence
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from repgen.layers import frame_for


def generator(size: int = 28, channels: Sequence[int] = (64, 32), latent_dim: int = 32) -> nn.Sequential:
    """Latents (N, latent_dim) to pictures (N, 1, size, size) with pixels in [0, 1] (Radford et al. 2016).

    One linear layer to ``channels[0]`` maps of side size / 2^len(channels), rounded up; then one
    transposed convolution of stride 2 for each number in ``channels``, to the next number's maps
    and in the end to the picture, of whose frame the last layer leaves out what rounding added.
    All but the last are followed by batch normalisation and ReLU. The last ends in a logistic
    function: their tanh, moved from [-1, 1] to [0, 1]. Kernels are 4 x 4, so that no chequerboard
    is built in (Odena et al. 2016). Raises ValueError where ``size`` cannot be halved that often.
    """
    channels, side, frame = frame_for(size, channels)
    if latent_dim < 1:
        raise ValueError(f"latent_dim is at least 1, got {latent_dim}")
    flat = channels[0] * side * side
    parts = [
        nn.Linear(latent_dim, flat, bias=False),
        nn.BatchNorm1d(flat),
        nn.ReLU(),
        nn.Unflatten(1, (channels[0], side, side)),
    ]
    for a, b in pairwise(channels):
        parts += [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    parts += [nn.ConvTranspose2d(channels[-1], 1, 4, stride=2, padding=1 + frame), nn.Sigmoid()]
    return _initialize(nn.Sequential(*parts))


def discriminator(size: int = 28, channels: Sequence[int] = (32, 64), slope: float = 0.2) -> nn.Sequential:
    """Pictures (N, 1, size, size) to one logit each, (N, 1) (Radford et al. 2016).

    A convolution of stride 2 for each number in ``channels``, batch normalisation after all but
    the first, leaky ReLU of ``slope``, then one linear layer. The first sees the picture in a frame
    of zeros where ``size`` is not a multiple of 2^len(channels). Raises ValueError where ``size``
    cannot be halved that often.
    """
    channels, side, frame = frame_for(size, channels)
    parts = [nn.Conv2d(1, channels[0], 4, stride=2, padding=1 + frame), nn.LeakyReLU(slope)]
    for a, b in pairwise(channels):
        parts += [nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(slope)]
    return _initialize(nn.Sequential(*parts, nn.Flatten(), nn.Linear(channels[-1] * side * side, 1)))


def fold_batch_norm(net: nn.Sequential) -> nn.Sequential:
    """A copy of ``net`` for use after training, its batch normalisations made part of the layers before them.

    With running means and variances a normalisation is an affine map, and so is the layer before
    it. Raises ValueError for a normalisation with no layer before it.
    """
    parts: list[nn.Module] = []
    for layer in copy.deepcopy(net).eval():
        if not isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            parts.append(layer)
        elif parts and isinstance(parts[-1], nn.Linear):
            parts[-1] = fuse_linear_bn_eval(parts[-1], layer)
        elif parts and isinstance(parts[-1], nn.Conv2d | nn.ConvTranspose2d):
            parts[-1] = fuse_conv_bn_eval(parts[-1], layer, isinstance(parts[-1], nn.ConvTranspose2d))
        else:
            raise ValueError(f"{layer} follows no linear layer or convolution, so it cannot become part of one")
    return nn.Sequential(*parts)


def _initialize(net: nn.Sequential) -> nn.Sequential:
    """The first weights of Radford et al.: N(0, 0.02^2), scales of the normalisations N(1, 0.02^2), biases 0."""
    for layer in net:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
        elif isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net
