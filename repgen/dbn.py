"""Deep belief nets: restricted Boltzmann machines on top of each other, one generative model."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from repgen._fast import bernoulli
from repgen.labelled_rbm import LabelledRBM
from repgen.losses import bernoulli_nll
from repgen.rbm import RBM


class DBN(nn.Module):
    """A deep belief net (Hinton, Osindero & Teh 2006): p(v, h1, ..., hL) = p(v|h1) ... p(h_{L-2}|h_{L-1}) p(h_{L-1},
    hL).

    The top pair is a restricted Boltzmann machine, the layers below only point downwards.
    ``sizes`` = (784, 500, 500, 2000) are the layers from the pixels up, ``rbms`` the machines
    between them, each trained on the codes of those below (``repgen.pretraining.pretrain``). With
    ``classes`` the top machine sees, beside its features, one of so many labels. ``options`` go
    to every RBM: with ``binarize`` each draws what it sees anew in every batch, pixels or hidden units. Raises
    ValueError where there are fewer than two layers.
    """

    def __init__(self, sizes: Sequence[int], *, classes: int = 0, **options):
        super().__init__()
        sizes = tuple(sizes)
        if len(sizes) < 2:
            raise ValueError(
                f"sizes are the layers from the pixels up, two or more, such as (784, 500, 500); got {sizes}"
            )
        machines = [RBM(a, b, **options) for a, b in pairwise(sizes)]
        if classes:
            machines[-1] = LabelledRBM(sizes[-2], classes, sizes[-1], **options)
        self.sizes, self.classes = sizes, classes
        self.rbms: Any = nn.ModuleList(machines)  # of RBMs

    @property
    def top(self) -> Any:  # an RBM, with classes a LabelledRBM
        return self.rbms[-1]

    def features(self, x: Tensor) -> Tensor:
        """What the top machine sees of images (N, D): the layer below the last, as probabilities (N, K)."""
        for rbm in self.rbms[:-1]:
            x = rbm.hidden_given_visible(x)
        return x

    def encode(self, x: Tensor) -> Tensor:
        """E[h1|x] pushed up layer by layer, (N, D) -> (N, last size); of a net with classes, the features of the top
        pair."""
        return self.features(x) if self.classes else self.top.hidden_given_visible(self.features(x))

    def decode(self, h: Tensor) -> Tensor:
        """The means of the pixels (N, D) given what ``encode`` made (N, K), layer by layer, without draws."""
        for rbm in reversed(self.rbms[:-1] if self.classes else self.rbms):
            h = rbm.visible_given_hidden(h)
        return h

    @torch.no_grad()
    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        steps: int = 1000,
        labels: Tensor | int | None = None,
        start: Tensor | None = None,
    ) -> Tensor:
        """n fantasies (n, D): ``steps`` Gibbs steps in the top pair from noise, or from images ``start`` (n, D), then
        one way down.

        ``labels``, a class or one for each (n,), are held on all the way. Hidden layers are
        drawn, the pixels are means.
        """
        if labels is not None and not self.classes:
            raise ValueError("this net was built without classes, so none can be asked for: DBN(sizes, classes=10)")
        like = self.top.weight
        width = self.sizes[-2]
        if start is None:
            state = torch.rand(n, width, generator=generator, dtype=like.dtype, device=like.device).round()
        else:
            state = bernoulli(self.features(start), generator)
        asked = None
        if self.classes:
            asked = None if labels is None else torch.as_tensor(labels, device=like.device).expand(n)
            some = (
                torch.randint(self.classes, (n,), generator=generator, device=like.device) if asked is None else asked
            )
            state = self.top.join(state, some)
        for _ in range(steps):
            state = self.top.gibbs(state, 1, generator)
            if asked is not None:
                state[:, width:] = one_hot(asked.long(), self.classes).to(like)
        state = state[:, :width]
        for rbm in reversed(self.rbms[1:-1]):
            state = rbm.sample_visible(state, generator)
        return self.rbms[0].visible_given_hidden(state) if len(self.rbms) > 1 else state

    @torch.no_grad()
    def bound(self, v: Tensor, log_z: float, generator: torch.Generator | None = None) -> Tensor:
        """A draw of a lower bound on log p(v), (N,), in nats (Hinton et al. 2006, eq. 8; Salakhutdinov & Murray 2008,
        section 4).

        log p*(h) - log Z + log p(v|h) - log q(h|v), h drawn from the recognition pass q, p* and
        Z those of the top machine, ``log_z`` its log partition function; ValueError for a net with classes. The mean
        over draws is the bound; the log of the mean of exp is log p(v), slowly.
        """
        if self.classes:
            raise ValueError(
                "the bound is of images alone, and this net's top machine sees a class beside them: build it without "
                "classes"
            )
        total = torch.zeros(len(v), dtype=v.dtype, device=v.device)
        for rbm in self.rbms[:-1]:
            up = rbm.hidden_given_visible(v)
            h = bernoulli(up, generator)
            total += bernoulli_nll(h, rbm.hidden_input(v)) - bernoulli_nll(v, rbm.visible_input(h))
            v = h
        return total - self.top.free_energy(v) - log_z
