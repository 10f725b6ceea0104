"""Logistic PCA: a flat map into a small code, for pixels that are probabilities."""

import torch
from torch import Tensor, nn

from repgen import _fast
from repgen.layers import check_codes, pixels
from repgen.losses import bernoulli_nll
from repgen.pca import PCA

BLOCK = 2**24  # numbers looked at together: 64 MB a matrix
CHUNK = 8192  # features whose products are held together


class LogisticPCA(nn.Module):
    """Logistic PCA (Collins, Dasgupta & Schapire 2001; Schein, Saul & Ungar 2003).

    An image x (D,) of pixels in [0, 1] has a code z (K,) and its pixels the logits W z + b. As PCA
    is the maximum likelihood fit with Gaussian pixels, this one is with Bernoulli pixels: W (D, K),
    b (D,) and all codes minimise, in nats per image and with the mean over images,

        cross-entropy(x, W z + b) + ridge / 2 (|z|^2 + |W|^2 + |b|^2).

    The ridge keeps pixels that are always black finite, and says which of the many (W A, A^-1 z)
    is meant, up to a rotation. There is no encoder: the code of an image is the z that explains it
    best, found by Newton's method. Raises ValueError for sizes and ridges that make no model.
    """

    def __init__(self, latent_dim: int, n_visible: int = 784, ridge: float = 1e-4):
        super().__init__()
        if not 1 <= latent_dim < n_visible:
            raise ValueError(
                f"a code has at least one number and fewer than the {n_visible} pixels, got latent_dim={latent_dim}"
            )
        if not ridge > 0:
            raise ValueError(f"ridge must be positive, or black pixels have logits without end; got {ridge}")
        self.latent_dim, self.n_visible, self.ridge = latent_dim, n_visible, ridge
        self.weight = nn.Parameter(torch.zeros(n_visible, latent_dim), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(n_visible), requires_grad=False)
        self.costs: list[float] = []  # in nats per image, ridge included: after every sweep of `fit`

    @torch.no_grad()
    def fit(self, x: Tensor, sweeps: int = 40, tol: float = 1e-5) -> "LogisticPCA":
        """Fits to images x (N, D), from the codes of PCA; draws nothing at random.

        A sweep is a Newton step for all codes given W and b, and one for all rows of W and b given
        the codes: each is as many small logistic regressions, and none may raise the cost, which
        ``costs`` records. Ends after ``sweeps`` or when one gains less than ``tol`` of the cost.
        """
        x = getattr(x, "x", x)  # a repgen.Data is unwrapped
        x = _checked(pixels(torch.as_tensor(x), self.n_visible))
        if sweeps < 1:
            raise ValueError(f"sweeps must be at least 1, got {sweeps}")
        start = PCA(self.latent_dim).fit(x)
        z = (start.encode(x.float()) / start.explained_variance.clamp(min=1e-12).sqrt()).to(x.dtype)
        rows = torch.zeros(self.n_visible, self.latent_dim + 1, dtype=x.dtype, device=x.device)  # (W, b)
        rows[:, -1] = x.mean(0).clamp(1e-3, 1 - 1e-3).logit()
        costs: list[float] = []
        while len(costs) < sweeps:
            seen = torch.cat([z, x.new_ones(len(z), 1)], 1)  # (N, K + 1)
            newton_step(x.T, seen, rows, x.new_zeros(len(z)), self.ridge * len(x))
            each = newton_step(x, rows[:, :-1], z, rows[:, -1], self.ridge)  # (N,)
            costs.append((each.double().mean() + self.ridge / 2 * rows.double().square().sum()).item())
            if len(costs) > 1 and costs[-2] - costs[-1] < tol * costs[-1]:
                break
        self.weight.data, self.bias.data, self.costs = rows[:, :-1].contiguous(), rows[:, -1].contiguous(), costs
        return self

    @torch.no_grad()
    def encode(self, x: Tensor, steps: int = 30, tol: float = 1e-5) -> Tensor:
        """Codes (N, K) of images x (N, D) or (N, C, H, W): a convex problem each, by Newton's method from 0.

        An image is left alone once a step gains less than ``tol`` of its cost.
        """
        x = _checked(pixels(x, self.n_visible))
        if not self.weight.any():
            raise RuntimeError("this logistic PCA has not been fitted yet: call fit(x) first")
        z = torch.zeros(len(x), self.latent_dim, dtype=x.dtype, device=x.device)
        left, cost = (
            torch.arange(len(x), device=x.device),
            torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device),
        )
        for _ in range(steps):
            part = z[left]
            now = newton_step(x[left], self.weight, part, self.bias, self.ridge)
            z[left] = part
            going = cost[left] - now > tol * now
            cost[left], left = now, left[going]
            if len(left) == 0:
                break
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Images (N, D) of codes z (N, K)."""
        return (check_codes(z, self.latent_dim) @ self.weight.T + self.bias).sigmoid()  # (N, K) -> (N, D)

    def reconstruct(self, x: Tensor) -> Tensor:
        """``decode(encode(x))``, (N, D)."""
        return self.decode(self.encode(x))

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Cross-entropy in nats, summed over pixels, mean over images; without the ridge, and exact."""
        logits = self.encode(x) @ self.weight.T + self.bias
        return bernoulli_nll(pixels(x, self.n_visible), logits).mean()


