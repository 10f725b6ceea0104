"""A small style-based generator on digits, its weights averaged. An hour."""

import torch

from repgen import dcgan, zoo
from repgen.data import load
from repgen.gan import GAN
from repgen.judging import frechet, precision_recall, verdict
from repgen.recipes.gan_ring_seeds import falling
from repgen.styles import StyleGenerator, equalized
from repgen.train import fit

SAMPLES = 10_000
SHOWN = 2_000  # of these precision and recall are taken
PSI = 0.7


def data(device):
    return load("mnist", "train", device), load("mnist", "test", device)


def build():
    """What is kept: the generator."""
    return StyleGenerator(28, (96, 48, 32), n_latent=32, n_style=64)


def train(model, digits, unseen, **options):
    game = GAN(model, dcgan.discriminator(28, (64, 128, 256)), 32, rates=(2e-4, 4e-3), noise=0.2, average=0.998)
    settings = {"epochs": 11, "batch_size": 64, "optimizer": equalized(model, 0.5, 0.99), "schedule": falling, "amp": True}
    history = fit(game, digits.x, **settings | options)
    model.load_state_dict(game.averaged.module.state_dict())
    return history


def measure(model, digits, unseen):
    judge = zoo.load("judge-mnist", digits.x.device)
    z = torch.randn(SAMPLES, 32, generator=torch.Generator(digits.x.device).manual_seed(0), device=digits.x.device)
    w, real = model.styles(z), judge.features(unseen.x)
    found = {}
    for name, styles in (("", w), (f", truncated to {PSI}", model.truncated(w, PSI))):
        made = torch.cat([model.picture(part) for part in styles.split(500)])
        told, features = verdict(judge(made)), judge.features(made)
        close = precision_recall(real[:SHOWN], features[:SHOWN])
        found |= {
            f"the judge's mean confidence{name}": told.confidence,
            f"entropy of its classes, as a share of log 10{name}": told.balance,
            f"Frechet distance to test digits{name}": frechet(real, features),
            f"precision{name}": close.precision,
            f"recall{name}": close.recall,
        }
    return found
