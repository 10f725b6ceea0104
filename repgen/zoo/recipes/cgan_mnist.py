"""Two convolutional generators of one size: one is told which digit to make, the other is not. Four minutes."""

import torch
from torch import nn

from repgen import dcgan, zoo
from repgen.conditional_gan import ClassConditional, ConditionalGAN, ProjectionDiscriminator
from repgen.datasets import load_data
from repgen.gan import GAN
from repgen.evaluation.generative import frechet, class_balance
from repgen.zoo.recipes.gan_ring_seeds import adam, falling, together
from repgen.train import fit

N_LATENT, CHANNELS = 32, (64, 48, 24)
SAMPLES = 10_000


def data(device):
    return load_data("mnist", "train", device), load_data("mnist", "test", device)


def build():
    """What is kept: the generators. They have the same layers, but for ten columns of the first, one for each label."""
    told = ClassConditional(dcgan.generator(28, CHANNELS, N_LATENT + 10))
    return nn.ModuleDict({"told": told, "untold": dcgan.generator(28, CHANNELS, N_LATENT)})


def features():
    """A DCGAN's discriminator without its last layer, (N, 1, 28, 28) to (N, 1536)."""
    return dcgan.discriminator(28, (24, 48, 96))[:-1]


def games(model):
    """Both games, with discriminators of one size: one that is told the label, too, and one that is not."""
    rates = {"lrs": (3e-4, 8e-4)}
    told = ConditionalGAN(model["told"], ProjectionDiscriminator(features(), 1536), N_LATENT, **rates)
    untold = GAN(model["untold"], nn.Sequential(features(), nn.Linear(1536, 1)), N_LATENT, **rates)
    return told, untold


def train(model, digits, unseen, **options):
    settings = {"epochs": 3, "batch_size": 64, "optimizer": adam(0.5, 0.999), "schedule": falling, "amp": True}
    told, untold = (game.to(digits.x.device) for game in games(model))
    settings = settings | options | {"checkpoint": None}
    return together([fit(told, (digits.x, digits.labels), **settings), fit(untold, digits.x, **settings)])


def measure(model, digits, unseen):
    judge = zoo.load_pretrained("judge-mnist", digits.x.device)
    dice = torch.Generator(digits.x.device).manual_seed(0)
    z = torch.randn(SAMPLES, N_LATENT, generator=dice, device=digits.x.device)
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
