"""The lower half of a digit from its upper half, by three U-nets: by distance alone, by the game alone, by both. Two minutes."""

import torch
from torch import Tensor, nn

from repgen import zoo
from repgen.conditional_gan import ConditionalGAN
from repgen.datasets import load_data
from repgen.evaluation.generative import frechet
from repgen.zoo.recipes.gan_ring_seeds import adam, falling, together
from repgen.train import fit
from repgen.image_to_image import PatchDiscriminator, UNet

WEIGHTS_OF = {"distance": (30.0, 0.0), "game": (0.0, 1.0), "both": (30.0, 1.0)}  # of the distance and of the game
CHANNELS = (16, 32, 64)


def upper(x: Tensor) -> Tensor:
    """Pictures (N, 1, 28, 28) with their lower half black."""
    c = x.clone()
    c[:, :, 14:] = 0
    return c


class ByDistance(nn.Module):
    """A generator with no one to play against, which minimises the mean distance of its pixels alone."""

    def __init__(self, generator: nn.Module):
        super().__init__()
        self.generator = generator

    def loss(self, x: Tensor, c: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The mean of |x - G(z, c)| over pixels (N, 1, S, S) and latents z that it draws."""
        z = torch.randn(len(x), self.generator.latent_dim, generator=generator, device=x.device)
        return (x - self.generator(z, c)).abs().mean()


def data(device):
    return load_data("mnist", "train", device), load_data("mnist", "test", device)


def build():
    """What is kept: the three generators, and the discriminator that the third played against."""
    return nn.ModuleDict({name: UNet(28, CHANNELS) for name in WEIGHTS_OF} | {"patches": PatchDiscriminator((24, 48))})


def players(model, name):
    """The game of one of the three."""
    distance, game = WEIGHTS_OF[name]
    if not game:
        return ByDistance(model[name])
    opponent = model["patches"] if name == "both" else PatchDiscriminator((24, 48)).to(next(model.parameters()).device)
    return ConditionalGAN(model[name], opponent, 8, distance=distance, game=game, lrs=(3e-4, 8e-4))


def train(model, digits, unseen, **options):
    settings = {"epochs": 1, "batch_size": 64, "lr": 1e-3, "optimizer": adam(0.5, 0.999), "schedule": falling, "amp": True}
    settings = settings | options | {"checkpoint": None}
    pairs = digits.x, upper(digits.x)
    return together([fit(players(model, name), pairs, **settings) for name in WEIGHTS_OF])


def measure(model, digits, unseen):
    judge = zoo.load_pretrained("judge-mnist", digits.x.device)
    c, real = upper(unseen.x), judge.features(unseen.x)
    z = torch.randn(len(c), 8, generator=torch.Generator(c.device).manual_seed(0), device=c.device)
    found = {}
    for name in WEIGHTS_OF:
        y = model[name](z, c)
        found |= {
            f"{name}: mean distance of a lower half's pixel": (y - unseen.x)[:, :, 14:].abs().mean().item(),
            f"{name}: Frechet distance to the whole digits": frechet(real, judge.features(y)),
            f"{name}: label read by the judge, %": 100 * (judge(y).argmax(1) == unseen.labels).double().mean().item(),
        }
    return found
