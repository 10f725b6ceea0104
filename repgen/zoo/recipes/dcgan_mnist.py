"""A DCGAN on digits: three layers a side, so that the last look is at the whole. Half an hour."""

import torch

from repgen import dcgan, zoo
from repgen.datasets import load_data
from repgen.gan import GAN
from repgen.evaluation.generative import frechet, class_balance
from repgen.zoo.recipes.gan_ring_seeds import adam, falling
from repgen.train import fit

SAMPLES = 10_000


def data(device):
    return load_data("mnist", "train", device), load_data("mnist", "test", device)


def build():
    return GAN(dcgan.generator(28, (192, 96, 48), 32), dcgan.discriminator(28, (64, 128, 256)), 32, lrs=(2e-4, 5e-4))


def train(model, digits, unseen, **options):
    settings = {"epochs": 14, "batch_size": 64, "optimizer": adam(0.5, 0.999), "schedule": falling, "amp": True}
    return fit(model, digits.x, **settings | options)


def measure(model, digits, unseen):
    judge = zoo.load_pretrained("judge-mnist", digits.x.device)
    made = model.sample(SAMPLES, torch.Generator(digits.x.device).manual_seed(0))
    told = class_balance(judge(made))
    return {
        "the judge's mean confidence": told.confidence,
        "entropy of its classes, as a share of log 10": told.balance,
        "Frechet distance of its features, to test digits": frechet(judge.features(unseen.x), judge.features(made)),
    }
