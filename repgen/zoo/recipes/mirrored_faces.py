"""Face patches, 625-2000-1000-500-30, each beside its mirror image: what is left of strangers. Ten minutes."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import (
    PATCH_SIZES,
    add_mirror_images,
    checkpoint_for,
    combine_histories,
    load_patches,
    measure_patches,
)

WEIGHTS = False
PASSES = {f"{n} passes": n for n in (1, 2, 4)}  # through twice as many patches as there are in strangers-faces
data, measure = load_patches, measure_patches


def build():
    return nn.ModuleDict({name: Autoencoder(PATCH_SIZES, nn.ELU, output=nn.Identity) for name in PASSES})


def train(model, faces, others, strangers, **options):
    both = add_mirror_images(faces.x).flatten(1)
    settings = {"batch_size": 128, "lr": 1e-3, "schedule": warmup_cosine(), "amp": "auto"}
    histories = [
        fit(model[name], both, **settings | {"epochs": n} | checkpoint_for(options, name)) for name, n in PASSES.items()
    ]
    return combine_histories(histories)
