"""Face patches, 625-2000-1000-500-30 as in 2006: RBMs, unrolled, fine-tuned without and with mirror images. A quarter of an hour."""

from torch import nn

from repgen.autoencoder import Autoencoder
from repgen.pretraining import pretrain, unroll
from repgen.rbm import RBM
from repgen.recipes.dbn_mnist import falling
from repgen.recipes.gan_ring_seeds import part, together
from repgen.recipes.mirrored_faces import measure, with_mirror_images
from repgen.recipes.strangers_faces import SIZES, data
from repgen.train import fit, warmup_cosine

__all__ = ["WEIGHTS", "build", "data", "measure", "train"]
WEIGHTS = False


def build():
    """Two nets that begin at the same machines and take as many steps."""
    return nn.ModuleDict({name: Autoencoder(SIZES, nn.Sigmoid, output=nn.Identity) for name in ("alone", "mirrored")})


def machines(faces, **options):
    """Gaussian pixels at the bottom, a Gaussian code at the top."""
    a, b, c, d, e = SIZES
    stack = [RBM(a, b, visible="gaussian", mean_visible=True), RBM(b, c, mean_visible=True), RBM(c, d, mean_visible=True)]
    stack = [rbm.to(faces.x.device) for rbm in (*stack, RBM(d, e, hidden="gaussian", mean_visible=True))]
    each = [{"epochs": 6, "lr": 0.003}, {"lr": 0.1}, {"lr": 0.1}, {"lr": 0.003}]
    settings = {"epochs": 3, "batch_size": 100, "optimizer": "sgd", "schedule": falling, "amp": "auto"}
    pretrain(stack, faces.flat, each, **settings | options)
    return stack


def train(model, faces, others, strangers, **options):
    own = {key: value for key, value in options.items() if key in ("seed", "progress")}
    begun = unroll(machines(faces, **own)).state_dict()
    settings = {"batch_size": 256, "lr": 1e-3, "schedule": warmup_cosine(), "amp": "auto"}
    histories = []
    for name, x, epochs in (("alone", faces.flat, 12), ("mirrored", with_mirror_images(faces.x), 6)):
        model[name].load_state_dict(begun)
        histories.append(fit(model[name], x, **settings | {"epochs": epochs} | part(options, name)))
    return together(histories)
