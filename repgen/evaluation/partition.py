"""How likely a restricted Boltzmann machine finds its data: log Z by counting and by annealing, and what stands in for
it."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from repgen._fast import bernoulli  # millions of draws
from repgen.labelled_rbm import LabelledRBM
from repgen.layers import pixels
from repgen.rbm import RBM

MOST = 25  # units of which every state can be counted


class LogPartition(NamedTuple):
    """log Z in nats: the estimate and three standard errors of the mean weight either way (-inf where they reach 0)."""

    estimate: float
    low: float
    high: float
    log_weights: Tensor  # (M,) float64: of each run, log Z were all runs like it


@torch.no_grad()
def exact_log_partition(rbm: RBM) -> float:
    """log Z of a machine with at most 25 units in its smaller Bernoulli layer: all states of it are summed over.

    Of a LabelledRBM, whose class is one of K units and not any of 2^K states, the features are counted and each is
    summed over the classes. Raises ValueError where neither layer can be counted.
    """
    sides = [(rbm.n_hidden, rbm.hidden, rbm.hidden_free_energy), (rbm.n_visible, rbm.visible, rbm.free_energy)]
    if isinstance(rbm, LabelledRBM):
        sides[1] = rbm.n_features, rbm.visible, rbm.feature_free_energy
    small = [(n, free_energy) for n, units, free_energy in sides if units == "bernoulli" and n <= MOST]
    if not small:
        raise ValueError(
            f"{rbm.n_visible} visible and {rbm.n_hidden} hidden units: states can be counted of {MOST} Bernoulli units "
            "at most; estimate log Z by annealed_log_partition"
        )
    n, free_energy = min(small, key=lambda side: side[0])
    like = rbm.weight
    total = torch.tensor(-math.inf, dtype=torch.float64, device=like.device)
    for rows in torch.arange(2**n, device=like.device).split(2**14):
        states = (rows[:, None] >> torch.arange(n, device=like.device)) & 1  # (R, n)
        total = torch.logaddexp(total, (-free_energy(states.to(like.dtype))).double().logsumexp(0))
    return total.item()


@torch.no_grad()
def annealed_log_partition(
    rbm: RBM,
    base: Tensor | None = None,
    *,
    runs: int = 100,
    steps: int = 10_000,
    generator: torch.Generator | None = None,
) -> LogPartition:
    """log Z by annealed importance sampling (Neal 2001; Salakhutdinov & Murray 2008, section 3).

    ``runs`` chains pass through ``steps`` distributions, from pixels that know nothing of each
    other to the machine's own: p_t(v) is proportional to sum_h exp(-(1 - t) E_A(v) - t E(v, h)),
    E_A(v) = -v b_A. ``base``, the mean image (D,), gives b_A; without it all pixels are fair
    coins. t rises quickly where the distributions are alike and slowly at the end, as there.
    Raises ValueError for Gaussian units, for a LabelledRBM and for counts below 1 and 2.
    """
    refuse_classes(rbm, "annealing")
    if (rbm.visible, rbm.hidden) != ("bernoulli", "bernoulli"):
        raise ValueError(f"annealing is for Bernoulli units, found visible {rbm.visible}, hidden {rbm.hidden}")
    if runs < 1 or steps < 2:
        raise ValueError(f"annealing takes a run and two distributions at least, got runs={runs}, steps={steps}")
    W, b = rbm.weight, rbm.visible_bias
    if base is None:
        base = torch.full_like(b, 0.5)
    start = base.to(b).clamp(0.01, 0.99).logit()  # b_A
    path = temperatures(steps).tolist()
    v = bernoulli(start.sigmoid().expand(runs, -1), generator)
    log_w = torch.zeros(runs, dtype=torch.float64, device=b.device)
    lean = start - b + W @ rbm.hidden_offset  # what a step of t takes from v: (D,)
    for last, t in zip(path, path[1:]):
        total = rbm.hidden_input(v)  # (M, D) -> (M, H)
        # log p_t(v) is linear in t but for the sum over h: softplus(t total)
        grown = softplus(t * total) - softplus(last * total)
        log_w += grown.sum(1).double() - (t - last) * (v @ lean).double()
        h = bernoulli((t * total).sigmoid(), generator)
        v = bernoulli(torch.lerp(start, rbm.visible_input(h), t).sigmoid(), generator)
    return average_weights(log_w + base_log_partition(rbm, start))


@torch.no_grad()
def pseudo_log_likelihood(
    rbm: RBM, v: Tensor, n_pixels: int | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """sum_i log p(v_i | all other pixels), (N,), in nats, of binary images v (N, D) (Besag 1975).

    With ``n_pixels``, over so many pixels drawn at random, the same for all images, and scaled to D.
    It needs no Z, and is not a likelihood. Raises ValueError where v is not 0 and 1, the machine's
    visible units are not Bernoulli, or it is a LabelledRBM.
    """
    refuse_classes(rbm, "the pseudo-likelihood")
    v = pixels(torch.as_tensor(v), rbm.n_visible).to(rbm.weight.dtype)
    if rbm.visible != "bernoulli" or not ((v == 0) | (v == 1)).all():
        raise ValueError(
            "the pseudo-likelihood is of visible units that are 0 or 1; draw grey pixels with torch.bernoulli first"
        )
    n = rbm.n_visible if n_pixels is None else n_pixels
    if not 1 <= n <= rbm.n_visible:
        raise ValueError(f"n_pixels is between 1 and {rbm.n_visible}, got {n_pixels}")
    chosen = torch.randperm(rbm.n_visible, generator=generator, device=v.device)[:n]
    free_energy = rbm.free_energy(v)
    total = torch.zeros_like(free_energy)
    for i in chosen.tolist():
        other = v.clone()
        other[:, i] = 1 - v[:, i]
        total += logsigmoid(rbm.free_energy(other) - free_energy)
    return total * (rbm.n_visible / n)


def temperatures(steps: int) -> Tensor:
    """t from 0 to 1, (steps,): a twentieth of the steps up to 0.5, a quarter up to 0.9, the rest above."""
    parts = [max(1, round(steps * share)) for share in (0.05, 0.25)]
    ends = [torch.linspace(0, 0.5, parts[0] + 1)[:-1], torch.linspace(0.5, 0.9, parts[1] + 1)[:-1]]
    rest = steps - sum(map(len, ends))
    return torch.cat([*ends, torch.linspace(0.9, 1, rest)]) if rest > 1 else torch.linspace(0, 1, steps)


def refuse_classes(rbm: RBM, what: str) -> None:
    """ValueError for a LabelledRBM: of its class units exactly one is on, so that none can be drawn for itself."""
    if isinstance(rbm, LabelledRBM):
        raise ValueError(
            f"{what} takes visible units one by one, but of a LabelledRBM's classes exactly one is on; "
            "exact_log_partition counts its states, and log_p_label is exact for any size"
        )


def base_log_partition(rbm: RBM, start: Tensor) -> float:
    """log Z of the first distribution, and what the offset adds to every energy: l ((v - m) W) = l (v W) - l (m W)."""
    first = softplus(start.double()).sum() + rbm.n_hidden * math.log(2)
    return (first + (rbm.hidden_offset @ (rbm.visible_offset @ rbm.weight)).double()).item()


def average_weights(log_w: Tensor) -> LogPartition:
    """log of the mean weight of log weights (M,), and three standard errors of the mean either way."""
    most = log_w.max()
    weights = (log_w - most).exp()
    mean, error = (
        weights.mean(),
        weights.std() / math.sqrt(len(weights)) if len(weights) > 1 else torch.tensor(math.inf),
    )
    low, high = ((mean + s * 3 * error).clamp_min(0).log() + most for s in (-1, 1))
    return LogPartition((mean.log() + most).item(), low.item(), high.item(), log_w)
