"""A decoder, or a whole autoencoder, as the page sees it: a list of layers and one buffer of weights."""

import math

import anywidget
import numpy as np
import torch
import traitlets as t
from torch import nn

# What forward.js knows. Each entry turns a layer into its JSON; the weights of a
# linear layer follow in the buffer as W (out, in), row by row, then b (out). A linear layer
# whose W is that of an earlier one, transposed, is "transposed": `at` is where that W begins
# in the buffer, and only its b follows. Of a convolution W is as torch has it, and b (channels)
# follows; its "in" and "out" are [channels, height, width] of the maps it takes and gives.
LAYERS = {
    nn.Linear: lambda m: {"type": "linear", "n_in": m.in_features, "n_out": m.out_features},
    nn.Sigmoid: lambda m: {"type": "sigmoid"},
    nn.Tanh: lambda m: {"type": "tanh"},
    nn.ReLU: lambda m: {"type": "relu"},
    nn.ELU: lambda m: {"type": "elu", "alpha": m.alpha},
    nn.LeakyReLU: lambda m: {"type": "leaky_relu", "slope": m.negative_slope},
    nn.Softplus: lambda m: {"type": "softplus", "beta": m.beta, "threshold": m.threshold},
}
CONVOLUTIONS = {nn.Conv2d: "conv", nn.ConvTranspose2d: "conv_transposed"}
# These change nothing once the model is trained and the image is one flat vector.
SKIPPED = (nn.Identity, nn.Dropout, nn.Flatten, nn.Unflatten)


class Maps(nn.Module):
    """A convolution as a map of flat vectors, (B, C H W) -> (B, C' H' W')."""

    def __init__(self, layer, shape):
        super().__init__()
        self.layer, self.taken = layer, list(shape)  # taken and given: [channels, height, width]
        with torch.no_grad():
            self.given = list(layer(torch.zeros(1, *shape).to(layer.weight)).shape[1:])
        self.weight, self.bias = layer.weight, layer.bias
        self.in_features, self.out_features = math.prod(self.taken), math.prod(self.given)

    def forward(self, x):
        return self.layer(x.unflatten(1, self.taken)).flatten(1)

    def entry(self):
        m = self.layer
        return {
            "type": CONVOLUTIONS[type(m)],
            "n_in": self.in_features,
            "n_out": self.out_features,
            "in": self.taken,
            "out": self.given,
            "kernel": list(m.kernel_size),
            "stride": list(m.stride),
            "padding": list(m.padding),
        }


LAYERS[Maps] = Maps.entry
SIZED = (nn.Linear, Maps)  # layers with weights: they know how many numbers they take and give


