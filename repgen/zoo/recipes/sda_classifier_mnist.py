"""784-500-500-2000-10 begun at three denoising autoencoders, fine-tuned with dropout: a quarter of an hour on one core."""

from functools import partial

from torch import nn

from repgen.corruption import mask
from repgen.denoising import DenoisingAutoencoder
from repgen.pretraining import pretrain
from repgen.zoo.recipes import dbn_classifier_mnist
from repgen.zoo.recipes.dbn_classifier_mnist import SIZES, build, data, measure
from repgen.train import warmup_cosine

__all__ = ["WEIGHTS", "build", "data", "details", "measure", "train"]
WEIGHTS = False


def layers(digits, **options):
    """Three layers, each trained to repair its input, of which 10, 20 and 30 % are set to 0."""
    nets = [
        DenoisingAutoencoder(size, corrupt=partial(mask, p=share), code=nn.Sigmoid, output=nn.Sigmoid, reconstruction="cross-entropy")
        .to(digits.x.device)
        for size, share in zip(zip(SIZES[:3], SIZES[1:4]), (0.1, 0.2, 0.3))
    ]
    each = [{"epochs": 12}, {"epochs": 10}, {"epochs": 6}]
    pretrain(nets, digits.flat, each, batch_size=128, lr=1e-3, schedule=warmup_cosine(), amp="auto", **options)
    return nets


def train(model, digits, unseen, **options):
    return dbn_classifier_mnist.train(model, digits, unseen, layers=layers, **options)


def details(model, digits, unseen):
    """The test digits that it gets wrong, by number, and what it says they are."""
    said = model(unseen.flat).argmax(1)
    wrong = (said != unseen.labels).nonzero()[:, 0]
    return {"wrong": wrong.tolist(), "said": said[wrong].tolist()}
