"""The convolutional VAE: its parent's contracts, the arithmetic of its layers, the ruler of features."""

import pytest
import torch
import torch.nn.functional as F
from torch import distributions, nn

from repgen import fit
from repgen.classifier import FaceFeatures
from repgen.conv_vae import PerceptualVAE, conv_decoder, conv_encoder, conv_vae
from repgen.losses import gaussian_kl, squared_error


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def small():
    torch.manual_seed(0)
    return conv_vae(16, (4, 8), 3, noise=0.2)


X = torch.rand(6, 1, 16, 16, generator=seeded())


def test_layers_halve_and_double(small):
    shapes, x = [], X.flatten(1)
    for layer in small.encoder:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(1, 16, 16), (4, 8, 8), (4, 8, 8), (8, 4, 4), (8, 4, 4), (128,), (6,)]
    shapes, z = [], torch.randn(6, 3)
    for layer in small.decoder:
        z = layer(z)
        shapes.append(tuple(z.shape[1:]))
    assert shapes == [(128,), (128,), (8, 4, 4), (4, 8, 8), (4, 8, 8), (1, 16, 16), (256,), (256,)]
    assert isinstance(small.decoder[-1], nn.Sigmoid)
    default = sum(p.numel() for p in conv_vae().parameters())
    assert 2 * default <= 1e6  # bytes in float16


def test_every_output_pixel_is_covered_equally_often(small):
    """No chequerboard from the arithmetic: with weights of 1, the middle of a constant map stays constant."""
    up = next(layer for layer in small.decoder if isinstance(layer, nn.ConvTranspose2d))
    nn.init.ones_(up.weight), nn.init.zeros_(up.bias)
    assert up(torch.ones(1, 8, 4, 4))[..., 1:-1, 1:-1].unique().numel() == 1


def test_elbo_is_its_definition_on_pictures_and_on_rows(small):
    q = small.posterior(X)
    total, reconstruction, kl = small.elbo(X, seeded(5))
    p = distributions.Normal(small.decode(small.reparameterize(q, seeded(5))), 0.2)
    assert torch.allclose(reconstruction, -p.log_prob(X.flatten(1)).sum(1), rtol=1e-5)
    assert torch.allclose(kl, gaussian_kl(*q)) and torch.allclose(total, reconstruction + kl)
    assert torch.allclose(small.elbo(X.flatten(1), seeded(5)).total, total)
    assert not small.log_var_x.requires_grad
    bernoulli = conv_vae(16, (4,), 3, likelihood="bernoulli")
    z = torch.randn(6, 3)
    expected = -distributions.Bernoulli(bernoulli.decode(z)).log_prob(X.flatten(1).round()).sum(1)
    assert torch.allclose(bernoulli.conditional_nll(X.round(), z), expected, rtol=1e-4)


def test_it_learns(small):
    x = (
        (torch.arange(16)[None, None, :, None] < torch.arange(2, 14)[:, None, None, None])
        .float()
        .expand(-1, -1, -1, 16)
    )
    x = x.contiguous().repeat(20, 1, 1, 1)  # horizons at twelve heights
    before = small.loss(x, seeded()).total.item()
    fit(small, x, epochs=15, batch_size=24, lr=5e-3, progress=False)
    assert (
        squared_error(x.flatten(1), small.decode(small.encode(x))).mean()
        < 0.25 * squared_error(x, x.mean(0).expand_as(x)).mean()
    )
    assert small.loss(x, seeded()).total.item() < before


def test_the_perceptual_vae_adds_its_distance_and_the_kl(small):
    nets = conv_encoder(16, (4, 8), 6), conv_decoder(16, (4, 8), 3)
    model = PerceptualVAE(*nets, 3, n_visible=256, distance=lambda x, y: 7 * squared_error(x, y), beta=2.0)
    model.load_state_dict({k: v for k, v in small.state_dict().items() if k != "log_var_x"})
    total, distance, kl = model.elbo(X, seeded(1))
    z = small.reparameterize(small.posterior(X), seeded(1))
    assert torch.allclose(distance, 7 * squared_error(X.flatten(1), small.decode(z)))
    assert torch.allclose(total, distance + gaussian_kl(*small.posterior(X)))
    assert torch.allclose(model.loss(X, seeded(1)).total, (total + kl).mean())


def test_features_see_texture_and_not_its_place():
    torch.manual_seed(0)
    eyes = FaceFeatures(64, 5, (4, 8))
    stripes = ((torch.arange(64) // 4) % 2).float().expand(1, 1, 64, 64).contiguous()
    moved, grey = stripes.roll(2, 3), torch.full_like(stripes, 0.5)
    inner = (slice(None), slice(None), slice(2, 6), slice(2, 6))  # away from the zeros around the picture
    maps = [eyes.texture(p)[inner] for p in (stripes, moved, grey)]
    assert (maps[0] - maps[1]).abs().max() < 1e-4 and (maps[0] - maps[2]).abs().max() > 0.05
    assert torch.allclose(maps[2], torch.full_like(maps[2], 1e-5**0.5), atol=1e-4)
    lattice = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 1.0
    assert torch.allclose(eyes.texture(lattice[None, None]), eyes.texture(grey), atol=1e-6)  # no single pixels
    d = eyes.distances(stripes.flatten(1), grey.flatten(1))
    first = F.elu(eyes.layers[0](stripes)) - F.elu(eyes.layers[0](grey))
    assert d.shape == (1, 2) and torch.allclose(d[:, 0], first.square().sum()[None], rtol=1e-4)
    assert torch.equal(eyes.distances(stripes, stripes), torch.zeros(1, 2))


def test_the_classifier_learns_and_gives_logits():
    torch.manual_seed(0)
    eyes = FaceFeatures(16, 2, (4, 8))
    x = torch.rand(64, 1, 16, 16, generator=seeded()) * 0.2
    labels = torch.arange(64) % 2
    x[labels == 1, :, :8] += 0.5
    fit(eyes, (x, labels), epochs=6, batch_size=16, lr=1e-2, progress=False)
    eyes.eval()
    assert (eyes(x).argmax(1) == labels).float().mean() > 0.95
    assert torch.allclose(eyes.loss(x, labels), -eyes(x).log_softmax(1)[torch.arange(64), labels].mean())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((20, (4, 8, 8), 3), "multiple of 8; got 20"),
        ((16, (), 3), "channels count"),
        ((16, (4, 0), 3), "channels count"),
        ((16, (4,), 0), "latent_dim counts"),
        ((4, (1, 1, 1), 2), "multiple of 8; got 4"),
    ],
)
def test_sizes_that_make_no_network_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        conv_vae(*arguments)


def test_input_of_the_wrong_size_is_refused(small):
    with pytest.raises(ValueError, match="expected images of 256 pixels"):
        small.elbo(torch.rand(2, 1, 8, 8))
    with pytest.raises(ValueError, match=r"expected codes \(N, 3\)"):
        small.decode(torch.randn(2, 4))
    with pytest.raises(ValueError, match="multiple of 4; got 18"):
        FaceFeatures(18, 2, (4, 8))
