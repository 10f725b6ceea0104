"""Real or fake: what is sent to the page, checks, traits, the still picture."""

import numpy as np
import pytest
import torch
import traitlets
from matplotlib.figure import Figure
from test_widgets_latent_plane import GENERATOR
from torch import nn
from widget_checks import lively, same_in_every_run

from repgen import dcgan
from repgen.vae import VAE
from repgen.widgets import Network, RealOrFake


def a_discriminator():
    """A small one for 8 x 8 pixels, whose batch normalisation matters and that is of two minds about what it is
    shown."""
    net = lively(dcgan.discriminator(8, (4, 6)), 4, 1.5)
    net[3].weight.data += 1
    for k in range(20):
        net.train()(torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(k)))
    net.eval().requires_grad_(False)
    net[-1].bias -= net(GENERATOR(torch.randn(500, 5, generator=torch.Generator().manual_seed(3)))).mean()
    return net


DENSE = lively(
    nn.Sequential(nn.Linear(3, 16), nn.LeakyReLU(0.2), nn.Linear(16, 64), nn.Sigmoid()), 2, 2
).requires_grad_(False)
JUDGE = a_discriminator()
FORGERS = {"dense": DENSE, "DCGAN": GENERATOR}  # 3 and 5 latents
REAL = (torch.rand(30, 8, 8, generator=torch.Generator().manual_seed(5)) * 255).round() / 255


def a_quiz(**change):
    return RealOrFake(
        **{
            "forgers": {"dense": DENSE, "DCGAN": dcgan.fold_batch_norm(GENERATOR)},
            "real": REAL,
            "discriminator": dcgan.fold_batch_norm(JUDGE),
        }
        | change
    )


# --- what the page gets


def test_the_page_gets_the_forgers_the_pictures_and_the_discriminator():
    quiz = a_quiz(dtype="float32", title="Quiz", rounds=7)
    assert quiz.names == ["dense", "DCGAN"] and quiz.shape == [8, 8] and quiz.rounds == 7
    assert quiz.forger is None and quiz.seed is None and quiz.answers == []
    assert [layer["type"] for layer in quiz.networks[0].spec["layers"]] == ["linear", "leaky_relu", "linear", "sigmoid"]
    assert [layer["type"] for layer in quiz.discriminator.spec["layers"]] == [
        "conv",
        "leaky_relu",
        "conv",
        "leaky_relu",
        "linear",
    ]
    assert np.array_equal(np.frombuffer(quiz.real, np.uint8).reshape(30, 8, 8) / np.float32(255), REAL.numpy())
    z = torch.randn(50, 5, generator=torch.Generator().manual_seed(1))
    pictures, logits = GENERATOR(z), JUDGE(GENERATOR(z))
    assert pictures.flatten(1).std(0).mean() > 0.1 and logits.std() > 0.3 and 10 < (logits > 0).sum() < 40
    assert (quiz.networks[1].decode(z) - pictures.flatten(1)).abs().max() < 1e-5
    assert (quiz.discriminator.decode(pictures.flatten(1)) - logits).abs().max() < 1e-4
    weights = sum(
        p.numel()
        for net in (DENSE, dcgan.fold_batch_norm(GENERATOR), dcgan.fold_batch_norm(JUDGE))
        for p in net.parameters()
    )
    assert (
        repr(quiz) == f"RealOrFake('Quiz': dense, DCGAN against 30 real pictures of 8 x 8 pixels; 7 rounds, with a "
        f"discriminator, {4 * weights / 1e6:.2f} MB of weights)"
    )
    assert "without a discriminator" in repr(a_quiz(discriminator=None))


def test_weights_travel_in_two_bytes_each_and_networks_can_be_shared():
    half, full = a_quiz(), a_quiz(dtype="float32")
    assert all(
        2 * len(a.weights) == len(b.weights)
        for a, b in zip((*half.networks, half.discriminator), (*full.networks, full.discriminator))
    )
    network, judge = Network.from_module(DENSE), Network.from_module(nn.Linear(64, 1))
    quiz = a_quiz(forgers={"a": network, "b": network}, discriminator=judge)
    assert quiz.networks[0] is quiz.networks[1] is network and quiz.discriminator is judge
    assert f"{len(network.weights + judge.weights) / 1e6:.2f} MB" in repr(quiz)


@pytest.mark.parametrize("real", [REAL.flatten(1), REAL[:, None], REAL.numpy(), REAL.double()])
def test_real_pictures_come_in_any_form(real):
    assert a_quiz(real=real).real == a_quiz().real


