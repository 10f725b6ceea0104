"""Principal component analysis: the best linear map into a small code and back."""

from collections.abc import Iterable
from numbers import Integral

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn

from repgen._fast import moments
from repgen.datasets import Data

FITTED = ("mean", "components", "explained_variance", "total_variance", "n_examples")


class PCA(nn.Module):
    """Principal component analysis (Pearson 1901; Hotelling 1933).

    The code of an image is z = W (x - mean) and its reconstruction mean + W^T z, where the rows of W are the
    orthonormal directions of largest variance. Among all linear maps of that size this one leaves the least squared
    error (Eckart & Young 1936).

    After ``fit``: ``mean`` (D,), ``components`` (K, D) with orthonormal rows, ``explained_variance`` (K,) and
    ``total_variance`` (), both with divisor N - 1, and ``n_examples``. Signs are fixed: the entry of largest magnitude
    in each row is positive.

    Parameters
    ----------
    n_components : int
        K, at least 1.

    Raises
    ------
    ValueError
        For fewer than one component.

    Examples
    --------
    >>> from repgen import load_data
    >>> x = load_data("digits").x.flatten(1)
    >>> pca = PCA(10).fit(x)
    >>> pca.encode(x).shape
    torch.Size([1500, 10])
    >>> bool(pca.explained_variance[0] > pca.explained_variance[9] > 0)
    True
    """

    mean: Tensor
    components: Tensor
    explained_variance: Tensor
    total_variance: Tensor
    n_examples: Tensor

    def __init__(self, n_components: int):
        super().__init__()
        if not isinstance(n_components, Integral) or n_components < 1:
            raise ValueError(f"PCA needs at least one component, a whole number; got n_components={n_components!r}")
        self.n_components: int = int(n_components)
        for name in FITTED:
            self.register_buffer(name, None)

    @torch.no_grad()
    def fit(self, x: Tensor | np.ndarray | Iterable[Tensor]) -> "PCA":
        """Fits to x (N, D), or to an iterable of batches (N_i, D), a DataLoader say, read once in constant memory.

        The components are eigenvectors of the covariance of the centred rows; where there are fewer rows than
        columns, right singular vectors of the rows themselves. Products are in x's own precision, float32 at least,
        and summed in float64, so a variance is right to about 1e-6 of the largest one. Images (N, C, H, W) are
        flattened. Raises ValueError for fewer than two rows, NaN or infinite values and squares that overflow, batches
        of unequal width, or more components than the data have directions.
        """
        x = x.x if isinstance(x, Data) else x
        if not isinstance(x, Tensor | np.ndarray):
            n, mean, covariance = moments(_rows(batch[0] if isinstance(batch, list | tuple) else batch) for batch in x)
        elif len(x := _rows(x)) > x.shape[1]:
            n, mean, covariance = moments(x.split(8192))
        else:
            return self._fit_wide(x)
        self._check_size(n, len(mean))
        _check_finite(mean, covariance.diagonal())
        variance, directions = _top_eigenvectors(covariance, self.n_components)  # ascending
        return self._set(n, mean, variance.flip(0), directions.flip(1).T, covariance.trace(), _dtype_of(x))

    def _fit_wide(self, x: Tensor) -> "PCA":
        """Fewer rows than columns: the SVD of the centred rows is smaller than a covariance."""
        self._check_size(*x.shape)
        centred = x.double() - x.double().mean(0)
        _check_finite(x.double().mean(0), centred.square().sum(0))
        _, singular, directions = torch.linalg.svd(centred, full_matrices=False)
        variance = singular.square() / (len(x) - 1)
        return self._set(len(x), x.double().mean(0), variance, directions, variance.sum(), x.dtype)

    def _check_size(self, n: int, d: int) -> None:
        if n < 2:
            raise ValueError(f"PCA needs at least two rows to see any variance, got {n}")
        if self.n_components > min(n - 1, d):
            raise ValueError(
                f"{self.n_components} components asked for, but {n} rows of {d} numbers vary in "
                f"at most {min(n - 1, d)} directions; ask for fewer components"
            )

    def _set(self, n: int, mean: Tensor, variance: Tensor, rows: Tensor, total: Tensor, dtype: torch.dtype) -> "PCA":
        rows = rows[: self.n_components]
        largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))  # (K, 1)
        self.n_examples = torch.tensor(n, device=mean.device)
        self.mean = mean.to(dtype)
        self.components = (rows * largest.sign()).to(dtype).contiguous()
        self.explained_variance = variance[: self.n_components].clamp(min=0).to(dtype)
        self.total_variance = total.to(dtype)
        return self

    def _load_from_state_dict(self, state: dict, prefix: str, *args) -> None:
        for name in FITTED:  # a new PCA has no place for them yet
            if (value := state.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(value))
        super()._load_from_state_dict(state, prefix, *args)
        if self.components is not None:
            self.n_components = len(self.components)

    @property
    def explained_variance_ratio(self) -> Tensor:
        """Share of the total variance along each component, (K,)."""
        return self.explained_variance / self.total_variance

    def encode(self, x: Tensor) -> Tensor:
        """Codes (N, K) of images x (N, D) or (N, C, H, W)."""
        x = _rows(x)
        self._check_fitted(x, 0 if self.mean is None else len(self.mean), "pixels")
        return (x.to(self.mean.dtype) - self.mean) @ self.components.T  # (N, D) -> (N, K)

    def decode(self, z: Tensor) -> Tensor:
        """Images (N, D) of codes z (N, k); a code with k < K uses the first k components."""
        k = min(z.shape[-1], self.n_components)
        self._check_fitted(z, k, f"code numbers (at most {self.n_components})")
        return z @ self.components[:k] + self.mean  # (N, k) -> (N, D)

    def reconstruct(self, x: Tensor) -> Tensor:
        """``decode(encode(x))``, (N, D)."""
        return self.decode(self.encode(x))

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n images (n, D), codes drawn from a Gaussian with the components' variances."""
        self._check_fitted(None, 0, "")
        z = torch.randn(n, self.n_components, generator=generator).to(self.mean)
        return self.decode(z * self.explained_variance.sqrt())

    def loss(self, x: Tensor) -> Tensor:
        """Squared error summed over pixels, mean over the images x (N, D); not a likelihood."""
        return (self.reconstruct(x) - _rows(x)).square().sum(1).mean()

    def _check_fitted(self, x: Tensor | None, width: int, what: str) -> None:
        if self.mean is None:
            raise RuntimeError("this PCA has not been fitted yet: call fit(x) first")
        if x is not None and x.shape[-1] != width:
            raise ValueError(f"expected rows of {width} {what}, got shape {tuple(x.shape)}")


