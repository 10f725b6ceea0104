"""A DCGAN on faces of 30 people, 64 x 64, mirrored, shifted and lit at random for the discriminator. Twenty minutes."""

import torch
from torch.optim.swa_utils import update_bn

from repgen import dcgan
from repgen.gan import GAN
from repgen.train import fit
from repgen.zoo.recipes._common import DiffAugment, adam, half_cosine_decay, make_loader

data = make_loader("faces", size=64)


def build():
    """What is kept: the discriminator, and one generator, that of the averaged weights."""
    return GAN(dcgan.generator(64, (128, 64, 32, 16), 64), DiffAugment(dcgan.discriminator(64, (16, 32, 64, 128))), 64)


def train(model, faces, unseen, **options):
    game = GAN(model.generator, model.discriminator, model.latent_dim, ema_decay=0.999)
    settings = {"epochs": 1200, "batch_size": 60, "lr": 4e-4, "optimizer": adam(0.5, 0.999), "amp": True}
    history = fit(game, faces, **settings | {"schedule": half_cosine_decay} | options)
    model.generator.load_state_dict(game.ema.module.state_dict())
    z = model.latents(3000, torch.Generator(faces.x.device).manual_seed(1))
    update_bn(z.split(100), model.generator)  # means and variances of the averaged weights' own maps
    return history


def measure(model, faces, unseen):
    """Median squared distances, and the shares that the discriminator takes for real."""
    made = model.sample(300, torch.Generator(faces.x.device).manual_seed(0))
    figures = {}
    for name, x in (("a sample", made), ("a stranger's face", unseen.x)):
        distance = torch.cdist(x.flatten(1), faces.flat).amin(1).square()
        figures[f"from {name} to the nearest training face"] = distance.median().item()
    for name, x in (("training faces", faces.x), ("strangers' faces", unseen.x), ("samples", made)):
        figures[f"{name} taken for real, %"] = 100 * (model.logits(x) > 0).double().mean().item()
    return figures
