"""Randomness of a run, a function of its seed and the epoch; and all that a run changes, given back.

A run that was killed and resumed at the start of an epoch draws what it would have drawn.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


def seed_generator(generator: torch.Generator, *key: int) -> torch.Generator:
    """Seeds a generator from several integers, such as (seed, epoch, process)."""
    return generator.manual_seed(_mix(key))


def seed_torch(*key: int) -> None:
    """The same for torch's own generators (dropout, torch.randn without a generator)."""
    torch.manual_seed(_mix(key))


def _mix(key: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1


@contextmanager
def preserve_state(model: nn.Module, parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """At the end torch's generators, train/eval modes and frozen parameters are as they were."""
    modes = {module: module.training for module in model.modules()}
    frozen = {p: p.requires_grad for p in parameters}
    gpus = {p.device for p in parameters if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(gpus):
            yield
    finally:
        for module, training in modes.items():
            module.training = training
        for p, requires_grad in frozen.items():
            p.requires_grad_(requires_grad).grad = None
