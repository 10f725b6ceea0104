"""The variational autoencoder against closed forms: KL, Monte Carlo, probabilistic PCA's exact likelihood."""

import math
from typing import NamedTuple

import pytest
import torch
from torch import distributions, nn

from repgen import IWAE, VAE, fit
from repgen.evaluation.metrics import principal_angles
from repgen.losses import bernoulli_nll, gaussian_kl, gaussian_nll
from repgen.vae import ELBO, Posterior
from repgen.zoo.recipes.vae_mnist import WARM_UP, PatientVAE


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


@pytest.fixture
def small():
    torch.manual_seed(0)
    model = VAE.dense((12, 8, 3)).double()
    for p in model.parameters():
        p.data *= 1.5  # far enough from the prior that all terms count
    return model


BINARY = (draw(7, 12) > 0).double()


def ppca(n=500, d=10, k=3):
    """Data, and the linear VAE that is probabilistic PCA at its maximum likelihood (Tipping & Bishop 1999)."""
    mix = draw(k, d, seed=1) * torch.tensor([3.0, 2.0, 1.0]).double()[:, None]
    x = draw(n, k) @ mix + 0.5 * draw(n, d, seed=2) + draw(d, seed=3)
    mean = x.mean(0)
    covariance = (x - mean).T @ (x - mean) / n
    values, vectors = (t.flip(-1) for t in torch.linalg.eigh(covariance))
    var = values[k:].mean()
    w = vectors[:, :k] * (values[:k] - var).sqrt()  # (D, K)
    exact = distributions.MultivariateNormal(mean, w @ w.T + var * torch.eye(d).double()).log_prob(x)
    model = VAE.dense((d, k), output=nn.Identity, likelihood="gaussian").double()
    linear, back = model.encoder[0], model.decoder[0]
    with torch.no_grad():
        m = values[:k]  # W^T W + var I is diagonal in this basis, so the exact posterior is, too
        linear.weight.zero_(), linear.bias.zero_()
        linear.weight[:k] = w.T / m[:, None]
        linear.bias[:k] = -(w.T / m[:, None]) @ mean
        linear.bias[k:] = (var / m).log()
        back.weight.copy_(w), back.bias.copy_(mean)
        model.log_var_x.copy_(var.log())
    return model, x, exact, w


def test_gaussian_kl_is_torchs():
    mean, log_var = draw(5, 4), draw(5, 4, seed=1)
    q = distributions.Normal(mean, (log_var / 2).exp())
    p = distributions.Normal(torch.zeros_like(mean), 1.0)
    assert torch.allclose(gaussian_kl(mean, log_var), distributions.kl_divergence(q, p).sum(1))
    with pytest.raises(ValueError, match="differ in shape"):
        gaussian_kl(mean, log_var[:1])


def test_reparameterize_has_the_posteriors_moments_and_gradients():
    mean, log_var = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 2 * math.log(3)]])
    mean, log_var = (t.double().expand(200_000, 2).clone().requires_grad_() for t in (mean, log_var))
    z = VAE.dense((5, 4, 2)).reparameterize(Posterior(mean, log_var), seeded())
    assert torch.allclose(z.mean(0), mean[0], atol=0.03)
    assert torch.allclose(z.std(0), torch.tensor([1.0, 3.0]).double(), rtol=0.01)
    z.square().sum().backward()
    assert torch.allclose(mean.grad, 2 * z)  # dz/dmean = 1
    assert torch.allclose(log_var.grad, z * (z - mean))  # dz/dlog_var = (z - mean) / 2


