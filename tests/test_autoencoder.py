"""The linear autoencoder against the closed form: PCA by a singular value decomposition."""

import math

import pytest
import torch

from repgen.autoencoder import LinearAutoencoder
from repgen.losses import gaussian_nll
from repgen.metrics import principal_angles, reconstruction_error
from repgen.train import cosine, fit


def correlated(n=60, d=12, mean=0.0):
    g = torch.Generator().manual_seed(0)
    spread = torch.tensor([3, 2.5, 2] + [0.6 - 0.05 * i for i in range(d - 3)])
    axes = torch.linalg.qr(torch.randn(d, d, generator=g))[0]
    return torch.randn(n, d, generator=g) * spread @ axes + mean


@pytest.mark.parametrize("bias", [True, False])
def test_trained_to_the_end_it_is_pca(bias):
    x, k = correlated(mean=1.5), 3
    torch.manual_seed(1)
    model = LinearAutoencoder(12, k, bias)
    history = fit(model, x, epochs=3000, batch_size=60, lr=0.02, schedule=cosine, progress=False)
    centre = x.double().mean(0) if bias else 0  # without biases: PCA of uncentred data
    _, singular, axes = torch.linalg.svd(x.double() - centre, full_matrices=False)
    best = (singular[k:] ** 2).sum().item() / len(x)
    assert model.loss(x).item() == pytest.approx(best, rel=1e-4)
    assert history.training["loss"][-1] == pytest.approx(best, rel=1e-4)
    assert best < 0.9 * (singular[k - 1 :] ** 2).sum().item() / len(x)  # one direction less would show
    assert principal_angles(model.decoder.weight.detach().T, axes[:k].float()).max() < 0.5
    # the same subspace, other axes: the weights are not orthogonal
    gram = model.decoder.weight.T @ model.decoder.weight
    assert (gram - gram.diag().diag()).abs().max() > 1e-2


def test_encode_and_decode_are_the_formula():
    model, x = LinearAutoencoder(12, 3), correlated()
    z = x @ model.encoder.weight.T + model.encoder.bias
    y = z @ model.decoder.weight.T + model.decoder.bias
    assert torch.allclose(model.encode(x), z, atol=1e-5)
    assert torch.allclose(model.decode(z), y, atol=1e-5)
    assert model.encode(x.reshape(60, 1, 3, 4)).equal(model.encode(x))
    assert LinearAutoencoder(12, 3, bias=False).encoder.bias is None


def test_the_loss_is_summed_over_pixels_and_is_a_gaussian_likelihood():
    model, x = LinearAutoencoder(12, 3), correlated()
    with torch.no_grad():
        y = model.decode(model.encode(x))
        loss = model.loss(x.reshape(60, 1, 3, 4)).item()
    assert loss == pytest.approx(reconstruction_error(x, y), rel=1e-5)
    nll = gaussian_nll(x, y, math.log(0.5)).mean().item()
    assert loss == pytest.approx(nll - 6 * math.log(math.pi), rel=1e-5)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda m: m.encode(torch.zeros(5, 11)), r"12 pixels.*got shape \(5, 11\)"),
        (lambda m: m.loss(torch.zeros(12)), r"got shape \(12,\)"),
        (lambda m: m.encode(torch.zeros(2, 1, 3, 5)), r"12 pixels.*got shape \(2, 1, 3, 5\)"),
        (lambda m: m.decode(torch.zeros(5, 12)), r"codes \(N, 3\), got shape \(5, 12\)"),
        (lambda m: m.decode(torch.zeros(3)), r"codes \(N, 3\)"),
        (lambda m: LinearAutoencoder(0, 3), "at least 1"),
        (lambda m: LinearAutoencoder(12, 0), "at least 1"),
    ],
)
def test_wrong_shapes_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call(LinearAutoencoder(12, 3))
