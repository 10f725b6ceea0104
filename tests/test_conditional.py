"""Games under conditions: for fixed conditions the game that was there before; what labels do, by hand; bad input."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from repgen import GAN, fit
from repgen.conditional_gan import ClassConditional, ConditionalGAN, ProjectionDiscriminator

LABELS = torch.tensor([0, 2, 1, 2, 0, 1, 1, 0])


class Deaf(nn.Module):
    """A net that does not listen to its condition."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, c):
        return self.net(x)


def nets():
    torch.manual_seed(0)
    return nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(), nn.Linear(8, 1))


def pairs(n=8):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(1)), LABELS.repeat(n // 8)


def dice():
    return torch.Generator().manual_seed(2)


def small(**options):
    torch.manual_seed(0)
    judge = ProjectionDiscriminator(nn.Sequential(nn.Linear(2, 8), nn.Tanh()), 8, 3)
    return ConditionalGAN(ClassConditional(nn.Linear(3 + 3, 2), 3), judge, 3, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"objective": "minimax", "label_smoothing": 0.1},
        {"instance_noise": 0.3},
        {"objective": "wasserstein", "penalty": "gradient", "penalty_weight": 10.0},
        {"penalty": "r1"},
    ],
)
def test_deaf_players_play_the_game_without_conditions(options):
    g, d = nets()
    x, c = pairs()
    plain, deaf = GAN(g, d, 3, **options), ConditionalGAN(Deaf(g), Deaf(d), 3, **options)
    for mode in (True, False):
        plain.train(mode), deaf.train(mode)
        for a, b in zip(
            plain.discriminator_loss(x, generator=dice()), deaf.discriminator_loss(x, c, generator=dice()), strict=True
        ):
            torch.testing.assert_close(a, b)
        torch.testing.assert_close(
            plain.generator_loss(x, generator=dice()), deaf.generator_loss(x, c, generator=dice())
        )
        torch.testing.assert_close(plain.logits(plain.blur(x, dice())), deaf.logits(deaf.blur(x, dice()), c))
    torch.testing.assert_close(plain.sample(8, dice()), deaf.sample(c, dice()))


def test_settings_may_change_during_the_training():
    """Noise that is taken back, as a schedule does it."""
    g, d = nets()
    x, c = pairs()
    plain, deaf = GAN(g, d, 3, instance_noise=0.3), ConditionalGAN(Deaf(g), Deaf(d), 3)
    quiet = deaf.discriminator_loss(x, c, generator=dice()).total
    deaf.instance_noise = 0.3
    torch.testing.assert_close(
        plain.discriminator_loss(x, generator=dice()).total, deaf.discriminator_loss(x, c, generator=dice()).total
    )
    assert not torch.equal(quiet, deaf.discriminator_loss(x, c, generator=dice()).total)


def test_what_the_generator_minimises():
    x, c = pairs()
    model = small()
    y = model.decode(model.latents(8, dice()), c)
    torch.testing.assert_close(
        small(l1_weight=7.0, adversarial_weight=0.0).generator_loss(x, c, generator=dice()), 7 * F.l1_loss(y, x)
    )
    both = F.softplus(-model.discriminator(y, c)).mean() * 0.5 + 7 * F.l1_loss(y, x)
    torch.testing.assert_close(
        small(l1_weight=7.0, adversarial_weight=0.5).generator_loss(x, c, generator=dice()), both
    )


def test_gradients_reach_the_weights_behind_the_conditions():
    x, c = pairs()
    model = small()
    y = model.generator(model.latents(8, dice()), c).detach()
    by_hand = (F.softplus(-model.discriminator(x, c)) + F.softplus(model.discriminator(y, c))).mean()
    weights = list(model.discriminator.parameters())
    found = torch.autograd.grad(model.discriminator_loss(x, c, generator=dice()).total, weights)
    for a, b in zip(found, torch.autograd.grad(by_hand, weights), strict=True):
        torch.testing.assert_close(a, b)
        assert b.abs().max() > 0


def test_labels_by_hand():
    z, x = torch.randn(8, 3), torch.randn(8, 2)
    net = nn.Linear(3 + 3, 2)
    by_hand = z @ net.weight[:, :3].T + net.weight[:, 3:].T[LABELS] + net.bias  # a label adds its own column
    torch.testing.assert_close(ClassConditional(net, 3)(z, LABELS), by_hand)
    judge = ProjectionDiscriminator(nn.Tanh(), 2, 3)
    u = judge.of_class.weight
    by_hand = torch.stack([(judge.plain.weight[0] + u[k]) @ f + judge.plain.bias[0] for f, k in zip(x.tanh(), LABELS)])
    torch.testing.assert_close(judge(x, LABELS), by_hand)


def test_each_class_gets_its_own_mean():
    g = torch.Generator().manual_seed(0)
    c = torch.randint(3, (3000,), generator=g)
    means = torch.tensor([[-2.0, 0.0], [2.0, 1.0], [0.0, -2.0]])
    x = means[c] + 0.3 * torch.randn(3000, 2, generator=g)
    model = small(instance_noise=0.3, ema_decay=0.98)
    fit(
        model,
        (x, c),
        epochs=12,
        batch_size=50,
        lr=5e-3,
        optimizer=lambda p, lr: torch.optim.Adam(p, lr, betas=(0.5, 0.9)),
        seed=0,
        progress=False,
    )
    for k, mean in enumerate(means):
        made = model.eval().sample(torch.full((500,), k), dice())
        assert (made.mean(0) - mean).norm() < 0.35, (k, made.mean(0))


def test_averaged_weights_follow_the_generator():
    x, c = pairs()
    model = small(ema_decay=0.9)
    first = copy.deepcopy(model.ema.module.state_dict())
    with torch.no_grad():
        for p in model.generator.parameters():
            p.add_(1.0)
    model.discriminator_loss(x, c)  # begins the average at the weights of now
    torch.testing.assert_close(model.ema.module.net.weight, first["net.weight"] + 1)
    with torch.no_grad():
        for p in model.generator.parameters():
            p.add_(1.0)
    model.discriminator_loss(x, c)
    torch.testing.assert_close(model.ema.module.net.weight, first["net.weight"] + 1.1)
    z = model.latents(8, dice())
    torch.testing.assert_close(model.sample(c, dice()), model.ema.module(z, c))


def test_a_look_at_it_changes_no_mode():
    model = small()
    model.generator.eval()
    model.decode(torch.randn(8, 3), pairs()[1])
    model.sample(pairs()[1], dice())
    assert not model.generator.training and model.discriminator.training


def test_bad_input():
    x, c = pairs()
    with pytest.raises(ValueError, match="mix conditions"):
        small(pack=2)
    for settings in ({"l1_weight": -1.0}, {"adversarial_weight": 0.0}, {"adversarial_weight": -0.1, "l1_weight": 1.0}):
        with pytest.raises(ValueError, match="are 0 or more, not both 0"):
            small(**settings)
    with pytest.raises(ValueError, match="a condition for each latent, got \\[8\\] for 5"):
        small().decode(torch.randn(5, 3), c)
    with pytest.raises(ValueError, match=r"expected codes \(N, 3\)"):
        small().decode(torch.randn(8, 4), c)
    for labels, words in (
        (c + (c == 2), r"0..2, got 0..3"),
        (c.float(), "whole numbers"),
        (c[:, None], "whole numbers"),
    ):
        with pytest.raises(ValueError, match=words):
            fit(small(), (x, labels), epochs=1, progress=False)
