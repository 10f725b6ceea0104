"""Autoencoders against closed forms, autograd and PCA by a singular value decomposition."""

import copy
import math
import warnings
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from torch import nn

from repgen import zoo
from repgen.autoencoder import Autoencoder, LinearAutoencoder
from repgen.datasets import Data
from repgen.evaluation.metrics import principal_angles, reconstruction_error
from repgen.losses import gaussian_nll
from repgen.train import cosine, fit
from repgen.widgets.network import Network


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


# --- the dense autoencoder


def images(n=20, d=12, seed=3):
    return torch.rand(n, d, generator=torch.Generator().manual_seed(seed))


def untied(model, sizes, **settings):
    """A copy of a tied network whose decoder has weights of its own, with the same numbers in them."""
    apart = Autoencoder(sizes, nn.Tanh, **settings).to(model.encoder[0].weight.dtype)
    layers = [layer for layer in model.encoder if isinstance(layer, nn.Linear)]
    state = model.state_dict()
    for name, layer in apart.decoder.named_children():
        if isinstance(layer, nn.Linear):
            state[f"decoder.{name}.weight"] = layers.pop().weight.detach().T.clone()
    apart.load_state_dict(state)
    return apart


def test_it_computes_the_formula():
    model, x = Autoencoder((12, 7, 3), nn.Tanh, code=nn.Sigmoid), images()
    a, b, c, d = ((half[i].weight, half[i].bias) for half in (model.encoder, model.decoder) for i in (0, 2))
    z = torch.sigmoid(torch.tanh(x @ a[0].T + a[1]) @ b[0].T + b[1])
    y = torch.sigmoid(torch.tanh(z @ c[0].T + c[1]) @ d[0].T + d[1])
    assert torch.allclose(model.encode(x.reshape(20, 1, 3, 4)), z, atol=1e-6)
    assert torch.allclose(model.decode(z), y, atol=1e-6)
    assert model.loss(x).item() == pytest.approx(((x - y) ** 2).sum().item() / 20, rel=1e-5)
    assert model.reconstruction_loss(x, z).shape == (20,)
    assert sum(p.numel() for p in model.parameters()) == (12 * 7 + 7 * 3) * 2 + 7 + 3 + 7 + 12


def test_cross_entropy_from_the_logits_is_the_closed_form():
    model, x = Autoencoder((12, 7, 3), reconstruction="cross-entropy").double(), images().double()
    y = model.decode(model.encode(x))
    direct = -(x * y.log() + (1 - x) * (1 - y).log()).sum(1)
    assert torch.allclose(model.reconstruction_loss(x, model.encode(x)), direct, rtol=1e-9)
    assert model.loss(x).item() == pytest.approx(direct.mean().item(), rel=1e-9)
    # where the sigmoid is saturated, its logarithm is gone and the logits still know: -log sigmoid(-1000) = 1000
    with torch.no_grad():
        model.decoder[-2].weight.zero_(), model.decoder[-2].bias.fill_(-1000)
    assert model.loss(torch.ones(4, 12).double()).item() == pytest.approx(12_000)


@pytest.mark.parametrize("reconstruction", ["squared error", "cross-entropy"])
def test_a_tied_weights_gradient_is_the_sum_of_both_layers(reconstruction):
    sizes, x = (12, 7, 3), images().double()
    torch.manual_seed(2)
    tied = Autoencoder(sizes, nn.Tanh, tied=True, reconstruction=reconstruction).double()
    with torch.no_grad():  # the decoder's biases are born as zeros
        for p in tied.decoder.parameters():
            p.normal_()
    free = untied(tied, sizes, reconstruction=reconstruction)
    for model in (tied, free):
        model.loss(x).backward()
    assert tied.loss(x).item() == pytest.approx(free.loss(x).item(), rel=1e-12)
    for i, j in ((0, 2), (2, 0)):  # the outer pair and the inner pair of layers
        apart = free.encoder[i].weight.grad + free.decoder[j].weight.grad.T
        assert torch.allclose(tied.encoder[i].weight.grad, apart, atol=1e-12)
        assert free.decoder[j].weight.grad.abs().max() > 1e-3  # the decoder's part is no trifle
        assert torch.allclose(tied.decoder[j].bias.grad, free.decoder[j].bias.grad, atol=1e-12)


def test_tied_weights_are_counted_trained_and_stored_once():
    sizes = (12, 7, 3)
    model, x = Autoencoder(sizes, nn.Tanh, tied=True), images()
    assert sum(p.numel() for p in model.parameters()) == 12 * 7 + 7 * 3 + (7 + 3) + (7 + 12)
    assert [name for name in model.state_dict() if "decoder" in name] == ["decoder.0.bias", "decoder.2.bias"]
    fit(model, x, epochs=3, lr=0.01, progress=False)
    again = Autoencoder(sizes, nn.Tanh, tied=True)
    assert not torch.allclose(again.decode(again.encode(x)), model.decode(model.encode(x)))
    again.load_state_dict(model.state_dict())
    assert again.decode(again.encode(x)).equal(model.decode(model.encode(x)))
    # the layer that was loaded is the one that the decoder uses
    with torch.no_grad():
        again.encoder[0].weight += 1
    assert not torch.allclose(again.decode(torch.ones(1, 3)), model.decode(torch.ones(1, 3)))


