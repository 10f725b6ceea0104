"""Digits of 7 x 7 pixels to 28 x 28, by distance alone and with a game beside it. A minute and a half."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from repgen import zoo
from repgen.conditional_gan import ConditionalGAN
from repgen.evaluation.generative import frechet
from repgen.evaluation.metrics import psnr
from repgen.image_to_image import PatchDiscriminator, SuperResolver
from repgen.train import fit
from repgen.zoo.recipes._common import adam, checkpoint_for, combine_histories, half_cosine_decay, make_loader

FACTOR = 4
FIXED = ("lr",)  # each player has its own
DISTANCE = 20.0  # its weight beside a game of weight 1
data = make_loader("mnist")


def downscale(x: Tensor) -> Tensor:
    """Pictures (N, 1, S, S) as (N, 1, S / 4, S / 4): the mean of each square."""
    return F.avg_pool2d(x, FACTOR)


def build():
    """What is kept: the two generators."""
    return nn.ModuleDict({name: SuperResolver(FACTOR, 16, 3) for name in ("distance", "both")})


def build_game(model, name, opponent=None):
    """That of one of the two generators: where distance is all, the discriminator only looks on."""
    opponent = opponent or PatchDiscriminator((24, 48)).to(next(model.parameters()).device)
    nets = model[name], opponent, model[name].latent_dim
    if name == "distance":
        return ConditionalGAN(*nets, l1_weight=1.0, adversarial_weight=0.0, lrs=(3e-4, 1e-3))
    return ConditionalGAN(*nets, l1_weight=DISTANCE, lrs=(3e-4, 8e-4))


def fit_both(model, x, **options):
    """Both trainings, on pictures x (N, 1, S, S)."""
    settings = {"optimizer": adam(0.5, 0.999), "schedule": half_cosine_decay, "amp": True}
    pairs = x, downscale(x)
    histories = [fit(build_game(model, name), pairs, **settings | checkpoint_for(options, name)) for name in model]
    return combine_histories(histories)


def enlarge(net, c: Tensor) -> Tensor:
    """What a generator makes of small pictures c (N, 1, s, s), with the same latents each time."""
    z = torch.randn(len(c), net.latent_dim, generator=torch.Generator(c.device).manual_seed(0), device=c.device)
    return torch.cat([net(*part) for part in zip(z.split(2000), c.split(2000))])


def train(model, digits, unseen, **options):
    return fit_both(model, digits.x, **{"epochs": 1, "batch_size": 64} | options)


def measure(model, digits, unseen):
    judge = zoo.load_pretrained("judge-mnist", digits.x.device)
    c, real = downscale(unseen.x), judge.features(unseen.x)
    found = {}
    for name, net in model.items():
        y = enlarge(net, c)
        found |= {
            f"{name}: PSNR, dB": psnr(unseen.x, y),
            f"{name}: Frechet distance to digits": frechet(real, judge.features(y)),
            f"{name}: label read by the judge, %": 100 * (judge(y).argmax(1) == unseen.labels).double().mean().item(),
        }
    return found
