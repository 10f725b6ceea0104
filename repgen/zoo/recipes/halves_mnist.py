"""The lower half of a digit from its upper half, by three U-nets: by distance, by the game, by both. Two minutes."""

import torch
from torch import Tensor, nn

from repgen import zoo
from repgen.conditional_gan import ConditionalGAN
from repgen.evaluation.generative import frechet
from repgen.image_to_image import PatchDiscriminator, UNet
from repgen.train import fit
from repgen.zoo.recipes._common import adam, checkpoint_for, combine_histories, half_cosine_decay, make_loader

WEIGHTS_OF = {"distance": (1.0, 0.0), "game": (0.0, 1.0), "both": (30.0, 1.0)}  # of the distance and of the game
CHANNELS = (16, 32, 64)
FIXED = ("lr",)  # each player has its own
data = make_loader("mnist")


def mask_lower_half(x: Tensor) -> Tensor:
    """Pictures (N, 1, 28, 28) with their lower half black."""
    c = x.clone()
    c[:, :, 14:] = 0
    return c


def build():
    """What is kept: the three generators, and the discriminator that the third played against."""
    return nn.ModuleDict({name: UNet(28, CHANNELS) for name in WEIGHTS_OF} | {"patches": PatchDiscriminator((24, 48))})


def build_game(model, name):
    """The game of one of the three: where distance is all, the discriminator only looks on."""
    l1_weight, adversarial_weight = WEIGHTS_OF[name]
    opponent = model["patches"] if name == "both" else PatchDiscriminator((24, 48)).to(next(model.parameters()).device)
    weights = {"l1_weight": l1_weight, "adversarial_weight": adversarial_weight}
    return ConditionalGAN(model[name], opponent, 8, **weights, lrs=(3e-4, 8e-4 if adversarial_weight else 1e-3))


def train(model, digits, unseen, **options):
    settings = {"epochs": 1, "batch_size": 64, "optimizer": adam(0.5, 0.999), "amp": True}
    settings["schedule"] = half_cosine_decay
    pairs = digits.x, mask_lower_half(digits.x)
    histories = [fit(build_game(model, name), pairs, **settings | checkpoint_for(options, name)) for name in WEIGHTS_OF]
    return combine_histories(histories)


def measure(model, digits, unseen):
    judge = zoo.load_pretrained("judge-mnist", digits.x.device)
    c, real = mask_lower_half(unseen.x), judge.features(unseen.x)
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
