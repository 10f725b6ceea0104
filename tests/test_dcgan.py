"""The nets of a DCGAN: shapes, first weights, no chequerboard, and normalisations folded into the layers before
them."""

import pytest
import torch
from torch import nn

from repgen import dcgan


@pytest.mark.parametrize("size, channels", [(28, (16, 8)), (32, (16, 8, 4)), (64, (8,))])
def test_the_players_fit_each_other(size, channels):
    g, d = dcgan.generator(size, channels, latent_dim=5), dcgan.discriminator(size, channels[::-1])
    x = g(torch.randn(3, 5))
    assert x.shape == (3, 1, size, size) and x.min() > 0 and x.max() < 1
    assert d(x).shape == (3, 1)


def test_every_layer_halves_or_doubles():
    sides, net = [], dcgan.generator(32, (16, 8, 4))
    for layer in net:
        if isinstance(layer, nn.ConvTranspose2d):
            layer.register_forward_hook(lambda m, taken, given: sides.append((taken[0].shape[-1], given.shape[-1])))
    net(torch.randn(2, 32))
    assert sides == [(4, 8), (8, 16), (16, 32)]


def test_first_weights():
    torch.manual_seed(0)
    for net in (dcgan.generator(28, (64, 32), 100), dcgan.discriminator(28, (64, 128))):
        for layer in net:
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                assert layer.weight.mean().item() == pytest.approx(1, abs=0.02) and layer.bias.abs().max() == 0
            elif hasattr(layer, "weight") and layer.weight.numel() > 1000:
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
                assert layer.weight.mean().item() == pytest.approx(0, abs=2e-3)


def test_every_inner_pixel_is_covered_equally_often():
    """With weights of 1 and an even input, an even picture: a kernel of 3 or 5 would print a chequerboard."""
    up = [m for m in dcgan.generator(32, (3, 2)) if isinstance(m, nn.ConvTranspose2d)]
    maps = torch.ones(1, 3, 8, 8)
    for layer in up:
        nn.init.ones_(layer.weight)
        layer.bias = None
        maps = layer(maps)
    inner = maps[..., 4:-4, 4:-4]
    assert inner.shape[-1] == 24 and inner.std() == 0


@pytest.mark.parametrize(
    "net, like", [(dcgan.generator(28, (8, 4), 6), (9, 6)), (dcgan.discriminator(28, (4, 8)), (9, 1, 28, 28))]
)
def test_folded_is_the_trained_net(net, like):
    for layer in net:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -1, 1)
            nn.init.uniform_(layer.running_var, 0.3, 3)
            nn.init.uniform_(layer.weight, 0.3, 3)
            nn.init.uniform_(layer.bias, -1, 1)
    x = torch.rand(like)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    small = dcgan.fold_batch_norm(net)
    assert not any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in small)
    torch.testing.assert_close(small(x), net.eval()(x), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items()), (
        "the net itself was changed"
    )


def test_a_size_that_cannot_be_halved_so_often_is_that_of_a_larger_picture_in_a_frame():
    """28 is 32 without a frame of 2: the same weights make the same picture, cropped, and judge it in a frame of
    zeros."""
    (g, wide_g), (d, wide_d) = (
        [make(size, (4, 3, 2)) for size in (28, 32)] for make in (dcgan.generator, dcgan.discriminator)
    )
    g.load_state_dict(wide_g.state_dict()), d.load_state_dict(wide_d.state_dict())
    z, x = torch.randn(5, 32), torch.rand(5, 1, 28, 28)
    torch.testing.assert_close(g(z), wide_g(z)[..., 2:-2, 2:-2])
    torch.testing.assert_close(d(x), wide_d(nn.functional.pad(x, (2, 2, 2, 2))))


def test_what_cannot_be_built():
    with pytest.raises(ValueError, match="even and at least 8; got 27"):
        dcgan.generator(27, (8, 4, 2))
    with pytest.raises(ValueError, match="even and at least 8; got 6"):
        dcgan.discriminator(6, (8, 4, 2))
    with pytest.raises(ValueError, match=r"got \(\)"):
        dcgan.generator(28, ())
    with pytest.raises(ValueError, match="at least 1, got 0"):
        dcgan.generator(latent_dim=0)
    with pytest.raises(ValueError, match="follows no linear layer"):
        dcgan.fold_batch_norm(nn.Sequential(nn.BatchNorm1d(3)))
