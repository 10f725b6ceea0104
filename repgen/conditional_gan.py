"""Adversarial networks under conditions: pairs (x, c) of an example and what it is to be an example of."""

import math

import torch
from torch import Tensor, nn

from repgen.gan import GAN, OBJECTIVES
from repgen.layers import check_labels, one_hot


class ConditionalGAN(GAN):
    """A GAN of p(x|c) (Mirza & Osindero 2014): ``generator(z, c)`` makes an example, ``discriminator(x, c)`` judges the
    pair.

    Trained on pairs: ``fit(model, (x, c))`` with x (N, ...) and conditions c (N, ...), labels or
    pictures. ``l1_weight`` times the mean absolute difference, over all pixels, of G(z, c) from the x
    that c came with is added to ``adversarial_weight`` times what the generator minimises (Isola et
    al. 2017, eq. 4). With adversarial_weight 0 that difference is all it minimises and the
    discriminator only looks on. The other settings are those of GAN, without packs: a pack would mix
    conditions.
    """

    def __init__(self, *nets_and_size, l1_weight: float = 0.0, adversarial_weight: float = 1.0, **options):
        super().__init__(*nets_and_size, **options)
        if self.pack > 1:
            raise ValueError(f"a pack of {self.pack} would mix conditions; leave pack at 1")
        if not min(l1_weight, adversarial_weight) >= 0 or not 0 < l1_weight + adversarial_weight < math.inf:
            raise ValueError(
                f"l1_weight and adversarial_weight are 0 or more, not both 0; got {l1_weight} and {adversarial_weight}"
            )
        self.l1_weight, self.adversarial_weight = l1_weight, adversarial_weight

    def check(self, x: Tensor, c: Tensor) -> None:
        """What ``fit`` asks once: ValueError for labels that one of the nets has no place for."""
        for net in (self.generator, self.discriminator):
            if classes := getattr(net, "classes", None):
                check_labels(c, classes)

    def decode(self, z: Tensor, *condition: Tensor) -> Tensor:
        """G(z, c), (N, ...), of latents z (N, latent_dim) and conditions c (N, ...)."""
        if any(len(c) != len(z) for c in condition):
            raise ValueError(f"expected a condition for each latent, got {[len(c) for c in condition]} for {len(z)}")
        return super().decode(z, *condition)

    @torch.no_grad()
    def sample(self, c: Tensor, generator: torch.Generator | None = None) -> Tensor:  # type: ignore[override] # c in place of n
        """An example for each condition in c (N, ...), by the averaged generator where there is one."""
        return (self.ema or self.decode)(self.latents(len(c), generator), c)

    def generator_loss(
        self, x: Tensor, *condition: Tensor, generator: torch.Generator | None = None, progress: float = 1.0
    ) -> Tensor:
        """adversarial_weight times the batch mean of the objective, plus l1_weight times the mean of |x - G(z, c)|."""
        y = self.decode(self.latents(len(x), generator), *condition)
        loss = self.l1_weight * (x - y).abs().mean() if self.l1_weight else torch.zeros((), device=x.device)
        if self.adversarial_weight:
            logits = self.logits(self.blur(y, generator, progress), *condition)
            loss = loss + self.adversarial_weight * OBJECTIVES[self.objective].generator(logits).mean()
        return loss


# --- conditions that are labels


class ClassConditional(nn.Module):
    """A generator told which of ``classes`` to make: ``net`` of the latents with a one-hot label appended."""

    def __init__(self, net: nn.Module, classes: int = 10):
        super().__init__()
        self.net, self.classes = net, classes

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Examples (N, ...) of latents z (N, K) and labels (N,) of whole numbers."""
        return self.net(torch.cat([z, one_hot(labels, self.classes).to(z)], 1))


class ProjectionDiscriminator(nn.Module):
    """A discriminator told the label: v'f(x) + b + u_c'f(x), a vector u_c for each class (Miyato & Koyama 2018, eq. 3).

    ``features`` takes examples (N, ...) to f(x), (N, n_features).
    """

    def __init__(self, features: nn.Module, n_features: int, classes: int = 10):
        super().__init__()
        self.features, self.classes = features, classes
        self.plain = nn.Linear(n_features, 1)
        self.of_class = nn.Linear(n_features, classes, bias=False)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Logits (N,) of examples x (N, ...) with labels (N,) of whole numbers."""
        f = self.features(x)
        return self.plain(f)[:, 0] + (self.of_class(f) * one_hot(labels, self.classes)).sum(1)
