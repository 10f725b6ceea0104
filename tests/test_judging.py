"""Judging samples: against scipy, scikit-learn, and cases that can be counted."""

import math

import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.neighbors import NearestNeighbors

from repgen import fit
from repgen.judging import Judge, frechet, precision_recall, verdict


def features(n, d, seed=0, scale=1.0, shift=0.0):
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=g, dtype=torch.float64)
    return scale * torch.randn(n, d, generator=g, dtype=torch.float64) @ mix + shift


def test_frechets_distance_is_that_of_the_fitted_gaussians():
    x, y = features(300, 6), features(200, 6, seed=1, scale=1.5, shift=0.4)
    cx, cy = x.T.cov(), y.T.cov()
    cross = torch.from_numpy(sqrtm((cx @ cy).numpy()).real)
    expected = (x.mean(0) - y.mean(0)).square().sum() + (cx + cy - 2 * cross).trace()
    assert frechet(x, y) == pytest.approx(expected.item(), rel=1e-9)
    assert frechet(x, y) == pytest.approx(frechet(y, x), rel=1e-9)


def test_frechets_distance_of_a_shift_is_its_square_even_where_a_feature_is_dead():
    x = torch.cat([features(50, 3), torch.zeros(50, 2, dtype=torch.float64)], 1)
    shift = torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0], dtype=torch.float64)
    assert frechet(x, x) == pytest.approx(0, abs=1e-6)
    assert frechet(x, x + shift) == pytest.approx(5.25, abs=1e-6)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_are_those_of_scikit_learns_neighbours(k):
    data, samples = features(120, 4), features(90, 4, seed=2, scale=0.7, shift=1.0)

    def among(x, others):
        radii = NearestNeighbors(n_neighbors=k + 1).fit(others).kneighbors(others)[0][:, -1]
        distance = (x[:, None] - others[None]).norm(dim=2)
        return (distance <= torch.from_numpy(radii)).any(1).double().mean().item()

    got = precision_recall(data, samples, k)
    assert (got.precision, got.recall) == pytest.approx((among(samples, data), among(data, samples)), abs=1e-12)
    assert 0 < got.recall < 1 and 0 < got.precision < 1


def test_half_of_the_data_is_precise_but_not_all_there_is():
    left, right = features(200, 3), features(200, 3, seed=3, shift=100.0)
    got = precision_recall(torch.cat([left, right]), left)
    assert got.precision == 1 and got.recall == pytest.approx(0.5)


def test_a_verdict_counts_answers_and_averages_how_sure_they_are():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.5, 0.4], [0.8, 0.1, 0.1]], dtype=torch.float64)
    told = verdict(p.log())
    assert told.confidence == pytest.approx(0.65)
    assert told.shares.tolist() == [0.75, 0.25, 0]
    assert told.balance == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(3))
    assert verdict(torch.eye(5)).balance == pytest.approx(1)


def test_the_judge_learns_to_tell_stripes_apart():
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (400,), generator=g)
    stripes = torch.zeros(2, 8, 8)
    stripes[0, ::2], stripes[1, :, ::2] = 1, 1
    x = (stripes[labels] + 0.3 * torch.randn(400, 8, 8, generator=g))[:, None]
    torch.manual_seed(0)
    judge = Judge(8, classes=2, channels=4, n_features=6)
    fit(judge, (x[:300], labels[:300]), epochs=4, batch_size=50, lr=1e-2, progress=False)
    judge.eval()
    assert (judge(x[300:]).argmax(1) == labels[300:]).all()
    torch.testing.assert_close(judge(x[300:]), judge.last(judge.features(x[300:])))
    assert judge.features(x[300:]).shape == (100, 6)


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match="multiple of 4; got 30"):
        Judge(30)
    with pytest.raises(ValueError, match=r"expected pictures \(N, 1, 28, 28\), got shape \(2, 784\)"):
        Judge()(torch.zeros(2, 784))
    for wrong in (torch.zeros(0, 10), torch.zeros(10)):
        with pytest.raises(ValueError, match="at least 1 of them"):
            verdict(wrong)
    with pytest.raises(ValueError, match="at least 2 of them"):
        frechet(torch.zeros(5, 3), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="as many features; got 3 and 2"):
        frechet(torch.zeros(5, 3), torch.zeros(5, 2))
    with pytest.raises(ValueError, match="at least 4 of them"):
        precision_recall(torch.zeros(5, 3), torch.zeros(3, 3))
