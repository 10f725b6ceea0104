"""Filters for noisy pictures that need no training, for comparison with networks that do."""

import torch
import torch.nn.functional as F
from torch import Tensor

from repgen.evaluation._inputs import as_real, check_finite


def nl_means(picture: Tensor, noise: float, strength: float = 0.6, patch: int = 5, window: int = 11) -> Tensor:
    """Non-local means: each pixel of a picture (H, W) becomes a mean over pixels with like surroundings, (H, W).

    For pixels i and j, d is the mean squared difference of the ``patch`` x ``patch`` squares around them. Two noisy
    views of one thing have d = 2 noise^2 on average, so much is taken off, and j counts for i with the weight
    exp(-max(d - 2 noise^2, 0) / (strength noise)^2) (Buades, Coll & Morel 2005, with squares of equal weights).
    j runs over the ``window`` x ``window`` square around i. Beyond its edges the picture is reflected.

    ``noise`` is the noise's standard deviation, in units of the pixels. Raises ValueError for a picture that is not
    (H, W), not finite or too small to be reflected, even sides, and a noise or strength that is not positive.
    (scikit-image has another form of it, with Gaussian squares; for this alone it would be one more package to
    install.)
    """
    picture = as_real(picture, "the picture")
    if any(side < 1 or side % 2 == 0 for side in (patch, window)):
        raise ValueError(f"patch and window need a pixel in their middle, so odd sides; got {patch} and {window}")
    if not (0 < noise < float("inf") and 0 < strength < float("inf")):
        raise ValueError(f"noise and strength must be positive, got {noise} and {strength}")
    p, margin = patch // 2, patch // 2 + window // 2
    if picture.ndim != 2 or min(picture.shape) <= margin:
        raise ValueError(f"expected a picture (H, W) of sides over {margin} pixels, got shape {tuple(picture.shape)}")
    check_finite(picture, "the picture")
    h, w = picture.shape[0] + 2 * p, picture.shape[1] + 2 * p
    wide = F.pad(picture[None], (margin,) * 4, mode="reflect")[0]  # (H + 2 margin, W + 2 margin)
    middle = slice(window // 2, window // 2 + h), slice(window // 2, window // 2 + w)
    here, total, weights = wide[middle], torch.zeros_like(picture), torch.zeros_like(picture)
    for dy in range(window):  # all pixels at once, with their neighbours at one offset
        for dx in range(window):
            there = wide[dy : dy + h, dx : dx + w]
            d = F.avg_pool2d((there - here).square()[None], patch, stride=1)[0]  # (H, W)
            weight = torch.exp(-(d - 2 * noise**2).clamp(min=0) / (strength * noise) ** 2)
            total += weight * there[p : h - p, p : w - p]
            weights += weight
    return total / weights
