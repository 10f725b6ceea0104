"""A deep belief net 784-400-400-800 whose top machine sees the digit's label beside its features."""

from repgen.datasets import load_data
from repgen.dbn import DBN
from repgen.pretraining import pretrain
from repgen.train import fit


def data(device):
    return load_data("mnist", "train", device), load_data("mnist", "test", device)


def build():
    return DBN((784, 400, 400, 800), classes=10, chains=100, binarize=True)


def falling(fraction):
    return 1 - fraction


def train(model, digits, unseen, **options):
    settings = {"epochs": 20, "batch_size": 100, "lr": 0.1, "optimizer": "sgd", "schedule": falling} | options
    pretrain(model.rbms[:-1], digits.flat, **settings | {"checkpoint": None})
    seen = model.top.join(model.features(digits.flat).detach(), digits.labels)
    model.top.centre_on(seen.mean(0))
    return fit(model.top, seen, **settings)


def measure(model, digits, unseen):
    guess = model.top.log_p_label(model.features(unseen.flat)).argmax(1)
    return {"test error, %": 100 * (guess != unseen.labels).double().mean().item()}
