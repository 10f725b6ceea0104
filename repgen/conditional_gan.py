"""Adversarial networks under conditions: pairs (x, c) of an example and what it is to be an example of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from repgen.gan import GAN, OBJECTIVES, DiscriminatorLoss


class ConditionalGAN(GAN):
    """A GAN of p(x|c) (Mirza & Osindero 2014): ``generator(z, c)`` makes an example, ``discriminator(x, c)`` judges the pair.

    Trained on pairs: ``fit(model, (x, c))`` with x (N, ...) and conditions c (N, ...), labels or
    pictures. ``distance`` is a weight: that times the mean absolute difference, over all pixels, of
    G(z, c) from the x that c came with is added to what the generator minimises (Isola et al. 2017,
    eq. 4). With ``game`` 0 that difference is all it minimises and the discriminator only looks on.
    The other settings are those of GAN, without packs: a pack would mix conditions.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        *,
        distance: float = 0.0,
        game: float = 1.0,
        ema_decay: float = 0.0,
        **options,
    ):
        super().__init__(generator, discriminator, latent_dim, ema_decay=ema_decay, **options)
        if self.pack > 1:
            raise ValueError(f"a pack of {self.pack} would mix conditions; leave pack at 1")
        if min(distance, game) < 0 or distance + game == 0:
            raise ValueError(f"distance and game are weights of 0 or more, not both 0; got {distance} and {game}")
        self.distance, self.game = distance, game

    def condition_on(self, c: Tensor) -> GAN:
        """The game that is left where the conditions c (N, ...) are fixed; its nets share this one's weights."""
        options = {name: getattr(self, name) for name in ("objective", "smooth", "noise", "penalty", "weight")}  # as they are now
        game = GAN(_Conditioned(self.generator, c), _Conditioned(self.discriminator, c), self.latent_dim, **options)
        return game.train(self.training)

    def decode(self, z: Tensor, c: Tensor) -> Tensor:
        """G(z, c), (N, ...), of latents z (N, latent_dim) and conditions c (N, ...)."""
        if len(z) != len(c):
            raise ValueError(f"expected a condition for each latent, got {len(c)} for {len(z)}")
        return self.condition_on(c).decode(z)

    @torch.no_grad()
    def sample(self, c: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """An example for each condition in c (N, ...), by the averaged generator where there is one."""
        return (self.ema or self.decode)(self.latents(len(c), generator), c)

    def logits(self, x: Tensor, c: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """logit D(x, c), (N,), of examples x (N, ...) and conditions c (N, ...)."""
        return self.condition_on(c).logits(x, generator)

    def discriminator_loss(self, x: Tensor, c: Tensor, generator: torch.Generator | None = None) -> DiscriminatorLoss:
        """That of GAN, over data x (N, ...) with conditions c (N, ...) and as many examples made for the same c."""
        self._follow()
        return self.condition_on(c).discriminator_loss(x, generator)

    def generator_loss(self, x: Tensor, c: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """game times the batch mean of the objective, plus distance times the mean of |x - G(z, c)|."""
        game = self.condition_on(c)
        y = game.decode(game.latents(len(x), generator))
        loss = self.distance * (x - y).abs().mean() if self.distance else 0.0
        return loss + self.game * OBJECTIVES[self.objective].generator(game.logits(y, generator)).mean() if self.game else loss


class _Conditioned(nn.Module):
    """A net of (x, c) as one of x alone."""

    def __init__(self, net: nn.Module, c: Tensor):
        super().__init__()
        self.net, self.c = net, c

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x, self.c)


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


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """(N, classes) of 0 and 1, float32, for labels (N,). Raises ValueError for a label that is not in 0..classes - 1."""
    if labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(f"labels are whole numbers, (N,); got {labels.dtype} of shape {tuple(labels.shape)}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels are 0 to {classes - 1}, found {int(labels.min())} to {int(labels.max())}")
    return F.one_hot(labels.long(), classes).float()
