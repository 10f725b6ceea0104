"""Generative adversarial networks: one net makes examples, another tells them from the data, and each is the other's
loss."""

import math
from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from repgen.layers import check_codes
from repgen.training.players import Player

# --- losses of logits a = logit D: real and fake are those of data and of generated examples, (N,) each


def discriminator_nll(real: Tensor, fake: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """-[(1 - s) log D(x) + s log(1 - D(x))] - log(1 - D(G(z))), (N,), in nats (Goodfellow et al. 2014, eq. 1).

    With ``label_smoothing`` s the data's labels are 1 - s and not 1, the generated examples' stay 0
    (one-sided, Salimans et al. 2016).
    """
    return F.softplus(-real) + label_smoothing * real + F.softplus(fake)


def minimax(fake: Tensor) -> Tensor:
    """log(1 - D(G(z))), (N,): the other side of ``discriminator_nll``; flat where the discriminator is sure."""
    return -F.softplus(fake)


def non_saturating(fake: Tensor) -> Tensor:
    """-log D(G(z)), (N,): the same fixed points, steep where the samples are bad (Goodfellow et al. 2014, section
    3)."""
    return F.softplus(-fake)


def least_squares(real: Tensor, fake: Tensor) -> Tensor:
    """(a(x) - 1)^2 / 2 + a(G(z))^2 / 2, (N,), for a discriminator without a logistic function (Mao et al. 2017, eq.
    9)."""
    return ((real - 1).square() + fake.square()) / 2


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 - a(x)) + max(0, 1 + a(G(z))), (N,) (Lim & Ye 2017; Miyato et al. 2018, eq. 16)."""
    return F.relu(1 - real) + F.relu(1 + fake)


def wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """a(G(z)) - a(x), (N,): minus Wasserstein's distance, for a critic of slope 1 at most (Arjovsky et al. 2017, eq.
    2)."""
    return fake - real


class Objective(NamedTuple):
    """What the two sides want small: of (real, fake), and of fake, logits (N,) each, to (N,)."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


OBJECTIVES = {
    "minimax": Objective(discriminator_nll, minimax),
    "non-saturating": Objective(discriminator_nll, non_saturating),
    "least squares": Objective(least_squares, lambda fake: (fake - 1).square() / 2),
    "hinge": Objective(hinge, torch.neg),
    "wasserstein": Objective(wasserstein, torch.neg),
}


# --- penalties on the slope of the discriminator


