"""The recipes of the games under conditions: what is given, what is asked, and that the compared nets are of one size."""

import torch
import torch.nn.functional as F
from torch import nn

from repgen.image_to_image import PatchDiscriminator
from repgen.zoo.recipes import _common, cgan_mnist, enlarge_mnist, halves_mnist


def size(net):
    return sum(p.numel() for p in net.parameters())


def test_the_upper_half_is_given_and_nothing_else():
    x = torch.rand(3, 1, 28, 28)
    before = x.clone()
    c = halves_mnist.mask_lower_half(x)
    assert torch.equal(c[:, :, :14], x[:, :, :14]) and not c[:, :, 14:].any()
    assert torch.equal(x, before)


def test_a_small_picture_is_the_mean_of_squares():
    x = torch.rand(2, 1, 28, 28)
    by_hand = torch.stack([x[0, 0, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4].mean() for i in range(7) for j in range(7)])
    torch.testing.assert_close(enlarge_mnist.downscale(x)[0, 0].flatten(), by_hand)


def test_told_and_untold_differ_by_a_column_for_each_label():
    model = cgan_mnist.build()
    first = model["untold"][0].weight
    assert size(model["told"]) - size(model["untold"]) == 10 * len(first)
    told, untold = cgan_mnist.build_games(model).values()
    of_labels = told.discriminator.of_class.weight.numel()
    assert size(told.discriminator) - of_labels == size(untold.discriminator)


def test_by_distance_alone():
    torch.manual_seed(0)
    net = halves_mnist.build()["distance"].eval()
    x = torch.rand(4, 1, 28, 28)
    c = halves_mnist.mask_lower_half(x)
    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    by_hand = F.l1_loss(net(z, c), x)
    torch.testing.assert_close(_common.ByDistance(net).loss(x, c, torch.Generator().manual_seed(1)), by_hand)


def test_who_plays_whom():
    model = halves_mnist.build()
    assert isinstance(halves_mnist.build_game(model, "distance"), _common.ByDistance)
    game, both = (halves_mnist.build_game(model, name) for name in ("game", "both"))
    assert game.generator is model["game"] and game.distance == 0 and game.discriminator is not model["patches"]
    assert both.generator is model["both"] and both.discriminator is model["patches"] and both.distance > 0
    assert size(game.discriminator) == size(both.discriminator)
    opponent = PatchDiscriminator((2, 3))
    game = enlarge_mnist.build_game(enlarge_mnist.build(), opponent)
    assert game.discriminator is opponent and isinstance(game.generator, nn.Module) and game.distance > 0
