"""Greedy pretraining: each layer learns from the codes of those below, then all become one net."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from repgen.autoencoder import Autoencoder
from repgen.layers import Transposed
from repgen.rbm import RBM, as_linear
from repgen.train import History, fit

Layer = RBM | Autoencoder


def pretrain(
    layers: Sequence[Layer], x: Tensor, each: Sequence[Mapping] | None = None, *, centre: bool = True, **settings
) -> list[History]:
    """Trains the layers in turn, each on the codes of those below (Hinton et al. 2006; Bengio et al. 2007).

    ``layers``: RBMs or one-layer autoencoders from the pixels up. ``settings`` go to ``fit`` for
    all, ``each[i]`` over them for layer i. With ``centre`` an RBM is centred on the mean of what it
    will see. A ``checkpoint`` becomes a file for each layer, beside the one that is named. Returns a
    History a layer. Raises ValueError where a layer does not fit on the one below.
    """
    layers = list(layers)
    each = [{}] * len(layers) if each is None else list(each)
    if len(each) != len(layers):
        raise ValueError(f"each holds settings for {len(each)} layers, there are {len(layers)}")
    _check(layers)
    x = x.flatten(1)
    histories = []
    saved = settings.pop("checkpoint", None)
    for number, (layer, own) in enumerate(zip(layers, each, strict=True), 1):
        if centre and isinstance(layer, RBM):
            layer.centre_on(x.mean(0))
        file = saved and Path(saved).with_name(f"{Path(saved).stem}-layer-{number}{Path(saved).suffix}")
        histories.append(fit(layer, x, **settings | {"checkpoint": file} | dict(own)))
        x = _codes(layer, x)
    return histories


def unroll(layers: Sequence[Layer]) -> Autoencoder:
    """The layers as one deep autoencoder with their weights, those of the way back untied (Hinton & Salakhutdinov
    2006).

    Bernoulli layers become logistic, Gaussian ones linear, the code too; pixels of Bernoulli units
    are judged by cross-entropy, others by squared error. Of autoencoders the first says what the
    pixels are and the last what the code is.
    """
    layers = list(layers)
    _check(layers)
    first, last = layers[0], layers[-1]
    output: type[nn.Module]
    if isinstance(first, RBM):
        logistic = first.visible == "bernoulli"
        output, reconstruction = (nn.Sigmoid, "cross-entropy") if logistic else (nn.Identity, "squared error")
    else:
        output, reconstruction = type(first.decoder[-1]), first.reconstruction
    code = (
        (nn.Identity if last.hidden == "gaussian" else nn.Sigmoid) if isinstance(last, RBM) else type(last.encoder[-1])
    )
    inner = nn.Sigmoid if isinstance(first, RBM) else type(first.encoder[-1])
    net = Autoencoder(_sizes(layers), inner, code=code, output=output, reconstruction=reconstruction, overcomplete=True)
    initialize_from(_linear(net.encoder), layers)
    for target, layer in zip(_linear(net.decoder), reversed(layers)):
        target.load_state_dict(_downwards(layer).state_dict())
    return net


def initialize_from(linear: Sequence[nn.Linear], layers: Sequence[Layer]) -> None:
    """Gives the first ``linear`` layers of a net the weights that ``layers`` learned for the way up."""
    linear, layers = list(linear), list(layers)
    if [(m.in_features, m.out_features) for m in linear[: len(layers)]] != list(pairwise(_sizes(layers))):
        raise ValueError(
            f"layers of {_sizes(layers)} units do not fit a net of {[(m.in_features, m.out_features) for m in linear]}"
        )
    for target, layer in zip(linear, layers):
        target.load_state_dict(_upwards(layer).state_dict())


def _check(layers: Sequence[Layer]) -> None:
    if not layers:
        raise ValueError("there is no layer to train or to unroll")
    for below, above in pairwise(layers):
        if below.latent_dim != above.n_visible:
            raise ValueError(f"a layer with {above.n_visible} inputs cannot stand on one with {below.latent_dim} units")


def _sizes(layers: Sequence[Layer]) -> tuple[int, ...]:
    return (layers[0].n_visible, *(layer.latent_dim for layer in layers))


def _linear(part: nn.Sequential) -> list[nn.Linear]:
    return [m for m in part if isinstance(m, nn.Linear)]


def _upwards(layer: Layer) -> nn.Linear:
    first = as_linear(layer)[0] if isinstance(layer, RBM) else layer.encoder[0]
    assert isinstance(first, nn.Linear)
    return first


def _downwards(layer: Layer) -> nn.Module:
    if isinstance(layer, RBM):
        return as_linear(layer)[1]
    back = layer.decoder[0]
    return back.as_linear() if isinstance(back, Transposed) else back  # tied to the way up


@torch.no_grad()
def _codes(layer: Layer, x: Tensor) -> Tensor:
    encode = layer.hidden_given_visible if isinstance(layer, RBM) else layer.encode
    return torch.cat([encode(part) for part in x.split(4096)])
