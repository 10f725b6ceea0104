"""Autoencoders: a network that copies its input through a small code."""

import warnings
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from repgen.layers import Transposed, check_codes, check_unit, pixels
from repgen.losses import bernoulli_nll, squared_error


class LinearAutoencoder(nn.Module):
    """One linear layer into the code and one back (Bourlard & Kamp 1988; Baldi & Hornik 1989).

    ``n_visible`` pixels become ``latent_dim`` numbers, z = V x + c, and x' = W z + b. Trained on
    squared error it reaches the subspace of PCA and PCA's error, but not its axes: for every
    invertible A, the codes A z and the weights W A^-1 give the same images. Its loss has no other
    minima, only saddle points, which is why gradient descent finds it (Baldi & Hornik 1989).
    Without biases it is PCA of uncentred data.
    """

    def __init__(self, n_visible: int, latent_dim: int, bias: bool = True):
        super().__init__()
        if n_visible < 1 or latent_dim < 1:
            raise ValueError(f"n_visible and latent_dim must be at least 1, got {n_visible} and {latent_dim}")
        self.encoder = nn.Linear(n_visible, latent_dim, bias)
        self.decoder = nn.Linear(latent_dim, n_visible, bias)

    def encode(self, x: Tensor) -> Tensor:
        """Codes (N, K) of images x (N, D) or (N, C, H, W)."""
        return self.encoder(pixels(x, self.encoder.in_features))  # (N, D) -> (N, K)

    def decode(self, z: Tensor) -> Tensor:
        """Images (N, D) of codes z (N, K)."""
        return self.decoder(check_codes(z, self.encoder.out_features))  # (N, K) -> (N, D)

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Squared error summed over pixels, mean over the batch.

        In nats it is the negative log-likelihood of a Gaussian with variance 1/2 around the
        reconstruction, less the constant D/2 log pi. The loss is exact: ``generator`` is unused.
        """
        x = pixels(x, self.encoder.in_features)
        return squared_error(x, self.decode(self.encode(x))).mean()


class Autoencoder(nn.Module):
    """A dense autoencoder with a mirror-image decoder (Hinton & Salakhutdinov 2006).

    A code as large as the input, or larger, may simply copy it: unless ``overcomplete`` says that this is meant, a
    warning says so.

    Parameters
    ----------
    sizes : sequence of int
        (784, 1000, 500, 250, 30) gives the encoder 784-1000-500-250-30 and the decoder 30-250-500-1000-784.
    activation : type of Module
        After every hidden layer.
    code : type of Module
        After the code layer: the identity, unless one is named.
    output : type of Module
        After the pixels.
    reconstruction : str
        "squared error" or, for pixels in [0, 1] and a sigmoid output, "cross-entropy".
    tied : bool
        Whether each decoder layer is the transpose of its encoder layer and has only biases of its own.
    overcomplete : bool
        Says that a code as large as the input is meant.

    Raises
    ------
    ValueError
        For sizes that make no network, an unknown reconstruction loss, and cross-entropy without a sigmoid.

    Examples
    --------
    >>> model = Autoencoder((64, 20, 5))
    >>> z = model.encode(torch.rand(3, 1, 8, 8))  # images may come flat or not
    >>> z.shape, model.decode(z).shape
    (torch.Size([3, 5]), torch.Size([3, 64]))

    References
    ----------
    Hinton & Salakhutdinov (2006), Reducing the dimensionality of data with neural networks.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: type[nn.Module] = nn.ReLU,
        *,
        code: type[nn.Module] = nn.Identity,
        output: type[nn.Module] = nn.Sigmoid,
        reconstruction: str = "squared error",
        tied: bool = False,
        overcomplete: bool = False,
    ):
        super().__init__()
        sizes = tuple(sizes)
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes are the layers from the pixels to the code, such as (784, 100, 30); got {sizes}")
        if reconstruction not in RECONSTRUCTION:
            raise ValueError(f"reconstruction is one of {', '.join(RECONSTRUCTION)}; got {reconstruction!r}")
        if reconstruction == "cross-entropy" and output is not nn.Sigmoid:
            raise ValueError(f"cross-entropy needs probabilities: output=nn.Sigmoid, not {output.__name__}")
        if sizes[-1] >= sizes[0] and not overcomplete:
            warnings.warn(
                f"a code of {sizes[-1]} for {sizes[0]} pixels may copy them and learn nothing; "
                "regularise it and say overcomplete=True, or make it smaller",
                stacklevel=2,
            )
        self.n_visible, self.latent_dim, self.reconstruction = sizes[0], sizes[-1], reconstruction
        down = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        up = [
            Transposed(layer) if tied else nn.Linear(layer.out_features, layer.in_features) for layer in reversed(down)
        ]
        self.encoder: nn.Sequential = _stack(down, activation, code)  # (N, D) -> (N, K)
        self.decoder = _stack(up, activation, output)  # (N, K) -> (N, D)

    def encode(self, x: Tensor) -> Tensor:
        """Codes (N, K) of images x (N, D) or (N, C, H, W)."""
        return self.encoder(pixels(x, self.n_visible))

    def decode(self, z: Tensor) -> Tensor:
        """Images (N, D) of codes z (N, K)."""
        return self.decoder(check_codes(z, self.latent_dim))

    def reconstruction_loss(self, x: Tensor, z: Tensor) -> Tensor:
        """What the code z (N, K) leaves of the images x (N, D), one number an example (N,).

        Squared error summed over pixels, or cross-entropy in nats, summed over pixels and
        computed from the logits.
        """
        x = pixels(x, self.n_visible)
        if self.reconstruction == "cross-entropy":
            return bernoulli_nll(x, self.decoder[:-1](z))
        return squared_error(x, self.decode(z))

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean reconstruction loss of the batch; exact, so ``generator`` is unused."""
        return self.reconstruction_loss(x, self.encode(x)).mean()

    def check(self, x: Tensor) -> None:
        """What ``fit`` asks once: ValueError where a sigmoid output is to reach values outside [0, 1]."""
        if isinstance(self.decoder[-1], nn.Sigmoid):
            check_unit(x, "data for a sigmoid output (else say output=nn.Identity)")


RECONSTRUCTION = ("squared error", "cross-entropy")


def _stack(layers: Sequence[nn.Module], hidden: type[nn.Module], last: type[nn.Module]) -> nn.Sequential:
    between = [part for layer in layers[:-1] for part in (layer, hidden())]
    return nn.Sequential(*between, layers[-1], last())
