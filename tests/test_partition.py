"""The partition function of machines with a class, against every state they can be in."""

import itertools

import pytest
import torch

from repgen.evaluation.partition import annealed_log_partition, exact_log_partition, pseudo_log_likelihood
from repgen.labelled_rbm import LabelledRBM


def states(n):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=torch.float64)


def labelled(n_features=4, n_classes=3, n_hidden=5, hidden="bernoulli", centred=True):
    torch.manual_seed(0)
    centre = torch.rand(n_features + n_classes).clamp(0.1, 0.9) if centred else None
    rbm = LabelledRBM(n_features, n_classes, n_hidden, hidden=hidden, centre=centre).double()
    with torch.no_grad():
        for p in rbm.parameters():
            p.normal_(0, 0.8)
    return rbm


def visible_states(rbm):
    """Every state of the features with every class, (2^D K, D + K)."""
    pairs = itertools.product(states(rbm.n_features), torch.eye(rbm.n_classes, dtype=torch.float64))
    return torch.stack([torch.cat(pair) for pair in pairs])


@torch.no_grad()
def table(rbm):
    """-E of every state, (2^D K, 2^H), from the definition of the energy."""
    v, h = visible_states(rbm), states(rbm.n_hidden)
    m, l = rbm.visible_offset, rbm.hidden_offset
    return (v - m) @ rbm.weight @ (h - l).T + (v @ rbm.visible_bias)[:, None] + (h @ rbm.hidden_bias)[None]


@pytest.mark.parametrize("centred", [False, True])
# fewer states of the hidden units, of the features, of the hidden
@pytest.mark.parametrize("sizes", [(4, 3, 5), (2, 4, 6), (6, 2, 3)])
def test_classes_are_one_of_k_in_the_partition_function(sizes, centred):
    rbm = labelled(*sizes, centred=centred)
    pairs = table(rbm)
    assert exact_log_partition(rbm) == pytest.approx(pairs.flatten().logsumexp(0).item(), abs=1e-10)
    torch.testing.assert_close(-rbm.hidden_free_energy(states(rbm.n_hidden)), pairs.logsumexp(0))
    by_features = pairs.view(2**rbm.n_features, rbm.n_classes, -1).logsumexp((1, 2))
    torch.testing.assert_close(-rbm.feature_free_energy(states(rbm.n_features)), by_features)


def test_probabilities_of_all_features_add_up_to_one_with_gaussian_hidden_units():
    rbm = labelled(4, 3, 2, hidden="gaussian")
    log_p = -rbm.feature_free_energy(states(4)) - exact_log_partition(rbm)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-10)
    # the same from the other side: the integral over the two Gaussian units, on a grid
    side = torch.linspace(-25, 25, 501, dtype=torch.float64)
    cell = (side[1] - side[0]).item() ** 2
    integral = (-rbm.hidden_free_energy(torch.cartesian_prod(side, side))).exp().sum().item() * cell
    assert integral == pytest.approx(torch.tensor(exact_log_partition(rbm)).exp().item(), rel=1e-5)


def test_measures_that_take_units_one_by_one_refuse_classes():
    rbm = labelled()
    with pytest.raises(ValueError, match="annealing takes visible units one by one.*exact_log_partition"):
        annealed_log_partition(rbm, runs=2, steps=3)
    with pytest.raises(ValueError, match="pseudo-likelihood takes visible units one by one"):
        pseudo_log_likelihood(rbm, visible_states(rbm))


def test_no_machine_with_a_class_has_grey_features_or_none():
    with pytest.raises(ValueError, match="visible='bernoulli'; got visible='gaussian'"):
        LabelledRBM(4, 3, 5, visible="gaussian")
    with pytest.raises(ValueError, match="at least one feature, got 0"):
        LabelledRBM(0, 3, 5)
    assert LabelledRBM(4, 3, 5, visible="bernoulli").visible == "bernoulli"
