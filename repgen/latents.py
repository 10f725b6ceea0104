"""Moving through a code: paths between two places, directions with a name, and what a drawn digit looks like in
numbers."""

import torch
from torch import Tensor


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(T, K) places on the straight line from code a (K,) to code b (K,), at the shares t (T,) of the way."""
    return torch.lerp(a, b, t[:, None].to(a))


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(T, K) places on the arc from a (K,) to b (K,) that turns evenly about the origin (Shoemake 1985).

    (sin((1 - t) w) a + sin(t w) b) / sin w, with w the angle between a and b: as in Shoemake's formula for codes
    of length 1; here the length passes from that of a to that of b. Codes in the same direction, or one of them
    zero, have no arc but the straight line. Raises ValueError for opposite codes, which have no shortest arc.
    """
    cosine = torch.cosine_similarity(a, b, dim=0).clamp(-1, 1)
    if cosine < -1 + 1e-6:
        raise ValueError("codes in opposite directions have no shortest arc between them: go by a third code")
    if cosine > 1 - 1e-6 or not a.any() or not b.any():
        return lerp(a, b, t)
    angle, t = cosine.arccos(), t[:, None].to(a)
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()


def attribute_vector(z: Tensor, score: Tensor, share: float = 0.2) -> Tensor:
    """The mean code (K,) of the top `share` of a score (N,), less the mean code of the bottom `share`; codes (N, K).

    A score of two values (with glasses 1, without 0) is split between them, whatever `share` is.
    """
    if score.shape != z.shape[:1]:
        raise ValueError(f"expected one score a code, {len(z)}; got shape {tuple(score.shape)}")
    if not 0 < share <= 0.5:
        raise ValueError(f"share is the part of the codes at either end, above 0 and at most 0.5; got {share!r}")
    values = score.unique()
    if len(values) < 2:
        raise ValueError("the score is the same for every code: it tells nothing apart")
    if len(values) == 2:
        return z[score == values[1]].mean(0) - z[score == values[0]].mean(0)
    order, n = score.argsort(), max(1, int(share * len(score)))
    return z[order[-n:]].mean(0) - z[order[:n]].mean(0)


def slant(x: Tensor) -> Tensor:
    """How far drawings (N, H, W), white on black, lean to the right, in degrees from upright: (N,).

    By second moments of the ink: the columns regressed on the rows, -mu_xy / mu_yy, as an angle; LeCun et al. (1998)
    straighten digits so.
    """
    ink, rows, columns = _moments(x)
    shear = -(ink * rows * columns).sum((1, 2)) / (ink * rows * rows).sum((1, 2)).clamp(min=1e-6)
    return torch.rad2deg(shear.atan())


def thickness(x: Tensor) -> Tensor:
    """Mean width of the strokes of drawings (N, H, W), in pixels: (N,), twice the area over the length of the outline.

    A stroke of width w and length l, much longer than wide, has the area w l and an outline of 2 l. The area is the
    sum of the ink; the outline is the total variation, the sum of the gradient's magnitude, which is the same for a
    soft edge as for a sharp one. Paler ink changes neither: both shrink alike.
    """
    padded = torch.nn.functional.pad(_drawings(x), (1, 1, 1, 1))
    # differences over a 2 x 2 cell, which treats all angles alike
    across = (padded[:, :-1, 1:] + padded[:, 1:, 1:] - padded[:, :-1, :-1] - padded[:, 1:, :-1]) / 2
    down = (padded[:, 1:, :-1] + padded[:, 1:, 1:] - padded[:, :-1, :-1] - padded[:, :-1, 1:]) / 2
    outline = (across.square() + down.square()).sqrt().sum((1, 2))
    return 2 * padded.sum((1, 2)) / outline.clamp(min=1e-6)


def _drawings(x: Tensor) -> Tensor:
    if x.ndim != 3:
        raise ValueError(f"expected drawings (N, height, width), got shape {tuple(x.shape)}")
    return x


def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ink (N, H, W), and each pixel's row (N, H, 1) and column (N, 1, W) from the centre of the ink, rows downwards."""
    total = _drawings(x).sum((1, 2), keepdim=True).clamp(min=1e-6)
    ink = x / total
    rows, columns = (torch.arange(n, dtype=x.dtype, device=x.device) for n in x.shape[1:])
    row, column = rows[None, :, None], columns[None, None, :]
    return ink, row - (ink * row).sum((1, 2), keepdim=True), column - (ink * column).sum((1, 2), keepdim=True)
