"""What recipes share: data, rates, trainings in stages, augmentation, measures, and what several of them build."""

import copy
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from repgen.autoencoder import Autoencoder
from repgen.classifier import Classifier
from repgen.datasets import Data, load_data, synthetic
from repgen.evaluation.metrics import reconstruction_error
from repgen.evaluation.partition import annealed_log_partition
from repgen.pretraining import pretrain, unroll
from repgen.rbm import RBM
from repgen.train import History, cosine, fit, warmup_cosine

# --- data


def make_loader(name: str, **options) -> Callable[[torch.device | str], tuple[Data, Data]]:
    """A recipe's ``data``: the training and the test split of a data set, on a device."""

    def data(device):
        return load_data(name, "train", device, **options), load_data(name, "test", device, **options)

    return data


PATCH_SPLITS = ("train", "validation", "test")
PATCH_SIZES = (625, 2000, 1000, 500, 30)  # of the nets of patches


def load_patches(device: torch.device | str) -> tuple[Data, ...]:
    """Training patches of 30 people, others of theirs, and patches of 10 strangers, on the paper's scale."""
    splits = [load_data("face_patches", split, device) for split in PATCH_SPLITS]
    scaled = synthetic.standardize(*(split.x for split in splits))
    return tuple(Data(x, d.labels, d.name, d.origin, d.stand_in) for d, x in zip(splits, scaled, strict=True))


# --- optimisers and schedules


def adam(b1: float, b2: float) -> Callable:
    """An ``optimizer`` for ``fit``: Adam that remembers by b1 and b2."""
    return lambda parameters, lr: torch.optim.Adam(parameters, lr, betas=(b1, b2), fused=True)


def linear_decay(fraction: float) -> float:
    """A schedule: from 1 straight down to 0."""
    return 1 - fraction


def half_cosine_decay(fraction: float) -> float:
    """A schedule: 1 for the first half of the training, then down half a cosine."""
    return cosine(max(0.0, 2 * fraction - 1))


# --- trainings in several stages


def checkpoint_for(options: Mapping, stage: str) -> dict:
    """The options of one training among several: its checkpoint is a file of its own, beside the one that was named.

    A stage that was finished is then read, not trained again, and the one that was cut short goes on.
    """
    if options.get("checkpoint") is None:
        return dict(options)
    path, name = Path(options["checkpoint"]), re.sub("[^a-z0-9]+", "-", stage.lower())
    return {**options, "checkpoint": path.with_name(f"{path.stem}-{name}{path.suffix}")}


def combine_histories(histories: Sequence[History]) -> History:
    """Several trainings as one entry of the record."""
    return histories[-1]._replace(epochs=sum(h.epochs for h in histories), seconds=sum(h.seconds for h in histories))


def pretrain_layers(
    layers: Sequence[nn.Module], x: Tensor, each: Sequence[Mapping], options: Mapping, **settings
) -> None:
    """``pretrain`` as part of a recipe, of whose options seed, progress, resume, amp and compile hold here too.

    Each layer has a checkpoint of its own. The options epochs, batch_size and lr are those of what comes after.
    """
    shared = {key: options[key] for key in ("seed", "progress", "resume", "amp", "compile") if key in options}
    saved = [checkpoint_for({"checkpoint": options.get("checkpoint")}, f"layer {i + 1}") for i in range(len(each))]
    pretrain(layers, x, [{**own, **file} for own, file in zip(each, saved, strict=True)], **settings | shared)


# --- augmentation: torchvision's transforms draw once for a whole batch, these once for each picture


def add_mirror_images(x: Tensor) -> Tensor:
    """Pictures (N, 1, H, W) and after them their mirror images, (2 N, 1, H, W)."""
    return torch.cat([x, x.flip(3)])


