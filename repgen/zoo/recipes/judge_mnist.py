"""A convolutional classifier of digits, the judge of what generators make. A minute and a half."""

from repgen.classifier import ConvClassifier
from repgen.evaluation.generative import class_balance
from repgen.train import fit, warmup_cosine
from repgen.zoo.recipes._common import make_loader

data = make_loader("mnist")


def build():
    return ConvClassifier()


def train(model, digits, unseen, **options):
    settings = {"epochs": 6, "batch_size": 128, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, (digits.x, digits.labels), **settings | options)


def measure(model, digits, unseen):
    logits = model(unseen.x)
    verdict = class_balance(logits)
    return {
        "test error, %": 100 * (logits.argmax(1) != unseen.labels).double().mean().item(),
        "mean confidence on test digits": verdict.confidence,
        "balance of test digits": verdict.balance,
    }
