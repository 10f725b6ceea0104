"""Data made by a formula: always there, and the same for the same generator.

Every function takes an explicit `torch.Generator` on the CPU and returns float32 tensors on the CPU.
`repgen.load_data` wraps them by name; call them here for a picture of your own.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from repgen.datasets.download import DataError

INK_BOX = 18.0  # pixels: the unit square of the curves, centred in the 28 x 28 image
INK_WIDTH = 0.86  # pixels: standard deviation of the pen's ink across the curve


def gaussians(centres: Tensor, n: int, generator: torch.Generator, noise: float) -> tuple[Tensor, Tensor]:
    """`n` points from an equal mixture of round Gaussians: points (n, d), index of each point's centre (n,)."""
    check_settings(n, noise)
    labels = torch.randint(len(centres), (n,), generator=generator)
    return centres[labels] + noise * torch.randn(n, centres.shape[1], generator=generator), labels


def ring_centres() -> Tensor:
    """The eight centres of ``ring``, (8, 2)."""
    angle = torch.arange(8) * (2 * math.pi / 8)
    return torch.stack([angle.cos(), angle.sin()], 1)


def grid_centres() -> Tensor:
    """The 25 centres of ``grid``, (25, 2)."""
    side = torch.arange(-4.0, 5.0, 2.0)
    return torch.cartesian_prod(side, side)


def ring(n: int, generator: torch.Generator, noise: float = 0.01) -> tuple[Tensor, Tensor]:
    """Eight Gaussians on a circle of radius 1, standard deviation `noise`: points (n, 2), mode (n,).

    With the default noise this is the ring on which VEEGAN and PacGAN count modes (Srivastava et al. 2017, Lin et al.
    2018).
    """
    return gaussians(ring_centres(), n, generator, noise)


def grid(n: int, generator: torch.Generator, noise: float = 0.05) -> tuple[Tensor, Tensor]:
    """25 Gaussians on the grid {-4, -2, 0, 2, 4}^2, standard deviation `noise`: points (n, 2), mode (n,). As `ring`."""
    return gaussians(grid_centres(), n, generator, noise)


def spiral(n: int, generator: torch.Generator, noise: float = 0.01, turns: float = 2.0) -> tuple[Tensor, Tensor]:
    """An Archimedean spiral of outer radius 1, evenly filled: points (n, 2) in order along the arm, their rank (n,)."""
    check_settings(n, noise)
    t = (0.04 + 0.96 * torch.rand(n, generator=generator)).sort().values.sqrt()  # arc length grows with t squared
    angle = 2 * math.pi * turns * t
    points = torch.stack([t * angle.cos(), t * angle.sin()], 1)
    return points + noise * torch.randn(n, 2, generator=generator), torch.arange(n)


def swiss_roll(n: int, generator: torch.Generator, noise: float = 0.0) -> tuple[Tensor, Tensor]:
    """scikit-learn's Swiss roll, a sheet rolled up in space: points (n, 3) in order along the roll, their rank (n,)."""
    from sklearn.datasets import make_swiss_roll

    check_settings(n, noise)
    points, t = make_swiss_roll(n, noise=noise, random_state=_seed(generator))
    return torch.from_numpy(points[t.argsort(kind="stable")]).float(), torch.arange(n)


def moons(n: int, generator: torch.Generator, noise: float = 0.05) -> tuple[Tensor, Tensor]:
    """scikit-learn's two interleaved half circles: points (n, 2), which of the two (n,)."""
    from sklearn.datasets import make_moons

    check_settings(n, noise)
    points, labels = make_moons(n, noise=noise, random_state=_seed(generator))
    return torch.from_numpy(points).float(), torch.from_numpy(labels).long()


def check_settings(n: int, *lengths: float) -> None:
    """DataError for fewer than one example, and for a noise or length that is negative, infinite or NaN."""
    if n < 1:
        raise DataError(f"n is how many to make, at least 1; got {n}")
    for length in lengths:
        if not 0 <= length < math.inf:
            raise DataError(f"noise, widths and the like are numbers of at least 0, got {length}")


def _seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**31 - 1, (1,), generator=generator))