def newton_step(x: Tensor, features: Tensor, u: Tensor, offset: Tensor, ridge: float) -> Tensor:
    """A damped Newton step, in place, of many logistic regressions that share their features.

    Row r minimises f_r(u) = cross-entropy(x_r, A u_r + offset) + ridge / 2 |u_r|^2, with x (R, M),
    features A (M, K), u (R, K). The Hessians A^T diag(p (1 - p)) A + ridge of all rows are one
    matrix product, (R, M) @ (M, K^2). A row whose cost rises takes a quarter of the step, and so
    on, or stays. Returns the costs, (R,).
    """
    k, cost = u.shape[1], u.new_empty(len(u))
    for some in torch.arange(len(u), device=u.device).split(max(1, BLOCK // len(features))):
        target, old = x[some].contiguous(), u[some]
        logits = old @ features.T + offset  # (R, M)
        before = _cost(target, logits, old, ridge)
        p = logits.sigmoid()
        gradient = (p - target) @ features + ridge * old  # (R, K)
        spread, hessian = p * (1 - p), u.new_zeros(len(old), k * k)
        for at in range(0, len(features), CHUNK):
            a = features[at : at + CHUNK]
            hessian = hessian + spread[:, at : at + CHUNK] @ (a[:, :, None] * a[:, None, :]).flatten(1)  # (R, K^2)
        hessian = hessian.view(-1, k, k)
        diagonal = hessian.diagonal(dim1=1, dim2=2)
        diagonal.add_(ridge + 10 * torch.finfo(u.dtype).eps * diagonal.mean(1, keepdim=True))  # what rounding lost
        step = torch.cholesky_solve(gradient[..., None], torch.linalg.cholesky(hessian))[..., 0]
        length, trying = 1.0, torch.arange(len(old), device=u.device)
        for _ in range(8):
            new = old[trying] - length * step[trying]
            after = _cost(target[trying], new @ features.T + offset, new, ridge)
            lower = after < before[trying]
            u[some[trying[lower]]], before[trying[lower]] = new[lower], after[lower]
            length, trying = length / 4, trying[~lower]
            if len(trying) == 0:
                break
        cost[some] = before
    return cost


def _cost(x: Tensor, logits: Tensor, u: Tensor, ridge: float) -> Tensor:
    return _fast.bernoulli_nll(x, logits) + ridge / 2 * u.square().sum(1)


def _checked(x: Tensor) -> Tensor:
    x = x if x.is_floating_point() else x.float()
    if not ((x >= 0) & (x <= 1)).all():  # NaN is neither
        raise ValueError(
            "logistic PCA needs pixels in [0, 1], read as probabilities; found others, or NaN: scale them first"
        )
    return x
