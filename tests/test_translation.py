"""Nets from picture to picture: how far a patch reaches, what goes around the middle, what an enlarger begins with."""

import pytest
import torch
import torch.nn.functional as F

from repgen.image_to_image import PatchDiscriminator, SuperResolver, UNet, spread


def test_a_patch_reaches_as_far_as_it_says():
    for channels in ((4,), (4, 8), (4, 4, 4)):
        net = PatchDiscriminator(channels).eval()
        x, c = torch.rand(1, 1, 64, 64, requires_grad=True), torch.rand(1, 1, 64, 64)
        responses = net.patch_logits(x, c)
        middle = responses.shape[-1] // 2
        (grad,) = torch.autograd.grad(responses[0, 0, middle, middle], x)
        for axis in (0, 1):
            touched = grad[0, 0].abs().sum(axis).nonzero()
            assert (touched.max() - touched.min() + 1).item() == net.receptive_field
        torch.testing.assert_close(net(x, c), responses.flatten(1).mean(1))


def test_a_small_condition_is_enlarged_to_squares():
    net, x, c = PatchDiscriminator().eval(), torch.rand(2, 1, 28, 28), torch.rand(2, 1, 7, 7)
    squares = c.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(net(x, c), net(x, squares))


def test_detail_goes_around_the_middle():
    """With the innermost way down cut, single pixels of the condition still reach the picture, and the latents too."""
    net, z, c = UNet(32, (4, 8, 8), 3).eval(), torch.randn(1, 3), torch.rand(1, 1, 32, 32)
    before = net(z, c)
    with torch.no_grad():
        for p in net.down[-1].parameters():
            p.zero_()
    cut, other = net(z, c), c.clone()
    assert not torch.equal(before, cut)
    other[0, 0, 9, 9] += 1
    assert not torch.equal(net(z, other), cut) and not torch.equal(net(z + 1, c), cut)
    with torch.no_grad():
        for p in net.down.parameters():
            p.zero_()
    assert torch.equal(net(z, other), net(z, c))  # nothing else leads from the condition to the picture


def test_the_frame_of_a_size_that_cannot_be_halved_so_often():
    """The same weights on the picture in a frame of zeros make the same picture, cropped."""
    net, wide = UNet(28, (4, 3, 2), 5).eval(), UNet(32, (4, 3, 2), 5).eval()
    net.load_state_dict(wide.state_dict())
    z, c = torch.randn(3, 5), torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(net(z, c), wide(z, F.pad(c, (2, 2, 2, 2)))[..., 2:-2, 2:-2])


def test_latents_are_spread_over_the_maps():
    z = torch.randn(2, 3)
    maps = spread(z, torch.zeros(2, 5, 4, 6))
    assert maps.shape == (2, 3, 4, 6) and torch.equal(maps[:, :, 1, 5], z)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_an_enlarger_begins_from_a_bicubic_enlargement(factor):
    net, c = SuperResolver(factor, 4, 1).eval(), torch.rand(2, 1, 7, 7)
    y = net(torch.randn(2, 8), c)
    assert y.shape == (2, 1, 7 * factor, 7 * factor) and y.min() > 0 and y.max() < 1
    with torch.no_grad():
        for p in net.last[-1].parameters():
            p.zero_()
    plain = F.interpolate(c, scale_factor=factor, mode="bicubic", align_corners=False).clamp(0.02, 0.98)
    torch.testing.assert_close(net(torch.randn(2, 8), c), plain)


def test_bad_input():
    for make in (
        lambda: UNet(28, ()),
        lambda: UNet(28, (4, 0)),
        lambda: PatchDiscriminator(()),
        lambda: PatchDiscriminator((0,)),
    ):
        with pytest.raises(ValueError, match="count"):
            make()
    for factor in (0, 1, 3, 6):
        with pytest.raises(ValueError, match="power of 2"):
            SuperResolver(factor)
    with pytest.raises(ValueError, match="latent_dim is at least 1"):
        UNet(28, (4,), 0)
    with pytest.raises(ValueError, match=r"\(N, 1, 28, 28\), got shape \(2, 1, 32, 32\)"):
        UNet(28, (4, 8))(torch.randn(2, 8), torch.rand(2, 1, 32, 32))
    with pytest.raises(ValueError, match=r"got shape \(2, 28, 28\)"):
        SuperResolver()(torch.randn(2, 8), torch.rand(2, 28, 28))
