"""What a model is judged by."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def reconstruction_error(x: Tensor, y: Tensor) -> float:
    """Squared error summed over pixels, mean over images.

    Parameters
    ----------
    x, y : Tensor
        (N, ...), images and their reconstructions, of the same number of pixels.

    Returns
    -------
    float
        In squared units of the pixels.

    Raises
    ------
    ValueError
        For images that do not pair.

    Examples
    --------
    >>> reconstruction_error(torch.zeros(5, 4), torch.ones(5, 1, 2, 2))
    4.0

    References
    ----------
    Hinton & Salakhutdinov (2006), Reducing the dimensionality of data with neural networks, Fig. 2.
    """
    x, y = _paired(x, y)
    return (x - y).double().square().sum(1).mean().item()


def psnr(x: Tensor, y: Tensor, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB over all pixels, 10 log10(peak^2 / mean squared error)."""
    x, y = _paired(x, y)
    mse = (x - y).double().square().mean()
    return (10 * torch.log10(peak**2 / mse)).item()


def ssim(x: Tensor, y: Tensor, peak: float = 1.0) -> float:
    """Structural similarity (Wang et al. 2004), mean over windows, channels and images; 1 only for equal images.

    x and y (N, C, H, W) with values from 0 to ``peak``. Means, variances and the covariance are
    taken under an 11 x 11 Gaussian window of standard deviation 1.5 pixels, wherever it fits into
    the image. With C1 = (0.01 peak)^2 and C2 = (0.03 peak)^2, each window gives
    (2 mx my + C1) (2 cov + C2) / [(mx^2 + my^2 + C1) (vx + vy + C2)].
    """
    if x.shape != y.shape or x.ndim != 4 or x.numel() == 0 or min(x.shape[2:]) < 11:
        raise ValueError(
            f"SSIM compares images (N, C, H, W) of equal shape, 11 x 11 or larger; got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    x, y = (image.double().flatten(0, 1)[:, None] for image in (x, y))  # (N C, 1, H, W)
    bell = torch.exp(-torch.arange(-5, 6, dtype=x.dtype, device=x.device).square() / (2 * 1.5**2))
    bell = bell / bell.sum()

    def blur(image: Tensor) -> Tensor:
        """Its mean under the window, (N C, 1, H - 10, W - 10): a pass down the columns, one along the rows."""
        return F.conv2d(F.conv2d(image, bell.view(1, 1, -1, 1)), bell.view(1, 1, 1, -1))

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    similar = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return similar.mean().item()


def principal_angles(a: Tensor, b: Tensor) -> Tensor:
    """Angles in degrees, ascending, between the subspaces spanned by the rows of a and of b.

    a (K, D) and b (L, D), rows independent; returns (min(K, L),). Small angles are taken from
    their sines and large ones from their cosines, since arccos loses half the digits near 0
    (Bjorck & Golub 1973).
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"expected (K, D) and (L, D), got {tuple(a.shape)} and {tuple(b.shape)}")
    qa, qb = (_basis(m) for m in ((a, b) if len(a) >= len(b) else (b, a)))  # (D, K), (D, L)
    u, cosine, vh = torch.linalg.svd(qa.T @ qb, full_matrices=False)
    y = qb @ vh.T  # the principal vectors in b, (D, L)
    sine = torch.linalg.vector_norm(y - qa @ (qa.T @ y), dim=0)
    angle = torch.where(cosine > 0.7, torch.asin(sine.clamp(max=1)), torch.acos(cosine.clamp(max=1)))
    return angle.rad2deg().float()


def _basis(rows: Tensor) -> Tensor:
    q, r = torch.linalg.qr(rows.double().T)
    scale = r.diagonal().abs()
    if len(rows) > rows.shape[1] or scale.min() <= 1e-10 * scale.max():
        raise ValueError(f"the {len(rows)} rows are not linearly independent, so they span fewer dimensions")
    return q


def _paired(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if len(x) == 0:
        raise ValueError("no images: the mean over an empty set is undefined")
    if len(x) != len(y) or x.numel() != y.numel():
        raise ValueError(f"cannot compare shapes {tuple(x.shape)} and {tuple(y.shape)}")
    return x.flatten(1), y.flatten(1)


@torch.no_grad()
def activity(vae, x: Tensor) -> Tensor:
    """Cov_x(E_q[z_u]), (K,): how much each unit's mean varies over images x (N, ...) (Burda et al. 2016, section 5.2).

    ``vae`` has a method ``encode`` that gives the means (N, K). The divisor is N.
    """
    if len(x) < 2:
        raise ValueError(f"a variance over images needs at least 2 of them, got {len(x)}")
    return vae.encode(x).double().var(0, unbiased=False).to(x.dtype)


def active_units(vae, x: Tensor, above: float = 0.01) -> int:
    """How many units of the code have an ``activity`` above 0.01, and so tell images apart (Burda et al. 2016)."""
    return int((activity(vae, x) > above).sum())


class Modes(NamedTuple):
    """What samples show of a mixture of round Gaussians; see ``modes``."""

    found: int  # modes with at least one high-quality sample
    quality: float  # share of samples that are of high quality
    counts: Tensor  # high-quality samples of each mode, (K,)


def modes(samples: Tensor, centres: Tensor, sd: float, within: float = 3.0) -> Modes:
    """Which Gaussians N(centre, sd^2 I) the samples (N, D) have found; centres (K, D).

    A sample is of high quality if its nearest centre is at most ``within`` standard deviations
    away, and it counts for that mode; a mode is found by one such sample. So VEEGAN counts
    (Srivastava et al. 2017), and after it PacGAN (Lin et al. 2018), on 2,500 samples:
    with more samples, more modes are found. Of the data themselves in the plane, a share
    1 - exp(-9 / 2) = 0.989 is of high quality.
    """
    if samples.ndim != 2 or centres.ndim != 2 or samples.shape[1] != centres.shape[1] or 0 in (*samples.shape, *centres.shape):
        raise ValueError(f"expected samples (N, D) and centres (K, D), at least one of each, got {tuple(samples.shape)} and {tuple(centres.shape)}")
    if not (sd > 0 and within > 0):
        raise ValueError(f"sd and within are above 0, got {sd} and {within}")
    if bad := int((~samples.isfinite()).any(1).sum()):
        raise ValueError(f"{bad} of {len(samples)} samples are not finite: the model that made them has diverged")
    squares = (samples.double()[:, None] - centres.double().to(samples.device)).square().sum(2)  # (N, K)
    distance, nearest = squares.sqrt().min(1)
    good = distance <= within * sd
    counts = torch.bincount(nearest[good], minlength=len(centres))
    return Modes(int((counts > 0).sum()), good.double().mean().item(), counts)
