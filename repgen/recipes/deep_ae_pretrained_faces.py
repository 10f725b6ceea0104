"""Face patches, 625-2000-1000-500-30 as in 2006: RBMs layer by layer, unrolled, fine-tuned, a fifth of the pixels masked. Ten minutes."""

from torch import nn
from torch.nn import functional as F

from repgen.denoising import DenoisingAutoencoder
from repgen.metrics import reconstruction_error
from repgen.pretraining import pretrain, unroll
from repgen.rbm import RBM
from repgen.recipes.dbn_mnist import falling
from repgen.recipes.strangers_faces import SIZES, data
from repgen.train import fit, warmup_cosine

__all__ = ["WEIGHTS", "build", "data", "measure", "train"]
WEIGHTS = False


def masked(x, generator=None):
    """A fifth of the pixels at their mean, which is 0, the others larger by as much as these take away; torch's generator draws."""
    return F.dropout(x, 0.2)


def build():
    return DenoisingAutoencoder(SIZES, nn.Sigmoid, output=nn.Identity, corrupt=masked)


def machines(faces, **options):
    """Gaussian pixels at the bottom, a Gaussian code at the top."""
    a, b, c, d, e = SIZES
    stack = [RBM(a, b, visible="gaussian", mean_visible=True), RBM(b, c, mean_visible=True), RBM(c, d, mean_visible=True)]
    stack = [rbm.to(faces.x.device) for rbm in (*stack, RBM(d, e, hidden="gaussian", mean_visible=True))]
    each = [{"epochs": 8, "lr": 0.003}, {"lr": 0.1}, {"lr": 0.1}, {"lr": 0.003}]
    pretrain(stack, faces.flat, each, **{"epochs": 4, "batch_size": 100, "optimizer": "sgd", "schedule": falling, "amp": "auto"} | options)
    return stack


def train(model, faces, others, strangers, **options):
    own = {key: value for key, value in options.items() if key in ("seed", "progress")}
    model.load_state_dict(unroll(machines(faces, **own)).state_dict())
    settings = {"epochs": 24, "batch_size": 256, "lr": 1e-3, "schedule": warmup_cosine(), "amp": "auto"}
    return fit(model, faces.flat, **settings | options)


def measure(model, faces, others, strangers):
    errors = {who: reconstruction_error(d.flat, model.decode(model.encode(d.flat))) for who, d in (("people met", others), ("strangers", strangers))}
    return {f"error of {who}": error for who, error in errors.items()}