def _rows(x: Tensor | np.ndarray) -> Tensor:
    """x as rows (N, D) of float32 or float64; an Apple GPU, which has no float64, hands them to the CPU."""
    x = torch.as_tensor(x)
    if x.ndim < 2:
        raise ValueError(f"expected rows of shape (N, D), got shape {tuple(x.shape)}")
    x = x.cpu() if x.device.type == "mps" else x
    return x.flatten(1) if x.dtype in (torch.float32, torch.float64) else x.flatten(1).float()


def _dtype_of(x) -> torch.dtype:
    return x.dtype if isinstance(x, Tensor) else torch.float32


def _check_finite(mean: Tensor, squares: Tensor) -> None:
    bad = (~mean.isfinite()).nonzero()
    if len(bad):
        raise ValueError(
            f"PCA got NaN or infinite values: {len(bad)} of {len(mean)} columns hold some, "
            f"the first is column {int(bad[0])}; remove or replace them first"
        )
    bad = (~squares.isfinite()).nonzero()
    if len(bad):
        raise ValueError(
            f"the squares of {len(bad)} of {len(mean)} columns are too large for their precision, the first is column "
            f"{int(bad[0])}; pass x.double(), or divide each column by its standard deviation"
        )


def _top_eigenvectors(covariance: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest eigenvalues, ascending, and their vectors in columns (SciPy computes only those)."""
    if covariance.device.type != "cpu":
        values, vectors = torch.linalg.eigh(covariance)
        return values[-k:], vectors[:, -k:]
    d = len(covariance)
    found = scipy.linalg.eigh(covariance.numpy(), subset_by_index=(d - k, d - 1), check_finite=False, overwrite_a=True)
    values, vectors = map(torch.from_numpy, found)
    return values, vectors
