"""A decoder as the page sees it: a list of layers and one buffer of weights."""

import anywidget
import numpy as np
import torch
import traitlets as t
from torch import nn

# What forward.js knows. Each entry turns a layer into its JSON; the weights of a
# linear layer follow in the buffer as W (out, in), row by row, then b (out).
# Transposed convolutions come here and in forward.js's LAYERS, under the same name.
LAYERS = {
    nn.Linear: lambda m: {"type": "linear", "n_in": m.in_features, "n_out": m.out_features},
    nn.Sigmoid: lambda m: {"type": "sigmoid"},
    nn.Tanh: lambda m: {"type": "tanh"},
    nn.ReLU: lambda m: {"type": "relu"},
    nn.LeakyReLU: lambda m: {"type": "leaky_relu", "slope": m.negative_slope},
    nn.Softplus: lambda m: {"type": "softplus", "beta": m.beta, "threshold": m.threshold},
}
# These change nothing once the model is trained and the image is one flat vector.
SKIPPED = (nn.Identity, nn.Dropout, nn.Flatten, nn.Unflatten)


class Network(anywidget.AnyWidget):
    """A decoder for the widgets: shown nowhere itself, shared by all who draw with it.

    The widgets make their own from any decoder. Make one by hand where several widgets
    use the same decoder, so that a page holds its weights once:

        network = Network.from_module(model.decoder)
        LatentMap(network, ...)
    """

    _esm = "export default {};"
    _view_name = t.Unicode(None, allow_none=True).tag(sync=True)
    spec = t.Dict().tag(sync=True)  # {"n_in", "n_out", "dtype", "layers": [{"type", ...}]}
    weights = t.Bytes().tag(sync=True)

    @classmethod
    def from_module(cls, decoder, dtype="float16"):
        """The Network of `decoder`: (B, n_in) -> (B, n_out).

        `decoder` is a Network, an nn.Sequential of Linear layers and activations, a PCA
        (`.mean` (D,), `.components` (K, D)), or a model that has one of these as `.decoder`.
        `dtype` is how the weights travel: "float16" (half the page) or "float32".

        Raises TypeError for a layer that the page cannot compute, ValueError for weights that
        are not finite in `dtype`, and for a `decode` that does more than `.decoder`.
        """
        if isinstance(decoder, Network):
            return decoder
        if dtype not in ("float16", "float32"):
            raise ValueError(f"dtype is {dtype!r}: the page reads 'float16' or 'float32'")
        layers = _layers(decoder)
        _check_chain(layers)
        parts = []
        for layer in layers:
            if isinstance(layer, nn.Linear):
                bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
                parts += [layer.weight.detach().flatten().cpu(), bias.detach().cpu()]
        with np.errstate(over="ignore"):  # reported below, with what to do
            weights = torch.cat([p.float() for p in parts]).numpy().astype(dtype)
        if not np.isfinite(weights).all():
            raise ValueError(
                f"{(~np.isfinite(weights)).sum()} weights are NaN or too large for {dtype}: "
                "train again, or pass dtype='float32'"
            )
        linear = [m for m in layers if isinstance(m, nn.Linear)]
        spec = {
            "n_in": linear[0].in_features,
            "n_out": linear[-1].out_features,
            "dtype": dtype,
            "layers": [LAYERS[type(m)](m) for m in layers],
        }
        network = cls(spec=spec, weights=weights.tobytes())
        network._layers = layers
        _check_decode(decoder, network)
        return network

    @torch.no_grad()
    def decode(self, z):
        """What the page computes, here: codes (B, n_in) -> (B, n_out), by torch and unrounded weights."""
        weight = next(m for m in self._layers if isinstance(m, nn.Linear)).weight
        x = torch.as_tensor(z).to(weight)
        for layer in self._layers:
            x = layer(x)
        return x.float().cpu()

    def __repr__(self):
        names = " ".join(
            f"{layer['n_in']}-{layer['n_out']}" if layer["type"] == "linear" else layer["type"]
            for layer in self.spec.get("layers", [])
        )
        return f"Network({names}; {len(self.weights)} bytes)"


def _layers(decoder, where="decoder"):
    """The layers of `decoder` in order, flat, as torch modules."""
    if type(decoder) in LAYERS:
        return [decoder]
    if hasattr(decoder, "as_linear"):  # tied weights
        return [decoder.as_linear()]
    if isinstance(decoder, SKIPPED):
        return []
    if isinstance(decoder, nn.Sequential):
        return [m for i, layer in enumerate(decoder) for m in _layers(layer, f"{where}[{i}]")]
    if hasattr(decoder, "components") and hasattr(decoder, "mean"):
        components, mean = decoder.components, decoder.mean  # (K, D), (D,)
        if components is None or mean is None:
            raise TypeError(f"{where}: this {type(decoder).__name__} is not fitted yet: call fit")
        linear = nn.Linear(components.shape[0], components.shape[1])
        linear.weight.data = torch.as_tensor(components).detach().T  # (D, K)
        linear.bias.data = torch.as_tensor(mean).detach()
        return [linear]
    if hasattr(decoder, "decoder"):
        return _layers(decoder.decoder, f"{where}.decoder")
    known = ", ".join(m.__name__ for m in (*LAYERS, *SKIPPED))
    raise TypeError(
        f"{where} is a {type(decoder).__name__}, which the page cannot compute. It knows a PCA, "
        f"an object with `.decoder`, and nn.Sequential of: {known}"
    )


def _check_chain(layers):
    linear = [m for m in layers if isinstance(m, nn.Linear)]
    if not linear:
        raise TypeError("the decoder has no nn.Linear layer: there is nothing to decode with")
    for a, b in zip(linear, linear[1:]):
        if a.out_features != b.in_features:
            raise ValueError(f"a layer gives {a.out_features} numbers, the next takes {b.in_features}")


@torch.no_grad()
def _check_decode(decoder, network):
    """Refuse a `decode` that does more than its layers, such as a sigmoid after `.decoder`."""
    if not callable(getattr(decoder, "decode", None)):
        return
    weight = next(m for m in network._layers if isinstance(m, nn.Linear)).weight
    z = torch.randn(3, weight.shape[1], generator=torch.Generator().manual_seed(0)).to(weight)
    training = getattr(decoder, "training", False)
    if training:
        decoder.eval()  # dropout is no part of what the page shows
    try:
        said, done = decoder.decode(z).reshape(3, -1).float().cpu(), network.decode(z)
    finally:
        if training:
            decoder.train()
    gap = (said - done).abs().max() / (1 + done.abs().max())
    if not gap < 1e-4:
        raise ValueError(
            f"{type(decoder).__name__}.decode does not give what its layers give (relative difference "
            f"{gap:.2g}): is there an activation outside them? Pass the whole path, for example "
            "nn.Sequential(model.decoder, nn.Sigmoid())"
        )
