"""784-500-500-2000-10 that begins at three denoising autoencoders, fine-tuned: a quarter of an hour on one core."""

from functools import partial
from itertools import pairwise

from torch import nn

from repgen.corruption import mask
from repgen.denoising import DenoisingAutoencoder
from repgen.pretraining import initialize_from
from repgen.train import warmup_cosine
from repgen.zoo.recipes._common import (
    CLASSIFIER_SIZES,
    PRETRAINING,
    build_classifier,
    finetune_classifier,
    make_loader,
    measure_classifier,
    pretrain_layers,
)

WEIGHTS = False
MASKED = (0.1, 0.2, 0.3)  # of each layer's input what share is set to 0
data, build, measure = make_loader("mnist"), build_classifier, measure_classifier


def make_layers():
    """Three layers, each of which learns to repair its input."""
    kind = partial(DenoisingAutoencoder, code=nn.Sigmoid, output=nn.Sigmoid, reconstruction="cross-entropy")
    sizes = pairwise(CLASSIFIER_SIZES[:4])
    return [kind(size, corrupt=partial(mask, p=p)) for size, p in zip(sizes, MASKED, strict=True)]


def train(model, digits, unseen, **options):
    layers = [net.to(digits.x.device) for net in make_layers()]
    settings = {"batch_size": 128, "lr": 1e-3, "schedule": warmup_cosine(), "amp": "auto"}
    pretrain_layers(layers, digits.flat, PRETRAINING, options, **settings)
    initialize_from(model.linear, layers)
    return finetune_classifier(model, digits, **options)


def details(model, digits, unseen):
    """The test digits that it gets wrong, by number, and what it says they are."""
    said = model(unseen.flat).argmax(1)
    wrong = (said != unseen.labels).nonzero()[:, 0]
    return {"wrong": wrong.tolist(), "said": said[wrong].tolist()}
