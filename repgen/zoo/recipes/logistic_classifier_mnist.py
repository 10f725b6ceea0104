"""784-500-500-2000-10 of logistic units from well scaled random weights, trained as dbn-classifier-mnist is fine-tuned: ten minutes."""

from torch import nn

from repgen.zoo.recipes.dbn_classifier_mnist import build, data, measure, tune

__all__ = ["WEIGHTS", "build", "data", "measure", "train"]
WEIGHTS = False


def train(model, digits, unseen, **options):
    for layer in model.linear[:-1]:
        nn.init.xavier_uniform_(layer.weight, gain=4)  # a logistic function flattens by 4 (Glorot & Bengio 2010)
        nn.init.zeros_(layer.bias)
    return tune(model, digits, **options)
