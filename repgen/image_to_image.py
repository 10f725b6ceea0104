"""Nets from picture to picture: one that keeps the size, one that enlarges, and a discriminator that looks at
patches."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from repgen.layers import check_channels, frame_for


class UNet(nn.Module):
    """A picture (N, 1, size, size) to another, with pixels in [0, 1] (Ronneberger et al. 2015; Isola et al. 2017).

    A convolution of stride 2 for each number in ``channels`` halves the picture; the latents
    (N, latent_dim) are spread over the smallest maps; transposed convolutions double it again, each
    seeing also the maps of its own size from the way down, so that what need not change need not
    pass through the narrow middle. Frames and errors are those of ``dcgan.generator``.
    """

    def __init__(self, size: int = 28, channels: Sequence[int] = (16, 32, 64), latent_dim: int = 8):
        super().__init__()
        channels, _, frame = frame_for(size, channels)
        if latent_dim < 1:
            raise ValueError(f"latent_dim is at least 1, got {latent_dim}")
        self.size, self.latent_dim = size, latent_dim
        self.down = nn.ModuleList(
            _block(nn.Conv2d, a, b, 0 if i else frame) for i, (a, b) in enumerate(pairwise((1, *channels)))
        )
        wide = [channels[-1] + latent_dim, *(2 * c for c in channels[-2::-1])]  # each step up sees the maps beside it
        self.up = nn.ModuleList(_block(nn.ConvTranspose2d, a, b) for a, b in zip(wide[:-1], channels[-2::-1]))
        self.last = nn.ConvTranspose2d(wide[-1], 1, 4, stride=2, padding=1 + frame)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Pictures (N, 1, size, size) of latents z (N, latent_dim) and conditions c (N, 1, size, size)."""
        if c.shape[1:] != (1, self.size, self.size):
            raise ValueError(f"expected pictures (N, 1, {self.size}, {self.size}), got shape {tuple(c.shape)}")
        maps = [c]
        for layer in self.down:
            maps.append(layer(maps[-1]))
        y = torch.cat([maps[-1], spread(z, maps[-1])], 1)
        for layer, beside in zip(self.up, maps[-2:0:-1]):
            y = torch.cat([layer(y), beside], 1)
        return self.last(y).sigmoid()


class SuperResolver(nn.Module):
    """A small picture (N, 1, s, s) to one ``factor`` times as large, with pixels in [0, 1] (after Ledig et al. 2017).

    ``blocks`` residual blocks of ``channels`` maps at the small size, then sub-pixel convolutions that double the
    size (Shi et al. 2016): four maps become one of twice the side. What they give is added to the logit of a bicubic
    enlargement, so the net has only to learn what that lacks. The latents are spread over the small
    maps. Raises ValueError where ``factor`` is no power of 2.
    """

    def __init__(self, factor: int = 4, channels: int = 32, blocks: int = 3, latent_dim: int = 8):
        super().__init__()
        if factor < 2 or factor & (factor - 1):
            raise ValueError(f"factor is a power of 2, got {factor}")
        self.factor, self.latent_dim = factor, latent_dim
        self.first = nn.Conv2d(1 + latent_dim, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.BatchNorm2d(channels),
            )
            for _ in range(blocks)
        )
        doublings = [
            part
            for _ in range(factor.bit_length() - 1)
            for part in (nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2), nn.ReLU())
        ]
        self.last = nn.Sequential(*doublings, nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Pictures (N, 1, factor s, factor s) of latents z (N, latent_dim) and small pictures c (N, 1, s, s)."""
        if c.ndim != 4 or c.shape[1] != 1:
            raise ValueError(f"expected pictures (N, 1, s, s), got shape {tuple(c.shape)}")
        y = self.first(torch.cat([c, spread(z, c)], 1)).relu()
        for block in self.blocks:
            y = y + block(y)
        plain = F.interpolate(c, scale_factor=self.factor, mode="bicubic", align_corners=False)
        return (plain.clamp(0.02, 0.98).logit() + self.last(y)).sigmoid()


class PatchDiscriminator(nn.Module):
    """A discriminator of pairs of pictures that looks at patches and no further (Isola et al. 2017, section 3.2.2).

    A convolution of stride 2 for each number in ``channels``, then one that gives each place a
    response; the logit is the mean of all responses. A condition smaller than the picture is
    enlarged to its size, a pixel to a square.
    """

    def __init__(self, channels: Sequence[int] = (32, 64), slope: float = 0.2):
        super().__init__()
        channels = check_channels(channels)
        parts = [nn.Conv2d(2, channels[0], 4, stride=2, padding=1), nn.LeakyReLU(slope)]
        for a, b in pairwise(channels):
            parts += [nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(slope)]
        self.net = nn.Sequential(*parts, nn.Conv2d(channels[-1], 1, 3, padding=1))

    @property
    def receptive_field(self) -> int:
        """The side of the patch that one response depends on, in pixels."""
        side = 1
        for layer in reversed(self.net):
            if isinstance(layer, nn.Conv2d):
                side = (side - 1) * layer.stride[0] + layer.kernel_size[0]
        return side

    def patch_logits(self, x: Tensor, c: Tensor) -> Tensor:
        """(N, 1, h, w): a logit for each patch of pictures x (N, 1, S, S) with conditions c (N, 1, s, s), s a divisor
        of S."""
        if c.shape[-1] != x.shape[-1]:
            c = F.interpolate(c, size=x.shape[-2:], mode="nearest")
        return self.net(torch.cat([x, c], 1))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Logits (N,)."""
        return self.patch_logits(x, c).mean((1, 2, 3))


def spread(z: Tensor, maps: Tensor) -> Tensor:
    """Latents z (N, K) as K maps (N, K, H, W), each of one value, to lie beside maps (N, C, H, W)."""
    return z[:, :, None, None].expand(-1, -1, *maps.shape[2:]).to(maps)


def _block(kind: type[nn.Module], a: int, b: int, frame: int = 0) -> nn.Sequential:
    return nn.Sequential(kind(a, b, 4, stride=2, padding=1 + frame, bias=False), nn.BatchNorm2d(b), nn.ReLU())
