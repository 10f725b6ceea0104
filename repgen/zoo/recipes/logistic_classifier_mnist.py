"""784-500-500-2000-10 from well scaled random weights, trained as dbn-classifier-mnist is fine-tuned: ten minutes."""

from torch import nn

from repgen.zoo.recipes._common import build_classifier, finetune_classifier, make_loader, measure_classifier

WEIGHTS = False
data, build, measure = make_loader("mnist"), build_classifier, measure_classifier


def train(model, digits, unseen, **options):
    for layer in model.linear[:-1]:
        nn.init.xavier_uniform_(layer.weight, gain=4)  # a logistic function flattens by 4 (Glorot & Bengio 2010)
        nn.init.zeros_(layer.bias)
    return finetune_classifier(model, digits, **options)
