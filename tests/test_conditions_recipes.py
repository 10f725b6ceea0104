"""The recipes of the games under conditions: what is given, what is asked, and that compared nets are of one size."""

import torch
import torch.nn.functional as F

from repgen.image_to_image import PatchDiscriminator
from repgen.zoo.recipes import cgan_mnist, enlarge_mnist, halves_mnist


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
    halves, enlarge = halves_mnist.build(), enlarge_mnist.build()
    x = torch.rand(4, 1, 28, 28)
    for game, net, c in (
        (halves_mnist.build_game(halves, "distance"), halves["distance"], halves_mnist.mask_lower_half(x)),
        (enlarge_mnist.build_game(enlarge, "distance"), enlarge["distance"], enlarge_mnist.downscale(x)),
    ):
        game.eval()
        z = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
        loss = game.generator_loss(x, c, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(loss, F.l1_loss(net(z, c), x))


def test_who_plays_whom():
    model = halves_mnist.build()
    distance, game, both = (halves_mnist.build_game(model, name) for name in ("distance", "game", "both"))
    assert distance.generator is model["distance"] and distance.adversarial_weight == 0 < distance.l1_weight
    assert game.generator is model["game"] and game.l1_weight == 0 and game.discriminator is not model["patches"]
    assert both.generator is model["both"] and both.discriminator is model["patches"] and both.l1_weight > 0
    assert size(game.discriminator) == size(both.discriminator) and both.adversarial_weight == 1
    opponent, model = PatchDiscriminator((2, 3)), enlarge_mnist.build()
    both = enlarge_mnist.build_game(model, "both", opponent)
    assert both.discriminator is opponent and both.generator is model["both"] and both.l1_weight > 0
