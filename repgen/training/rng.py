"""What training borrows and gives back: torch's randomness, the modules' modes, Ctrl-C.

All randomness of a run is a function of its seed and the epoch, so a run that was killed and
resumed at the start of an epoch draws what it would have drawn.
"""

import signal
import threading
from collections.abc import Iterable
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


def seeded(generator: torch.Generator, *key: int) -> torch.Generator:
    """Seeds a generator from several integers, such as (seed, epoch, process)."""
    return generator.manual_seed(_mix(key))


def seed_torch(device: torch.device, *key: int) -> None:
    """The same for torch's own generators (dropout, torch.randn without a generator)."""
    torch.default_generator.manual_seed(_mix(key))
    if device.type == "cuda":
        torch.cuda.default_generators[_index(device)].manual_seed(_mix(key))


def _mix(key: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index


@contextmanager
def preserve_state(model: nn.Module, parameters: Iterable[nn.Parameter], device: torch.device):
    """At the end torch's generators, train/eval modes and frozen parameters are as they were."""
    modes = {module: module.training for module in model.modules()}
    frozen = {p: p.requires_grad for p in parameters}
    try:
        with torch.random.fork_rng([_index(device)] if device.type == "cuda" else []):
            yield
    finally:
        for module, training in modes.items():
            module.training = training
        for p, requires_grad in frozen.items():
            p.requires_grad_(requires_grad)
            p.grad = None


class Interrupt:
    """Makes the first Ctrl-C a question, ``asked``; a second one breaks at once."""

    def __enter__(self) -> "Interrupt":
        self.asked, self.before = False, None
        ours = threading.current_thread() is threading.main_thread()
        if ours and callable(signal.getsignal(signal.SIGINT)):  # neither ignored nor foreign
            self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, *_) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, *_) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
