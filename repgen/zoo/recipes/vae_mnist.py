"""A VAE with 50 latents, 784-200-200-(50, 50) and back, on digits drawn black and white anew in every batch."""

import torch
from torch import nn

from repgen.losses import gaussian_kl, gaussian_nll
from repgen.train import fit, warmup_cosine
from repgen.vae import ELBO, VAE, Posterior
from repgen.zoo.recipes._common import make_loader

WARM_UP = 0.1  # of the training, until the KL term counts in full
data = make_loader("mnist")


class PatientVAE(VAE):
    """A VAE trained by the same bound, with less noise in its gradient and units that are given time to wake.

    The KL term comes in over the first ``WARM_UP`` of the training (Bowman et al. 2016; Sønderby et
    al. 2016), and its gradient is that of the one draw z, q's own parameters held still there: the
    same on average, and without noise where q is exact (Roeder et al. 2017, eq. 6).
    """

    def loss(self, x, generator=None, progress=1.0):
        x = self.sample_input(x.flatten(1), generator)
        q = self.posterior(x)
        z = self.reparameterize(q, generator)
        reconstruction = self.conditional_nll(x, z)
        kl = gaussian_kl(*q).detach()
        if not self.training:
            return ELBO(*(term.mean() for term in (reconstruction + kl, reconstruction, kl)))
        still = Posterior(*(part.detach() for part in q))
        drawn_kl = gaussian_nll(z, torch.zeros_like(z)) - gaussian_nll(z, *still)
        return ELBO((reconstruction + min(progress / WARM_UP, 1) * drawn_kl).mean(), reconstruction.mean(), kl.mean())


def build():
    model = PatientVAE.dense((784, 200, 200, 50), nn.Tanh, binarize=True)
    for layer in model.modules():  # weights of Glorot & Bengio's size, as Burda et al. begin
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


def train(model, digits, unseen, **options):
    settings = {"epochs": 800, "batch_size": 100, "lr": 2e-3, "schedule": warmup_cosine()}
    return fit(model, digits.flat, **settings | options)


def measure(model, digits, unseen):
    """The bound over ten draws, and from it the likelihood: their gap, L_5000 - L_1, varies little between images."""
    generator = torch.Generator(unseen.x.device).manual_seed(0)
    x = model.sample_input(unseen.flat, generator)
    bound = sum(model.elbo(x, generator).total.double() for _ in range(10)) / 10  # (N,)
    some = x[:400]
    gap = bound[:400] + model.log_likelihood(some, 5000, generator)
    return {"test bound, nats": bound.mean().item(), "test -log p(x), nats": (bound.mean() - gap.mean()).item()}
