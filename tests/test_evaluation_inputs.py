"""What every measure makes of other types of numbers, of arrays, of nothing, and of nonsense."""

import math

import numpy as np
import pytest
import torch

from repgen import RBM
from repgen.evaluation import metrics
from repgen.evaluation.gabor import fit_gabors
from repgen.evaluation.generative import (
    bootstrap,
    class_balance,
    frechet,
    frechet_of_gaussians,
    inception_score,
    nearest,
    precision_recall,
)
from repgen.evaluation.nl_means import nl_means
from repgen.evaluation.partition import annealed_log_partition, exact_log_partition, pseudo_log_likelihood
from repgen.evaluation.parzen import log_density, select_bandwidth


def g(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(n, d=6, seed=0):
    """Numbers k / 8 in [0, 2): the same in every floating-point type."""
    return torch.randint(16, (n, d), generator=g(seed)).double() / 8


class Same:
    """A code that is the picture."""

    def encode(self, x):
        return torch.as_tensor(x)


MEASURES = {
    "reconstruction_error": lambda to: metrics.reconstruction_error(to(rows(9)), to(rows(9, seed=1))),
    "psnr": lambda to: metrics.psnr(to(rows(9)), to(rows(9, seed=1)), peak=2.0),
    "ssim": lambda to: metrics.ssim(
        to(rows(2, 169).view(2, 1, 13, 13)), to(rows(2, 169, 1).view(2, 1, 13, 13)), peak=2.0
    ),
    "principal_angles": lambda to: metrics.principal_angles(to(rows(2)), to(rows(3, seed=1))),
    "modes": lambda to: torch.tensor(metrics.modes(to(rows(30, 2)), to(rows(4, 2, 1)), 0.1)[:2]),
    "class_balance": lambda to: torch.tensor(class_balance(to(8 * rows(20)))[:2]),
    "inception_score": lambda to: inception_score(to(8 * rows(20))),
    "frechet": lambda to: frechet(to(rows(40)), to(rows(30, seed=1))),
    "frechet_of_gaussians": lambda to: frechet_of_gaussians(
        to(rows(1)[0]), to(torch.eye(6)), to(rows(1, 6, 1)[0]), to(2 * torch.eye(6))
    ),
    "precision_recall": lambda to: torch.tensor(precision_recall(to(rows(40)), to(rows(30, seed=1)))),
    "nearest": lambda to: nearest(to(rows(40)), to(rows(30, seed=1))).distance,
    "bootstrap": lambda to: bootstrap(lambda x: float(x.detach().double().mean()), to(rows(9)), 3, g()),
    "log_density": lambda to: log_density(to(rows(5)), to(rows(8, seed=1)), 0.5),
    "select_bandwidth": lambda to: torch.tensor(select_bandwidth(to(rows(5)), to(rows(8, seed=1)))),
    "nl_means": lambda to: nl_means(to(rows(16, 16)), 0.2),
    "fit_gabors": lambda to: fit_gabors(to(rows(2, 64).view(2, 8, 8)), steps=20).r2,
}
KINDS = {
    "float16": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "float32": lambda x: x.float(),
    "numpy float64": lambda x: x.numpy(),
    "numpy float32": lambda x: x.float().numpy(),
    "numpy big-endian, reversed": lambda x: x.flip(0).numpy().astype(">f8")[::-1],
    "needs a gradient": lambda x: x.clone().requires_grad_(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_is_the_same_of_every_type_that_holds_its_numbers(name, kind):
    expected = torch.as_tensor(MEASURES[name](lambda x: x.double()), dtype=torch.float64)
    found = torch.as_tensor(MEASURES[name](KINDS[kind])).detach().double()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int8, torch.int64, np.uint8, np.int16])
def test_whole_numbers_do_not_wrap_around(kind):
    x, y = torch.randint(0, 100, (2, 5, 1, 12, 12), generator=g())

    def to(x):
        return x.to(kind) if isinstance(kind, torch.dtype) else x.numpy().astype(kind)

    for measure in (
        metrics.reconstruction_error,
        lambda x, y: metrics.psnr(x, y, 255),
        lambda x, y: metrics.ssim(x, y, 255),
    ):
        assert measure(to(x), to(y)) == pytest.approx(measure(x.double(), y.double()), rel=1e-12)
    a, b = x.flatten(1), y.flatten(1)
    assert frechet(to(a), to(b)) == pytest.approx(frechet(a.double(), b.double()), rel=1e-9)
    assert torch.equal(nearest(to(a), to(b)).distance, nearest(a.double(), b.double()).distance)
    torch.testing.assert_close(nl_means(to(x[0, 0]), 9.0), nl_means(x[0, 0].double(), 9.0))


def test_the_peak_of_bytes_is_255_and_of_what_is_mixed_has_to_be_said():
    x = torch.randint(0, 256, (3, 1, 12, 12), generator=g(), dtype=torch.uint8)
    y = 255 - x
    for measure in (metrics.psnr, metrics.ssim):
        assert measure(x, y) == pytest.approx(measure(x / 255, y / 255), rel=1e-5)
        assert measure(x, y.double(), peak=255) == pytest.approx(measure(x, y))
        assert measure(x > 127, y > 127) == measure((x > 127).float(), (y > 127).float())
        for other in (y.float(), y.short()):
            with pytest.raises(ValueError, match="say which peak"):
                measure(x, other)
        for peak in (0, -1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match="peak is the largest"):
                measure(x, y, peak)
    assert metrics.psnr(x, x) == math.inf


@pytest.mark.parametrize(
    "x", [torch.zeros(0, 4), torch.zeros(4, 0), torch.zeros(()), np.zeros((0, 4)), torch.zeros(0, 1, 12, 12)]
)
def test_nothing_has_no_measure(x):
    for measure in (
        metrics.reconstruction_error,
        metrics.psnr,
        metrics.ssim,
        metrics.principal_angles,
        frechet,
        nearest,
        precision_recall,
        lambda x, y: log_density(x, y, 1.0),
        lambda x, y: metrics.modes(x, y, 0.1),
        lambda x, _: class_balance(x),
        lambda x, _: inception_score(x),
        select_bandwidth,
        lambda x, _: fit_gabors(x),
        lambda x, _: nl_means(x, 0.1),
    ):
        with pytest.raises(ValueError):
            measure(x, x)
    with pytest.raises(ValueError, match="at least one row"):
        bootstrap(lambda x: 0.0, x[:0] if x.ndim else x)


@pytest.mark.parametrize(
    "x", [torch.zeros(3, 4, dtype=torch.complex64), np.array([["a"] * 4] * 3), [[0.0] * 4] * 3, None]
)
def test_what_holds_no_real_numbers_is_named(x):
    for measure in (
        metrics.reconstruction_error,
        metrics.psnr,
        metrics.principal_angles,
        frechet,
        nearest,
        precision_recall,
        lambda x, _: class_balance(x),
        lambda x, y: log_density(x, y, 1.0),
        lambda x, y: metrics.modes(x, y, 0.1),
        lambda x, _: nl_means(x, 0.1),
    ):
        with pytest.raises(TypeError, match="tensor or an array of real numbers"):
            measure(x, x)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_counted(bad):
    x, y = rows(9), rows(9, seed=1)
    x[2, 3] = bad
    for measure in (
        metrics.principal_angles,
        frechet,
        nearest,
        precision_recall,
        lambda x, y: log_density(x, y, 1.0),
        select_bandwidth,
        lambda x, y: metrics.modes(y, x, 0.1),
        lambda x, _: nl_means(x, 0.1, 0.6, 3, 3),
        lambda x, _: metrics.activity(Same(), x),
        lambda x, _: class_balance(x),
        lambda x, _: inception_score(x),
    ):
        with pytest.raises(ValueError, match="1 of the [0-9]+ numbers of .* not finite"):
            measure(x, y)


def test_a_logit_of_minus_infinity_is_a_probability_of_zero():
    p = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
    assert class_balance(p.log()).confidence == pytest.approx(0.75)
    assert inception_score(p.log()) == pytest.approx(inception_score((p + 1e-12).log()), rel=1e-6)
    with pytest.raises(ValueError, match="from 2 on"):
        class_balance(torch.zeros(5, 1))


@pytest.mark.parametrize("k", [0, -1, 1.5, math.nan])
def test_neighbours_are_counted_in_whole_numbers(k):
    with pytest.raises(ValueError, match="k is a whole number of at least 1"):
        precision_recall(rows(9), rows(9), k)
    with pytest.raises(ValueError, match="draws is a whole number|two draws"):
        bootstrap(lambda x: 0.0, rows(9), k)


def test_the_activity_of_whole_numbers_is_no_whole_number():
    x = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match="threshold"):
        metrics.active_units(Same(), x.float(), threshold=math.nan)
    assert metrics.activity(Same(), x.float()).tolist() == [0.25]

    class Half:
        def encode(self, x):
            return x.double() / 2

    assert metrics.activity(Half(), x).tolist() == [0.0625]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_likelihoods_of_machines_take_images_of_any_type(dtype):
    torch.manual_seed(0)
    rbm = RBM(4, 3).to(dtype)
    v = torch.randint(2, (5, 4), generator=g())
    expected = pseudo_log_likelihood(rbm, v.to(dtype))
    for other in (v, v.bool(), v.byte(), v.double(), v.numpy(), v.view(5, 1, 2, 2).float()):
        torch.testing.assert_close(pseudo_log_likelihood(rbm, other), expected)
    with pytest.raises(ValueError, match="0 or 1"):
        pseudo_log_likelihood(rbm, v.float() / 2)
    z = exact_log_partition(rbm)
    for base in (None, torch.full((4,), 0.3), torch.full((4,), 0.3, dtype=torch.float64)):
        assert annealed_log_partition(rbm, base, runs=500, steps=50, generator=g()).estimate == pytest.approx(
            z, abs=0.05
        )
