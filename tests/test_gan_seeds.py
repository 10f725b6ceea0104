"""Ten GANs in one: each plays as it would alone, and what is on record about them is what the book asks for."""

import pytest
import torch
from torch import nn

from repgen import zoo
from repgen.evaluation.metrics import modes
from repgen.gan import GAN
from repgen.zoo.recipes import _toy_gans
from repgen.zoo.recipes._common import half_cosine_decay
from repgen.zoo.recipes._toy_gans import anneal_noise

recipe = zoo.recipe("gan-ring-seeds")


def alone(crowd, i):
    """Net i of a crowd, as a net of its own."""
    parts = []
    for layer in crowd.layers:
        linear = nn.Linear(*layer.weight.shape[1:])
        with torch.no_grad():
            linear.weight.copy_(layer.weight[i].T)
            linear.bias.copy_(layer.bias[i, 0])
        parts += [linear, nn.ReLU()]
    return nn.Sequential(*parts[:-1])


@pytest.mark.parametrize("options", [{}, {"objective": "minimax"}, {"penalty": "r1", "penalty_weight": 0.1}])
def test_each_net_of_a_crowd_plays_as_it_would_alone(options):
    torch.manual_seed(0)
    crowd = GAN(recipe.BatchedMLP(3, 2, 5, 4, 2), recipe.BatchedMLP(3, 2, 6, 1), 2, **options)
    x, z = torch.randn(12, 2), torch.randn(12, 2)
    crowd.latents = lambda n, generator=None: z
    of_d = torch.autograd.grad(crowd.discriminator_loss(x).total, list(crowd.discriminator.parameters()))
    of_g = torch.autograd.grad(crowd.generator_loss(x), list(crowd.generator.parameters()))
    for i in range(3):
        one = GAN(alone(crowd.generator, i), alone(crowd.discriminator, i), 2, **options)
        rows = slice(4 * i, 4 * i + 4)
        one.latents = lambda n, generator=None, rows=rows: z[rows]
        torch.testing.assert_close(one.decode(z[rows]), crowd.decode(z)[rows])
        for part, loss, gradients in (
            (one.discriminator, one.discriminator_loss(x[rows]).total, of_d),
            (one.generator, one.generator_loss(x[rows]), of_g),
        ):
            for j, (p, g) in enumerate(zip(torch.autograd.grad(loss, list(part.parameters())), gradients, strict=True)):
                torch.testing.assert_close(p / 3, g[i].T if j % 2 == 0 else g[i, 0])


def test_nets_are_scored_each_on_its_own_samples():
    torch.manual_seed(0)
    crowd = recipe.build_game(2)
    with torch.no_grad():
        crowd.generator.layers[-1].weight.zero_()
        crowd.generator.layers[-1].bias.copy_(torch.tensor([[[1.0, 0.0]], [[0.5, 0.5]]]))
    first, second = recipe.count_modes(crowd, *recipe.CENTRES["ring"], n=50)
    assert (first.found, first.counts.tolist()) == (1, [50] + 7 * [0]) and second.quality == 0
    expected = modes(crowd.sample(100)[:50], *recipe.CENTRES["ring"])
    assert first.quality == expected.quality == 1


def test_the_cure_is_one_training_in_which_noise_and_rate_are_set_at_every_step():
    """Not several: an optimiser that is begun anew forgets its averages, which is a cure of its own."""
    made, noises = [], []
    falls = anneal_noise(0.3, 0.003)

    def counted(parameters, lr):
        made.append(torch.optim.SGD(parameters, lr))
        return made[-1]

    def noted(progress):
        noises.append(falls(progress))
        return noises[-1]

    model = GAN(recipe.BatchedMLP(1, 2, 4, 2), recipe.BatchedMLP(1, 2, 4, 1), 2, instance_noise=noted)
    settings = {"epochs": 5, "lr": 0.1, "optimizer": counted, "progress": False}
    recipe.fit_with_cure(model, torch.randn(4 * _toy_gans.BATCH, 2), **settings)
    assert len(made) == 2  # one for each player
    at_steps = noises[-60::3]  # asked for data and for samples in the discriminator's loss, and in the generator's
    assert at_steps == pytest.approx([falls(step / 20) for step in range(20)])
    assert made[0].param_groups[0]["lr"] == pytest.approx(0.1 * half_cosine_decay(19 / 20))


def test_noise_goes_where_it_should():
    noise = anneal_noise(0.3, 0.003)
    assert noise(0) == 0.3 and noise(0.4) == pytest.approx(0.03)
    assert noise(0.8) == noise(1) == pytest.approx(0.003)
    for name, nets in recipe.build().items():
        start, end = recipe.NOISE[name[:4]]
        expected = [start, end] if "cure" in name else [0, 0]
        found = nets.instance_noise
        assert ([found(0), found(1)] if callable(found) else [found] * 2) == pytest.approx(expected)


def test_the_cure_finds_all_modes_of_the_ring_where_the_naive_nets_collapse():
    record = zoo.record("gan-ring-seeds")
    found, each = record["metrics"], record["details"]
    cured, naive = ([each[f"ring, {name}, net {i}: modes"] for i in range(1, 11)] for name in ("with a cure", "naive"))
    assert sum(n == 8 for n in cured) >= 9 and sum(n == 8 for n in naive) <= 4
    assert found["ring, with a cure: high quality, %"] >= 90 > 50 >= found["ring, naive: high quality, %"]


def test_the_gan_of_digits_is_one_training_in_three_stages():
    digits = zoo.recipe("gan-mnist")
    asked = [(digits.step_noise(f), digits.step_rate(f)) for f in (0, 0.3, 0.34, 0.79, 0.8, 1)]
    assert asked == [(0.6, 1), (0.6, 1), (0.3, 1), (0.3, 1), (0.15, 0.4), (0.15, 0.4)]
    assert "simplified later" in zoo.record("gan-mnist")["note"]