def shift(x: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Pictures (N, C, H, W), each through a window moved by so many whole pixels, (N,); the rim is repeated."""
    n, c, h, w = x.shape
    rows = (down.view(n, 1) + torch.arange(h, device=x.device)).clamp(0, h - 1)  # (N, H)
    columns = (across.view(n, 1) + torch.arange(w, device=x.device)).clamp(0, w - 1)  # (N, W)
    x = x.gather(2, rows.view(n, 1, h, 1).expand(n, c, h, w))
    return x.gather(3, columns.view(n, 1, 1, w).expand(n, c, h, w))


def shift_everywhere(x: Tensor, most: int) -> Tensor:
    """Pictures (N, 1, H, W) moved in all (2 most + 1)^2 ways by up to ``most`` pixels, the N of one way together."""
    steps = torch.arange(-most, most + 1, device=x.device)
    return torch.cat([shift(x, i.expand(len(x)), j.expand(len(x))) for i, j in torch.cartesian_prod(steps, steps)])


def augment(x: Tensor, copies: int, most: int = 2) -> Tensor:
    """Pictures (N, 1, H, W), then copies moved by up to ``most`` pixels each way at random, every second one mirrored.

    (copies N, 1, H, W) in all. Torch's own generator draws; a recipe's is seeded.
    """
    out = [x]
    for number in range(1, copies):
        moved = shift(x, *torch.randint(-most, most + 1, (len(x), 2)).T.to(x.device))
        out.append(moved.flip(3) if number % 2 else moved)
    return torch.cat(out)


class DiffAugment(nn.Module):
    """A discriminator that while training sees each picture mirrored or not, shifted, and lighter or darker, at random.

    Data and samples alike, and gradients pass through, so that the generator is not taught to make moved pictures
    (Zhao et al. 2020). Torch's own generator draws; ``fit`` seeds it.
    """

    def __init__(self, net: nn.Module, most: int = 6, light: float = 0.2):
        super().__init__()
        self.net, self.most, self.light = net, most, light

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.augment(x) if self.training else x)

    def augment(self, x: Tensor) -> Tensor:
        """x (N, C, H, W), each picture changed in its own way; what comes in from outside repeats the rim."""
        n = len(x)
        mirrored = torch.where(torch.rand(n, 1, 1, 1, device=x.device) < 0.5, x.flip(3), x)
        moved = shift(mirrored, *torch.randint(-self.most, self.most + 1, (2, n), device=x.device))
        return moved + self.light * (2 * torch.rand(n, 1, 1, 1, device=x.device) - 1)


# --- what is measured


def measure_error(model, x: Tensor) -> float:
    """The squared error of the reconstruction, a mean over x (N, D)."""
    return reconstruction_error(x, model.decode(model.encode(x)))


def measure_test_error(model, seen: Data, unseen: Data) -> dict[str, float]:
    """The reconstruction error on test pictures."""
    return {"test error": measure_error(model, unseen.flat)}


def measure_both_errors(model, seen: Data, unseen: Data) -> dict[str, float]:
    """The reconstruction errors on training and on test pictures."""
    return {"training error": measure_error(model, seen.flat), "test error": measure_error(model, unseen.flat)}


def measure_on_people(name: str, net, met: Tensor, strangers: Tensor) -> dict[str, float]:
    """Squared errors a patch (N, 625): of people met, and of strangers."""
    return {f"{name}, people met": measure_error(net, met), f"{name}, strangers": measure_error(net, strangers)}


def measure_patches(model: nn.ModuleDict, faces: Data, others: Data, strangers: Data) -> dict[str, float]:
    """The same of each net, people met by other patches than it learned from."""
    found: dict[str, float] = {}
    for name, net in model.items():
        found |= measure_on_people(name, net, others.flat, strangers.flat)
    return found


# --- autoencoders as in 2006


def pretrain_autoencoder(sizes: Sequence[int], x: Tensor, epochs: int, options: Mapping) -> Autoencoder:
    """An autoencoder of these sizes unrolled from RBMs with a linear code, each trained for so many epochs."""
    *inner, last = zip(sizes, sizes[1:], strict=False)
    stack = [RBM(a, b, mean_visible=True) for a, b in inner] + [RBM(*last, hidden="gaussian", mean_visible=True)]
    each = [{"lr": 0.1}] * len(inner) + [{"lr": 0.003}]
    settings = {"epochs": epochs, "batch_size": 100, "optimizer": "sgd", "schedule": linear_decay}
    pretrain_layers([rbm.to(x.device) for rbm in stack], x, each, options, **settings)
    return unroll(stack)


# --- classifiers of digits

CLASSIFIER_SIZES = (784, 500, 500, 2000, 10)
PRETRAINING = ({"epochs": 12}, {"epochs": 10}, {"epochs": 6})  # of the three layers below the last


def build_classifier():
    return Classifier(CLASSIFIER_SIZES, nn.Sigmoid, dropout=0.5, visible_dropout=0.2)


def adam_with_decay(parameters, lr):
    """Adam that also draws every weight towards 0."""
    return torch.optim.AdamW(parameters, lr, weight_decay=0.03, fused=True)


def finetune_classifier(model: Classifier, digits: Data, **options) -> History:
    """The training of every classifier of logistic units, wherever its weights begin."""
    nn.init.zeros_(model.linear[-1].weight)  # the classes begin equal
    settings: dict[str, Any] = {
        "epochs": 80,
        "batch_size": 256,
        "lr": 4e-3,
        "optimizer": adam_with_decay,
        "amp": "auto",
    }
    return fit(model, (digits.flat, digits.labels), **settings | {"schedule": warmup_cosine()} | options)


def measure_classifier(model: Classifier, digits: Data, unseen: Data) -> dict[str, float]:
    assert unseen.labels is not None
    return {"test error, %": 100 * model.error(unseen.flat, unseen.labels)}


# --- Boltzmann machines on digits


def fit_rbm(model: RBM, digits: Data, **settings) -> History:
    """Centres the machine on the digits' mean and trains it; lr falls to 0, so that the chains' noise averages out."""
    model.centre_on(digits.flat.mean(0))
    common: dict[str, Any] = {"batch_size": 100, "optimizer": "sgd", "schedule": linear_decay}
    return fit(model, digits.flat, **common | settings)


def measure_rbm(model: RBM, digits: Data, unseen: Data) -> dict[str, float]:
    """-log p(v) of the test images, log Z by annealing: in float64, where no rounding changes a draw."""
    rbm = copy.deepcopy(model).double()
    generator = torch.Generator(unseen.x.device).manual_seed(0)
    log_z = annealed_log_partition(rbm, digits.flat.double().mean(0), runs=100, steps=3000, generator=generator)
    with torch.no_grad():
        cost = rbm.free_energy(torch.bernoulli(unseen.flat.double(), generator=generator)).mean().item()
    return {"test -log p(v), nats": cost + log_z.estimate, "low": cost + log_z.low, "high": cost + log_z.high}


# --- logistic PCA

NEWTON_FIXED = ("amp", "batch_size", "checkpoint", "compile", "lr", "resume", "seed")  # of fit's settings it has none


def fit_by_newton(
    models: Mapping[str, Any], x: Tensor, *, epochs: int = 20, seed: int = 0, progress: bool = True
) -> History:
    """Fits models of logistic PCA, by the names of their costs. An epoch is a sweep over all codes and weights.

    There is no chance in it, hence nothing for a seed to do.
    """
    began = time.perf_counter()
    costs = {name: model.fit(x, sweeps=epochs).costs for name, model in models.items()}
    return History(costs, {}, max(map(len, costs.values())), time.perf_counter() - began, "finished")
