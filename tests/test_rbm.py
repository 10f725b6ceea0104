"""RBMs against enumeration of every state, gradients taken by autograd, and scikit-learn's conditionals."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from sklearn.neural_network import BernoulliRBM
from torch.nn.functional import softplus

from repgen import _fast, cosine, fit
from repgen.evaluation.partition import annealed_log_partition, exact_log_partition, pseudo_log_likelihood, temperatures
from repgen.rbm import RBM, as_linear


def states(n):
    return torch.tensor(list(product((0.0, 1.0), repeat=n)), dtype=torch.float64)


def machine(n_visible=5, n_hidden=4, seed=0, centred=True, **options):
    torch.manual_seed(seed)
    centre = torch.rand(n_visible).clamp(0.1, 0.9) if centred else None
    rbm = RBM(n_visible, n_hidden, centre=centre, **options).double()
    with torch.no_grad():
        for p in rbm.parameters():
            p.normal_(0, 0.8)
    return rbm


def table(rbm):
    """exp(-E) of every pair of states (2^D, 2^H), from the definition of the energy."""
    v, h = states(rbm.n_visible), states(rbm.n_hidden)
    m, l = rbm.visible_offset, rbm.hidden_offset
    energy = -((v - m) @ rbm.weight @ (h - l).T) - (v @ rbm.visible_bias)[:, None] - (h @ rbm.hidden_bias)[None]
    return (-energy).exp()


@pytest.mark.parametrize("centred", [False, True])
def test_energies_conditionals_and_partition_function_by_enumeration(centred):
    rbm, v, h = machine(centred=centred), states(5), states(4)
    joint = table(rbm).detach()
    pairs = rbm.energy(v.repeat_interleave(16, 0), h.repeat(32, 1)).view(32, 16)
    torch.testing.assert_close((-pairs).exp(), joint)
    torch.testing.assert_close((-rbm.free_energy(v)).exp(), joint.sum(1))
    torch.testing.assert_close((-rbm.hidden_free_energy(h)).exp(), joint.sum(0))
    torch.testing.assert_close(rbm.hidden_given_visible(v), joint @ h / joint.sum(1, keepdim=True))
    torch.testing.assert_close(rbm.visible_given_hidden(h), joint.T @ v / joint.sum(0)[:, None])
    assert exact_log_partition(rbm) == pytest.approx(joint.sum().log().item(), abs=1e-12)


def test_as_layers_it_sums_what_it_sums_and_draws_nothing():
    rbm, v, h = machine(), states(5), states(4)
    before = torch.get_rng_state()
    up, down = as_linear(rbm)
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(up(v), rbm.hidden_input(v))
    torch.testing.assert_close(down(h), rbm.visible_input(h))
    up.weight.data.zero_(), down.weight.data.zero_()  # copies: the machine is as it was
    assert rbm.weight.abs().min() > 0


def test_counts_the_smaller_layer_whichever_it_is():
    for sizes in ((3, 7), (7, 3)):
        rbm = machine(*sizes)
        assert exact_log_partition(rbm) == pytest.approx(table(rbm).sum().log().item(), abs=1e-12)


def test_conditionals_are_those_of_scikit_learn():
    rbm = machine(centred=False)
    theirs = BernoulliRBM(n_components=4)
    theirs.components_ = rbm.weight.detach().T.numpy()
    theirs.intercept_hidden_, theirs.intercept_visible_ = (
        rbm.hidden_bias.detach().numpy(),
        rbm.visible_bias.detach().numpy(),
    )
    v = states(5)
    torch.testing.assert_close(rbm.encode(v).detach(), torch.from_numpy(theirs.transform(v.numpy())))
    torch.testing.assert_close(rbm.free_energy(v).detach(), torch.from_numpy(theirs._free_energy(v.numpy())))


def grid(points=161, reach=9.0):
    x = torch.linspace(-reach, reach, points, dtype=torch.float64)
    return torch.cartesian_prod(x, x), (x[1] - x[0]) ** 2


def test_gaussian_visible_units_by_integration_over_a_grid():
    rbm = machine(2, 3, visible="gaussian")
    v, cell = grid()
    h = states(3)
    joint = (-rbm.energy(v.repeat_interleave(8, 0), h.repeat(len(v), 1)).view(-1, 8)).exp()
    torch.testing.assert_close((-rbm.free_energy(v)).exp(), joint.sum(1))
    torch.testing.assert_close((-rbm.hidden_free_energy(h)).exp(), joint.sum(0) * cell, rtol=1e-6, atol=0)
    torch.testing.assert_close(rbm.visible_given_hidden(h), joint.T @ v / joint.sum(0)[:, None], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(rbm.hidden_given_visible(v), joint @ h / joint.sum(1, keepdim=True))
    assert exact_log_partition(rbm) == pytest.approx((joint.sum() * cell).log().item(), abs=1e-6)


def test_gaussian_hidden_units_by_integration_over_a_grid():
    rbm = machine(3, 2, hidden="gaussian")
    v = states(3)
    h, cell = grid()
    joint = (-rbm.energy(v.repeat_interleave(len(h), 0), h.repeat(8, 1)).view(8, -1)).exp()
    torch.testing.assert_close((-rbm.free_energy(v)).exp(), joint.sum(1) * cell, rtol=1e-6, atol=0)
    torch.testing.assert_close(
        rbm.hidden_given_visible(v), joint @ h / joint.sum(1, keepdim=True), rtol=1e-6, atol=1e-9
    )


def gradients(rbm, value):
    return torch.autograd.grad(value, list(rbm.parameters()))


@pytest.mark.parametrize("units", [{}, {"visible": "gaussian"}, {"hidden": "gaussian"}])
@pytest.mark.parametrize("k", [1, 3])
def test_its_gradient_is_that_of_the_free_energies_difference(units, k):
    """And both are the differences of two statistics, by hand: -<v h> over data and over the chains' ends."""
    rbm = machine(k=k, **units)
    x = torch.bernoulli(torch.full((20, 5), 0.4, dtype=torch.float64), generator=torch.Generator().manual_seed(1))
    loss = rbm.loss(x, torch.Generator().manual_seed(2)).objective
    end = rbm.gibbs(x, k, torch.Generator().manual_seed(2))  # the same draws
    mine = gradients(rbm, loss)
    for got, want in zip(mine, gradients(rbm, rbm.free_energy(x).mean() - rbm.free_energy(end).mean())):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        h, h_end = rbm.encode(x), rbm.encode(end)
        m, l = rbm.visible_offset, rbm.hidden_offset
        by_hand = ((end - m).T @ (h_end - l) - (x - m).T @ (h - l)) / 20
    torch.testing.assert_close(mine[0], by_hand, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3},
        {"chains": 7},
        {"binarize": True},
        {"mean_visible": True},
        {"visible": "gaussian"},
        {"hidden": "gaussian"},
    ],
)
@pytest.mark.parametrize("centred", [False, True])
def test_the_fast_loss_is_the_plain_one(options, centred):
    """Value, reconstruction and gradients, from the same draws."""
    rbm = machine(**options)
    if centred:
        rbm.centre_on(torch.linspace(0.2, 0.7, 5, dtype=torch.float64))
    x, found = torch.full((20, 5), 0.4, dtype=torch.float64), []
    chains = None if rbm.chains is None else rbm.chains.clone()
    for loss in (RBM.loss.__wrapped__, _fast.cd_loss):
        if chains is not None:
            rbm.chains.copy_(chains)
        with _fast.inside_fit():  # both take the fast draws
            terms = loss(rbm, x, torch.Generator().manual_seed(2))
        terms = [terms] if isinstance(terms, torch.Tensor) else list(terms)
        found.append([*terms, *gradients(rbm, terms[0])])
    assert len(found[0]) == len(found[1]) == (4 if "chains" in options else 5)
    for plain, fast in zip(*found):
        torch.testing.assert_close(fast, plain)