class Network(anywidget.AnyWidget):
    """A decoder or an autoencoder for the widgets: shown nowhere itself, shared by all who draw with it.

    The widgets make their own from any model. Make one by hand where several widgets
    use the same one, so that a page holds its weights once:

        network = Network.from_module(model.decoder)
        LatentMap(network, ...)

        network = Network.from_autoencoder(model)
        DrawAndReconstruct({"deep": network}, ...)
        CorruptAndRepair(network, ...)
    """

    _esm = "export default {};"
    _view_name = t.Unicode(None, allow_none=True).tag(sync=True)  # type: ignore[assignment]  # None: it is not shown
    # {"n_in", "n_out", "dtype", "layers": [{"type", ...}]}; of an autoencoder also "n_code", and
    # "n_encoder": so many of the layers, the first, are the encoder
    spec = t.Dict().tag(sync=True)
    weights = t.Bytes().tag(sync=True)

    @classmethod
    def from_module(cls, decoder, dtype="float16"):
        """The Network of `decoder`: (B, n_in) -> (B, n_out).

        `decoder` is a Network, an nn.Sequential of Linear layers and activations, a PCA
        (`.mean` (D,), `.components` (K, D)), or a model that has one of these as `.decoder`.
        Among the layers may be Conv2d and ConvTranspose2d, after an nn.Unflatten that says of
        what shape their maps are.
        `dtype` is how the weights travel: "float16" (half the page) or "float32".

        Raises TypeError for a layer that the page cannot compute, ValueError for weights that
        are not finite in `dtype`, and for a `decode` that does more than `.decoder`.
        """
        if isinstance(decoder, Network):
            return decoder
        network = cls._of(_layers(decoder), dtype)
        _check_says(decoder, "decode", network)
        return network

    @classmethod
    def from_autoencoder(cls, model, dtype="float16"):
        """The Network of a whole path, image -> code -> image: (B, D) -> (B, K) -> (B, D).

        `model` is a Network made here, a fitted PCA, a model with `.encoder` and `.decoder` of
        layers that `from_module` reads, or nn.Sequential(encoder, decoder) of two such. A layer
        that is an earlier one transposed (a PCA's decoder, tied weights) travels once, as one.

        Raises what `from_module` raises, for `encode` as for `decode`; ValueError where
        what comes out is not of the size of what goes in.
        """
        if isinstance(model, Network):
            if not model.spec.get("n_encoder"):
                raise TypeError(f"{model!r} is a decoder only: make it by Network.from_autoencoder(model)")
            return model
        encoder, decoder = _encoder_and_decoder(model)
        network = cls._of(encoder + decoder, dtype, len(encoder))
        spec = network.spec
        if spec["n_in"] != spec["n_out"]:
            raise ValueError(f"the encoder takes {spec['n_in']} numbers, but the decoder gives {spec['n_out']}")
        _check_says(model, "encode", network)
        _check_says(model, "decode", network)
        return network

    @classmethod
    def _of(cls, layers, dtype, n_encoder=0):
        """The Network of a flat list of layers, the first `n_encoder` of which are the encoder."""
        if dtype not in ("float16", "float32"):
            raise ValueError(f"dtype is {dtype!r}: the page reads 'float16' or 'float32'")
        _check_chain(layers)
        entries, parts, sent, at = [], [], [], 0
        for layer in layers:
            entries.append(LAYERS[type(layer)](layer))
            if isinstance(layer, nn.Linear):
                weight = layer.weight.detach().float().cpu()  # (out, in)
                bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach().float().cpu()
                twin = [start for w, start in sent if w.shape == weight.T.shape and torch.equal(w, weight.T)]
                if twin:
                    entries[-1] |= {"type": "transposed", "at": twin[0]}
                    parts.append(bias)
                else:
                    sent.append((weight, at))
                    parts += [weight.flatten(), bias]
                at = sum(map(len, parts))
            elif isinstance(layer, Maps):
                bias = torch.zeros(layer.given[0]) if layer.bias is None else layer.bias.detach().float().cpu()
                parts += [layer.weight.detach().float().cpu().flatten(), bias]
                at = sum(map(len, parts))
        with np.errstate(over="ignore"):  # reported below, with what to do
            weights = torch.cat(parts).numpy().astype(dtype)
        if not np.isfinite(weights).all():
            raise ValueError(
                f"{(~np.isfinite(weights)).sum()} weights are NaN or too large for {dtype}: "
                "train again, or pass dtype='float32'"
            )
        sized = [m for m in layers if isinstance(m, SIZED)]
        spec = {
            "n_in": sized[0].in_features,
            "n_out": sized[-1].out_features,
            "dtype": dtype,
            "layers": entries,
        }
        if n_encoder:
            coding = next(m for m in reversed(layers[:n_encoder]) if isinstance(m, SIZED))
            spec |= {"n_encoder": n_encoder, "n_code": coding.out_features}
        network = cls(spec=spec, weights=weights.tobytes())
        network._layers = layers
        return network

    def decode(self, z):
        """What the page computes, here: codes (B, K) -> images (B, n_out), by torch and unrounded weights."""
        return self._run(self._layers[self.spec.get("n_encoder", 0) :], z)

    def encode(self, x):
        """Images (B, n_in) -> codes (B, K), where this is an autoencoder; as `decode`."""
        return self._run(self._layers[: self.spec["n_encoder"]], x)

    @torch.no_grad()
    def _run(self, layers, x):
        x = torch.as_tensor(x).to(next(m for m in layers if isinstance(m, SIZED)).weight)
        for layer in layers:
            x = layer(x)
        return x.float().cpu()

    def __repr__(self):
        names = " ".join(
            f"{layer['n_in']}-{layer['n_out']}" if "n_in" in layer else layer["type"]
            for layer in self.spec.get("layers", [])
        )
        return f"Network({names}; {len(self.weights)} bytes)"


def _layers(decoder, where="decoder"):
    """The layers of `decoder` in order, flat, as torch modules that take and give flat vectors."""
    layers, shape, given = [], None, None  # shape: of the maps that a layer is given, where that is known
    for layer in _flat(decoder, where):
        if isinstance(layer, nn.Unflatten):
            shape = tuple(layer.unflattened_size) if layer.dim == 1 and len(layer.unflattened_size) == 3 else None
            continue
        if isinstance(layer, nn.Linear):
            shape = None
        elif type(layer) in CONVOLUTIONS:
            layer = _maps(layer, shape, given, where)
            shape = layer.given
        given = layer.out_features if isinstance(layer, SIZED) else given
        layers.append(layer)
    return layers


def _maps(layer, shape, given, where):
    """A convolution of maps of a `shape`, where the layer before it gives so many numbers."""
    name = type(layer).__name__
    if layer.groups != 1 or layer.dilation != (1, 1) or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise TypeError(
            f"{where} has {layer}: the page computes a {name} with groups=1, dilation=1, and zeros for a padding "
            f"given in numbers"
        )
    if shape is None:
        raise ValueError(
            f"{where} has a {name}, but nothing before it says of what shape its maps are: add nn.Unflatten(1, (C, H, "
            f"W))"
        )
    size = " x ".join(map(str, shape))
    if shape[0] != layer.in_channels:
        raise ValueError(f"{where} has a {name} that takes {layer.in_channels} channels, but is given maps of {size}")
    if given not in (None, math.prod(shape)):
        raise ValueError(
            f"{where}: a layer gives {given} numbers, the {name} after it takes {size} = {math.prod(shape)}"
        )
    try:
        return Maps(layer, shape)
    except RuntimeError as error:
        raise ValueError(f"{where}: {layer} cannot be applied to maps of {size}: {error}") from None