def spline(points: Tensor, s: Tensor) -> Tensor:
    """The natural cubic spline y(x) through three points, followed piece by piece.

    points (N, 3, 2) with x increasing; s (S,) in [0, 1], the fraction of each piece's x-interval.
    Returns (N, 2 S, 2), the first piece and then the second. (SciPy's `CubicSpline` gives the same, a curve at a time,
    and so takes 35 times as long for 1,000.) Natural: the second derivative is zero at both ends,
    so only the one at the middle point, m, has to be solved for.
    """
    x, y = points.unbind(-1)  # (N, 3)
    h = x.diff(dim=1)  # (N, 2) widths of the pieces
    slope = y.diff(dim=1) / h
    m = 3 * slope.diff(dim=1) / h.sum(1, keepdim=True)  # (N, 1)
    ends = torch.cat([0 * m, m, 0 * m], 1)[..., None]  # (N, 3, 1) second derivative at each point
    x, y, h, r = x[..., None], y[..., None], h[..., None], 1 - s
    bend = (r**3 - r) * ends[:, :-1] + (s**3 - s) * ends[:, 1:]
    along = torch.stack([r * x[:, :-1] + s * x[:, 1:], r * y[:, :-1] + s * y[:, 1:] + h**2 / 6 * bend], -1)
    return along.flatten(1, 2)  # (N, 2, S, 2) -> (N, 2 S, 2)


def ink(paths: Tensor, width: float = INK_WIDTH, box: float = INK_BOX, size: int = 28) -> Tensor:
    """Draw paths (N, S, 2) of the unit square, y upwards, as images (N, 1, size, size) in [0, 1].

    Ink is laid along the path at an even rate as a Gaussian blob of standard deviation `width` pixels, and clipped at 1
    (the pen of Hinton & Nair 2006). A straight stroke is then exp(-d^2 / 2 width^2) at distance d: 1 on the line, no
    stair-steps. The Gaussian splits into a factor in x and one in y, so a whole image is one matrix product.
    """
    paths = (size - box) / 2 + box * paths
    middle, length = (paths[:, 1:] + paths[:, :-1]) / 2, paths.diff(dim=1).norm(dim=-1, keepdim=True)
    pixel = torch.arange(size, dtype=paths.dtype) + 0.5
    # Factors stop at e^-40, and ink below a millionth is none: denormal numbers would slow this and all later products.
    across = ((middle[..., :1] - pixel) ** 2 / (-2 * width**2)).clamp(min=-40).exp()  # (N, S - 1, size)
    down = ((middle[..., 1:] - pixel.flip(0)) ** 2 / (-2 * width**2)).clamp(min=-40).exp()  # row 0 is at the top
    rate = length / (width * math.sqrt(2 * math.pi))  # (N, S - 1, 1)
    return F.threshold(((rate * down).mT @ across).clamp(max=1), 1e-6, 0)[:, None]


def curves(n: int, generator: torch.Generator, width: float = INK_WIDTH, box: float = INK_BOX) -> tuple[Tensor, Tensor]:
    """The synthetic curves of Hinton & Salakhutdinov (2006), as we read them.

    Returns images (n, 1, 28, 28) in [0, 1] and the six numbers behind each, points (n, 3, 2) in the unit square.

    The paper says "generated from three randomly chosen points"; the rest is our reading: points uniform in the unit
    square and sorted by x, a *natural cubic spline* y(x) through them, drawn by `ink` in the central `box` pixels; a
    curve that leaves the square (about one in three does) is drawn anew, so that nothing is cut off.

    The pen was fitted to two figures, neither of them the result of a deep net. In a given box the width alone decides
    what 18 principal components leave per test image: 5.89 to 5.93 over five seeds with this one (the paper: 5.90). The
    box was chosen among whole pixels so that, at that width, the mean image leaves 19.0, near the 16 to 18 at which
    deep nets without pretraining are said to stay stuck; MNIST's own box of 20 would leave 27.
    """
    check_settings(n, width, box)
    images, points, wanted = [], [], n
    s = torch.linspace(0, 1, 33, dtype=torch.float64)
    while wanted > 0:
        # Always drawn by the thousand, so that the first images do not depend on n.
        p = torch.rand(1000, 3, 2, generator=generator, dtype=torch.float64)
        p[..., 0] = p[..., 0].sort(dim=1).values
        path = spline(p, s)  # (1000, 66, 2)
        inside = ((path >= 0) & (path <= 1)).flatten(1).all(1).nonzero()[:wanted, 0]  # False where NaN, too
        images.append(ink(path[inside].float(), width, box))
        points.append(p[inside].float())
        wanted -= len(inside)
    return torch.cat(images), torch.cat(points)