def test_impossible_data_are_refused_by_fit():
    for wrong in (7.0, -3.0):
        x = torch.full((20, 5), 0.4)
        x[3, 2] = wrong
        with pytest.raises(ValueError, match=r"Bernoulli units must lie in \[0, 1\], found values from"):
            fit(machine().float(), x, epochs=1, progress=False)
    fit(machine(visible="gaussian").float(), x, epochs=1, progress=False)


def test_its_gradient_scales_with_the_share_of_a_process():
    rbm = machine()
    x = torch.bernoulli(torch.full((20, 5), 0.4, dtype=torch.float64), generator=torch.Generator().manual_seed(1))
    whole, part = (gradients(rbm, w * rbm.loss(x, torch.Generator().manual_seed(2)).objective) for w in (1, 0.25))
    for a, b in zip(whole, part):
        torch.testing.assert_close(0.25 * a, b)


def test_its_gradient_is_the_same_under_autocast():
    """The difference of two statistics is small beside them: rounded to eight bits there would be little left."""
    rbm = machine().float()
    x = torch.bernoulli(torch.full((20, 5), 0.4), generator=torch.Generator().manual_seed(1))
    expected = gradients(rbm, _fast.cd_loss(rbm, x, torch.Generator().manual_seed(2)).objective)
    with torch.autocast("cpu", torch.bfloat16):
        loss = _fast.cd_loss(rbm, x, torch.Generator().manual_seed(2)).objective
    for got, want in zip(gradients(rbm, loss), expected):
        torch.testing.assert_close(got, want)


