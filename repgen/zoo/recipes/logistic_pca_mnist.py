"""Logistic PCA, 30 numbers a digit, by alternating Newton steps: two minutes on one core."""

from repgen.logistic_pca import LogisticPCA
from repgen.zoo.recipes._common import NEWTON_FIXED, fit_by_newton, make_loader, measure_test_error

FIXED = NEWTON_FIXED
data, measure = make_loader("mnist"), measure_test_error


def build():
    return LogisticPCA(30)


def train(model, digits, unseen, **options):
    return fit_by_newton({"cost": model}, digits.flat, **options)
