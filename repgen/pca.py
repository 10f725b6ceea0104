"""Principal component analysis: the best linear map into a small code and back."""

from collections.abc import Iterable

import scipy.linalg
import torch
from torch import Tensor, nn


class PCA(nn.Module):
    """Principal component analysis (Pearson 1901; Hotelling 1933).

    The code of an image is z = W (x - mean) and its reconstruction mean + W^T z, where the
    rows of W are the ``n_components`` orthonormal directions of largest variance. Among all
    linear maps of that size this one leaves the least squared error (Eckart & Young 1936).

    After ``fit``: ``mean`` (D,), ``components`` (K, D) with orthonormal rows,
    ``explained_variance`` (K,) and ``total_variance`` (), both with divisor N - 1, and
    ``n_examples``. Signs are fixed: the entry of largest magnitude in each row is positive.
    """

    def __init__(self, n_components: int):
        super().__init__()
        if n_components < 1:
            raise ValueError(f"PCA needs at least one component, got n_components={n_components}")
        self.n_components = n_components
        self.n_examples = 0
        for name in ("mean", "components", "explained_variance", "total_variance"):
            self.register_buffer(name, None)

    @torch.no_grad()
    def fit(self, x: Tensor | Iterable[Tensor]) -> "PCA":
        """Fits to x (N, D), or to an iterable of batches (N_i, D) read once in constant memory.

        Products are float32 and summed in float64, so a variance is right to about 1e-6 of the
        largest one; images (N, C, H, W) are flattened.
        Raises ValueError for fewer than two rows, NaN or infinite values, batches of unequal
        width, or more components than the data have directions.
        """
        x = getattr(x, "x", x)  # a repgen.Data is unwrapped
        if not isinstance(x, Tensor):
            n, mean, covariance = _moments(_rows(batch) for batch in x)
        elif len(x := _rows(x)) > x.shape[1]:
            n, mean, covariance = _moments(x.split(8192))
        else:
            return self._fit_wide(x)
        self._check_size(n, len(mean))
        variance, directions = _top_eigenvectors(covariance, self.n_components)  # ascending
        return self._set(n, mean, variance.flip(0), directions.flip(1).T, covariance.trace())

    def _fit_wide(self, x: Tensor) -> "PCA":
        """Fewer rows than columns: the SVD of the centred rows is smaller than a covariance."""
        self._check_size(*x.shape)
        mean = x.double().mean(0)
        _check_finite(mean)
        _, singular, directions = torch.linalg.svd(x.double() - mean, full_matrices=False)
        variance = singular.square() / (len(x) - 1)
        return self._set(len(x), mean, variance, directions, variance.sum())

    def _check_size(self, n: int, d: int) -> None:
        if n < 2:
            raise ValueError(f"PCA needs at least two rows to see any variance, got {n}")
        if self.n_components > min(n - 1, d):
            raise ValueError(
                f"{self.n_components} components asked for, but {n} rows of {d} numbers vary in "
                f"at most {min(n - 1, d)} directions; ask for fewer components"
            )

    def _set(self, n: int, mean: Tensor, variance: Tensor, rows: Tensor, total: Tensor) -> "PCA":
        rows = rows[: self.n_components]
        largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))  # (K, 1)
        self.n_examples = n
        self.mean = mean.float()
        self.components = (rows * largest.sign()).float().contiguous()
        self.explained_variance = variance[: self.n_components].clamp(min=0).float()
        self.total_variance = total.float()
        return self

    @property
    def explained_variance_ratio(self) -> Tensor:
        """Share of the total variance along each component, (K,)."""
        return self.explained_variance / self.total_variance

    def encode(self, x: Tensor) -> Tensor:
        """Codes (N, K) of images x (N, D) or (N, C, H, W)."""
        x = _rows(x)
        self._check_fitted(x, len(self.mean) if self.mean is not None else 0, "pixels")
        return (x - self.mean) @ self.components.T  # (N, D) -> (N, K)

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


def _rows(x: Tensor) -> Tensor:
    """x as float rows (N, D)."""
    x = torch.as_tensor(x)
    if x.ndim < 2:
        raise ValueError(f"expected rows of shape (N, D), got shape {tuple(x.shape)}")
    x = x.flatten(1)
    return x if x.is_floating_point() else x.float()


def _check_finite(mean: Tensor) -> None:
    bad = (~mean.isfinite()).nonzero()
    if len(bad):
        raise ValueError(
            f"PCA got NaN or infinite values: {len(bad)} of {len(mean)} columns hold some, "
            f"the first is column {int(bad[0])}; remove or replace them first"
        )


def _top_eigenvectors(covariance: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest eigenvalues, ascending, and their vectors in columns (SciPy computes only those)."""
    if covariance.device.type != "cpu":
        values, vectors = torch.linalg.eigh(covariance)
        return values[-k:], vectors[:, -k:]
    d = len(covariance)
    found = scipy.linalg.eigh(covariance.numpy(), subset_by_index=(d - k, d - 1), check_finite=False, overwrite_a=True)
    return tuple(map(torch.from_numpy, found))


def _moments(batches: Iterable[Tensor]) -> tuple[int, Tensor, Tensor]:
    """Rows, mean (D,) and covariance (D, D) of batches (N_i, D), read once.

    Each batch is shifted by the mean of the first, so that the float32 products do not cancel
    when the mean is large beside the spread; sums over batches are float64. Only the upper
    block triangle is multiplied out, which saves over a third of the work.
    """
    n, shift = 0, None
    for x in batches:
        if shift is None and len(x):
            d = x.shape[1]
            shift = x.mean(0)  # (D,): near the mean is near enough
            total = torch.zeros(d, dtype=torch.float64, device=x.device)
            products = torch.zeros(d, d, dtype=torch.float64, device=x.device)
            edges = [d * i // 7 for i in range(8)]
            buffer = torch.empty_like(x)
        if len(x) == 0:
            continue
        if x.shape[1] != d:
            raise ValueError(f"a batch is {x.shape[1]} numbers wide, the first one was {d}")
        if len(buffer) < len(x):
            buffer = torch.empty_like(x)
        y = torch.sub(x, shift, out=buffer[: len(x)])  # (N_i, D)
        total += y.new_ones(len(y)) @ y  # as y.sum(0), in half the time
        for lo, hi in zip(edges[:-1], edges[1:]):
            products[lo:hi, lo:] += y[:, lo:hi].T @ y[:, lo:]
        n += len(x)
    if n < 2:
        raise ValueError(f"PCA needs at least two rows to see any variance, got {n}")
    _check_finite(total)
    mean = total / n
    products = products.triu() + products.triu(1).T
    covariance = (products - n * torch.outer(mean, mean)) / (n - 1)
    return n, mean + shift, covariance
