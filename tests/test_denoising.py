"""The denoising autoencoder against Autoencoder, and its linear form against Wiener's closed form."""

import warnings
from functools import partial

import pytest
import torch
from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.corruption import gaussian, mask, salt_and_pepper
from repgen.denoising import DenoisingAutoencoder
from repgen.losses import squared_error
from repgen.train import cosine, fit


def untouched(x, generator=None):
    return x


@pytest.mark.parametrize("reconstruction", ["squared error", "cross-entropy"])
@pytest.mark.parametrize("tied", [False, True])
def test_without_corruption_the_loss_is_the_autoencoders(reconstruction, tied):
    options = {"code": nn.Sigmoid, "reconstruction": reconstruction, "tied": tied}
    torch.manual_seed(0)
    plain = Autoencoder((12, 8, 3), **options)
    with torch.no_grad():
        for weight in plain.parameters():
            weight.mul_(5)  # so that the answer depends on the input
    x = torch.rand(40, 12)
    for corrupt in (untouched, partial(mask, p=0.0), partial(gaussian, std=0.0), partial(salt_and_pepper, p=0.0)):
        model = DenoisingAutoencoder((12, 8, 3), corrupt=corrupt, **options)
        model.load_state_dict(plain.state_dict())
        assert model.loss(x).item() == pytest.approx(plain.loss(x).item(), rel=1e-6)
    model.corrupt = partial(mask, p=0.9)
    assert model.loss(x).item() != pytest.approx(plain.loss(x).item(), rel=1e-4)


def test_the_loss_compares_the_repair_of_the_damaged_with_the_clean():
    model = DenoisingAutoencoder((12, 3), corrupt=partial(mask, p=0.4))
    x = torch.rand(40, 1, 3, 4)
    g = torch.Generator().manual_seed(3)
    damaged = x.flatten(1) * (torch.rand(40, 12, generator=g) >= 0.4)
    by_hand = squared_error(x.flatten(1), model.decode(model.encode(damaged))).mean().item()
    first = model.loss(x, torch.Generator().manual_seed(3)).item()
    assert first == pytest.approx(by_hand, rel=1e-6)
    assert model.loss(x, torch.Generator().manual_seed(4)).item() != pytest.approx(first, rel=1e-6)


def test_the_damage_is_drawn_once_a_batch_from_the_generator():
    seen = []

    def corrupt(x, generator):
        seen.append((tuple(x.shape), generator))
        return x

    g = torch.Generator()
    DenoisingAutoencoder((12, 3), corrupt=corrupt).loss(torch.rand(5, 1, 3, 4), g)
    assert seen == [((5, 12), g)]


def test_a_code_larger_than_the_image_needs_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = DenoisingAutoencoder((12, 30), corrupt=partial(mask, p=0.3))
    assert model.latent_dim == 30
    with pytest.warns(UserWarning, match="may copy"):
        Autoencoder((12, 30))


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match="images of 12 pixels"):
        DenoisingAutoencoder((12, 3), corrupt=untouched).loss(torch.rand(5, 13))


def correlated(n, d=6):
    """Gaussian points (n, d) of exactly zero mean, far from round."""
    g = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(d, d, generator=g))[0]
    x = torch.randn(n, d, generator=g) * torch.tensor([2.0, 1.5, 1.0, 0.5, 0.25, 0.1]) @ axes
    return x - x.mean(0)


def test_a_linear_one_on_gaussian_noise_is_wieners_filter():
    """argmin over A of E|A (x + noise) - x|^2 is S (S + sd^2 I)^-1, S the covariance: ridge regression."""
    sd, x = 0.8, correlated(4000)
    torch.manual_seed(1)
    model = DenoisingAutoencoder((6, 6), code=nn.Identity, output=nn.Identity, corrupt=partial(gaussian, std=sd))
    fit(model, x, epochs=60, batch_size=200, lr=0.01, schedule=cosine, progress=False)
    S = x.double().T @ x.double() / len(x)
    noise = sd**2 * torch.eye(6, dtype=torch.float64)
    wiener = S @ torch.linalg.inv(S + noise)
    with torch.no_grad():
        offset = model.decode(model.encode(torch.zeros(1, 6))).double()
        found = (model.decode(model.encode(torch.eye(6))).double() - offset).T

    def risk(a):
        """E|A (x + noise) - x|^2 over the noise, exactly."""
        rest = a - torch.eye(6, dtype=torch.float64)
        return (torch.trace(rest @ S @ rest.T) + torch.trace(a @ noise @ a.T)).item()

    assert offset.abs().max() < 0.03
    assert (found - wiener).abs().max() < 0.05
    assert (torch.eye(6) - wiener).abs().max() > 0.5, "the copy would pass"
    assert risk(found) == pytest.approx(risk(wiener), rel=5e-3)
    assert risk(wiener) == pytest.approx(torch.trace(S - S @ torch.linalg.inv(S + noise) @ S).item(), rel=1e-9)


def test_a_masking_one_learns_the_linear_fill_in():
    """With each pixel masked with probability p, E[x~ x~^T] = q^2 S + q p diag(S) and E[x x~^T] = q S, q = 1 - p."""
    p, x = 0.3, correlated(4000)
    q = 1 - p
    torch.manual_seed(1)
    model = DenoisingAutoencoder((6, 6), code=nn.Identity, output=nn.Identity, corrupt=partial(mask, p=p))
    fit(model, x, epochs=60, batch_size=200, lr=0.01, schedule=cosine, progress=False)
    S = x.double().T @ x.double() / len(x)
    second = q * q * S + q * p * S.diag().diag()
    best = q * S @ torch.linalg.inv(second)
    with torch.no_grad():
        offset = model.decode(model.encode(torch.zeros(1, 6))).double()
        found = (model.decode(model.encode(torch.eye(6))).double() - offset).T

    def risk(a):
        return torch.trace(a @ second @ a.T - 2 * q * a @ S + S).item()

    assert risk(found) == pytest.approx(risk(best), rel=0.01)
    assert risk(torch.eye(6, dtype=torch.float64)) > 1.1 * risk(best)
    assert (found - best).abs().max() < 0.1
