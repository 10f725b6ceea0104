"""A style-based generator: the latent does not enter the picture, it sets how strong each feature is at each level."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of leaky ReLU
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # makes up for what it takes away: numbers of mean square 1 have it again


class StyleGenerator(nn.Module):
    """Latents (N, latent_dim) to pictures (N, 1, size, size) (Karras et al. 2019, 2020).

    A mapping network of ``depth`` layers makes a style w (N, style_dim) of the latents. The picture
    begins as maps that are the same for all, of side size / 2^(len(channels) - 1); each number in
    ``channels`` is a level with two modulated convolutions, at twice the side of the level before.
    Every layer has its own affine view of w, and noise of a strength that is learned. While training,
    a share ``mixing`` of the pictures gets the style of another from a random layer on, so that
    layers do not rely on each other's styles, and the mean style follows those seen. Pixels are
    cut to [0, 1] in eval mode alone: beyond, a logistic function or a cut would leave no slope to
    come back by. Raises ValueError where ``size`` cannot be halved that often.
    """

    mean_style: Tensor

    def __init__(
        self,
        size: int = 28,
        channels: Sequence[int] = (64, 48, 32),
        latent_dim: int = 32,
        style_dim: int = 64,
        depth: int = 3,
        mixing: float = 0.5,
    ):
        super().__init__()
        channels = tuple(channels)
        if not channels or min((*channels, latent_dim, style_dim, depth)) < 1:
            raise ValueError(
                f"channels, latent_dim, style_dim and depth are at least 1; got {channels}, {latent_dim}, "
                f"{style_dim}, {depth}"
            )
        if size % 2 ** (len(channels) - 1):
            raise ValueError(
                f"{len(channels)} levels need a size that is a multiple of {2 ** (len(channels) - 1)}; got {size}"
            )
        if not 0 <= mixing <= 1:
            raise ValueError(f"mixing is a share of the pictures, 0 to 1; got {mixing}")
        self.style_dim, self.mixing = style_dim, mixing
        widths = (latent_dim, *[style_dim] * depth)
        self.mapping = nn.Sequential(
            *(part for a, b in zip(widths, widths[1:]) for part in (nn.Linear(a, b), nn.LeakyReLU(SLOPE)))
        )
        for layer in self.mapping:
            if isinstance(layer, nn.Linear):  # as large as what comes in, so that styles differ from the first step on
                nn.init.kaiming_normal_(layer.weight, SLOPE)
                nn.init.zeros_(layer.bias)
        side = size >> len(channels) - 1
        self.start = nn.Parameter(torch.randn(1, channels[0], side, side))
        self.layers = nn.ModuleList()
        for level, (a, b) in enumerate(zip((channels[0], *channels), channels)):
            self.layers += [
                StyledConv(a, b, style_dim, side << level, upsample=level > 0),
                StyledConv(b, b, style_dim, side << level),
            ]
        self.last = nn.Conv2d(channels[-1], 1, 1)
        self.register_buffer("mean_style", torch.zeros(style_dim))

    def styles(self, z: Tensor) -> Tensor:
        """w (N, style_dim) of latents z (N, latent_dim), whose lengths do not matter."""
        return self.mapping(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())

    def truncate(self, w: Tensor, psi: float) -> Tensor:
        """Styles w (..., style_dim) drawn towards their mean: m + psi (w - m) (Karras et al. 2019, appendix B)."""
        return torch.lerp(self.mean_style, w, psi)

    def mix_styles(self, a: Tensor, b: Tensor, first: int | Tensor) -> Tensor:
        """(N, L, style_dim): styles a (N, style_dim) for the ``first`` layers, a number or one each (N,), and b for the
        rest."""
        number = torch.arange(len(self.layers), device=a.device)
        of_a = number < torch.as_tensor(first, device=a.device).reshape(-1, 1)  # (1 or N, L)
        return torch.where(of_a[..., None], a[:, None], b[:, None])

    def synthesis(
        self, w: Tensor, generator: torch.Generator | None = None, fresh: bool = False, noise_scale: float = 1.0
    ) -> Tensor:
        """(N, 1, size, size) of styles w, (N, style_dim) or for each layer (N, L, style_dim).

        ``fresh`` draws new noise; all of it is multiplied by ``noise_scale``.
        """
        if w.ndim == 2:
            w = w[:, None].expand(-1, len(self.layers), -1)
        if w.shape[1:] != (len(self.layers), self.style_dim):
            raise ValueError(
                f"expected styles (N, {self.style_dim}) or (N, {len(self.layers)}, {self.style_dim}), got shape "
                f"{tuple(w.shape)}"
            )
        x = self.start.expand(len(w), -1, -1, -1)
        for layer, style in zip(self.layers, w.unbind(1)):
            assert isinstance(layer, StyledConv)
            x = layer(x, style, noise_scale * (layer.draw(len(w), generator) if fresh else layer.noise))
        x = self.last(x)
        return x if self.training else x.clamp(0, 1)

    def forward(self, z: Tensor) -> Tensor:
        """Pictures of latents z (N, latent_dim): always the same ones in eval mode."""
        w = self.styles(z)
        if not self.training:
            return self.synthesis(w)
        with torch.no_grad():
            self.mean_style.lerp_(w.mean(0).to(self.mean_style), 0.01)
        if self.mixing:
            first = torch.randint(1, len(self.layers), (len(w),), device=w.device)
            first[torch.rand(len(w), device=w.device) >= self.mixing] = len(self.layers)  # these keep their own style
            w = self.mix_styles(w, w.roll(1, 0), first)
        return self.synthesis(w, fresh=True)


class StyledConv(nn.Module):
    """A modulated convolution 3 x 3, noise, a bias and leaky ReLU, at maps of one side (Karras et al. 2020, section
    2.2).

    With ``upsample`` the maps that come in are first enlarged to twice their side.
    """

    noise: Tensor

    def __init__(self, a: int, b: int, style_dim: int, side: int, upsample: bool = False):
        super().__init__()
        self.upsample = upsample
        self.weight = nn.Parameter(torch.randn(b, a, 3, 3))  # no scale: demodulation takes it out
        self.bias = nn.Parameter(torch.zeros(b))
        self.strength = nn.Parameter(torch.zeros(()))
        self.affine = nn.Linear(style_dim, a)
        nn.init.normal_(self.affine.weight, 0.0, style_dim**-0.5)
        nn.init.ones_(self.affine.bias)
        self.register_buffer("noise", torch.randn(1, 1, side, side))

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Noise for n pictures, (n, 1, side, side): the same for all maps."""
        return torch.randn(
            n, *self.noise.shape[1:], generator=generator, dtype=self.noise.dtype, device=self.noise.device
        )

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """(N, b, side, side) of maps x (N, a, ...), styles (N, style_dim), noise (1 or N, 1, side, side)."""
        if self.upsample:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = modulated_conv(x, self.weight, self.affine(style))
        return GAIN * F.leaky_relu(x + self.strength * noise + self.bias[:, None, None], SLOPE)