def test_with_chains_that_have_arrived_it_is_the_gradient_of_the_likelihood():
    """Many persistent chains, long after: the gradient of the exact -log p(x), within the error of so many draws."""
    rbm = machine(4, 3, k=200, chains=40_000)
    x = torch.bernoulli(torch.full((30, 4), 0.4, dtype=torch.float64), generator=torch.Generator().manual_seed(1))
    got = gradients(rbm, rbm.loss(x, torch.Generator().manual_seed(2)))
    log_z = torch.logsumexp(-rbm.hidden_free_energy(states(3)), 0)
    for mine, exact in zip(got, gradients(rbm, rbm.free_energy(x).mean() + log_z)):
        torch.testing.assert_close(mine, exact, rtol=0, atol=0.015)


def test_chains_go_on_in_training_and_hold_still_in_evaluation():
    rbm = machine(chains=7)
    first = rbm.chains.clone()
    rbm.eval().loss(states(5), torch.Generator().manual_seed(0))
    assert torch.equal(rbm.chains, first)
    rbm.train().loss(states(5), torch.Generator().manual_seed(0))
    assert torch.equal(rbm.chains, rbm.gibbs(first, 1, torch.Generator().manual_seed(0))) and not torch.equal(
        rbm.chains, first
    )


def test_gibbs_steps_leave_the_model_as_it_is():
    rbm = machine(3, 3)
    joint = table(rbm).sum(1)
    want = joint / joint.sum()
    draws = torch.multinomial(want, 60_000, replacement=True, generator=torch.Generator().manual_seed(0))
    after = rbm.gibbs(states(3)[draws], 3, torch.Generator().manual_seed(1))
    seen = torch.bincount((after @ torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64)).long(), minlength=8) / 60_000
    assert (seen - want).abs().max() < 5 * (want.max() / 60_000).sqrt()


def test_fit_lowers_the_exact_cost_to_nearly_the_entropy_of_the_data():
    """Four patterns, equally likely: no model can do better than log 4 nats."""
    torch.manual_seed(0)
    patterns = torch.tensor([[1.0, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1]])
    x = patterns.repeat(100, 1)
    rbm = RBM(6, 8, centre=patterns.mean(0), chains=200, k=5)
    fit(rbm, x, epochs=150, batch_size=100, lr=1.0, optimizer="sgd", schedule=cosine, progress=False)
    cost = rbm.free_energy(patterns).mean().item() + exact_log_partition(rbm)
    assert math.log(4) <= cost < math.log(4) + 0.25


@pytest.mark.parametrize("based", [False, True])
def test_annealing_finds_the_exact_value_within_its_error_bar(based):
    rbm = machine(12, 8, seed=3)
    base = rbm.visible_bias.detach().sigmoid() if based else None
    found = annealed_log_partition(rbm, base, runs=300, steps=3000, generator=torch.Generator().manual_seed(0))
    exact = exact_log_partition(rbm)
    assert found.low <= exact <= found.high and found.high - found.low < 0.2
    assert abs(found.estimate - exact) < 0.06


def test_annealed_weights_are_unbiased_however_few_the_steps():
    rbm = machine(6, 4, seed=1)
    found = annealed_log_partition(rbm, runs=40_000, steps=3, generator=torch.Generator().manual_seed(0))
    assert found.estimate == pytest.approx(exact_log_partition(rbm), abs=0.05)
    assert found.log_weights.mean().item() < found.estimate - 0.05  # by Jensen's inequality


def test_pseudo_likelihood_by_enumeration():
    rbm = machine(4, 3)
    p, v = table(rbm).detach().sum(1), states(4)
    want = torch.zeros(16, dtype=torch.float64)
    for i in range(4):
        want += (p / (p + p[torch.arange(16) ^ (8 >> i)])).log()  # states count up in binary, pixel 0 the highest digit
    torch.testing.assert_close(pseudo_log_likelihood(rbm, v), want)
    some = [pseudo_log_likelihood(rbm, v, 1, torch.Generator().manual_seed(s)) for s in range(400)]
    torch.testing.assert_close(torch.stack(some).mean(0), want, rtol=0.15, atol=0)  # unbiased
    with pytest.raises(ValueError, match="0 or 1"):
        pseudo_log_likelihood(rbm, v + 0.5)
    with pytest.raises(ValueError, match="between 1 and 4, got 5"):
        pseudo_log_likelihood(rbm, v, 5)


