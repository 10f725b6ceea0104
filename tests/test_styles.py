"""A style-based generator: modulation one example at a time, mixing and truncation at their ends, where noise goes."""

import pytest
import torch
import torch.nn.functional as F

from repgen import GAN, dcgan, fit
from repgen.stylegan import StyleGenerator, equalized_lr, modulated_conv


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def small(**options):
    torch.manual_seed(0)
    return StyleGenerator(8, (6, 4), latent_dim=5, style_dim=7, **options)


def test_modulation_is_a_convolution_for_each_example():
    x, weight, scale = torch.randn(4, 3, 6, 6), torch.randn(5, 3, 3, 3), torch.randn(4, 3)
    one_by_one = []
    for maps, s in zip(x, scale):
        own = weight * s[:, None, None]
        own = own / own.flatten(1).norm(dim=1)[:, None, None, None]
        one_by_one.append(F.conv2d(maps[None], own, padding=1)[0])
    torch.testing.assert_close(modulated_conv(x, weight, scale), torch.stack(one_by_one), rtol=1e-5, atol=1e-5)


def test_maps_keep_their_variance():
    x = torch.randn(20, 16, 30, 30, generator=dice())
    out = modulated_conv(x, 5 * torch.randn(8, 16, 3, 3, generator=dice(1)), torch.randn(20, 16, generator=dice(2)))
    assert out[..., 1:-1, 1:-1].std().item() == pytest.approx(1, rel=0.02)


def test_at_the_beginning_styles_matter_and_no_layer_fades():
    torch.manual_seed(0)
    net, sizes = StyleGenerator(28, (64, 48, 32), 32, 64), []
    for layer in net.layers:
        layer.register_forward_hook(
            lambda layer, taken, given: sizes.append((given.square().mean().sqrt(), given.std(0).mean()))
        )
    w = net.styles(torch.randn(40, 32))
    assert w.square().mean().sqrt().item() == pytest.approx(1, abs=0.35)
    net.synthesis(w)
    assert all(0.5 < size < 1.6 for size, _ in sizes), sizes
    assert all(spread > 0.3 * size for size, spread in sizes), sizes


def test_pixels_are_cut_in_eval_mode_alone():
    net = small()
    with torch.no_grad():
        net.last.weight.mul_(50)
    w = net.styles(torch.randn(20, 5))
    free, cut = net.train().synthesis(w), net.eval().synthesis(w)
    assert free.min() < 0 and free.max() > 1
    assert torch.equal(cut, free.clamp(0, 1))


def test_mixing_takes_layers_from_each():
    net = small().eval()
    a, b = net.styles(torch.randn(3, 5)), net.styles(torch.randn(3, 5))
    assert len(net.layers) == 4
    torch.testing.assert_close(net.synthesis(net.mix_styles(a, b, 4)), net.synthesis(a))
    torch.testing.assert_close(net.synthesis(net.mix_styles(a, b, 0)), net.synthesis(b))
    each = net.mix_styles(a, b, torch.tensor([0, 1, 4]))
    for row, k in enumerate((0, 1, 4)):
        by_hand = torch.stack([a[row] if layer < k else b[row] for layer in range(4)])
        assert torch.equal(each[row], by_hand)


def test_a_style_at_one_level_leaves_the_levels_before_alone():
    net, seen = small().eval(), []
    net.layers[1].register_forward_hook(lambda layer, taken, given: seen.append(given))
    a, b = net.styles(torch.randn(3, 5)), net.styles(torch.randn(3, 5))
    pictures = [net.synthesis(net.mix_styles(a, b, first)) for first in (4, 2, 1)]
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])
    assert not torch.allclose(pictures[0], pictures[1])


def test_truncation():
    net = small()
    net.mean_style.uniform_(-1, 1)
    w = net.styles(torch.randn(6, 5))
    torch.testing.assert_close(net.truncate(w, 1.0), w)
    assert torch.equal(net.truncate(w, 0.0), net.mean_style.expand(6, -1))
    torch.testing.assert_close(net.truncate(w, 0.3), 0.3 * w + 0.7 * net.mean_style)


def test_the_mean_style_follows_those_seen_in_training():
    net = small(mixing=0.0)
    z, mean = torch.randn(9, 5), torch.zeros(7)
    for _ in range(3):
        net(z)
        mean = mean + 0.01 * (net.styles(z).mean(0) - mean)
    torch.testing.assert_close(net.mean_style, mean)
    net.eval()(z)
    torch.testing.assert_close(net.mean_style, mean)