def test_a_deep_copy_of_a_tied_network_is_tied_to_itself():
    model = Autoencoder((12, 3), tied=True)
    twin = copy.deepcopy(model)
    before = model.decode(torch.ones(1, 3))
    with torch.no_grad():
        twin.encoder[0].weight.zero_()
    assert torch.allclose(twin.decode(torch.ones(1, 3)), torch.full((1, 12), 0.5))
    assert model.decode(torch.ones(1, 3)).equal(before)


def test_a_tied_network_survives_the_zoo(tmp_path, monkeypatch):
    x = Data(images(40).reshape(40, 1, 3, 4), None, "noise", "here")
    steps = SimpleNamespace(
        __name__="repgen.zoo.recipes.tied",
        __file__="tied.py",
        __doc__="A tied one.",
        data=lambda device: (x,),
        build=lambda: Autoencoder((12, 7, 3), tied=True),
        train=lambda model, data, **options: fit(model, data.flat, **{"epochs": 2, "progress": False} | options),
        measure=lambda model, data: {"loss": model.loss(data.flat).item()},
    )
    monkeypatch.setattr(zoo, "recipe", lambda name: steps)
    record = zoo.train_recipe("tied", folder=tmp_path)
    model = zoo.load_pretrained("tied", folder=tmp_path)
    assert record["parameters"] == 12 * 7 + 7 * 3 + 10 + 19
    assert model.loss(x.flat).item() == pytest.approx(record["metrics"]["loss"], rel=1e-6)
    assert "decoder.0.weight" not in safetensors.torch.load((tmp_path / "tied.safetensors").read_bytes())


def test_the_page_draws_with_a_tied_decoder():
    model = Autoencoder((12, 7, 3), tied=True)
    with torch.no_grad():
        for p in model.parameters():
            p.normal_()
    network, z = Network.from_module(model, "float32"), torch.randn(5, 3)
    assert network.spec["n_in"] == 3 and network.spec["n_out"] == 12
    assert torch.allclose(network.decode(z), model.decode(z).detach(), atol=1e-5)
    sent = torch.frombuffer(bytearray(network.weights), dtype=torch.float32)
    assert sent[: 7 * 3].reshape(7, 3).equal(model.encoder[2].weight.detach().T)  # W (out, in) of the first layer


@pytest.mark.parametrize("tied", [False, True])
def test_without_bends_it_is_pca(tied):
    x, k = correlated(), 3
    x = x - x.mean(0)
    torch.manual_seed(1)
    model = Autoencoder((12, k), output=nn.Identity, tied=tied)
    fit(model, x, epochs=1000, batch_size=60, lr=0.03, schedule=cosine, progress=False)
    best = (torch.linalg.svdvals(x.double())[k:] ** 2).sum().item() / len(x)
    assert model.loss(x).item() == pytest.approx(best, rel=1e-4)
    if tied:  # W^T W x can only be the projection if the rows of W are orthonormal
        w = model.encoder[0].weight.detach()
        assert torch.allclose(w @ w.T, torch.eye(k), atol=1e-2)


def test_a_large_code_is_warned_of_unless_it_is_meant():
    with pytest.warns(UserWarning, match="a code of 12 for 12 pixels"):
        Autoencoder((12, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Autoencoder((12, 20), overcomplete=True)
        Autoencoder((12, 20, 11))


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: Autoencoder((12,)), r"layers from the pixels to the code.*got \(12,\)"),
        (lambda: Autoencoder((12, 0)), r"got \(12, 0\)"),
        (lambda: Autoencoder((12, 3), reconstruction="hinge"), "one of squared error, cross-entropy; got 'hinge'"),
        (lambda: Autoencoder((12, 3), output=nn.Identity, reconstruction="cross-entropy"), "nn.Sigmoid, not Identity"),
        (lambda: Autoencoder((12, 3)).encode(torch.zeros(5, 11)), r"12 pixels.*got shape \(5, 11\)"),
        (lambda: Autoencoder((12, 3)).decode(torch.zeros(5, 4)), r"codes \(N, 3\), got shape \(5, 4\)"),
        (lambda: Autoencoder((12, 3)).loss(torch.zeros(12)), r"got shape \(12,\)"),
        (
            lambda: Autoencoder((12, 3), reconstruction="cross-entropy").loss(torch.full((5, 12), 1.5)),
            r"must lie in \[0, 1\]",
        ),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