def test_elbo_is_its_definition(small):
    q = small.posterior(BINARY)
    total, reconstruction, kl = small.elbo(BINARY, seeded(5))
    z = small.reparameterize(q, seeded(5))
    p = distributions.Bernoulli(probs=small.decode(z))
    assert torch.allclose(reconstruction, -p.log_prob(BINARY).sum(1))
    assert torch.allclose(kl, gaussian_kl(*q))
    assert torch.allclose(total, reconstruction + kl)
    small.beta = 4.0
    assert torch.allclose(small.elbo(BINARY, seeded(5)).total, total)  # still the bound
    loss = small.loss(BINARY, seeded(5))
    assert isinstance(loss, ELBO) and torch.allclose(loss.kl, kl.mean())
    assert torch.allclose(loss.total, (reconstruction + 4 * kl).mean())
    small.beta = lambda progress: progress / 2  # KL annealing
    annealed = small.loss(BINARY, seeded(5), progress=0.5)
    assert torch.allclose(annealed.total, (reconstruction + kl / 4).mean())


def test_a_bound_with_terms_of_its_own_is_trained_as_it_is():
    class Terms(NamedTuple):
        total: torch.Tensor
        reconstruction: torch.Tensor
        kl: torch.Tensor
        penalty: torch.Tensor

    class Own(VAE):
        def elbo(self, x, generator=None):
            total, reconstruction, kl = super().elbo(x, generator)
            return Terms(total + 1, reconstruction, kl, torch.ones_like(kl))

    history = fit(Own.dense((12, 8, 2)), BINARY.float(), epochs=1, progress=False)
    assert list(history.training) == ["total", "reconstruction", "kl", "penalty"] and history.training["penalty"] == [1]


def test_own_nets_make_a_vae():
    """Pictures go to an encoder of one's own as they are."""
    encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4, 4))
    model = VAE(encoder, nn.Sequential(nn.Linear(2, 4 * 3), nn.Unflatten(1, (1, 4, 3)), nn.Sigmoid()), 2)
    x = BINARY.float().view(-1, 1, 4, 3)
    total, reconstruction, kl = model.elbo(x, seeded(5))
    z = model.reparameterize(model.posterior(x), seeded(5))
    assert torch.allclose(reconstruction, -distributions.Bernoulli(probs=model.decode(z)).log_prob(x).flatten(1).sum(1))
    assert model.log_likelihood(x[:3], 10, seeded()).shape == (3,)
    with pytest.raises(TypeError, match="made of two nets, got tuple and type; VAE.dense"):
        VAE((784, 512, 2), nn.Tanh, 2)


def test_losses_can_be_transformed():
    """torch.func's grad, vmap and jacrev of losses, against autograd."""
    from torch.func import functional_call, grad, jacrev, vmap

    model = VAE.dense((12, 8, 2))
    parameters = dict(model.named_parameters())
    z = torch.zeros(len(BINARY.float()), 2)

    def nll(parameters, x, z):
        q = functional_call(model.encoder, {n[8:]: p for n, p in parameters.items() if n[:8] == "encoder."}, (x,))
        logits = functional_call(
            model.decoder[:-1], {n[8:]: p for n, p in parameters.items() if n[:8] == "decoder."}, (q[..., :2],)
        )
        return bernoulli_nll(x[None], logits[None])[0]

    each = vmap(grad(nll), (None, 0, 0))(parameters, BINARY.float(), z)
    total = sum(nll(parameters, x, None) for x in BINARY.float())
    for name, whole in zip(parameters, torch.autograd.grad(total, list(parameters.values()), allow_unused=True)):
        if whole is not None:
            assert torch.allclose(each[name].sum(0), whole, atol=1e-5), name
    logits = torch.randn(3, 12, generator=seeded())
    expected = torch.stack(
        [torch.autograd.functional.jacobian(lambda a: bernoulli_nll(BINARY.float()[:3], a), logits)]
    )[0]
    assert torch.allclose(jacrev(lambda a: bernoulli_nll(BINARY.float()[:3], a))(logits), expected, atol=1e-6)


