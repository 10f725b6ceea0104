"""Gabor functions, a wave under a round window, fitted to many small pictures at once."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from repgen.evaluation._inputs import as_real


class GaborFit(NamedTuple):
    """What ``fit_gabors`` found, one number a picture, all (N,) but ``fitted``.

    Lengths are in pixels; ``x`` runs to the right and ``y`` downwards from the top left pixel.
    ``r2`` is the share of the picture's squared deviation from its mean that the Gabor explains.
    """

    x: Tensor  # the window's centre
    y: Tensor
    sigma: Tensor  # the window's standard deviation along the wave
    aspect: Tensor  # the standard deviation across the wave (along the stripes), in units of sigma
    angle: Tensor  # direction of the wave, radians in [0, pi)
    frequency: Tensor  # cycles a pixel
    r2: Tensor
    fitted: Tensor  # the Gabors, (N, H, W)


def gabor(
    x: Tensor, y: Tensor, sigma: Tensor, aspect: Tensor, angle: Tensor, frequency: Tensor, size: int
) -> tuple[Tensor, Tensor]:
    """The even and the odd Gabor, (N, size, size) each, of parameters (N,) as in GaborFit (Daugman 1985).

    exp(-(u^2 + (v / aspect)^2) / (2 sigma^2)) times cos or sin of 2 pi frequency u, where u is the
    distance from the centre along the wave and v the distance across it. Every phase and
    amplitude is a weighted sum of the two.
    """
    pixel = torch.arange(size, dtype=x.dtype, device=x.device)
    dx = pixel[None, None, :] - x[:, None, None]  # (N, 1, W)
    dy = pixel[None, :, None] - y[:, None, None]  # (N, H, 1)
    c, s = angle.cos()[:, None, None], angle.sin()[:, None, None]
    u, v = c * dx + s * dy, c * dy - s * dx  # (N, H, W)
    window = torch.exp(-(u.square() + (v / aspect[:, None, None]).square()) / (2 * sigma[:, None, None].square()))
    wave = 2 * math.pi * frequency[:, None, None] * u
    return window * wave.cos(), window * wave.sin()


def fit_gabors(pictures: Tensor, steps: int = 150, lr: float = 0.05) -> GaborFit:
    """The Gabor nearest to each picture (N, size, size), in squared error, on the picture less its mean.

    Phase and amplitude are linear and solved for exactly; the six other parameters go downhill
    from the best points of a coarse grid, all pictures at once. Bounds: the centre lies in the
    picture, sigma between 0.5 pixels and half the size, aspect between 1/2 and 3, and frequency at
    most 0.5, the highest that pixels can show. Deterministic. Raises ValueError for what is not
    a stack of square pictures, and for a picture without contrast.
    """
    pictures = as_real(pictures, "pictures").detach()
    if pictures.ndim != 3 or pictures.shape[1] != pictures.shape[2] or pictures.shape[1] < 4 or len(pictures) == 0:
        raise ValueError(f"expected square pictures (N, H, H), H at least 4, got shape {tuple(pictures.shape)}")
    n, size, _ = pictures.shape
    target = (pictures - pictures.mean((1, 2), keepdim=True)).flatten(1)  # (N, H H)
    norm = torch.linalg.vector_norm(target, dim=1)
    if not (norm.isfinite().all() and (norm > 0).all()):
        raise ValueError("a picture holds one grey only, or numbers that are not finite: leave it out")
    target = target / norm[:, None]

    def explained(p: Tensor, of: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Share explained (M,), and the least-squares fit, of parameters (M, 6) for pictures (M, H H)."""
        even, odd = (part.flatten(1) for part in gabor(*p.T, size))  # type: ignore[call-arg] # six rows
        even, odd = even - even.mean(1, keepdim=True), odd - odd.mean(1, keepdim=True)
        a, b, c = (even * even).sum(1) + 1e-6, (odd * odd).sum(1) + 1e-6, (even * odd).sum(1)
        e, o = (even * of).sum(1), (odd * of).sum(1)
        det = a * b - c * c + 1e-9
        we, wo = (b * e - c * o) / det, (a * o - c * e) / det
        fitted = we[:, None] * even + wo[:, None] * odd
        return 1 - (of - fitted).square().sum(1), fitted, torch.stack([we, wo])

    # A coarse grid; every candidate against every picture is two matrix products.
    values = [
        torch.linspace(0.1, 0.9, 6) * (size - 1),
        torch.linspace(0.1, 0.9, 6) * (size - 1),
        torch.tensor([0.09, 0.16, 0.28]) * size,
        torch.tensor([1.2]),
        torch.arange(8) * math.pi / 8,
        torch.tensor([0.06, 0.12, 0.2, 0.3, 0.42]),
    ]
    grid = torch.cartesian_prod(*values).to(target)  # (G, 6)
    even, odd = (part.flatten(1) for part in gabor(*grid.T, size))  # type: ignore[call-arg] # six rows
    even = even - even.mean(1, keepdim=True)
    odd = odd - odd.mean(1, keepdim=True)
    even = even / torch.linalg.vector_norm(even, dim=1, keepdim=True).clamp(min=1e-3)
    odd = odd - (odd * even).sum(1, keepdim=True) * even
    odd = odd / torch.linalg.vector_norm(odd, dim=1, keepdim=True).clamp(min=1e-3)
    score = (target @ even.T).square() + (target @ odd.T).square()  # (N, G): share explained
    starts = 3
    best = score.topk(starts, dim=1).indices.flatten()  # (N starts,)

    low = torch.tensor([0.0, 0.0, 0.5, 0.5, -math.inf, 0.0]).to(target)
    high = torch.tensor([size - 1.0, size - 1.0, size / 2, 3.0, math.inf, 0.5]).to(target)
    unit = torch.tensor([size / 8, size / 8, size / 12, 0.5, 0.5, 0.08]).to(target)  # so that one rate suits all
    p = (grid[best] / unit).requires_grad_()
    of = target.repeat_interleave(starts, 0)
    optimizer = torch.optim.Adam([p], lr=lr)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        with torch.enable_grad():
            (-explained(p * unit, of)[0].sum()).backward()
        optimizer.step()
        with torch.no_grad():
            p.copy_(torch.minimum(torch.maximum(p, low / unit), high / unit))
    with torch.no_grad():
        r2, fitted, _ = explained(p * unit, of)
        chosen = torch.arange(n, device=p.device) * starts + r2.view(n, starts).argmax(1)
        x, y, sigma, aspect, angle, frequency = (p * unit)[chosen].T
        back = fitted[chosen] * norm[:, None] + pictures.mean((1, 2))[:, None]
    return GaborFit(x, y, sigma, aspect, angle % math.pi, frequency, r2[chosen], back.view(n, size, size))
