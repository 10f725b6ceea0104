"""A GAN of dense nets on digits, judged through noise that fades; its weights are averages. Four minutes."""

import torch
from torch import Tensor, nn

from repgen.evaluation import parzen
from repgen.gan import GAN
from repgen.train import fit
from repgen.zoo.recipes import _common
from repgen.zoo.recipes._common import make_loader

HELD_OUT = 1000  # the last training digits are kept from both players: the window's width is chosen on them
SAMPLES = 10_000
FIXED = ("lr",)  # each player has its own
adam = _common.adam(0.5, 0.999)
data = make_loader("mnist")


def generator(latent_dim, *sizes):
    """Latents to 784 pixels in [0, 1], through ReLU layers of ``sizes``."""
    return nn.Sequential(*_layers((latent_dim, *sizes), nn.ReLU()), nn.Linear(sizes[-1], 784), nn.Sigmoid())


def discriminator(*sizes):
    """784 pixels to one logit, through leaky ReLU layers of ``sizes``."""
    return nn.Sequential(*_layers((784, *sizes), nn.LeakyReLU(0.2)), nn.Linear(sizes[-1], 1))


def _layers(sizes, activation):
    return [part for a, b in zip(sizes, sizes[1:]) for part in (nn.Linear(a, b), activation)]


def build():
    """What is kept: the discriminator, and one generator, that of the averaged weights."""
    return GAN(generator(32, 256, 512), discriminator(256, 128), 32)


def step_noise(progress):
    """The instance noise: coarse in the first third, finer after it, finest in the last fifth."""
    return 0.6 if progress < 1 / 3 else 0.3 if progress < 0.8 else 0.15


def step_rate(fraction):
    """A schedule: two fifths of the rates in the last fifth of the training."""
    return 1.0 if fraction < 0.8 else 0.4


def train(model, digits, unseen, **options):
    nets = model.generator, model.discriminator, model.latent_dim
    game = GAN(*nets, lrs=(1e-3, 5e-4), instance_noise=step_noise, ema_decay=0.9995)
    settings = {"epochs": 15, "batch_size": 100, "optimizer": adam, "schedule": step_rate}
    history = fit(game, digits.flat[:-HELD_OUT], **settings | options)
    model.generator.load_state_dict(game.ema.module.state_dict())
    return history


def select_window(model, digits) -> tuple[Tensor, parzen.Bandwidth]:
    """10,000 samples, and the width that is best for the held-out digits."""
    samples = model.sample(SAMPLES, torch.Generator(digits.x.device).manual_seed(0))
    return samples, parzen.select_bandwidth(digits.flat[-HELD_OUT:], samples)


def measure(model, digits, unseen):
    samples, window = select_window(model, digits)
    density = parzen.log_density(unseen.flat, samples, window.sigma)
    return {"test log density under Parzen windows, nats": density.mean().item(), "the window's sigma": window.sigma}
