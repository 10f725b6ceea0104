"""Face patches, 625-2000-1000-500-30 end to end, each patch beside its mirror image: what it leaves of strangers. Ten minutes."""

import torch
from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.zoo.recipes.gan_ring_seeds import part, together
from repgen.zoo.recipes.strangers_faces import SIZES, data, left
from repgen.train import fit, warmup_cosine

__all__ = ["WEIGHTS", "build", "data", "measure", "train"]
WEIGHTS = False
PASSES = (1, 2, 4)  # through twice as many patches as there are in strangers-faces


def build():
    return nn.ModuleDict({f"{n} passes": Autoencoder(SIZES, nn.ELU, output=nn.Identity) for n in PASSES})


def with_mirror_images(x):
    """Pictures (N, 1, H, W) and their mirror images, (2 N, H W)."""
    return torch.cat([x, x.flip(3)]).flatten(1)


def train(model, faces, others, strangers, **options):
    both = with_mirror_images(faces.x)
    settings = {"batch_size": 128, "lr": 1e-3, "schedule": warmup_cosine(), "amp": "auto"}
    courses = {f"{n} passes": n for n in PASSES}
    return together([fit(model[name], both, **settings | {"epochs": n} | part(options, name)) for name, n in courses.items()])


def measure(model, faces, others, strangers):
    """Squared errors a patch: of other patches of the people met, and of strangers."""
    found = {}
    for name, net in model.items():
        found |= left(name, net, others.flat, strangers.flat)
    return found