def test_the_iwae_bound_of_one_draw_averages_to_the_elbo(small):
    many = BINARY[:1].expand(100_000, -1)
    ours = small.iwae_bound(many, 1, seeded(1)).mean()
    assert ours.item() == pytest.approx(small.elbo(many, seeded(2)).total.mean().item(), abs=0.03)


def test_the_bound_tightens_with_k_towards_the_integral(small):
    x = BINARY[:4]
    side = torch.linspace(-6, 6, 61).double()
    grid = torch.cartesian_prod(side, side, side)  # (61^3, 3): the integral over the code by brute force
    prior = -gaussian_nll(grid, torch.zeros_like(grid))
    with torch.no_grad():
        exact = torch.stack(
            [(prior - small.conditional_nll(row.expand(len(grid), -1), grid)).logsumexp(0) for row in x]
        )
        exact += 3 * math.log(0.2)
        bounds = [small.iwae_bound(x.repeat(4000, 1), k, seeded(3)).mean().item() for k in (1, 2, 5, 20)]
    assert bounds == sorted(bounds, reverse=True) and bounds[0] - bounds[-1] > 0.05
    assert bounds[-1] > -exact.mean().item()
    estimate = small.log_likelihood(x, 80_000, seeded(4))
    assert torch.allclose(estimate, exact, atol=0.03)


def test_log_likelihood_is_one_streamed_bound(small, monkeypatch):
    chunked = small.log_likelihood(BINARY, 120, seeded(8))
    assert chunked.dtype == torch.float64 and chunked.shape == (7,)
    parts = []
    monkeypatch.setattr(
        small, "log_weights", lambda x, k, g: parts.append(VAE.log_weights(small, x, k, g)) or parts[-1]
    )
    again = small.log_likelihood(BINARY, 120, seeded(8))
    assert [p.shape[1] for p in parts] == [50, 50, 20]
    assert torch.allclose(again, torch.cat(parts, 1).logsumexp(1) - math.log(120))
    assert torch.equal(again, chunked)


def test_a_linear_vae_at_the_optimum_has_ppcas_exact_likelihood():
    model, x, exact, _ = ppca()
    # The posterior is exact, so the weights p(x, z) / q(z|x) are p(x) for every z.
    weights = model.log_weights(x, 3, seeded())
    assert torch.allclose(weights, exact[:, None].expand(-1, 3))
    assert torch.allclose(model.log_likelihood(x, 7, seeded()), exact)
    assert -model.elbo(x.repeat(200, 1), seeded()).total.mean().item() == pytest.approx(exact.mean().item(), abs=0.01)


def test_a_trained_linear_vae_finds_ppcas_likelihood_and_subspace():
    _, x, exact, w = ppca()
    torch.manual_seed(0)
    model = VAE.dense((10, 3), output=nn.Identity, likelihood="gaussian").double()
    model.log_var_x.data.zero_()
    fit(model, x.repeat(4, 1), epochs=250, batch_size=500, lr=5e-2, schedule=lambda f: 1 - f, progress=False)
    assert model.log_likelihood(x, 200, seeded()).mean().item() == pytest.approx(exact.mean().item(), abs=0.1)
    assert principal_angles(model.decoder[0].weight.detach().T, w.T).max().item() < 3  # degrees


def test_sampling_and_binarising():
    torch.manual_seed(0)
    model = VAE.dense((12, 8, 3), binarize=True)
    images = model.sample(5, seeded())
    assert torch.allclose(images, model.decode(torch.randn(5, 3, generator=seeded())))
    grey = torch.full((20_000, 12), 0.3)
    drawn = model.sample_input(grey, seeded())
    assert set(drawn.unique().tolist()) == {0.0, 1.0} and drawn.mean().item() == pytest.approx(0.3, abs=0.003)
    model.binarize = False
    assert model.sample_input(grey) is grey


