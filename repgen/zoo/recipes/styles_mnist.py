"""A small style-based generator on digits, its weights averaged. An hour."""

import torch

from repgen import dcgan, zoo
from repgen.evaluation.generative import class_balance, frechet, precision_recall
from repgen.gan import GAN
from repgen.stylegan import StyleGenerator, equalized_lr
from repgen.train import fit
from repgen.zoo.recipes._common import half_cosine_decay, make_loader

FIXED = ("lr",)  # each player has its own
SAMPLES = 10_000
SHOWN = 2_000  # of these precision and recall are taken
PSI = 0.7
data = make_loader("mnist")


def build():
    """What is kept: the generator."""
    return StyleGenerator(28, (96, 48, 32), latent_dim=32, style_dim=64)


def train(model, digits, unseen, **options):
    game = GAN(
        model, dcgan.discriminator(28, (64, 128, 256)), 32, lrs=(2e-4, 4e-3), instance_noise=0.2, ema_decay=0.998
    )
    settings = {"epochs": 11, "batch_size": 64, "optimizer": equalized_lr(model, 0.5, 0.99), "amp": True}
    history = fit(game, digits.x, **settings | {"schedule": half_cosine_decay} | options)
    model.load_state_dict(game.ema.module.state_dict())
    return history


def measure(model, digits, unseen):
    judge = zoo.load_pretrained("judge-mnist", digits.x.device)
    z = torch.randn(SAMPLES, 32, generator=torch.Generator(digits.x.device).manual_seed(0), device=digits.x.device)
    w, real = model.styles(z), judge.features(unseen.x)
    found = {}
    for name, styles in (("", w), (f", truncated to {PSI}", model.truncate(w, PSI))):
        made = torch.cat([model.synthesis(part) for part in styles.split(500)])
        verdict, features = class_balance(judge(made)), judge.features(made)
        close = precision_recall(real[:SHOWN], features[:SHOWN])
        found |= {
            f"the judge's mean confidence{name}": verdict.confidence,
            f"entropy of its classes, as a share of log 10{name}": verdict.balance,
            f"Frechet distance to test digits{name}": frechet(real, features),
            f"precision{name}": close.precision,
            f"recall{name}": close.recall,
        }
    return found