def test_other_generators_and_discriminators_will_do():
    vae = VAE.dense((64, 16, 2))
    quiz = a_quiz(
        forgers={"VAE": vae},
        discriminator=nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 1)),
        shape=(4, 16),
        real=REAL.reshape(30, 4, 16),
    )
    z = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    assert quiz.shape == [4, 16] and torch.allclose(quiz.networks[0].decode(z), vae.decode(z).detach(), atol=1e-6)


# --- traits


def test_the_forger_can_be_set():
    quiz = a_quiz(forger="DCGAN", seed=np.int64(4))
    assert quiz.forger == "DCGAN" and quiz.seed == 4 and type(quiz.seed) is int
    quiz.forger = None
    quiz.forger = "dense"
    with pytest.raises(traitlets.TraitError, match="expected None, for all mixed, or one of dense, DCGAN; found 'VAE'"):
        quiz.forger = "VAE"
    assert quiz.forger == "dense"


# --- the still picture


@pytest.mark.parametrize("change", [{}, {"forger": "dense"}, {"discriminator": None, "seed": 3}])
def test_the_still_picture_is_the_same_in_every_run(change):
    same_in_every_run(lambda: a_quiz(**change))


def test_the_still_picture_is_a_puzzle_and_its_answers_are_true():
    figure = Figure(figsize=(7, 3))
    a_quiz(dtype="float32", seed=2).still(figure)
    images = [
        torch.from_numpy(np.asarray(image.get_array())).float() for ax in figure.axes for image in ax.get_images()
    ]
    assert len(images) == 16 and [ax.get_title() for ax in figure.axes] == [str(k + 1) for k in range(16)]
    (answers,) = [text for text in figure.texts if text.get_text() == figure.get_supxlabel()]
    assert answers.get_rotation() == 180
    said = {
        name: [int(k) - 1 for k in numbers.split(",")]
        for name, numbers in (part.split(": ") for part in answers.get_text().split("   "))
    }
    assert set(said) == {"real", "dense", "DCGAN"} and sorted(k for at in said.values() for k in at) == list(range(16))
    for k, image in enumerate(images):
        assert (min((image - real).abs().max() for real in REAL) < 1e-6) == (k in said["real"])
    a_quiz(seed=2, forger="dense").still(figure := Figure())
    assert "DCGAN" not in figure.get_supxlabel() and "dense: " in figure.get_supxlabel()


# --- checks


@pytest.mark.parametrize(
    "change, message",
    [
        ({"forgers": {}}, "forgers: expected a dict of at least one generator"),
        ({"forgers": DENSE}, "forgers: expected a dict"),
        ({"forgers": {"real": DENSE}}, "'real' stands for the data"),
        ({"forgers": {"a": DENSE, "b": nn.Linear(3, 49)}}, "b: images of 49 pixels, the others' are 8 x 8"),
        ({"forgers": {"a": nn.Linear(3, 60)}}, "60 numbers: not an image"),
        ({"forgers": {"logits": DENSE[:3]}}, r"forger logits: some of its pictures: expected values in \[0, 1\]"),
        ({"forgers": {"a": lively(nn.Linear(3, 64), 0, torch.nan)}}, "forger a: 192 weights are NaN"),
        ({"real": REAL[:0]}, "real: expected at least one picture, found none"),
        ({"real": None}, "real: expected at least one"),
        ({"real": REAL * 255}, r"real: expected values in \[0, 1\], found 0 to 255"),
        ({"real": REAL - 0.5}, "found -0.5 to"),
        ({"real": torch.where(REAL > 0.99, torch.nan, REAL)}, "real: .* numbers are NaN"),
        ({"real": torch.zeros(4, 7, 8)}, r"real: expected images of 8 x 8 pixels, found shape \(4, 7, 8\)"),
        ({"rounds": 0}, "rounds: expected 1 to 200, got 0"),
        ({"rounds": 201}, "got 201"),
        ({"forger": "VAE"}, "forger: .* one of dense, DCGAN; found 'VAE'"),
        ({"discriminator": nn.Linear(64, 2)}, "discriminator: expected 64 numbers to one, found 64 to 2"),
        ({"discriminator": nn.Linear(49, 1)}, "found 49 to 1"),
        ({"discriminator": nn.Sequential(nn.Linear(64, 1), nn.Sigmoid())}, "expected a logit, .* ends in a Sigmoid"),
        ({"shape": (4, 15)}, "not an image of 4 x 15"),
        ({"dtype": "float64"}, "'float16' or 'float32'"),
    ],
)
def test_it_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        a_quiz(**change)


def test_batch_normalisation_that_was_not_folded_is_refused():
    with pytest.raises(TypeError, match="forger DCGAN: .*BatchNorm1d"):
        a_quiz(forgers={"dense": DENSE, "DCGAN": GENERATOR})
    with pytest.raises(TypeError, match="discriminator: .*BatchNorm2d"):
        a_quiz(discriminator=JUDGE)
