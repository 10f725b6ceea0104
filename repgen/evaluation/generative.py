"""Judging samples without a likelihood: by a classifier's answers, and by where they lie among the data in its
features."""

import math
from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from repgen.evaluation._inputs import as_pair, as_real, check_finite


class ClassBalance(NamedTuple):
    """Means over samples: the largest probability; the classes' entropy as a share of a uniform one's; each class's
    share (K,)."""

    confidence: float
    balance: float
    shares: Tensor


def class_balance(logits: Tensor) -> ClassBalance:
    """What a classifier's logits (N, K) of samples say: is each one clearly something, and is every class there?

    ``balance`` is the entropy of the answers, counted, over log K: 1 where all classes are as
    frequent. Raises ValueError for no samples, fewer than 2 classes, and logits that are NaN or +inf.
    """
    logits = check_logits(logits)
    shares = logits.argmax(1).bincount(minlength=logits.shape[1]).double() / len(logits)
    balance = torch.special.entr(shares).sum().item() / math.log(len(shares))
    return ClassBalance(logits.softmax(1).amax(1).mean().item(), balance, shares)


def inception_score(logits: Tensor) -> float:
    """exp of the information, in nats, between a sample and its class, of logits (N, K) (Salimans et al. 2016, section
    4).

    The entropy of the mean answer less the mean entropy of the answers: 1 where all answers are
    alike, K where every one is certain and all classes are as frequent. In float64. Raises
    ValueError for no samples, fewer than 2 classes, and logits that are NaN or +inf.
    """
    logits = check_logits(logits)
    answers = logits.double().softmax(1)
    information = torch.special.entr(answers.mean(0)).sum() - torch.special.entr(answers).sum(1).mean()
    return information.exp().item()


def frechet(x: Tensor, y: Tensor) -> float:
    """|m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^1/2) of features x (N, F) and y (M, F) (Heusel et al. 2017, eq. 6).

    The squared distance of two Gaussians with their means m and covariances C (Frechet 1957). In
    float64. Biased upward for few samples, so compare at equal numbers. Raises ValueError for
    fewer than two of either, features of different length, or such as are not finite.
    """
    a, b = (part.double() for part in check_features(x, y, 2))
    return frechet_of_gaussians(a.mean(0), torch.atleast_2d(a.T.cov()), b.mean(0), torch.atleast_2d(b.T.cov()))


def frechet_of_gaussians(mean_x: Tensor, cov_x: Tensor, mean_y: Tensor, cov_y: Tensor) -> float:
    """The squared Frechet distance of N(mean_x, cov_x) and N(mean_y, cov_y); means (F,), covariances (F, F).

    Dowson & Landau (1982). In float64. Raises ValueError for shapes that do not match.
    """
    ma, ca, mb, cb = (as_real(part).double() for part in (mean_x, cov_x, mean_y, cov_y))
    if ma.ndim != 1 or ma.shape != mb.shape or not ca.shape == cb.shape == (len(ma), len(ma)):
        shapes = ", ".join(str(tuple(part.shape)) for part in (ma, ca, mb, cb))
        raise ValueError(f"expected means (F,) and covariances (F, F), got shapes {shapes}")
    # the trace of a square root is the sum of the roots of the eigenvalues of sqrt(Ca) Cb sqrt(Ca), which is symmetric
    values, vectors = torch.linalg.eigh(ca)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cb @ root).clamp(min=0).sqrt().sum()
    return ((ma - mb).square().sum() + ca.trace() + cb.trace() - 2 * cross).item()


class PrecisionRecall(NamedTuple):
    """Shares: of samples that lie among the data, and of data that lie among the samples."""

    precision: float
    recall: float


