"""A DCGAN on digits: three layers a side, so that the last look is at the whole. Half an hour."""

import torch

from repgen import dcgan, zoo
from repgen.evaluation.generative import class_balance, frechet
from repgen.gan import GAN
from repgen.train import fit
from repgen.zoo.recipes._common import adam, half_cosine_decay, make_loader

FIXED = ("lr",)  # each player has its own
SAMPLES = 10_000
data = make_loader("mnist")


def build():
    return GAN(dcgan.generator(28, (192, 96, 48), 32), dcgan.discriminator(28, (64, 128, 256)), 32, lrs=(2e-4, 5e-4))


def train(model, digits, unseen, **options):
    settings = {"epochs": 14, "batch_size": 64, "optimizer": adam(0.5, 0.999), "amp": True}
    return fit(model, digits.x, **settings | {"schedule": half_cosine_decay} | options)


def measure(model, digits, unseen):
    judge = zoo.load_pretrained("judge-mnist", digits.x.device)
    made = model.sample(SAMPLES, torch.Generator(digits.x.device).manual_seed(0))
    verdict = class_balance(judge(made))
    return {
        "the judge's mean confidence": verdict.confidence,
        "entropy of its classes, as a share of log 10": verdict.balance,
        "Frechet distance of its features, to test digits": frechet(judge.features(unseen.x), judge.features(made)),
    }
