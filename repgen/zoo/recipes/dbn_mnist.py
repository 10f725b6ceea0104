"""A deep belief net 784-400-400-800 whose top machine sees the digit's label beside its features."""

from repgen.dbn import DBN
from repgen.train import fit
from repgen.zoo.recipes._common import linear_decay, make_loader, pretrain_layers

data = make_loader("mnist")


def build():
    return DBN((784, 400, 400, 800), classes=10, chains=100, binarize=True)


def train(model, digits, unseen, **options):
    settings = {"epochs": 20, "batch_size": 100, "lr": 0.1, "optimizer": "sgd", "schedule": linear_decay} | options
    pretrain_layers(model.rbms[:-1], digits.flat, [{}, {}], options, **settings | {"checkpoint": None})
    joined = model.top.join(model.features(digits.flat).detach(), digits.labels)
    model.top.centre_on(joined.mean(0))
    return fit(model.top, joined, **settings)


def measure(model, digits, unseen):
    guess = model.top.log_p_label(model.features(unseen.flat)).argmax(1)
    return {"test error, %": 100 * (guess != unseen.labels).double().mean().item()}