def rotate(images: Tensor, angle: Tensor, scale: Tensor | float = 1.0, size: int | None = None) -> Tensor:
    """Crop the middle of each image (N, 1, H, H), turned by `angle` (N,) radians anticlockwise: (N, 1, size, size).

    One pixel of the crop is `scale` pixels of the image; sampling is bilinear, and black outside the image.
    """
    size = size or images.shape[-1]
    c, s, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    reach = scale * size / images.shape[-1]  # half the crop over half the image
    affine = torch.stack([torch.stack([c, -s, zero], 1), torch.stack([s, c, zero], 1)], 1)  # (N, 2, 3)
    affine = affine * torch.as_tensor(reach).view(-1, 1, 1)
    where = F.affine_grid(affine, [len(images), 1, size, size], align_corners=False)
    return F.grid_sample(images, where, align_corners=False).clamp(0, 1)


def rotations(image: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """One image (1, H, H) turned full circle: images (n, 1, H, H), k (n,); image k stands at 360 k / n degrees."""
    check_settings(n)
    k = torch.arange(n)
    return rotate(image.expand(n, *image.shape), k * (2 * math.pi / n)), k


def patches(images: Tensor, n: int, size: int, generator: torch.Generator) -> Tensor:
    """`n` square patches at random places of images (M, 1, H, W): (n, 1, size, size)."""
    m, _, height, width = images.shape
    check_settings(n)
    if not (m and 1 <= size <= min(height, width)):
        raise DataError(f"patches of {size} x {size} do not fit into {m} images of {height} x {width}")
    which = torch.randint(m, (n, 1, 1), generator=generator)
    top = torch.randint(height - size + 1, (n, 1, 1), generator=generator)
    left = torch.randint(width - size + 1, (n, 1, 1), generator=generator)
    step = torch.arange(size)
    return images[which, 0, top + step[:, None], left + step][:, None]


def face_patches(faces: Tensor, n: int, generator: torch.Generator, size: int = 25) -> Tensor:
    """Patches as Hinton & Salakhutdinov (2006) cut them from the Olivetti faces: (n, 1, size, size).

    A random face (M, 1, 64, 64) is turned by -90 to 90 degrees, shrunk 1.4 to 1.8 times and cropped to its middle. That
    the factor shrinks is our reading (at 1.8 the diagonal of a 25 x 25 crop is 63.6 pixels, just inside the image), and
    so is the smoothing: each pixel is the mean of 2 x 2 samples, because a shrunk image that is not smoothed shimmers.
    """
    check_settings(n)
    parts = []
    for start in range(0, n, 1000):
        m = min(1000, n - start)  # drawn by the thousand, as the curves are
        which = torch.randint(len(faces), (1000,), generator=generator)[:m]
        angle, scale = torch.rand(2, 1000, generator=generator)[:, :m]
        fine = rotate(faces[which], (angle - 0.5) * math.pi, 0.7 + 0.2 * scale, 2 * size)
        parts.append(F.avg_pool2d(fine, 2))  # (m, 1, 2 size, 2 size) -> (m, 1, size, size)
    return torch.cat(parts)


def pixel_scale(*parts: Tensor) -> tuple[Tensor, Tensor]:
    """The mean image over all parts (N, ...) together, and the one factor that makes the pixels' mean variance 1."""
    total = sum(len(x) for x in parts)
    mean = torch.stack([x.sum(0, dtype=torch.float64) for x in parts]).sum(0) / total
    squares = [((x - mean.float()) ** 2).sum(0, dtype=torch.float64) for x in parts]
    variance = torch.stack(squares).sum(0) / total
    return mean.float(), variance.mean().rsqrt().float()


def standardize(*parts: Tensor) -> tuple[Tensor, ...]:
    """Every pixel with zero mean, and one factor for all pixels that makes their mean variance 1, over all parts
    together.

    So Hinton & Salakhutdinov (2006) scaled "the entire data set" of face patches before giving an error: pass the
    training, validation and test images (N, ...) of one split into parts, and get them back in that order.
    """
    mean, factor = pixel_scale(*parts)
    return tuple((x - mean) * factor for x in parts)
