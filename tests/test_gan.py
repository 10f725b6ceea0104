"""The game: its losses against closed forms, its steps against steps by hand."""

import math

import pytest
import torch
from torch import nn

from repgen import fit
from repgen.gan import GAN, OBJECTIVES, discriminator_nll, gradient_penalty, minimax, non_saturating, r1

quick = {"progress": False, "optimizer": "sgd"}


def logits(*shape, seed=0):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def net(*sizes, seed=0, activation=nn.Tanh):
    torch.manual_seed(seed)
    parts = [part for a, b in zip(sizes, sizes[1:]) for part in (nn.Linear(a, b), activation())]
    return nn.Sequential(*parts[:-1]).double()


def game(**options):
    return GAN(net(3, 5, 2), net(2, 6, 1, seed=1), 3, **options)


def points(n=12):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


# --- losses


@pytest.mark.parametrize("smooth", [0.0, 0.1])
def test_the_discriminator_has_the_cross_entropy_of_its_labels(smooth):
    a, b = logits(9), logits(9, seed=1)
    bce = nn.functional.binary_cross_entropy_with_logits
    expected = bce(a, torch.full_like(a, 1 - smooth), reduction="none") + bce(b, torch.zeros_like(b), reduction="none")
    torch.testing.assert_close(discriminator_nll(a, b, smooth), expected)


