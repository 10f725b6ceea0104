"""What a model is judged by."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import torch
import torch.nn.functional as F
from torch import Tensor

from repgen.evaluation._inputs import as_pair, as_real, check_finite


def reconstruction_error(x: Tensor, y: Tensor) -> float:
    """Squared error summed over pixels, mean over images.

    Parameters
    ----------
    x, y : Tensor or ndarray
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
    x, y = match_rows(x, y)
    return (x - y).double().square().sum(1).mean().item()


def psnr(x: Tensor, y: Tensor, peak: float | None = None) -> float:
    """Peak signal-to-noise ratio in dB over all pixels, 10 log10(peak^2 / mean squared error); infinite for equal
    images.

    ``peak`` is the largest value that a pixel can have: 1, but 255 of bytes. Tensors or NumPy arrays (N, ...). Raises
    ValueError for none, for shapes that differ, and for a peak that is not above 0 or not known. (scikit-image has the
    same; for this and ``ssim`` alone it would be one more package to install.)
    """
    a, b = match_rows(x, y)
    peak = check_peak(peak, x, y)
    mse = (a - b).double().square().mean()
    return (10 * torch.log10(peak**2 / mse)).item()


def ssim(x: Tensor, y: Tensor, peak: float | None = None) -> float:
    """Structural similarity (Wang et al. 2004), mean over windows, channels and images; 1 only for equal images.

    x and y (N, C, H, W), tensors or NumPy arrays, with values from 0 to ``peak``: 1, but 255 of bytes. Means, variances
    and the covariance are taken under an 11 x 11 Gaussian window of standard deviation 1.5 pixels, wherever it fits
    into the image. With C1 = (0.01 peak)^2 and C2 = (0.03 peak)^2, each window gives
    (2 mx my + C1) (2 cov + C2) / [(mx^2 + my^2 + C1) (vx + vy + C2)]. Raises ValueError for other
    shapes, and for a peak that is not above 0 or not known.
    """
    x, y, peak = *as_pair(x, y), check_peak(peak, x, y)
    if x.shape != y.shape or x.ndim != 4 or x.numel() == 0 or min(x.shape[2:]) < 11:
        raise ValueError(
            f"SSIM compares images (N, C, H, W) of equal shape, 11 x 11 or larger; got {tuple(x.shape)} and "
            f"{tuple(y.shape)}"
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
    """Angles in degrees, ascending, between the subspaces spanned by the rows of a and of b, (min(K, L),).

    a (K, D) and b (L, D), rows independent. By ``scipy.linalg.subspace_angles``, which takes small angles from their
    sines, since arccos loses half the digits near 0 (Bjorck & Golub 1973). Raises ValueError for other shapes, rows
    that are not independent, and numbers that are not finite.
    """
    a, b = as_pair(a, b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or 0 in (*a.shape, *b.shape):
        raise ValueError(
            f"expected (K, D) and (L, D), at least one row of each, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    rows = [check_finite(m, "a subspace").detach().cpu().double().numpy() for m in (a, b)]
    for m in rows:
        if len(m) > m.shape[1] or np.linalg.matrix_rank(m, tol=1e-10 * np.linalg.norm(m, 2)) < len(m):
            raise ValueError(f"the {len(m)} rows are not linearly independent, so they span fewer dimensions")
    angles = np.rad2deg(scipy.linalg.subspace_angles(*(m.T for m in rows)))[::-1]  # SciPy's are descending
    return torch.from_numpy(angles.astype(np.float32)).to(a.device)


def match_rows(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """x and y (N, ...) as rows of numbers, (N, D) each; or ValueError."""
    x, y = as_pair(x, y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or x.numel() != y.numel():
        raise ValueError(f"cannot compare shapes {tuple(x.shape)} and {tuple(y.shape)}")
    if x.numel() == 0:
        raise ValueError(f"no images: the mean over an empty set is undefined; got shape {tuple(x.shape)}")
    return x.reshape(len(x), -1), y.reshape(len(y), -1)


def check_peak(peak: float | None, x: Tensor, y: Tensor) -> float:
    """The largest value of a pixel, as given or by the type of both images; or ValueError."""
    if peak is None:
        kinds = {str(image.dtype).removeprefix("torch.") for image in (x, y)}
        peak = 255 if kinds == {"uint8"} else 1 if all("float" in kind or kind == "bool" for kind in kinds) else None
        if peak is None:
            raise ValueError(f"say which peak pixels of {' and '.join(sorted(kinds))} can have: peak=255, say")
    if not 0 < peak < float("inf"):
        raise ValueError(f"peak is the largest value that a pixel can have, above 0; got {peak}")
    return peak


@torch.no_grad()
def activity(vae, x: Tensor) -> Tensor:
    """Cov_x(E_q[z_u]), (K,): how much each unit's mean varies over images x (N, ...) (Burda et al. 2016, section 5.2).

    ``vae`` has a method ``encode`` that gives the means (N, K). The divisor is N. Raises ValueError for fewer than 2
    images, and for means that are not finite.
    """
    if len(x) < 2:
        raise ValueError(f"a variance over images needs at least 2 of them, got {len(x)}")
    codes = vae.encode(x)
    return check_finite(codes, "the codes").double().var(0, unbiased=False).to(codes.dtype)


def active_units(vae, x: Tensor, threshold: float = 0.01) -> int:
    """How many units of the code have an ``activity`` above the threshold, and so tell images apart (Burda et al.
    2016)."""
    if not threshold >= 0:
        raise ValueError(f"threshold is a variance, at least 0; got {threshold}")
    return int((activity(vae, x) > threshold).sum())


class Modes(NamedTuple):
    """What samples show of a mixture of round Gaussians; see ``modes``."""

    found: int  # modes with at least one high-quality sample
    quality: float  # share of samples that are of high quality
    counts: Tensor  # high-quality samples of each mode, (K,)


def modes(samples: Tensor, centres: Tensor, std: float, radius: float = 3.0) -> Modes:
    """Which Gaussians N(centre, std^2 I) the samples (N, D) have found; centres (K, D).

    A sample is of high quality if its nearest centre is at most ``radius`` standard deviations
    away, and it counts for that mode; a mode is found by one such sample. So VEEGAN counts
    (Srivastava et al. 2017), and after it PacGAN (Lin et al. 2018), on 2,500 samples:
    with more samples, more modes are found. Of the data themselves in the plane, a share
    1 - exp(-9 / 2) = 0.989 is of high quality. Raises ValueError for other shapes, a std or
    radius that is not above 0, and samples that are not finite.
    """
    samples, centres = as_real(samples, "samples"), as_real(centres, "centres")
    if (
        samples.ndim != 2
        or centres.ndim != 2
        or samples.shape[1] != centres.shape[1]
        or 0 in (*samples.shape, *centres.shape)
    ):
        shapes = f"{tuple(samples.shape)} and {tuple(centres.shape)}"
        raise ValueError(f"expected samples (N, D) and centres (K, D), at least one of each, got {shapes}")
    if not (std > 0 and radius > 0):
        raise ValueError(f"std and radius are above 0, got {std} and {radius}")
    if bad := int((~samples.isfinite()).any(1).sum()):
        raise ValueError(f"{bad} of {len(samples)} samples are not finite: the model that made them has diverged")
    check_finite(centres, "the centres")
    squares = (samples.double()[:, None] - centres.double().to(samples.device)).square().sum(2)  # (N, K)
    distance, nearest = squares.sqrt().min(1)
    good = distance <= radius * std
    counts = torch.bincount(nearest[good], minlength=len(centres))
    return Modes(int((counts > 0).sum()), good.double().mean().item(), counts)
