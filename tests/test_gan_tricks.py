"""Tricks on a bench: each part of the recipe against an oracle, and no net of a crowd sees another."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from repgen import zoo
from repgen.train import History
from repgen.zoo.recipes import _toy_gans

recipe = zoo.recipe("gan-tricks")


def points(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- the parts


def test_spectral_normalisation_makes_the_largest_singular_value_of_each_net_one():
    torch.manual_seed(0)
    crowd = recipe.build_game(3, spectral=True).discriminator
    with torch.no_grad():
        for layer in crowd.layers:  # nets of very different size, each of which must be measured by itself
            layer.parametrizations.weight.original.mul_(torch.tensor([0.1, 1.0, 20.0]).view(3, 1, 1))
    x = points(12, 2)
    for _ in range(400):
        crowd(x)
    crowd.eval()
    for layer in crowd.layers:
        largest = torch.linalg.svdvals(layer.weight)[:, 0]
        torch.testing.assert_close(largest, torch.ones(3), rtol=5e-3, atol=0)
        raw = layer.parametrizations.weight.original
        direction = F.normalize(raw.flatten(1)), F.normalize(layer.weight.flatten(1))
        torch.testing.assert_close(*direction)  # the direction of the weights is left alone


def test_the_power_method_turns_once_a_step_while_training_and_never_after():
    weight = points(2, 5, 4)
    part = recipe.Spectral(weight)
    v = F.normalize(weight @ part.u, dim=1)
    u = F.normalize(weight.mT @ v, dim=1)
    by_hand = weight / (v.mT @ weight @ u)
    torch.testing.assert_close(part(weight), by_hand)
    torch.testing.assert_close(part.u, u)
    part.eval()
    part(weight)
    assert torch.equal(part.u, u)


def test_the_gradient_of_a_spectral_weight_is_that_of_the_exact_norm():
    weight, seen_by = points(3, 5, 4).double().requires_grad_(), points(3, 5, 4, seed=1).double()
    part = recipe.Spectral(weight.detach()).double()
    for _ in range(500):
        part(weight.detach())
    (ours,) = torch.autograd.grad((part(weight) * seen_by).sum(), weight)
    exact = weight / torch.linalg.matrix_norm(weight, 2)[:, None, None]
    torch.testing.assert_close(ours, torch.autograd.grad((exact * seen_by).sum(), weight)[0])


def test_each_example_is_told_the_spread_of_its_own_nets_batch():
    crowd = recipe.BatchedMLP(3, 4, 6, 1)
    x, heard = points(12, 2) * torch.arange(1.0, 13.0)[:, None], []
    crowd.register_forward_pre_hook(lambda module, args: heard.append(args[0]))
    recipe.WithSpread(crowd)(x)
    expected = torch.cat([torch.cat([part, part.std(0, correction=0).expand(4, 2)], 1) for part in x.split(4)])
    torch.testing.assert_close(heard[0], expected)


def test_a_batch_without_spread_has_a_gradient():
    x = torch.ones(8, 2, requires_grad=True)
    crowd = recipe.WithSpread(recipe.BatchedMLP(2, 4, 6, 1))
    (slope,) = torch.autograd.grad(crowd(x).sum(), x)
    assert slope.isfinite().all()


def test_normalisation_is_that_of_a_batch_norm_for_each_net():
    x = 5 + 3 * points(3, 16, 7)
    for i, part in enumerate(x):
        torch.testing.assert_close(recipe.batch_norm_relu(x)[i], F.relu(nn.BatchNorm1d(7, affine=False)(part)))


# --- the games


def gradients(model, x):
    """Of both losses, {parameter: (nets, ...)}, on a copy of the model, with the same draws every time."""
    model = copy.deepcopy(model)
    of = {}
    for who, loss in (
        ("discriminator", lambda g: model.discriminator_loss(x, generator=g).total),
        ("generator", lambda g: model.generator_loss(x, generator=g)),
    ):
        names, parameters = zip(*getattr(model, who).named_parameters())
        found = torch.autograd.grad(loss(torch.Generator().manual_seed(7)), parameters, allow_unused=True)
        of |= {
            f"{who}.{name}": g for name, g in zip(names, found) if g is not None
        }  # the critic's loss knows no last bias
    return of


@pytest.mark.parametrize("name", recipe.TRICKS)
def test_no_net_of_a_crowd_learns_of_another(name):
    options, _ = recipe.TRICKS[name]
    torch.manual_seed(0)
    model = recipe.build_game(3, **options | ({"instance_noise": 0.3} if "instance_noise" in options else {}))
    other, x = copy.deepcopy(model), points(24, 2)
    y = x.clone()
    y[:8] = 3 * y[:8] + 1  # other data and another generator for the first net alone
    with torch.no_grad():
        for p in other.generator.parameters():
            p[0] *= 1.5
    before, after = gradients(model, x), gradients(other, y)
    assert before.keys() == after.keys() and len(before) > 12
    for parameter, slope in before.items():
        torch.testing.assert_close(after[parameter][1:], slope[1:], rtol=1e-4, atol=1e-7)
    assert any(not torch.allclose(after[parameter][0], slope[0], rtol=0.1) for parameter, slope in before.items())


def test_packs_hold_examples_of_one_net():
    model = recipe.build_game(3, pack=2)
    assert model.discriminator.layers[0].weight.shape == (3, 4, 128)
    x = points(24, 2)
    joined = torch.cat([torch.cat([part[::2], part[1::2]], 1) for part in x.split(8)])
    torch.testing.assert_close(model.logits(x), model.discriminator(joined)[:, 0])


# --- the recipe as a whole


def test_every_trick_is_trained_as_its_name_says(monkeypatch):
    model, calls = recipe.build(), []

    def fit(nets, x, *, seed, schedule=None, **settings):
        noise = nets.instance_noise if callable(nets.instance_noise) else lambda progress: nets.instance_noise
        asked_at = [(schedule(f) if schedule else 1, noise(f)) for f in (0, 0.4, 0.75, 1)]
        calls.append((nets, x, seed, asked_at, settings))
        return History({}, {}, settings["epochs"], 1.0, "finished")

    monkeypatch.setattr(_toy_gans, "fit", fit)  # whose naive training all tricks change
    points_of = {place: type("Data", (), {"x": points(4, 2)}) for place in recipe.NOISE}
    history = recipe.train(model, *points_of.values(), seed=3, progress=False)
    assert history.epochs == 2 * 25 * len(recipe.TRICKS)
    base = {"epochs": 25, "batch_size": 1280, "lr": 1e-3, "progress": False}
    plain = recipe.build_game(1)
    for place, (start, end) in recipe.NOISE.items():
        for name, (changes, asked) in recipe.TRICKS.items():
            nets = model[recipe.name_game(place, name)]
            mine = [call for call in calls if call[0] is nets]
            assert all(x is points_of[place].x for _, x, *_ in mine)
            if asked.get("anew"):
                assert [seed for _, _, seed, *_ in mine] == list(range(300, 325))  # another order in each
                base_here = base | {"epochs": 1}
            else:
                assert [seed for _, _, seed, *_ in mine] == [3]
                base_here = base
            rate = asked.get("schedule", lambda f: 1)
            middle, late = start * (end / start) ** 0.5, start * (end / start) ** (0.75 / 0.8)
            expected = {"noise on all points": (start,) * 4} | {
                taken_back: (start, middle, late, end)
                for taken_back in ("noise, taken back", "noise taken back, b1 = 0, a rate that falls from 0.002")
            }
            for *_, asked_at, settings in mine:
                assert [n for _, n in asked_at] == pytest.approx(expected.get(name, (0,) * 4))
                assert [factor for factor, _ in asked_at] == pytest.approx([rate(f) for f in (0, 0.4, 0.75, 1)])
                assert settings == base_here | {k: v for k, v in asked.items() if k in ("lr", "optimizer")}
            for option in (
                "objective",
                "n_critic",
                "lrs",
                "label_smoothing",
                "penalty",
                "penalty_weight",
                "pack",
                "latent_dim",
            ):
                assert getattr(nets, option) == changes.get(option, getattr(plain, option))
            assert (nets.ema is not None) == ("ema_decay" in changes)


def test_nothing_changes_nothing():
    assert recipe.TRICKS["nothing"] == ({}, {})
    assert all(changes != ({}, {}) for name, changes in recipe.TRICKS.items() if name != "nothing")


def test_the_record_holds_every_net_of_every_setting():
    record = zoo.record("gan-tricks")
    found, each = record["metrics"], record["details"]
    assert each.keys() == {f"{place}, {name}" for place in recipe.CENTRES for name in recipe.TRICKS}
    for setting, nets in each.items():
        modes, quality = nets["modes"], nets["high quality, %"]
        most = 8 if setting.startswith("ring") else 25
        assert len(modes) == len(quality) == recipe.NETS
        assert all(0 <= n <= most for n in modes) and all((n == 0) == (q == 0) for n, q in zip(modes, quality))
        assert found[f"{setting}: modes"] == pytest.approx(sum(modes) / recipe.NETS)
        assert found[f"{setting}: high quality, %"] == pytest.approx(sum(quality) / recipe.NETS)