def modulated_conv(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """A convolution of maps x (N, a, H, W) by ``weight`` (b, a, k, k), odd k, for each example its own (Karras et al.
    2020, eqs. 1 and 3).

    Its weights are s_i w_oik, with ``scale`` s (N, a), divided by their length over i and k: maps
    of variance 1 that come in independent go out with variance 1. Scaling what comes in and what
    goes out gives the same as N convolutions, in one.
    """
    length = (scale.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()  # (N, b)
    return F.conv2d(x * scale[:, :, None, None], weight, padding=weight.shape[-1] // 2) * length[:, :, None, None]


def equalized_lr(generator: StyleGenerator, b1: float = 0.0, b2: float = 0.99, mapping: float = 0.01) -> Callable:
    """An ``optimizer`` for ``fit``: Adam, by which all weights of the generator learn at the same pace (Karras et al.
    2018, section 4.1).

    Adam moves a number by about its rate a step, whatever the number's size, so small weights
    change by a larger share than large ones. Here the rate of each tensor is the one asked for
    times the root mean square that its numbers have now; that of biases, and of what else begins
    at one value, stays as asked for. The mapping network's are ``mapping`` times that (Karras et
    al. 2019, appendix C). Other parameters, a discriminator's, learn at the plain rate.
    """
    with torch.no_grad():
        pace = {p: p.square().mean().sqrt().item() if p.min() < p.max() else 1.0 for p in generator.parameters()}
    pace |= {p: mapping * pace[p] for p in generator.mapping.parameters()}

    def optimizer(parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Adam:
        groups = [{"params": [p], "lr": lr * pace.get(p, 1.0)} for p in parameters]
        return torch.optim.Adam(groups, lr, betas=(b1, b2), fused=True)

    return optimizer
