"""Two convolutional generators of one size: one is told which digit to make, the other is not. Four minutes."""

import torch
from torch import nn

from repgen import dcgan, zoo
from repgen.conditional_gan import ClassConditional, ConditionalGAN, ProjectionDiscriminator
from repgen.evaluation.generative import class_balance, frechet
from repgen.gan import GAN
from repgen.train import fit
from repgen.zoo.recipes._common import adam, checkpoint_for, combine_histories, half_cosine_decay, make_loader

LATENT_DIM, CHANNELS = 32, (64, 48, 24)
SAMPLES = 10_000
FIXED = ("lr",)  # each player has its own
data = make_loader("mnist")


def build():
    """What is kept: the generators. They have the same layers, but for ten columns of the first, one for each label."""
    told = ClassConditional(dcgan.generator(28, CHANNELS, LATENT_DIM + 10))
    return nn.ModuleDict({"told": told, "untold": dcgan.generator(28, CHANNELS, LATENT_DIM)})


def build_features():
    """A DCGAN's discriminator without its last layer, (N, 1, 28, 28) to (N, 1536)."""
    return dcgan.discriminator(28, (24, 48, 96))[:-1]


def build_games(model):
    """Both games, by the names of their generators; the discriminators are of one size, and one sees the label too."""
    rates = {"lrs": (3e-4, 8e-4)}
    told = ConditionalGAN(model["told"], ProjectionDiscriminator(build_features(), 1536), LATENT_DIM, **rates)
    untold = GAN(model["untold"], nn.Sequential(build_features(), nn.Linear(1536, 1)), LATENT_DIM, **rates)
    return {"told": told, "untold": untold}


def train(model, digits, unseen, **options):
    settings = {
        "epochs": 3,
        "batch_size": 64,
        "optimizer": adam(0.5, 0.999),
        "schedule": half_cosine_decay,
        "amp": True,
    }
    examples = {"told": (digits.x, digits.labels), "untold": digits.x}
    histories = []
    for name, game in build_games(model).items():
        histories.append(fit(game.to(digits.x.device), examples[name], **settings | checkpoint_for(options, name)))
    return combine_histories(histories)


def measure(model, digits, unseen):
    judge = zoo.load_pretrained("judge-mnist", digits.x.device)
    dice = torch.Generator(digits.x.device).manual_seed(0)
    z = torch.randn(SAMPLES, LATENT_DIM, generator=dice, device=digits.x.device)
    labels = torch.arange(SAMPLES, device=z.device) % 10
    told, untold = model["told"](z, labels), model["untold"](z)
    real = judge.features(unseen.x)
    return {
        "asked for and read by the judge, %": 100 * (judge(told).argmax(1) == labels).double().mean().item(),
        "the judge's mean confidence": class_balance(judge(told)).confidence,
        "the judge's mean confidence, untold": class_balance(judge(untold)).confidence,
        "Frechet distance to test digits": frechet(real, judge.features(told)),
        "Frechet distance to test digits, untold": frechet(real, judge.features(untold)),
    }