def _flat(decoder, where):
    """The layers of `decoder` in order, flat, as they are."""
    if type(decoder) in LAYERS or type(decoder) in CONVOLUTIONS:
        return [decoder]
    if hasattr(decoder, "as_linear"):  # tied weights
        return [decoder.as_linear()]
    if isinstance(decoder, SKIPPED):
        return [decoder] if isinstance(decoder, nn.Unflatten) else []
    if isinstance(decoder, nn.Sequential):
        return [m for i, layer in enumerate(decoder) for m in _flat(layer, f"{where}[{i}]")]
    if hasattr(decoder, "components") and hasattr(decoder, "mean"):
        components, mean = decoder.components, decoder.mean  # (K, D), (D,)
        if components is None or mean is None:
            raise TypeError(f"{where}: this {type(decoder).__name__} is not fitted yet: call fit")
        linear = nn.Linear(components.shape[0], components.shape[1])
        linear.weight.data = torch.as_tensor(components).detach().T  # (D, K)
        linear.bias.data = torch.as_tensor(mean).detach()
        return [linear]
    if hasattr(decoder, "decoder"):
        return _flat(decoder.decoder, f"{where}.decoder")
    known = ", ".join(m.__name__ for m in (*LAYERS, *CONVOLUTIONS, *SKIPPED) if m is not Maps)
    raise TypeError(
        f"{where} is a {type(decoder).__name__}, which the page cannot compute. It knows a PCA, "
        f"an object with `.decoder`, and nn.Sequential of: {known}"
    )


def _encoder_and_decoder(model):
    """The layers of both halves of an autoencoder, each a flat list."""
    if hasattr(model, "components") and hasattr(model, "mean"):  # z = W (x - mean)
        decoder = _layers(model, "model")
        weight = decoder[0].weight.detach().T  # (K, D)
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data = weight
        linear.bias.data = -(weight.double() @ decoder[0].bias.detach().double()).to(weight)
        return [linear], decoder
    if hasattr(model, "encoder") and hasattr(model, "decoder"):
        halves = (model.encoder, model.decoder)
    elif isinstance(model, nn.Sequential) and len(model) == 2:
        halves = (model[0], model[1])
    else:
        raise TypeError(
            f"a {type(model).__name__} is no autoencoder that the page can compute: it knows a PCA, a model with "
            "`.encoder` and `.decoder`, and nn.Sequential(encoder, decoder)"
        )
    found = []
    for half, name in zip(halves, ("encoder", "decoder")):
        found.append(_layers(half, name))
        _check_chain(found[-1], name)
    return found


def _check_chain(layers, what="decoder"):
    sized = [m for m in layers if isinstance(m, SIZED)]
    if not sized:
        raise TypeError(f"the {what} has no nn.Linear layer: there is nothing to {what[:-1]} with")
    for a, b in zip(sized, sized[1:]):
        if a.out_features != b.in_features:
            raise ValueError(f"a layer gives {a.out_features} numbers, the next takes {b.in_features}")


@torch.no_grad()
def _check_says(model, method, network):
    """Refuse an `encode` or `decode` that does more than its layers, such as a sigmoid after `.decoder`."""
    if not callable(getattr(model, method, None)):
        return
    weight = next(m for m in network._layers if isinstance(m, SIZED)).weight
    n = network.spec.get("n_code", network.spec["n_in"]) if method == "decode" else network.spec["n_in"]
    x = torch.randn(3, n, generator=torch.Generator().manual_seed(0)).to(weight)
    training = getattr(model, "training", False)
    if training:
        model.eval()  # dropout is no part of what the page shows
    try:
        said = getattr(model, method)(x)
    finally:
        if training:
            model.train()
    if not isinstance(said, torch.Tensor):
        raise TypeError(f"{type(model).__name__}.{method} gives a {type(said).__name__}, where one tensor is expected")
    said, done = said.reshape(3, -1).float().cpu(), getattr(network, method)(x)
    gap = (said - done).abs().max() / (1 + done.abs().max()) if said.shape == done.shape else float("inf")
    if not gap < 1e-4:
        raise ValueError(
            f"{type(model).__name__}.{method} does not give what its layers give (relative difference "
            f"{gap:.2g}): is there an activation outside them? Pass the whole path, for example "
            + (
                "nn.Sequential(model.decoder, nn.Sigmoid())"
                if method == "decode"
                else "nn.Sequential(encoder, decoder)"
            )
        )
