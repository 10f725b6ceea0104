"""Judging samples: against scipy, scikit-learn, and cases that can be counted."""

import math

import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import entropy
from sklearn.neighbors import NearestNeighbors

from repgen import fit
from repgen.classifier import ConvClassifier
from repgen.evaluation.generative import (
    bootstrap,
    class_balance,
    frechet,
    frechet_of_gaussians,
    inception_score,
    nearest,
    precision_recall,
)


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
    told = class_balance(p.log())
    assert told.confidence == pytest.approx(0.65)
    assert told.shares.tolist() == [0.75, 0.25, 0]
    assert told.balance == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(3))
    assert class_balance(torch.eye(5)).balance == pytest.approx(1)


def test_the_judge_learns_to_tell_stripes_apart():
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (400,), generator=g)
    stripes = torch.zeros(2, 8, 8)
    stripes[0, ::2], stripes[1, :, ::2] = 1, 1
    x = (stripes[labels] + 0.3 * torch.randn(400, 8, 8, generator=g))[:, None]
    torch.manual_seed(0)
    judge = ConvClassifier(8, classes=2, channels=4, n_features=6)
    fit(judge, (x[:300], labels[:300]), epochs=4, batch_size=50, lr=1e-2, progress=False)
    judge.eval()
    assert (judge(x[300:]).argmax(1) == labels[300:]).all()
    torch.testing.assert_close(judge(x[300:]), judge.last(judge.features(x[300:])))
    assert judge.features(x[300:]).shape == (100, 6)


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match="multiple of 4; got 30"):
        ConvClassifier(30)
    with pytest.raises(ValueError, match=r"expected pictures \(N, 1, 28, 28\), got shape \(2, 784\)"):
        ConvClassifier()(torch.zeros(2, 784))
    for wrong in (torch.zeros(0, 10), torch.zeros(10)):
        with pytest.raises(ValueError, match="at least 1 of them"):
            class_balance(wrong)
    with pytest.raises(ValueError, match="at least 2 of them"):
        frechet(torch.zeros(5, 3), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="as many features; got 3 and 2"):
        frechet(torch.zeros(5, 3), torch.zeros(5, 2))
    with pytest.raises(ValueError, match="at least 4 of them"):
        precision_recall(torch.zeros(5, 3), torch.zeros(3, 3))


def test_the_inception_score_is_the_mean_divergence_from_the_mean_answer():
    logits = features(50, 7, scale=2.0)
    p = logits.softmax(1).numpy()
    divergences = [entropy(row, p.mean(0)) for row in p]
    assert inception_score(logits) == pytest.approx(math.exp(sum(divergences) / len(divergences)), rel=1e-9)


def test_the_inception_score_goes_from_one_to_the_number_of_classes():
    sure = 100 * torch.eye(6)
    assert inception_score(sure) == pytest.approx(6)
    assert inception_score(sure.repeat(50, 1)) == pytest.approx(6), "copies of one picture a class are not noticed"
    assert inception_score(sure[:2]) == pytest.approx(2)
    assert inception_score(sure[:1].repeat(9, 1)) == pytest.approx(1)
    assert inception_score(torch.zeros(9, 6)) == pytest.approx(1)


def test_frechets_distance_of_gaussians_in_one_and_two_dimensions():
    one = frechet_of_gaussians(torch.tensor([1.0]), torch.tensor([[4.0]]), torch.tensor([4.0]), torch.tensor([[0.25]]))
    assert one == pytest.approx((1 - 4) ** 2 + (2 - 0.5) ** 2)
    # in the plane, tr M^1/2 = (tr M + 2 (det M)^1/2)^1/2
    a, b = features(9, 2).T.cov(), features(9, 2, seed=5, scale=0.4).T.cov()
    assert (a @ b - b @ a).abs().max() > 0.01
    cross = ((a @ b).trace() + 2 * (a @ b).det().sqrt()).sqrt()
    two = frechet_of_gaussians(torch.zeros(2), a, torch.tensor([3.0, -1.0]), b)
    assert two == pytest.approx((10 + a.trace() + b.trace() - 2 * cross).item(), rel=1e-9)


def test_nearest_neighbours_are_those_of_scikit_learn():
    x, others = features(70, 5), features(90, 5, seed=4)
    distance, index = NearestNeighbors(n_neighbors=1).fit(others.numpy()).kneighbors(x.numpy())
    got = nearest(x, others, chunk=32)
    assert got.index.tolist() == index[:, 0].tolist()
    torch.testing.assert_close(got.distance, torch.from_numpy(distance[:, 0]))


def test_a_copy_is_at_no_distance_at_all():
    others = 100 + features(200, 50).float()
    got = nearest(others[60:90], others)
    assert got.index.tolist() == list(range(60, 90)) and (got.distance == 0).all()


def test_the_bootstrap_finds_the_standard_error_of_a_mean():
    x = features(400, 1, scale=3.0)
    means = bootstrap(lambda rows: rows.mean().item(), x, 2000, torch.Generator().manual_seed(0))
    assert means.shape == (2000,) and means.dtype == torch.float64
    assert means.std().item() == pytest.approx(x.std().item() / 20, rel=0.08)
    assert means.mean().item() == pytest.approx(x.mean().item(), abs=4 * x.std().item() / 20 / 2000**0.5)
    again = bootstrap(lambda rows: rows.mean().item(), x, 2000, torch.Generator().manual_seed(0))
    assert torch.equal(means, again)
    sizes = []
    bootstrap(lambda rows: sizes.append(len(rows)) or 0.0, x, 2)
    assert sizes == [400, 400]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="at least 1 of them"):
        inception_score(torch.zeros(0, 10))
    with pytest.raises(ValueError, match=r"covariances \(F, F\), got shapes \(2,\), \(2, 2\), \(2,\), \(3, 3\)"):
        frechet_of_gaussians(torch.zeros(2), torch.eye(2), torch.zeros(2), torch.eye(3))
    with pytest.raises(ValueError, match="means"):
        frechet_of_gaussians(torch.zeros(2), torch.eye(2), torch.zeros(3), torch.eye(2))
    with pytest.raises(ValueError, match="at least 1 of them"):
        nearest(torch.zeros(3, 2), torch.zeros(0, 2))
    with pytest.raises(ValueError, match="as many features; got 2 and 4"):
        nearest(torch.zeros(3, 2), torch.zeros(3, 4))
    with pytest.raises(ValueError, match="at least one row and two draws, got 0 and 50"):
        bootstrap(lambda rows: 0.0, torch.zeros(0, 2))
    with pytest.raises(ValueError, match="got 3 and 1"):
        bootstrap(lambda rows: 0.0, torch.zeros(3, 2), 1)


def test_frechet_of_one_feature():
    x, y = (
        torch.randn(50, 1, generator=torch.Generator().manual_seed(0)),
        3 * torch.rand(70, 1, generator=torch.Generator().manual_seed(1)),
    )
    by_hand = (x.double().mean() - y.double().mean()) ** 2 + (x.double().std() - y.double().std()) ** 2
    assert frechet(x, y) == pytest.approx(by_hand.item(), rel=1e-9)
