"""Denoising autoencoders: damage the input, ask for the undamaged one back."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from repgen.autoencoder import Autoencoder
from repgen.layers import pixels

Corruption = Callable[..., Tensor]  # (x, generator=...) -> damaged x


class DenoisingAutoencoder(Autoencoder):
    """An autoencoder trained to undo `corrupt`, such as ``partial(mask, p=0.3)`` (Vincent et al. 2008).

    ``corrupt(x, generator=...)`` takes images (N, D) and returns damaged ones of the same shape.
    All else is as in Autoencoder; a code larger than the input is no danger here, since a copy
    of the damaged image is not the answer, so there is no warning.
    """

    def __init__(self, sizes: Sequence[int], *args, corrupt: Corruption, **options):
        super().__init__(sizes, *args, overcomplete=True, **options)
        self.corrupt = corrupt

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean reconstruction loss between the clean images and what is made of damaged ones."""
        x = pixels(x, self.n_visible)
        damaged = self.corrupt(x, generator=generator)
        return self.reconstruction_loss(x, self.encode(damaged)).mean()
