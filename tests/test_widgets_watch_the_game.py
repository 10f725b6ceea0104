"""Watch the game: what `record` keeps, what is sent to the page, what pulls, checks, the still picture."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from widget_checks import lively, same_in_every_run

from repgen import fit
from repgen.datasets import Data, synthetic
from repgen.evaluation.metrics import modes
from repgen.gan import GAN
from repgen.widgets import WatchTheGame, record

CENTRES = synthetic.ring_centres()
POINTS = synthetic.ring(200, torch.Generator().manual_seed(0))[0]
STEPS = [0, 10, 40]


def a_gan(seed=0, *, latent_dim=2, width=6, activation=nn.Tanh, n=2, **options):
    """A game of nets whose weights all matter; its generator is spread over the ring."""
    generator = nn.Sequential(nn.Linear(latent_dim, width), activation(), nn.Linear(width, n))
    discriminator = nn.Sequential(
        nn.Linear(n, width), activation(), nn.Linear(width, width), activation(), nn.Linear(width, 1)
    )
    return GAN(lively(generator, seed, 1.5), lively(discriminator, seed + 100, 2), latent_dim, **options)


def a_history(seed=0, steps=STEPS, **options):
    return [(step, a_gan(seed + k, **options)) for k, step in enumerate(steps)]


HISTORIES = {
    "naive": a_history(objective="minimax"),
    "with a cure": a_history(10, latent_dim=3, width=5, activation=nn.ReLU),
}


def a_game(**change):
    return WatchTheGame(
        **{"data": POINTS, "histories": HISTORIES, "modes": CENTRES, "sd": 0.1, "samples": 50, "arrows": 8} | change
    )


def game_as_sent(shown, r, t):
    """(generator, discriminator) of recipe r at moment t, built anew from what the page gets."""
    sizes = [game["bytes"] for game in shown.games]
    at = sum(len(shown.steps) * sum(pair) for pair in sizes[:r]) + t * sum(sizes[r])
    nets = []
    for spec, size in zip((shown.games[r]["generator"], shown.games[r]["discriminator"]), sizes[r]):
        numbers = torch.from_numpy(np.frombuffer(shown.weights[at : at + size], spec["dtype"]).astype(np.float32))
        at, taken, layers = at + size, 0, []
        for layer in spec["layers"]:
            if layer["type"] != "linear":
                layers.append({"tanh": nn.Tanh, "relu": nn.ReLU}[layer["type"]]())
                continue
            n_in, n_out = layer["n_in"], layer["n_out"]
            layers.append(nn.Linear(n_in, n_out))
            layers[-1].weight.data = numbers[taken : taken + n_in * n_out].view(n_out, n_in)
            layers[-1].bias.data = numbers[taken + n_in * n_out : taken + n_in * n_out + n_out]
            taken += n_in * n_out + n_out
        assert taken == len(numbers)
        nets.append(nn.Sequential(*layers))
    return nets


# --- recording


@pytest.mark.parametrize("steps", [1, 3])
def test_a_recorded_training_is_the_training_and_its_copies_are_its_moments(steps):
    """With 200 points in batches of 50: 4 batches an epoch. Shorter trainings, each from the start, end where the
    copies are."""

    def trained(epochs):
        gan = a_gan(n_critic=steps)
        fit(gan, POINTS, epochs=epochs, batch_size=50, lr=0.01, seed=3, progress=False)
        return gan

    gan = a_gan(n_critic=steps)
    history = record(
        gan, POINTS, [0, 4, 8] if steps == 1 else [0, 4], epochs=3, batch_size=50, lr=0.01, seed=3, progress=False
    )
    assert [step for step, _ in history] == ([0, 4, 8] if steps == 1 else [0, 4])
    for p, q in zip(trained(3).parameters(), gan.parameters()):
        assert torch.equal(p, q)  # to record changes nothing
    wanted = [a_gan(n_critic=steps), trained(1), trained(2)] if steps == 1 else [a_gan(n_critic=steps), trained(3)]
    for (_, kept), want in zip(history, wanted, strict=True):
        for p, q in zip(kept.parameters(), want.parameters(), strict=True):
            assert torch.equal(p, q) and not p.requires_grad
    assert all(p.requires_grad for p in gan.parameters())


def test_moments_are_even_and_end_with_the_training():
    history = record(a_gan(), Data(POINTS, None, "ring", "generated"), 5, epochs=2, batch_size=50, progress=False)
    assert [step for step, _ in history] == [0, 2, 4, 6, 8]
    # 8 batches: 2 rounds and 2 steps of a third
    history = record(a_gan(n_critic=3), POINTS, 2, epochs=2, batch_size=50, progress=False)
    assert [step for step, _ in history] == [0, 2]
    weights = [gan.generator[0].weight for _, gan in history]
    assert not torch.equal(*weights)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"moments": 1}, "2 to 9 in a training of 8 steps .* got 1"),
        ({"moments": 10}, "got 10"),
        ({"moments": [0, 9]}, r"from 0 to 8 at most, got \[0, 9\]"),
        ({"moments": [-1, 3]}, "from 0 to 8"),
        ({"moments": [0, 3, 3]}, "steps that increase"),
        ({"moments": []}, "steps that increase"),
        ({"validation": POINTS}, "takes no validation"),
        ({"patience": 2, "checkpoint": "x"}, "takes no checkpoint and no patience"),
    ],
)
def test_record_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        record(**{"gan": a_gan(), "data": POINTS, "epochs": 2, "batch_size": 50, "progress": False} | change)


# --- what the page gets


def test_the_page_gets_the_nets_of_all_moments():
    shown = a_game(dtype="float32")
    assert shown.steps == STEPS and [(g["name"], g["objective"]) for g in shown.games] == [
        ("naive", "minimax"),
        ("with a cure", "non-saturating"),
    ]
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(4))
    for r, history in enumerate(HISTORIES.values()):
        for k, (_, gan) in enumerate(history):
            generator, discriminator = game_as_sent(shown, r, k)
            z = torch.randn(7, gan.latent_dim)
            assert torch.allclose(generator(z), gan.decode(z), atol=1e-6)
            assert torch.allclose(discriminator(x)[:, 0], gan.logits(x), atol=1e-6)
    assert (
        repr(shown) == f"WatchTheGame('Watch the game': naive, with a cure; 3 moments to step 40, 50 samples, "
        f"{len(shown.weights) / 1e3:.0f} kB of weights)"
    )


def test_weights_travel_in_two_bytes_each():
    shown = a_game()
    each = [sum(p.numel() for p in history[0][1].parameters()) for history in HISTORIES.values()]
    assert len(shown.weights) == 2 * 3 * sum(each) and len(a_game(dtype="float32").weights) == 4 * 3 * sum(each)
    generator, _ = game_as_sent(shown, 1, 2)
    want = HISTORIES["with a cure"][2][1].generator[0].weight
    assert 0 < (generator[0].weight - want).abs().max() < 2e-3


def test_samples_are_of_the_same_latents_at_all_moments():
    shown = a_game(seed=7)
    latents = torch.randn(50, 3, generator=torch.Generator().manual_seed(7))
    assert np.array_equal(np.frombuffer(shown.latents, np.float32).reshape(50, shown.latent_dim), latents.numpy())
    for r, (name, history) in enumerate(HISTORIES.items()):
        for k in range(3):
            generator, _ = game_as_sent(shown, r, k)
            want = generator(latents[:, : history[k][1].latent_dim]).detach().numpy()
            assert np.abs(shown._samples(name, k) - want).max() < 1e-6


@pytest.mark.parametrize(
    "objective, factor",
    [
        ("minimax", lambda d: d),
        ("non-saturating", lambda d: 1 - d),
        ("hinge", lambda d: 1.0),
    ],
)
def test_the_pull_is_the_slope_of_the_logit_times_what_the_objective_says(objective, factor):
    """By finite differences, in double precision."""
    shown = a_game(histories={"one": a_history(objective=objective)}, dtype="float32")
    discriminator = game_as_sent(shown, 0, 1)[1].double()
    x = torch.randn(9, 2, generator=torch.Generator().manual_seed(4))
    d, pull = shown._pull("one", 1, x.numpy())
    with torch.no_grad():
        want = discriminator(x.double())[:, 0].sigmoid().numpy()
        slope = np.stack(
            [
                ((discriminator(x + e) - discriminator(x - e)) / 2e-5)[:, 0].numpy()
                for e in 1e-5 * torch.eye(2, dtype=torch.float64)
            ],
            1,
        )
    assert np.abs(d - want).max() < 1e-5 and np.abs(slope).max() > 0.5
    assert np.abs(pull - factor(want)[..., None] * slope if objective != "hinge" else pull - slope).max() < 1e-5


def test_arrows_are_measured_by_the_pull_that_is_typical():
    shown = a_game()
    sizes = [np.hypot(*shown._pull(name, k, shown._samples(name, k)[:8])[1].T) for name in HISTORIES for k in range(3)]
    assert shown.scale == pytest.approx(np.median(sizes), rel=1e-6)


def test_modes_and_quality_are_those_of_the_metric():
    shown = a_game(sd=0.2, samples=300)
    seen = set()
    for r, name in enumerate(HISTORIES):
        for k in range(3):
            generator, _ = game_as_sent(shown, r, k)
            latents = torch.from_numpy(np.frombuffer(shown.latents, np.float32).reshape(300, -1).copy())[
                :, : shown.games[r]["generator"]["n_in"]
            ]
            want = modes(generator(latents).detach(), CENTRES, 0.2)
            found, share = shown.tally(name, k)
            assert found.tolist() == (want.counts > 0).tolist() and share == pytest.approx(want.quality)
            seen.add(int(found.sum()))
    assert len(seen) > 1


def test_modes_need_not_be_known():
    shown = a_game(modes=None, sd=None)
    assert shown.modes == b"" and np.array_equal(np.frombuffer(shown.data, np.float32).reshape(-1, 2), POINTS.numpy())
    many = a_game(data=POINTS.repeat(3, 1))
    assert len(many.data) == 400 * 8  # not more than can be told apart


def test_the_picture_is_a_square_around_the_data_and_the_probe_is_in_its_middle():
    shown = a_game(data=torch.tensor([[0.0, 0.0], [4.0, 1.0]]), modes=None, sd=None)
    assert shown.extent == [
        pytest.approx([2 - 3.2, 2 + 3.2]),
        pytest.approx([0.5 - 3.2, 0.5 + 3.2]),
    ] and shown.probe == pytest.approx([2, 0.5])
    shown = a_game(extent=((-1, 2), (0, 3)), probe=(1, 0.5), moment=-2)
    assert shown.extent == [[-1, 2], [0, 3]] and shown.probe == [1, 0.5] and shown.moment == 1


def test_spectral_normalisation_is_a_weight_like_any_other():
    def normed():
        gan = a_gan()
        gan.discriminator[0] = spectral_norm(gan.discriminator[0])
        return gan

    gans = [normed(), normed()]
    assert not gans[0].discriminator[0].weight.equal(a_gan().discriminator[0].weight)
    shown = a_game(histories={"normed": list(enumerate(gans))}, dtype="float32")
    x = torch.randn(5, 2)
    assert torch.allclose(game_as_sent(shown, 0, 0)[1](x)[:, 0], gans[0].eval().logits(x), atol=1e-5)
    assert hasattr(gans[0].discriminator[0], "parametrizations")  # the model itself stays as it was


# --- the still picture


@pytest.mark.parametrize(
    "change", [{}, {"modes": None, "sd": None}, {"arrows": 0}, {"histories": {"one": HISTORIES["naive"]}}]
)
def test_the_still_picture_is_the_same_in_every_run(change):
    same_in_every_run(lambda: a_game(**change))


def test_the_still_picture_shows_the_moment_and_the_games():
    pictures = [
        a_game(**change)._repr_mimebundle_()[0]["image/png"]
        for change in (
            {},
            {"moment": 0},
            {"arrows": 0},
            {"modes": None, "sd": None},
            {"histories": {"one": HISTORIES["naive"]}},
            {"seed": 1},
        )
    ]
    assert len(set(pictures)) == 6


# --- checks


def broken(change, at=1):
    """A history in which one GAN was changed."""
    history = copy.deepcopy(HISTORIES["naive"])
    change(history[at][1])
    return {"histories": {"naive": history}}


def set_weight(value):
    def change(gan):
        gan.discriminator[2].weight.data[0, 0] = value

    return change


def wider(gan):
    gan.generator = a_gan(width=7).generator


ONE = a_gan()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"data": POINTS[:, :1]}, r"data: expected shape \(N, 2\), found \(200, 1\)"),
        ({"data": POINTS[:0]}, "data: expected at least one point"),
        ({"data": POINTS * float("nan")}, "data: 400 of 400 numbers are NaN"),
        ({"sd": None}, "give both"),
        ({"modes": CENTRES.T}, r"modes: expected shape \(N, 2\), found \(2, 8\)"),
        ({"modes": CENTRES[:0]}, "at least one centre"),
        ({"sd": 0.0}, "a positive number, got 8 and 0.0"),
        ({"samples": 0, "arrows": 0}, "1 or more samples"),
        ({"arrows": 51}, "no more arrows than these, got 50 and 51"),
        ({"histories": {}}, "at least one recipe"),
        ({"histories": HISTORIES["naive"]}, "expected a dict"),
        ({"histories": {"naive": [1, 2]}}, r"naive: expected a list of \(step, GAN\)"),
        ({"histories": {"naive": HISTORIES["naive"][:1]}}, "naive: expected at least 2 moments, found 1"),
        (
            {"histories": {"naive": [(0, ONE), (1, ONE.generator)]}},
            "naive at step 1: expected a GAN, found a Sequential",
        ),
        ({"histories": {"naive": [(0, ONE), (1, ONE)]}}, "the same GAN stands for several moments.*deepcopy"),
        ({"histories": {"naive": a_history(steps=[0, 5, 5])}}, r"naive: expected steps that increase, got \[0, 5, 5\]"),
        ({"histories": HISTORIES | {"short": a_history(steps=[0, 10])}}, "short: 2 moments, but naive has 3"),
        (
            {"histories": HISTORIES | {"late": a_history(steps=[0, 10, 50])}},
            r"late: recorded at the steps \[0, 10, 50\], but naive at \[0, 10, 40\]",
        ),
        (
            {"histories": {"critic": a_history(objective="wasserstein")}},
            "critic: the page draws D = sigma.*this has wasserstein",
        ),
        ({"histories": {"both": [(0, a_gan()), (1, a_gan(objective="minimax"))]}}, "this has minimax, non-saturating"),
        (
            {"histories": {"solid": a_history(n=3)}},
            "solid at step 0: the generator takes 2 numbers and gives 3; expected 2 and 2",
        ),
        (
            broken(set_weight(float("nan"))),
            "naive at step 10: the discriminator: 1 weights are NaN or too large for float16",
        ),
        (broken(set_weight(1e6), 2), "naive at step 40: the discriminator: 1 weights"),
        (broken(wider), "naive: the nets of all moments have one shape"),
        ({"moment": 3}, "moment: expected the number of a moment, 0 to 2, got 3"),
        ({"moment": -4}, "got -4"),
        ({"probe": (0, 0, 0)}, r"probe: expected shape \(2\), found \(3,\)"),
        ({"extent": ((1, 1), (0, 1))}, "extent: expected"),
        ({"extent": ((0, 1),)}, "extent: expected"),
        ({"dtype": "float64"}, "'float16' or 'float32'"),
    ],
)
def test_it_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        a_game(**change)


@pytest.mark.parametrize(
    "layer, message", [(nn.LayerNorm(6), "the generator: .*LayerNorm"), (nn.Conv1d(6, 6, 1), "Conv1d")]
)
def test_nets_that_the_page_cannot_compute_are_refused(layer, message):
    gans = [a_gan(), a_gan()]
    gans[0].generator.insert(1, layer)
    with pytest.raises(TypeError, match=f"odd at step 0: .*{message}"):
        a_game(histories={"odd": list(enumerate(gans))})


def test_a_larger_weight_can_travel_as_float32():
    assert a_game(**broken(set_weight(1e6)), dtype="float32").games[0]["name"] == "naive"
