"""Autoencoders: a network that copies its input through a small code."""

import math

import torch
from torch import Tensor, nn


class LinearAutoencoder(nn.Module):
    """One linear layer into the code and one back (Bourlard & Kamp 1988; Baldi & Hornik 1989).

    ``n_visible`` pixels become ``n_code`` numbers, z = V x + c, and x' = W z + b. Trained on
    squared error it reaches the subspace of PCA and PCA's error, but not its axes: for every
    invertible A, the codes A z and the weights W A^-1 give the same images. Its loss has no other
    minima, only saddle points, which is why gradient descent finds it (Baldi & Hornik 1989).
    Without biases it is PCA of uncentred data.
    """

    def __init__(self, n_visible: int, n_code: int, bias: bool = True):
        super().__init__()
        if n_visible < 1 or n_code < 1:
            raise ValueError(f"n_visible and n_code must be at least 1, got {n_visible} and {n_code}")
        self.encoder = nn.Linear(n_visible, n_code, bias)
        self.decoder = nn.Linear(n_code, n_visible, bias)

    def encode(self, x: Tensor) -> Tensor:
        """Codes (N, K) of images x (N, D) or (N, C, H, W)."""
        return self.encoder(self._pixels(x))  # (N, D) -> (N, K)

    def decode(self, z: Tensor) -> Tensor:
        """Images (N, D) of codes z (N, K)."""
        if z.ndim != 2 or z.shape[1] != self.encoder.out_features:
            raise ValueError(f"expected codes (N, {self.encoder.out_features}), got shape {tuple(z.shape)}")
        return self.decoder(z)  # (N, K) -> (N, D)

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Squared error summed over pixels, mean over the batch.

        In nats it is the negative log-likelihood of a Gaussian with variance 1/2 around the
        reconstruction, less the constant D/2 log pi. The loss is exact: ``generator`` is unused.
        """
        x = self._pixels(x)
        return (self.decode(self.encode(x)) - x).square().sum(1).mean()

    def _pixels(self, x: Tensor) -> Tensor:
        if x.ndim < 2 or math.prod(x.shape[1:]) != self.encoder.in_features:
            raise ValueError(
                f"expected images of {self.encoder.in_features} pixels, (N, {self.encoder.in_features}) "
                f"or (N, C, H, W), got shape {tuple(x.shape)}"
            )
        return x.flatten(1)
