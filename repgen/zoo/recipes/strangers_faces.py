"""Face patches, 625-2000-1000-500-30: what is left of strangers, by passes and people met. Half an hour on one core."""

from functools import cache

import torch
from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.datasets import load_data, synthetic
from repgen.pca import PCA
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import (
    PATCH_SIZES,
    PATCH_SPLITS,
    checkpoint_for,
    combine_histories,
    load_patches,
    measure_on_people,
)

WEIGHTS = False
PASSES, FEWER = (
    (1, 2, 4, 8, 16),
    (1, 3, 10),
)  # of all 30 people; of so many, 4 passes through as many patches
data = load_patches


def build():
    names = [f"{n} passes" for n in PASSES] + [f"{n} people" for n in FEWER]
    return nn.ModuleDict({name: Autoencoder(PATCH_SIZES, nn.ELU, output=nn.Identity) for name in names})


@cache
def find_scale():
    """The mean patch and the factor of ``data``: 165,600 patches are made for it, once."""
    return synthetic.pixel_scale(*(load_data("face_patches", split).x for split in PATCH_SPLITS))


def make_patches(faces, people, n):
    """n training patches and n/5 others (n, 625) of the first so many people, scaled as those of all."""
    mean, factor = find_scale()
    photographs = load_data("faces", "train", size=64).x[: 10 * people]
    draws = enumerate((n, n // 5), 1)
    parts = [synthetic.face_patches(photographs, m, torch.Generator().manual_seed(seed)) for seed, m in draws]
    return [((x - mean) * factor).flatten(1).to(faces.x.device) for x in parts]


def train(model, faces, others, strangers, **options):
    settings = {"batch_size": 128, "lr": 1e-3, "schedule": warmup_cosine(), "amp": "auto"}
    courses = [(f"{n} passes", faces.flat, n) for n in PASSES]
    courses += [(f"{n} people", make_patches(faces, n, len(faces.x))[0], 4) for n in FEWER]
    histories = [
        fit(model[name], x, **settings | {"epochs": n} | checkpoint_for(options, name)) for name, x, n in courses
    ]
    return combine_histories(histories)


def measure(model, faces, others, strangers):
    """Squared errors a patch: of other patches of the people met, and of strangers; beside 30 principal components."""
    few = {f"{n} people": make_patches(faces, n, len(faces.x))[1] for n in FEWER}
    found = {}
    for name, net in {"PCA": PCA(30).fit(faces.flat), **model}.items():
        found |= measure_on_people(name, net, few.get(name, others.flat), strangers.flat)
    return found
