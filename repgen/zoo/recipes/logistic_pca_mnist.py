"""Logistic PCA, 30 numbers a digit, by alternating Newton steps: two minutes on one core."""

import time

from repgen.logistic_pca import LogisticPCA
from repgen.zoo.recipes.deep_ae_mnist import data, measure
from repgen.train import History

__all__ = ["build", "data", "fitted", "measure", "train"]


def build():
    return LogisticPCA(30)


def fitted(models, x, *, epochs=20, seed=0, progress=True, **options):
    """Fits models, by the names of their costs. An epoch is a sweep over all codes and weights; there is no chance in it."""
    if options:
        raise ValueError(f"logistic PCA is fitted by Newton's method, which has no {', '.join(options)}; only epochs can be set")
    began = time.perf_counter()
    costs = {name: model.fit(x, sweeps=epochs).costs for name, model in models.items()}
    return History(costs, {}, max(map(len, costs.values())), time.perf_counter() - began, "finished")


def train(model, digits, unseen, **options):
    return fitted({"cost": model}, digits.flat, **options)
