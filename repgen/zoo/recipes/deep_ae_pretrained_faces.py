"""Face patches, 625-2000-1000-500-30 as in 2006: RBMs, unrolled, fine-tuned, without and with mirror images. Half an hour on one core."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.pretraining import pretrain, unroll
from repgen.rbm import RBM
from repgen.zoo.recipes.dbn_mnist import falling
from repgen.zoo.recipes.gan_ring_seeds import part, together
from repgen.zoo.recipes.mirrored_faces import measure, with_mirror_images
from repgen.zoo.recipes.strangers_faces import SIZES, data
from repgen.train import fit, warmup_cosine

__all__ = ["WEIGHTS", "build", "data", "measure", "train"]
WEIGHTS = False
WAYS = {  # what the machines learn from, and what the unrolled net
    "alone": ("patches", "patches"),
    "mirrored": ("patches", "with mirror images"),
    "mirrored throughout": ("with mirror images", "with mirror images"),
}


def build():
    return nn.ModuleDict({name: Autoencoder(SIZES, nn.Sigmoid, output=nn.Identity) for name in WAYS})


def machines(x, passes, **options):
    """Gaussian pixels at the bottom, a Gaussian code at the top; so many passes for the lowest, half as many for the others."""
    a, b, c, d, e = SIZES
    stack = [RBM(a, b, visible="gaussian", mean_visible=True), RBM(b, c, mean_visible=True), RBM(c, d, mean_visible=True)]
    stack = [rbm.to(x.device) for rbm in (*stack, RBM(d, e, hidden="gaussian", mean_visible=True))]
    each = [{"epochs": passes, "lr": 0.003}, {"lr": 0.1}, {"lr": 0.1}, {"lr": 0.003}]
    settings = {"epochs": passes // 2, "batch_size": 100, "optimizer": "sgd", "schedule": falling, "amp": "auto"}
    pretrain(stack, x, each, **settings | options)
    return stack


def train(model, faces, others, strangers, **options):
    own = {key: value for key, value in options.items() if key in ("seed", "progress")}
    sets = {"patches": (faces.flat, 12), "with mirror images": (with_mirror_images(faces.x), 6)}  # passes: as many steps
    begun = {name: unroll(machines(x, passes, **own)).state_dict() for name, (x, passes) in sets.items()}
    settings = {"batch_size": 256, "lr": 1e-3, "schedule": warmup_cosine(), "amp": "auto"}
    histories = []
    for name, (first, then) in WAYS.items():
        x, passes = sets[then]
        model[name].load_state_dict(begun[first])
        histories.append(fit(model[name], x, **settings | {"epochs": passes} | part(options, name)))
    return together(histories)
