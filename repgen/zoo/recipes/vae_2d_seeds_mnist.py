"""The recipe of vae-2d-mnist from two other seeds, side by side: how much of its bound is chance."""

from torch import nn

from repgen.zoo.recipes import vae_2d_mnist as one

WEIGHTS = False
data, train = one.data, one.train


class Seeds(nn.ModuleList):
    """Two nets that share the order of the batches and nothing else."""

    def __init__(self):
        super().__init__([one.build() for _ in range(3)][1:])  # the first would start as vae-2d-mnist did

    def loss(self, x, generator=None):
        return sum(net.loss(x, generator).total for net in self)


def build():
    return Seeds()


def measure(model, digits, unseen):
    bounds = [one.measure(net, digits, unseen)["test bound, nats"] for net in model]
    return {f"test bound of net {i + 1}, nats": bound for i, bound in enumerate(bounds)}