def precision_recall(data: Tensor, samples: Tensor, k: int = 3) -> PrecisionRecall:
    """Do samples (M, F) lie where data (N, F) do, and do they reach all of it (Kynkaanniemi et al. 2019)?

    Every point has a ball that reaches to the k-th nearest of its own kind; a point lies among
    the others where it is in one of their balls. Raises ValueError for no more than k of either,
    a k below 1, and features that are not finite.
    """
    data, samples = check_features(data, samples, check_count("k", k, 1) + 1)
    return PrecisionRecall(_among(samples, data, k), _among(data, samples, k))


def _among(x: Tensor, others: Tensor, k: int, chunk: int = 1000) -> float:
    # the first is itself
    radii = torch.cat([torch.cdist(part, others).kthvalue(k + 1, dim=1).values for part in others.split(chunk)])
    inside = [(torch.cdist(part, others) <= radii).any(1) for part in x.split(chunk)]
    return torch.cat(inside).double().mean().item()


class Nearest(NamedTuple):
    """Of each example the distance to the nearest of the others, (N,), and which of them it is, (N,)."""

    distance: Tensor
    index: Tensor  # type: ignore[assignment] # a tuple's method of that name is of no use here


def nearest(x: Tensor, others: Tensor, chunk: int = 500) -> Nearest:
    """The nearest of others (M, D) to each of x (N, D), by Euclidean distance; of a copy, the distance is exactly 0.

    Memory stays at chunk x M numbers. Raises ValueError for none of either, rows of different length, or numbers that
    are not finite.
    """
    x, others = check_features(x, others, 1)
    index = torch.cat([torch.cdist(part, others).argmin(1) for part in x.split(chunk)])
    return Nearest((x - others[index]).norm(dim=1), index)  # anew: cdist rounds near 0


def bootstrap(
    measure: Callable[[Tensor], float], x: Tensor, draws: int = 50, generator: torch.Generator | None = None
) -> Tensor:
    """``measure`` of as many rows of x (N, ...) drawn with replacement, ``draws`` times, (draws,), float64 (Efron
    1979).

    Their standard deviation estimates by how much the measure would differ for N fresh samples.
    Their mean is of no use for a measure that is biased for few samples: rows drawn twice add a
    bias of the same kind. Raises ValueError for no rows or fewer than two draws.
    """
    x = x if isinstance(x, Tensor) else as_real(x)
    if x.ndim == 0 or not len(x) or check_count("draws", draws, 0) < 2:
        raise ValueError(f"a bootstrap needs at least one row and two draws, got {x.shape[:1].numel()} and {draws}")
    rows = torch.randint(len(x), (draws, len(x)), generator=generator, device=x.device)
    return torch.tensor([float(measure(x[row])) for row in rows], dtype=torch.float64)


def check_rows(x: Tensor, least: int) -> Tensor:
    """x by `as_real` if it has a row for each of at least `least` samples, else ValueError."""
    x = as_real(x, "each of the samples")
    if x.ndim != 2 or len(x) < least or x.shape[1] == 0:
        raise ValueError(f"expected a row for each sample and at least {least} of them, got shape {tuple(x.shape)}")
    return x


def check_logits(logits: Tensor) -> Tensor:
    """Logits (N, K) that make probabilities: -inf is one of 0; else ValueError."""
    logits = check_rows(logits, 1)
    if logits.shape[1] < 2:
        raise ValueError(f"classes are told apart from 2 on, got logits of shape {tuple(logits.shape)}")
    check_finite(logits.logsumexp(1), "the logits, summed over classes,")
    return logits


def check_features(x: Tensor, y: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Both (N, F) and (M, F) in one type, if there are enough of each and all finite, else ValueError."""
    x, y = as_pair(check_rows(x, least), check_rows(y, least))
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"both must have as many features; got {x.shape[1]} and {y.shape[1]}")
    return check_finite(x, "the first features"), check_finite(y, "the second features")


def check_count(what: str, value: int, least: int) -> int:
    """A whole number of at least `least`, or ValueError."""
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{what} is a whole number of at least {least}, got {value!r}")
    return int(value)
