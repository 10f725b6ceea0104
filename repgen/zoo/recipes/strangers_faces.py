"""Face patches, 625-2000-1000-500-30 end to end: what it leaves of strangers, by passes and by people met. Half an hour on one core."""

from dataclasses import replace
from functools import cache

import torch
from torch import nn

from repgen.datasets import synthetic
from repgen.autoencoder import Autoencoder
from repgen.datasets import load_data
from repgen.evaluation.metrics import reconstruction_error
from repgen.pca import PCA
from repgen.zoo.recipes.gan_ring_seeds import part, together
from repgen.train import fit, warmup_cosine

WEIGHTS = False
SPLITS = ("train", "validation", "test")
SIZES = (625, 2000, 1000, 500, 30)
PASSES, FEWER = (1, 2, 4, 8, 16), (1, 3, 10)  # with all 30 people; with so many of them, 4 passes through as many patches


def data(device):
    """Training patches of 30 people, other patches of theirs, and patches of 10 strangers, on the scale of the paper."""
    parts = [load_data("face_patches", split, device) for split in SPLITS]
    return tuple(replace(d, x=x) for d, x in zip(parts, synthetic.standardize(*(d.x for d in parts))))


def build():
    names = [f"{n} passes" for n in PASSES] + [f"{n} people" for n in FEWER]
    return nn.ModuleDict({name: Autoencoder(SIZES, nn.ELU, output=nn.Identity) for name in names})


@cache
def scaling():
    """The mean patch and the factor of ``data``: 165,600 patches are made for it, once."""
    return synthetic.pixel_scale(*(load_data("face_patches", split).x for split in SPLITS))


def fewer(faces, people, n):
    """n training patches and n/5 others (n, 625) of the first so many people, scaled as those of all."""
    mean, factor = scaling()
    photographs = load_data("faces", "train", size=64).x[: 10 * people]
    parts = [synthetic.face_patches(photographs, m, torch.Generator().manual_seed(seed)) for seed, m in enumerate((n, n // 5), 1)]
    return [((x - mean) * factor).flatten(1).to(faces.x.device) for x in parts]


def train(model, faces, others, strangers, **options):
    settings = {"batch_size": 128, "lr": 1e-3, "schedule": warmup_cosine(), "amp": "auto"}
    courses = [(f"{n} passes", faces.flat, n) for n in PASSES]
    courses += [(f"{n} people", fewer(faces, n, len(faces.x))[0], 4) for n in FEWER]
    histories = [fit(model[name], x, **settings | {"epochs": n} | part(options, name)) for name, x, n in courses]
    return together(histories)


def left(name, net, met, strangers):
    """Squared errors a patch (N, 625): of people met, and of strangers."""
    who = {"people met": met, "strangers": strangers}
    return {f"{name}, {kind}": reconstruction_error(x, net.decode(net.encode(x))) for kind, x in who.items()}


def measure(model, faces, others, strangers):
    """Squared errors a patch: of other patches of the people met, and of strangers; beside 30 principal components."""
    few = {f"{n} people": fewer(faces, n, len(faces.x))[1] for n in FEWER}
    found = {}
    for name, net in {"PCA": PCA(30).fit(faces.flat), **model}.items():
        found |= left(name, net, few.get(name, others.flat), strangers.flat)
    return found