def gradient_norm(discriminator: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """|grad_x a(x)|, (N,), through which gradients reach the discriminator's weights. x (N, ...)."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        (grad,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return grad.flatten(1).norm(dim=1)


def gradient_penalty(discriminator: Callable, x: Tensor, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """(|grad a| - 1)^2, (N,), at random places between x and y (N, ...) (Gulrajani et al. 2017, eq. 3)."""
    t = torch.rand(len(x), *[1] * (x.ndim - 1), generator=generator, dtype=x.dtype, device=x.device)
    return (gradient_norm(discriminator, torch.lerp(x, y, t)) - 1).square()


def r1(discriminator: Callable, x: Tensor) -> Tensor:
    """|grad a(x)|^2, (N,), at the data x (N, ...) (Mescheder et al. 2018, eq. 9, without its factor 1/2)."""
    return gradient_norm(discriminator, x).square()


# --- the model


class DiscriminatorLoss(NamedTuple):
    """Batch means: what the discriminator minimises, its part without penalty, and the shares that it gets right."""

    total: Tensor
    objective: Tensor
    real_right: Tensor
    fake_right: Tensor


class GAN(nn.Module):
    """A generative adversarial network (Goodfellow et al. 2014).

    With spectral normalisation of torch's on the discriminator's layers, it is that of Miyato et al. (2018).

    Parameters
    ----------
    generator : Module
        Latents (N, latent_dim), drawn from N(0, I), to examples of the data's shape (N, ...).
    discriminator : Module
        Those to one logit each, (N,) or (N, 1), positive for "from the data".
    latent_dim : int
        The length of a latent.
    objective : str
        One of OBJECTIVES.
    n_critic : int
        Steps of the discriminator, each on a fresh batch, for one of the generator.
    lrs : tuple of float or None
        Learning rates of (discriminator, generator), None for that given to ``fit`` (Heusel et al. 2017).
    label_smoothing : float
        One-sided: that of ``discriminator_nll``.
    instance_noise : float or callable
        The standard deviation of noise on all that the discriminator sees while training, a number or a function of the
        training's progress, 0 to 1 (Sonderby et al. 2017; Arjovsky & Bottou 2017).
    penalty : str, optional
        "r1" or "gradient", times ``penalty_weight``.
    penalty_weight : float
        Of the penalty.
    pack : int
        Examples judged together: (N, ...) becomes (N / pack, pack ...) (Lin et al. 2018).
    ema_decay : float
        Above 0: ``ema`` is a second generator of averaged weights, and samples are its own (Yazici et al. 2019).

    Raises
    ------
    ValueError
        For settings that make no game.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> gan = GAN(nn.Linear(2, 2), nn.Linear(2, 1), 2)
    >>> [player.name for player in gan.players()]
    ['discriminator', 'generator']
    >>> gan.sample(5, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        *,
        objective: str = "non-saturating",
        n_critic: int = 1,
        lrs: tuple[float | None, float | None] = (None, None),
        label_smoothing: float = 0.0,
        instance_noise: float | Callable[[float], float] = 0.0,
        penalty: str | None = None,
        penalty_weight: float = 1.0,
        pack: int = 1,
        ema_decay: float = 0.0,
    ):
        super().__init__()
        for name, count in {"latent_dim": latent_dim, "n_critic": n_critic, "pack": pack}.items():
            if not isinstance(count, Integral) or count < 1:
                raise ValueError(f"{name} is a whole number of at least 1, got {count!r}")
        if not 0 <= ema_decay < 1:
            raise ValueError(f"ema_decay is at least 0 and below 1, got {ema_decay}")
        if objective not in OBJECTIVES:
            raise ValueError(f"objective is one of {', '.join(OBJECTIVES)}; got {objective!r}")
        smooths = OBJECTIVES[objective].discriminator is discriminator_nll
        if not 0 <= label_smoothing < 0.5 or (label_smoothing and not smooths):
            got = f"got {label_smoothing} for {objective}"
            raise ValueError(f"label_smoothing is below 0.5, and 0 but for minimax and non-saturating; {got}")
        if penalty not in (None, "r1", "gradient") or not 0 <= penalty_weight < math.inf:
            got = f"got {penalty!r}, {penalty_weight}"
            raise ValueError(f"penalty is 'r1', 'gradient' or None, its weight 0 or more; {got}")
        if not callable(instance_noise) and not 0 <= instance_noise < math.inf:
            raise ValueError(f"instance_noise is 0 or more, or a function of the progress; got {instance_noise!r}")
        self.generator, self.discriminator, self.latent_dim = generator, discriminator, latent_dim
        self.objective, self.n_critic, self.lrs, self.label_smoothing = objective, n_critic, lrs, label_smoothing
        self.instance_noise, self.pack = instance_noise, pack
        self.penalty, self.penalty_weight = penalty, penalty_weight
        self.ema = None
        if ema_decay:
            self.ema = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(ema_decay)).requires_grad_(False)

    def players(self) -> tuple[Player, Player]:
        """The discriminator and then the generator, as ``fit`` asks for them."""
        judge, maker = list(self.discriminator.parameters()), list(self.generator.parameters())
        return (
            Player("discriminator", judge, self.discriminator_loss, self.n_critic, self.lrs[0]),
            Player("generator", maker, self.generator_loss, 1, self.lrs[1]),
        )

    def latents(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws z of the prior N(0, I), (n, latent_dim)."""
        like = next(self.generator.parameters())
        return torch.randn(n, self.latent_dim, generator=generator, dtype=like.dtype, device=like.device)

    def decode(self, z: Tensor, *condition: Tensor) -> Tensor:
        """G(z), (N, ...), of latents z (N, latent_dim)."""
        return self.generator(check_codes(z, self.latent_dim), *condition)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n generated examples (n, ...), by the averaged generator where there is one."""
        return (self.ema or self.decode)(self.latents(n, generator))

    def logits(self, x: Tensor, *condition: Tensor) -> Tensor:
        """logit D(x), (N / pack,), of examples x (N, ...)."""
        if len(x) % self.pack:
            advice = "choose a batch size that divides the data into whole packs"
            raise ValueError(f"{len(x)} examples do not make packs of {self.pack}: {advice}")
        if self.pack > 1:
            x = x.reshape(-1, self.pack * x.shape[1], *x.shape[2:])
        a = self.discriminator(x, *condition)
        if a.numel() != len(x):
            gave = f"for {len(x)} examples it gave {tuple(a.shape)}"
            raise ValueError(f"the discriminator gives one number an example, (N,) or (N, 1); {gave}")
        return a.view(len(x))

    def blur(self, x: Tensor, generator: torch.Generator | None = None, progress: float = 1.0) -> Tensor:
        """Examples x (N, ...) with the instance noise of this moment of the training; in eval mode as they are."""
        noise = self.instance_noise(progress) if callable(self.instance_noise) else self.instance_noise
        if not (noise and self.training):
            return x
        return x + noise * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)

    def discriminator_loss(
        self, x: Tensor, *condition: Tensor, generator: torch.Generator | None = None, progress: float = 1.0
    ) -> DiscriminatorLoss:
        """The batch mean of the objective and its penalty over data x (N, ...) and as many generated examples."""
        with torch.no_grad():
            y = self.decode(self.latents(len(x), generator), *condition)
            if self.ema and self.training:
                self.ema.update_parameters(self.generator)
        if y.shape != x.shape:
            raise ValueError(
                f"the generator makes examples of shape {tuple(y.shape[1:])}, the data's are {tuple(x.shape[1:])}"
            )

        def judge(examples: Tensor) -> Tensor:
            return self.logits(self.blur(examples, generator, progress), *condition)

        real, fake = judge(x), judge(y)
        options = {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}
        total = objective = OBJECTIVES[self.objective].discriminator(real, fake, **options).mean()
        if self.penalty == "r1":
            total = objective + self.penalty_weight * r1(judge, x).mean()
        elif self.penalty == "gradient":
            total = objective + self.penalty_weight * gradient_penalty(judge, x, y, generator).mean()
        return DiscriminatorLoss(total, objective, (real > 0).float().mean(), (fake < 0).float().mean())

    def generator_loss(
        self, x: Tensor, *condition: Tensor, generator: torch.Generator | None = None, progress: float = 1.0
    ) -> Tensor:
        """The batch mean of what the generator minimises, over as many generated examples as there are in x."""
        y = self.decode(self.latents(len(x), generator), *condition)
        return OBJECTIVES[self.objective].generator(self.logits(self.blur(y, generator, progress), *condition)).mean()
