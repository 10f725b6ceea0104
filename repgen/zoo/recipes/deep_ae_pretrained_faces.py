"""Face patches, 625-2000-1000-500-30 as in 2006, without and with mirror images. Half an hour on one core."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.pretraining import unroll
from repgen.rbm import RBM
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import (
    PATCH_SIZES,
    add_mirror_images,
    checkpoint_for,
    combine_histories,
    linear_decay,
    load_patches,
    measure_patches,
    pretrain_layers,
)

WEIGHTS = False
WAYS = {  # what the machines learn from, and what the unrolled net
    "alone": ("patches", "patches"),
    "mirrored": ("patches", "with mirror images"),
    "mirrored throughout": ("with mirror images", "with mirror images"),
}
data, measure = load_patches, measure_patches


def build():
    return nn.ModuleDict({name: Autoencoder(PATCH_SIZES, nn.Sigmoid, output=nn.Identity) for name in WAYS})


def pretrain_machines(x, passes, options):
    """Gaussian pixels below, a Gaussian code on top; so many passes for the lowest, half for the others."""
    a, b, c, d, e = PATCH_SIZES
    stack = [
        RBM(a, b, visible="gaussian", mean_visible=True),
        RBM(b, c, mean_visible=True),
        RBM(c, d, mean_visible=True),
        RBM(d, e, hidden="gaussian", mean_visible=True),
    ]
    stack = [rbm.to(x.device) for rbm in stack]
    each = [{"epochs": passes, "lr": 0.003}, {"lr": 0.1}, {"lr": 0.1}, {"lr": 0.003}]
    settings = {"epochs": passes // 2, "batch_size": 100, "optimizer": "sgd", "schedule": linear_decay, "amp": "auto"}
    pretrain_layers(stack, x, each, options, **settings)
    return stack


def train(model, faces, others, strangers, **options):
    both = add_mirror_images(faces.x).flatten(1)
    sets = {"patches": (faces.flat, 12), "with mirror images": (both, 6)}  # passes: as many steps
    starts = {}
    for name, (x, passes) in sets.items():
        starts[name] = unroll(pretrain_machines(x, passes, checkpoint_for(options, name))).state_dict()
    settings = {"batch_size": 256, "lr": 1e-3, "schedule": warmup_cosine(), "amp": "auto"}
    histories = []
    for name, (first, then) in WAYS.items():
        x, passes = sets[then]
        model[name].load_state_dict(starts[first])
        histories.append(fit(model[name], x, **settings | {"epochs": passes} | checkpoint_for(options, name)))
    return combine_histories(histories)
