"""784-500-500-2000-10 that begins at three RBMs, fine-tuned with dropout: a quarter of an hour on one core."""

from itertools import pairwise

from repgen.pretraining import initialize_from
from repgen.rbm import RBM
from repgen.zoo.recipes._common import (
    CLASSIFIER_SIZES,
    PRETRAINING,
    build_classifier,
    finetune_classifier,
    linear_decay,
    make_loader,
    measure_classifier,
    pretrain_layers,
)

data, build, measure = make_loader("mnist"), build_classifier, measure_classifier


def make_layers():
    return [RBM(*sizes) for sizes in pairwise(CLASSIFIER_SIZES[:4])]


def train(model, digits, unseen, **options):
    layers = [rbm.to(digits.x.device) for rbm in make_layers()]
    settings = {"batch_size": 100, "lr": 0.1, "optimizer": "sgd", "schedule": linear_decay, "amp": "auto"}
    pretrain_layers(layers, digits.flat, PRETRAINING, options, **settings)
    initialize_from(model.linear, layers)
    return finetune_classifier(model, digits, **options)
