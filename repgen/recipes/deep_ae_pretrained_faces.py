"""Face patches, 625-2000-1000-500-30 as in 2006: RBMs, unrolled, fine-tuned on whole patches or on damaged ones. A quarter of an hour."""

from torch import nn
from torch.nn import functional as F

from repgen.denoising import DenoisingAutoencoder
from repgen.pretraining import pretrain, unroll
from repgen.rbm import RBM
from repgen.recipes.dbn_mnist import falling
from repgen.recipes.gan_ring_seeds import together
from repgen.recipes.mirrored_faces import measure
from repgen.recipes.strangers_faces import SIZES, data
from repgen.train import fit, warmup_cosine

__all__ = ["WEIGHTS", "build", "data", "measure", "train"]
WEIGHTS = False


def whole(x, generator=None):
    return x


def masked(x, generator=None):
    """A fifth of the pixels at their mean, which is 0, the others larger in return; torch's own generator draws, which ``fit`` seeds."""
    return F.dropout(x, 0.2)


def build():
    """Two nets that begin at the same machines."""
    damage = {"whole": whole, "masked": masked}
    return nn.ModuleDict({name: DenoisingAutoencoder(SIZES, nn.Sigmoid, output=nn.Identity, corrupt=f) for name, f in damage.items()})


def machines(faces, **options):
    """Gaussian pixels at the bottom, a Gaussian code at the top."""
    a, b, c, d, e = SIZES
    stack = [RBM(a, b, visible="gaussian", mean_visible=True), RBM(b, c, mean_visible=True), RBM(c, d, mean_visible=True)]
    stack = [rbm.to(faces.x.device) for rbm in (*stack, RBM(d, e, hidden="gaussian", mean_visible=True))]
    each = [{"epochs": 8, "lr": 0.003}, {"lr": 0.1}, {"lr": 0.1}, {"lr": 0.003}]
    settings = {"epochs": 4, "batch_size": 100, "optimizer": "sgd", "schedule": falling, "amp": "auto"}
    pretrain(stack, faces.flat, each, **settings | options)
    return stack


def train(model, faces, others, strangers, **options):
    own = {key: value for key, value in options.items() if key in ("seed", "progress")}
    begun = unroll(machines(faces, **own)).state_dict()
    settings = {"epochs": 16, "batch_size": 256, "lr": 1e-3, "schedule": warmup_cosine(), "amp": "auto"} | options
    histories = []
    for net in model.values():
        net.load_state_dict(begun)
        histories.append(fit(net, faces.flat, **settings))
    return together(histories)