def test_temperatures_rise_from_nothing_to_all():
    t = temperatures(1000)
    assert len(t) == 1000 and t[0] == 0 and t[-1] == 1 and (t.diff() > 0).all()
    assert (t < 0.5).sum() == 50 and (t >= 0.9).sum() == 700
    assert temperatures(2).tolist() == [0, 1]


def test_a_centred_machine_starts_with_the_pixels_means():
    mean = torch.tensor([0.2, 0.5, 0.9])
    rbm = RBM(3, 50, centre=mean)
    torch.testing.assert_close(rbm.visible_given_hidden(torch.full((1, 50), 0.5)), mean[None])
    assert softplus(rbm.hidden_input(mean[None])).allclose(torch.tensor(math.log(2)), atol=1e-5)


def test_means_in_place_of_draws_and_fresh_pixels():
    rbm = machine(mean_visible=True)
    x = torch.full((50, 5), 0.5, dtype=torch.float64)
    one, other = (rbm.loss(x, torch.Generator().manual_seed(s)) for s in (0, 0))
    assert one == other
    assert machine(binarize=True).sample_input(x).unique().tolist() == [0, 1] and torch.equal(rbm.sample_input(x), x)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_hidden": 0}, "a visible unit and a hidden one at least, got 784 and 0"),
        ({"visible": "softmax"}, "units are one of bernoulli, gaussian; got visible='softmax'"),
        ({"k": 0}, "k counts Gibbs steps, at least 1.*k=0"),
        ({"chains": -1}, "chains=-1"),
        ({"centre": torch.zeros(3)}, r"784 finite numbers; got shape \(3,\)"),
        ({"centre": torch.full((784,), math.nan)}, "784 finite numbers"),
    ],
)
def test_what_makes_no_machine_is_refused(options, says):
    with pytest.raises(ValueError, match=says):
        RBM(**options)


def test_what_cannot_be_counted_or_annealed_is_refused():
    with pytest.raises(ValueError, match="784 visible and 500 hidden units.*annealed_log_partition"):
        exact_log_partition(RBM())
    with pytest.raises(ValueError, match="for Bernoulli units, found visible gaussian"):
        annealed_log_partition(RBM(4, 3, visible="gaussian"))
    with pytest.raises(ValueError, match="runs=0"):
        annealed_log_partition(RBM(4, 3), runs=0)
    with pytest.raises(ValueError, match="images of 5 pixels"):
        machine().encode(torch.zeros(2, 6, dtype=torch.float64))


def test_fast_draws_are_the_uniform_draws_of_numpys_generator():
    p = torch.rand(101, 101, generator=torch.Generator().manual_seed(0))  # an odd number of them
    g = torch.Generator().manual_seed(5)
    seed = torch.randint(2**63 - 1, (), generator=torch.Generator().manual_seed(5)).item()
    u = np.random.Generator(np.random.SFC64(seed)).random(p.shape, dtype=np.float32)
    assert torch.equal(_fast.bernoulli(p, g), (torch.from_numpy(u) < p).float())


@pytest.mark.parametrize("shape", [(30, 300), (200, 100)], ids=["few", "many"])
def test_fast_draws_come_up_with_their_probability(shape):
    """All are determined by the generator given, and the first of many are those of few."""
    p = torch.linspace(0, 1, shape[1]).expand(shape)
    g = torch.Generator().manual_seed(0)
    draws = torch.stack([_fast.bernoulli(p, g) for _ in range(400)])
    assert draws.unique().tolist() == [0, 1] and draws.dtype == p.dtype
    assert not draws[..., 0].any() and draws[..., -1].all()  # never at 0, always at 1
    n = 400 * shape[0]
    z = (draws.mean((0, 1)) - p[0])[1:-1] / (p[0] * (1 - p[0]) / n).sqrt()[1:-1]
    assert z.abs().max() < 4.5 and 0.5 < z.square().mean() < 1.7
    alike = (draws[0] == draws[1]).float().mean(0)[1:-1]  # two draws agree as often as independent ones do
    torch.testing.assert_close(alike, (p[0] ** 2 + (1 - p[0]) ** 2)[1:-1], atol=5 * (0.25 / shape[0]) ** 0.5, rtol=0)
    assert torch.equal(_fast.bernoulli(p, torch.Generator().manual_seed(0)), draws[0])
    fewer = _fast.bernoulli(p[:1], torch.Generator().manual_seed(0))
    assert torch.equal(fewer, draws[0, :1])
    assert torch.equal(_fast.bernoulli(p.double(), torch.Generator().manual_seed(0)), draws[0].double())
