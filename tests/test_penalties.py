"""Penalties against torch.distributions, automatic differentiation, a plain loop and closed forms."""

import pytest
import torch
from torch import distributions
from torch.func import jacrev, vmap

from repgen import penalties


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_l1_is_a_laplace_prior_up_to_a_constant():
    z, scale = draw(6, 5), 0.7
    want = -distributions.Laplace(0.0, scale).log_prob(z).sum(1)
    constant = 5 * torch.tensor(2 * scale).log()
    assert torch.allclose(penalties.l1(z) / scale + constant, want)
    assert penalties.l1(torch.tensor([[3.0, -4.0, 0.0]])).tolist() == [7]


@pytest.mark.parametrize("target", [0.05, 0.5, 0.9])
def test_kl_rate_is_the_divergence_of_two_coins(target):
    z = draw(7, 4).sigmoid()
    coins = distributions.Bernoulli(torch.full((4,), target, dtype=torch.float64)), distributions.Bernoulli(z.mean(0))
    want = distributions.kl_divergence(*coins).sum()
    assert torch.allclose(penalties.kl_rate(z, target), want)


def test_kl_rate_is_zero_at_its_target_and_pulls_towards_it():
    assert penalties.kl_rate(torch.full((3, 4), 0.2, dtype=torch.float64), 0.2).item() == pytest.approx(0, abs=1e-12)
    z = torch.tensor([[0.1, 0.6]], dtype=torch.float64, requires_grad=True)
    penalties.kl_rate(z, 0.3).backward()
    assert torch.allclose(z.grad, torch.tensor([[-0.3 / 0.1 + 0.7 / 0.9, -0.3 / 0.6 + 0.7 / 0.4]], dtype=torch.float64))


def test_kl_rate_of_units_that_never_or_always_fire_is_finite():
    z = torch.tensor([[0.0, 1.0], [0.0, 1.0]], requires_grad=True)
    value = penalties.kl_rate(z, 0.1)
    value.backward()
    assert value.isfinite() and value > 5 and z.grad.isfinite().all()


def test_contractive_is_the_jacobians_squared_norm():
    weight, bias, x = draw(5, 3), draw(5, seed=1), draw(6, 3, seed=2)

    def encode(x):
        return torch.sigmoid(weight @ x + bias)

    want = vmap(jacrev(encode))(x).square().sum((1, 2))
    assert torch.allclose(penalties.contractive(vmap(encode)(x), weight), want)


def test_contractives_gradient_is_that_of_the_jacobians_norm():
    weight, x = draw(4, 3), draw(6, 3, seed=2)
    closed, slow = (weight.clone().requires_grad_() for _ in range(2))
    penalties.contractive(torch.sigmoid(x @ closed.T), closed).sum().backward()
    vmap(jacrev(lambda x: torch.sigmoid(slow @ x)))(x).square().sum().backward()
    assert torch.allclose(closed.grad, slow.grad)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_is_what_a_loop_keeps(k):
    z = draw(6, 5)
    want = torch.zeros_like(z)
    for i, row in enumerate(z.tolist()):
        for j in sorted(range(5), key=lambda j: -row[j])[:k]:
            want[i, j] = row[j]
    assert torch.equal(penalties.top_k(z, k), want)


def test_top_ks_gradient_reaches_only_what_is_kept():
    z = draw(6, 5).requires_grad_()
    weight = draw(6, 5, seed=1)
    kept = penalties.top_k(z, 2)
    (kept * weight).sum().backward()
    assert torch.equal(z.grad, weight * (kept != 0))


def test_top_k_keeps_k_of_equals():
    assert penalties.top_k(torch.ones(3, 4), 2).sum(1).tolist() == [2, 2, 2]


def test_what_makes_no_sense_is_refused():
    z = torch.full((2, 3), 0.5)
    for target in (0, 1, -0.1, float("nan")):
        with pytest.raises(ValueError, match="target rate"):
            penalties.kl_rate(z, target)
    for bad in (z + 1, z - 1, z * float("nan")):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            penalties.kl_rate(bad, 0.1)
    for k in (0, 4):
        with pytest.raises(ValueError, match=r"1\.\.3"):
            penalties.top_k(z, k)
    for weight in (torch.zeros(4, 3), torch.zeros(3)):
        with pytest.raises(ValueError, match="do not come from"):
            penalties.contractive(z, weight)
    for codes in (torch.zeros(3), torch.zeros(0, 3), torch.zeros(2, 3, 4)):
        for penalty in (
            penalties.l1,
            lambda z: penalties.kl_rate(z, 0.1),
            lambda z: penalties.top_k(z, 1),
            lambda z: penalties.contractive(z, torch.zeros(3, 3)),
        ):
            with pytest.raises(ValueError, match="codes"):
                penalty(codes)
