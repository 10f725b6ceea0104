"""A DCGAN on 30 people's faces, 64 x 64; all that the discriminator sees is mirrored, shifted and lit at random. Ten to twenty minutes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from repgen import dcgan
from repgen.datasets import load_data
from repgen.gan import GAN
from repgen.zoo.recipes.gan_ring_seeds import adam, falling
from repgen.train import fit


class Moved(nn.Module):
    """A discriminator that while training sees each picture mirrored or not, shifted, and lighter or darker, at random.

    Data and samples alike, and gradients pass through, so that the generator is not taught to make moved pictures
    (Zhao et al. 2020). Torch's own generator draws; ``fit`` seeds it.
    """

    def __init__(self, net: nn.Module, shift: int = 6, light: float = 0.2):
        super().__init__()
        self.net, self.shift, self.light = net, shift, light

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.moved(x) if self.training else x)

    def moved(self, x: Tensor) -> Tensor:
        """x (N, 1, H, W), each picture moved in its own way; what comes in from outside repeats the rim."""
        n, _, h, w = x.shape
        s = self.shift
        mirrored = torch.where(torch.rand(n, 1, 1, 1, device=x.device) < 0.5, x.flip(3), x)
        wide = F.pad(mirrored, (s, s, s, s), mode="replicate")
        down, across = torch.randint(0, 2 * s + 1, (2, n, 1, 1), device=x.device)
        rows = down + torch.arange(h, device=x.device).view(1, h, 1)
        columns = across + torch.arange(w, device=x.device).view(1, 1, w)
        cut = wide[torch.arange(n, device=x.device).view(n, 1, 1), 0, rows, columns]
        return cut[:, None] + self.light * (2 * torch.rand(n, 1, 1, 1, device=x.device) - 1)


def data(device):
    return load_data("faces", "train", device, size=64), load_data("faces", "test", device, size=64)


def build():
    """What is kept: the discriminator, and one generator, that of the averaged weights."""
    return GAN(dcgan.generator(64, (128, 64, 32, 16), 64), Moved(dcgan.discriminator(64, (16, 32, 64, 128))), 64)


def train(model, faces, unseen, **options):
    game = GAN(model.generator, model.discriminator, model.latent_dim, ema_decay=0.999)
    settings = {"epochs": 1200, "batch_size": 60, "lr": 4e-4, "optimizer": adam(0.5, 0.999), "schedule": falling, "amp": True}
    history = fit(game, faces, **settings | options)
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