def test_the_length_of_a_latent_does_not_matter():
    net, z = small(), torch.randn(4, 5)
    torch.testing.assert_close(net.styles(3 * z), net.styles(z), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(net.styles(-z), net.styles(z))


def test_noise_counts_as_much_as_was_learned():
    net = small().eval()
    w = net.styles(torch.randn(3, 5))
    assert torch.equal(net.synthesis(w, dice(1), fresh=True), net.synthesis(w))  # strengths begin at 0
    with torch.no_grad():
        net.layers[2].strength.fill_(1.0)
    a, b = net.synthesis(w, dice(1), fresh=True), net.synthesis(w, dice(2), fresh=True)
    assert not torch.allclose(a, b)
    assert torch.equal(a, net.synthesis(w, dice(1), fresh=True)) and torch.equal(net.synthesis(w), net.synthesis(w))
    assert not torch.allclose(a[0] - b[0], a[1] - b[1])  # each picture its own


def test_while_training_some_pictures_change_their_style_on_the_way():
    never, always = small(mixing=0.0).train(), small(mixing=1.0).train()
    z = torch.randn(8, 5)
    torch.testing.assert_close(never(z), never.synthesis(never.styles(z)))
    assert (always(z) - always.synthesis(always.styles(z))).flatten(1).abs().amax(1).min() > 0
    torch.testing.assert_close(always.eval()(z), always.synthesis(always.styles(z)))


def test_it_plays_in_a_gan_and_every_weight_learns():
    net = small()
    model = GAN(net, dcgan.discriminator(8, (4, 8)), 5)
    before = {name: p.clone() for name, p in net.named_parameters()}
    fit(model, torch.rand(64, 1, 8, 8, generator=dice()), epochs=2, batch_size=16, lr=1e-3, seed=0, progress=False)
    assert all(not torch.equal(p, before[name]) for name, p in net.named_parameters())


def test_equalized_is_adam_on_weights_of_mean_square_one():
    """As the paper has it: w = c v with v of mean square 1, and v is learned."""
    net, z, goal = (
        small(mixing=0.0).eval(),
        torch.randn(6, 5, generator=dice(1)),
        torch.rand(6, 1, 8, 8, generator=dice()),
    )
    spread = {"weight", "start"}  # the rest begins at 0 or 1
    c, v = {}, {}
    for name, p in net.named_parameters():
        drawn = name.split(".")[-1] in spread or name == "last.bias"
        c[name] = (p.detach().square().mean().sqrt() if drawn and p.numel() > 1 else 1.0) * (
            0.01 if "mapping" in name else 1.0
        )
        v[name] = (p.detach() / c[name]).requires_grad_()

    def loss(weights):
        made = torch.func.functional_call(net, weights, z)
        return (made - goal).square().mean()

    by_hand = torch.optim.Adam(v.values(), 0.02, betas=(0.5, 0.9), eps=1e-20)
    ours = equalized_lr(net, 0.5, 0.9)(net.parameters(), 0.02)
    for group in ours.param_groups:
        group["eps"] = 1e-20
    for _ in range(5):
        by_hand.zero_grad()
        loss({name: c[name] * v[name] for name in v}).backward()
        by_hand.step()
        ours.zero_grad()
        loss(dict(net.named_parameters())).backward()
        ours.step()
    for name, p in net.named_parameters():
        torch.testing.assert_close(p, c[name] * v[name], rtol=1e-3, atol=1e-6, msg=name)


def test_equalized_leaves_the_other_player_its_rate():
    other = torch.nn.Linear(3, 3)
    assert [group["lr"] for group in equalized_lr(small())(other.parameters(), 0.3).param_groups] == [0.3, 0.3]


def test_bad_input():
    for options, words in (
        ({"size": 30, "channels": (4, 4, 4)}, "multiple of 4; got 30"),
        ({"channels": ()}, "at least 1"),
        ({"depth": 0}, "at least 1"),
        ({"mixing": 1.5}, "0 to 1; got 1.5"),
    ):
        with pytest.raises(ValueError, match=words):
            StyleGenerator(**options)
    with pytest.raises(ValueError, match=r"styles \(N, 7\) or \(N, 4, 7\), got shape \(2, 3, 7\)"):
        small().synthesis(torch.randn(2, 3, 7))