def test_iwae_trains_on_its_own_bound():
    torch.manual_seed(0)
    model = IWAE.dense((12, 8, 3), k=5)
    assert torch.allclose(model.loss(BINARY.float(), seeded(1)), model.iwae_bound(BINARY.float(), 5, seeded(1)).mean())
    one = IWAE.dense((12, 8, 3), k=1)
    one.load_state_dict(model.state_dict())
    many = BINARY.float().repeat(3000, 1)
    assert model.loss(many, seeded(2)) < one.loss(many, seeded(3))


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ([(784,)], {}, "sizes are the layers"),
        ([(784, 0)], {}, "sizes are the layers"),
        ([], {"likelihood": "poisson"}, "one of bernoulli, gaussian; got 'poisson'"),
        ([], {"output": nn.Identity}, r"needs probabilities: a decoder nn.Sequential\(..., nn.Sigmoid\(\)\)"),
        ([], {"noise": 0.1}, "standard deviation of a Gaussian"),
        ([], {"likelihood": "gaussian", "noise": 0.0}, "above 0"),
        ([], {"beta": -1.0}, "beta is a weight of 0 or more"),
        ([], {"beta": math.nan}, "beta is a weight of 0 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments, settings, message):
    with pytest.raises(ValueError, match=message):
        VAE.dense(*arguments, **settings)


def test_input_of_the_wrong_size_is_refused(small):
    with pytest.raises(ValueError, match="expected images of 12 pixels"):
        small.elbo(draw(3, 11))
    with pytest.raises(ValueError, match=r"expected codes \(N, 3\)"):
        small.decode(draw(3, 2))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        small.iwae_bound(BINARY, 0)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        small.log_likelihood(BINARY, 0)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        IWAE.dense((12, 3), k=0)
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\]"):
        small.elbo(BINARY * 2)


class TestPatientVAE:
    """The recipe's own loss: the bound's gradient on average, and none of its noise where q is exact."""

    def net(self):
        torch.manual_seed(0)
        net = PatientVAE.dense((5, 4, 2), nn.Tanh, binarize=False).double()
        return net

    def gradient(self, net, loss):
        net.zero_grad()
        loss.total.backward()
        return torch.cat([p.grad.flatten() for p in net.parameters()])

    def test_mean_gradient_is_that_of_the_bound(self):
        net, generator = self.net(), torch.Generator().manual_seed(1)
        x = torch.rand(1, 5, generator=generator, dtype=torch.float64).round().expand(40_000, -1)
        bound = ELBO(*(term.mean() for term in net.elbo(x, generator)))
        ours, expected = self.gradient(net, net.loss(x, generator)), self.gradient(net, bound)
        assert (ours - expected).abs().max() < 0.02 < 0.5 < expected.abs().max()

    def test_no_noise_where_the_posterior_is_exact(self):
        net = self.net()
        with torch.no_grad():
            for part in (net.decoder[0], net.encoder[-1]):  # z says nothing, and q is the prior
                part.weight.zero_(), part.bias.zero_()
        x, generator = torch.ones(3, 5, dtype=torch.float64), torch.Generator().manual_seed(0)
        net.zero_grad()
        net.loss(x, generator).total.backward()
        assert all(p.grad.abs().max() < 1e-12 for p in net.encoder.parameters())

    def test_the_kl_term_comes_in_slowly(self):
        net, x = self.net(), torch.ones(3, 5, dtype=torch.float64)
        g = lambda: torch.Generator().manual_seed(0)
        quarter = net.loss(x, g(), progress=WARM_UP / 4)
        full = net.loss(x, g())
        drawn_kl = full.total - full.reconstruction
        assert torch.equal(net.loss(x, g(), progress=WARM_UP).total, full.total)
        assert torch.equal(net.loss(x, g(), progress=0.0).total, full.reconstruction)
        torch.testing.assert_close(quarter.total - quarter.reconstruction, drawn_kl / 4)
        net.eval()
        held_out = net.loss(x, g())
        torch.testing.assert_close(held_out.total, held_out.reconstruction + held_out.kl)