def test_the_best_discriminator_is_the_ratio_and_its_value_is_jensen_shannons():
    """On four places: D = p / (p + q), and the value there is 2 log 2 - 2 JS(p, q) (Goodfellow et al. 2014, theorem
    1)."""
    p, q = torch.tensor([[0.4, 0.3, 0.2, 0.1], [0.1, 0.1, 0.5, 0.3]], dtype=torch.float64)
    a = torch.zeros(4, dtype=torch.float64, requires_grad=True)

    def value(a):
        each = discriminator_nll(a[:, None].expand(4, 4), a[None].expand(4, 4))  # (data's place, generated place)
        return (p[:, None] * q * each).sum()

    optimizer = torch.optim.LBFGS(
        [a], 1, 200, tolerance_grad=1e-12, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = value(a)
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(a.detach(), (p / q).log(), rtol=1e-5, atol=1e-6)
    m = (p + q) / 2
    js = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
    assert value(a).item() == pytest.approx(2 * math.log(2) - 2 * js.item(), rel=1e-9)


def test_where_samples_are_bad_one_generator_is_flat_and_the_other_steep():
    a = torch.tensor([-8.0, 0.0, 8.0], dtype=torch.float64, requires_grad=True)
    d = a.detach().sigmoid()
    for loss, slope in ((minimax, -d), (non_saturating, -(1 - d))):
        torch.testing.assert_close(torch.autograd.grad(loss(a).sum(), a)[0], slope)
    torch.testing.assert_close(minimax(a), (1 - d).log())
    torch.testing.assert_close(non_saturating(a), -d.log())


@pytest.mark.parametrize(
    "name, real, fake, discriminator, generator",
    [
        ("least squares", 3.0, -2.0, (3 - 1) ** 2 / 2 + 2**2 / 2, 3**2 / 2),
        ("hinge", 0.5, -0.25, 0.5 + 0.75, 0.25),
        ("hinge", 2.0, -3.0, 0.0, 3.0),
        ("wasserstein", 2.0, -3.0, -5.0, 3.0),
    ],
)
def test_the_other_objectives(name, real, fake, discriminator, generator):
    real, fake = torch.tensor([real]), torch.tensor([fake])
    assert OBJECTIVES[name].discriminator(real, fake).item() == discriminator
    assert OBJECTIVES[name].generator(fake).item() == generator


def test_penalties_of_a_flat_and_of_a_curved_discriminator():
    w = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    x, y = points(), points() + 1
    assert r1(lambda v: v @ w, x).tolist() == pytest.approx([25.0] * 12)
    penalty = gradient_penalty(lambda v: v @ w, x, y)
    assert penalty.tolist() == pytest.approx([16.0] * 12)
    (slope,) = torch.autograd.grad(penalty.mean(), w)
    torch.testing.assert_close(slope, 2 * 4 * w.detach() / 5)  # d (|w| - 1)^2
    torch.testing.assert_close(r1(lambda v: v.square().sum(1), x), 4 * x.square().sum(1))
    t = torch.rand(12, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mixed = gradient_penalty(lambda v: v.square().sum(1) / 2, x, y, torch.Generator().manual_seed(0))
    torch.testing.assert_close(mixed, ((x + t * (y - x)).norm(dim=1) - 1).square())


# --- the game


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("penalty", [None, "r1", "gradient"])
def test_two_steps_are_those_by_hand(objective, penalty):
    x = points()
    model = game(objective=objective, penalty=penalty, penalty_weight=0.3, lrs=(0.05, None))
    by_hand = game(objective=objective)
    draws = []
    model.latents, plain = lambda n, g=None: draws.append(plain(n, g)) or draws[-1], model.latents
    mixed, rand = [], torch.rand

    def kept(*args, **options):
        mixed.append(rand(*args, **options))
        return mixed[-1]

    torch.rand = kept
    try:
        history = fit(model, x, epochs=1, batch_size=12, lr=0.1, **quick)
    finally:
        torch.rand = rand
    assert len(draws) == 2  # the batch is whole, so its order changes no mean
    G, D, both = by_hand.generator, by_hand.discriminator, OBJECTIVES[objective]
    real, fake = D(x)[:, 0], D(G(draws[0]).detach())[:, 0]
    loss = both.discriminator(real, fake).mean()
    assert history.training["discriminator.objective"] == pytest.approx([loss.item()])
    assert history.training["discriminator.real_right"] == pytest.approx([(real > 0).double().mean().item()])
    assert history.training["discriminator.fake_right"] == pytest.approx([(fake < 0).double().mean().item()])
    if penalty == "r1":
        loss = loss + 0.3 * r1(lambda v: D(v)[:, 0], x).mean()
    if penalty != "gradient":  # there the order of the batch decides what is mixed with what
        loss.backward()
        with torch.no_grad():
            for p, q in zip(D.parameters(), model.discriminator.parameters()):
                p -= 0.05 * p.grad
                torch.testing.assert_close(q, p)
        for p in G.parameters():
            p.grad = None
        both.generator(D(G(draws[1]))[:, 0]).mean().backward()
        with torch.no_grad():
            for p, q in zip(G.parameters(), model.generator.parameters()):
                p -= 0.1 * p.grad
                torch.testing.assert_close(q, p)
    else:
        assert (
            len(mixed) == 1
            and history.training["discriminator.total"][0] > history.training["discriminator.objective"][0]
        )


def test_the_discriminator_takes_its_steps_on_fresh_batches():
    model = game(n_critic=3)
    turns = []
    for name in ("discriminator_loss", "generator_loss"):
        plain = getattr(model, name)
        setattr(
            model,
            name,
            lambda x, generator=None, plain=plain, name=name: (
                turns.append((name[0], x[0, 0].item())) or plain(x, generator=generator)
            ),
        )
    fit(model, points(), epochs=1, batch_size=2, lr=0.1, **quick)
    assert "".join(who for who, _ in turns) == "dddgdddg"
    assert len({x for who, x in turns if who == "d"}) == 6


def test_noise_is_for_training_alone():
    model, x = game(instance_noise=0.5), points()
    assert not torch.equal(model.blur(x), model.blur(x))
    a, b = (model.blur(x, torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(a, b)
    model.eval()
    torch.testing.assert_close(model.logits(x), model.discriminator(x)[:, 0])


class Shift(nn.Module):
    """A generator with one number to learn."""

    def __init__(self):
        super().__init__()
        self.at = nn.Parameter(torch.zeros(1))

    def forward(self, z):
        return self.at + 0.5 * z


def test_the_place_of_the_data_is_found():
    """Data from N(2, 0.5^2), a generator N(b, 0.5^2): the game ends at b = 2, where nothing is left to tell apart."""
    x = 2 + 0.5 * torch.randn(2000, 1, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = GAN(
        Shift(), nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1)), 1, penalty="r1", penalty_weight=0.1
    )
    history = fit(model, x, epochs=20, batch_size=100, lr=0.02, progress=False)
    assert model.generator.at.item() == pytest.approx(2, abs=0.1)
    assert history.training["discriminator.objective"][-1] == pytest.approx(2 * math.log(2), abs=0.02)


def test_samples_are_determined_by_the_generator_given():
    model = game()
    a, b = (model.sample(7, torch.Generator().manual_seed(s)) for s in (0, 0))
    assert a.shape == (7, 2) and torch.equal(a, b) and not a.requires_grad
    torch.testing.assert_close(a, model.decode(model.latents(7, torch.Generator().manual_seed(0))).detach())


# --- what cannot be


@pytest.mark.parametrize(
    "options, words",
    [
        ({"objective": "maximin"}, "one of minimax, non-saturating.*'maximin'"),
        ({"n_critic": 1.5}, "at least 1"),
        ({"label_smoothing": 0.6}, "below 0.5"),
        ({"label_smoothing": 0.1, "objective": "hinge"}, "but for minimax"),
        ({"penalty": "r2"}, "'r1', 'gradient' or None.*'r2'"),
        ({"instance_noise": float("inf")}, "0 or more"),
    ],
)
def test_settings_that_make_no_game(options, words):
    with pytest.raises(ValueError, match=words):
        game(**options)


def test_shapes_that_do_not_fit():
    model = game()
    with pytest.raises(ValueError, match=r"expected codes \(N, 3\), got shape \(4, 2\)"):
        model.decode(torch.zeros(4, 2, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"makes examples of shape \(2,\), the data's are \(5,\)"):
        fit(model, torch.zeros(8, 5, dtype=torch.float64), epochs=1, **quick)
    wide = GAN(net(3, 5, 2), net(2, 6, 2), 3)
    with pytest.raises(ValueError, match=r"one number an example.*\(12, 2\)"):
        wide.logits(points())


# --- packs and averages


def test_a_pack_is_judged_as_its_examples_joined():
    x = points()
    packed = GAN(net(3, 5, 2), net(6, 4, 1, seed=1), 3, pack=3)
    joined = torch.stack([torch.cat([x[i], x[i + 1], x[i + 2]]) for i in range(0, 12, 3)])
    torch.testing.assert_close(packed.logits(x), packed.discriminator(joined)[:, 0])
    assert packed.discriminator_loss(x).total.isfinite() and packed.generator_loss(x).isfinite()


def test_pictures_of_a_pack_are_joined_along_their_channels():
    x = torch.randn(6, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    D = nn.Sequential(nn.Conv2d(4, 3, 3), nn.Flatten(), nn.Linear(12, 1))
    packed = GAN(nn.Linear(3, 2), D, 3, pack=2)
    torch.testing.assert_close(packed.logits(x), D(torch.cat([x[::2], x[1::2]], 1))[:, 0])


def test_a_pack_must_be_full():
    packed = GAN(net(3, 5, 2), net(4, 4, 1), 3, pack=2)
    with pytest.raises(ValueError, match=r"11 examples do not make packs of 2.*whole packs"):
        packed.logits(points(11))
    with pytest.raises(ValueError, match="12 examples do not make packs of 8"):
        fit(GAN(net(3, 5, 2), net(16, 4, 1), 3, pack=8), points(), epochs=1, batch_size=12, lr=0.1, **quick)


def weights(module):
    return [p.detach().clone() for p in module.parameters()]


@pytest.mark.parametrize("steps", [1, 2])
def test_averaged_weights_follow_their_recursion(steps):
    model, plain, before = game(ema_decay=0.7, n_critic=steps), game(n_critic=steps), []
    judge = model.discriminator_loss
    model.discriminator_loss = lambda x, generator=None: (
        before.append(weights(model.generator)) or judge(x, generator=generator)
    )
    for gan in (model, plain):
        fit(gan, points(), epochs=2, batch_size=2, lr=0.3, **quick)
    assert len(before) == 12
    expected = before[0]
    for now in before[1:]:
        expected = [0.7 * a + (1 - 0.7) * b for a, b in zip(expected, now)]
    for a, b, last in zip(model.ema.module.parameters(), expected, weights(model.generator)):
        torch.testing.assert_close(a.detach(), b)
        assert not torch.allclose(b, last)
    for a, b in zip(
        weights(model.generator) + weights(model.discriminator), weights(plain.generator) + weights(plain.discriminator)
    ):
        assert torch.equal(a, b)  # the average has no part in the game


def test_samples_come_from_the_averaged_generator():
    model = game(ema_decay=0.9)
    fit(model, points(), epochs=3, batch_size=2, lr=0.3, **quick)
    z = model.latents(7, torch.Generator().manual_seed(0))
    y = model.sample(7, torch.Generator().manual_seed(0))
    torch.testing.assert_close(y, model.ema.module(z).detach())
    assert not torch.allclose(y, model.decode(z).detach(), rtol=1e-3) and not y.requires_grad


def test_looking_on_does_not_change_the_average():
    model = game(ema_decay=0.5)
    fit(model, points(), epochs=1, batch_size=2, lr=0.3, **quick)
    before = weights(model.ema)
    model.eval().discriminator_loss(points())
    assert all(torch.equal(a, b) for a, b in zip(before, weights(model.ema)))


def test_a_resumed_run_has_the_same_averaged_weights(tmp_path):
    whole, settings = game(ema_decay=0.8), {"batch_size": 4, "lr": 0.01, "progress": False}
    fit(whole, points(), epochs=4, **settings)
    fit(game(ema_decay=0.8), points(), epochs=2, checkpoint=tmp_path / "run", **settings)
    resumed = game(ema_decay=0.8)
    fit(resumed, points(), epochs=4, checkpoint=tmp_path / "run", **settings)
    assert resumed.ema.n_averaged == whole.ema.n_averaged == 12
    for a, b in zip(weights(resumed.ema), weights(whole.ema), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"pack": 0}, "pack is .* at least 1"),
        ({"ema_decay": 1.0}, "below 1.*1.0"),
        ({"ema_decay": -0.1}, "at least 0.*-0.1"),
    ],
)
def test_packs_and_averages_that_make_no_game(options, words):
    with pytest.raises(ValueError, match=words):
        game(**options)
