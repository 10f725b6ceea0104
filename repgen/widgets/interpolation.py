"""From one image to another through a code: straight or along an arc, by several models side by side."""

import torch
import traitlets as t
from ipywidgets import widget_serialization

from repgen.latents import lerp, slerp
from repgen.widgets.base import HERE, Widget, array, by_name, image_bytes, label_texts, script, shared_image_shape
from repgen.widgets.network import Network

STEPS = 7  # pictures in a film, both ends included


class Interpolation(Widget):
    """Two images, and the way between their codes: a film for each model and path, and one picture under a slider."""

    _esm = script("reconstruct", "interpolation")
    _css = Widget._css + (HERE / "moving.css").read_text("utf-8")
    networks = t.List(t.Instance(Network)).tag(sync=True, **widget_serialization)  # decoders
    names = t.List().tag(sync=True)  # one a network
    codes = t.Bytes().tag(sync=True)  # float32 (M, K) of the first network, then of the second, ...
    images = t.Bytes().tag(sync=True)  # uint8 (M, H * W)
    labels = t.List().tag(sync=True)
    pair = t.List().tag(sync=True)  # the two images chosen; can be read from Python, too
    place = t.Float().tag(sync=True)  # share of the way
    steps = t.Int().tag(sync=True)

    def __init__(self, models, images, labels=None, *, pair=(0, 1), place=0.5, shape=None, title=None, dtype="float16"):
        """`models`: name -> model with `encode` and a decoder that Network can read (a VAE, an Autoencoder, a PCA), or
        (model, network), where a network is shared with another widget.

        images: (M, D), (M, H, W) or (M, 1, H, W) in [0, 1], two or more to choose from. They are encoded here;
            the page has their codes and the decoders.
        labels: M strings or numbers; by default "image 1", ...
        pair: the two images of the first view. place: where the slider stands at first, from 0 to 1.
        shape: (H, W) of the images, square by default.
        Raises TypeError for a model that the page cannot compute, ValueError for input of the wrong size or range.
        """
        models = {
            str(name): model if isinstance(model, tuple) else (model, model) for name, model in by_name(models).items()
        }
        networks = {name: Network.from_module(network, dtype) for name, (_, network) in models.items()}
        shape = shared_image_shape(networks, shape)
        pixels = image_bytes(images, "images", shape)
        n = len(pixels)
        if n < 2:
            raise ValueError(f"images: expected two or more to go between, found {n}")
        pair = [int(i) for i in pair]
        if len(pair) != 2 or not all(0 <= i < n for i in pair) or not 0 <= place <= 1:
            raise ValueError(f"pair={pair}, place={place}: expected two of {n} images, and a place from 0 to 1")
        with torch.no_grad():
            self._codes = [
                array(
                    model.encode(torch.as_tensor(images).flatten(1)), f"{name}: codes", n, networks[name].spec["n_in"]
                )
                for name, (model, _) in models.items()
            ]
        super().__init__(
            networks=list(networks.values()),
            names=list(models),
            codes=b"".join(z.tobytes() for z in self._codes),
            images=pixels.tobytes(),
            labels=label_texts(labels, n),
            pair=pair,
            place=float(place),
            steps=STEPS,
            shape=shape,
            title=title or "From one image to another",
        )
        self._pictures = pixels / 255
        self.still_height = 0.6 + 0.62 * 2 * len(networks)

    def still(self, figure):
        at = torch.linspace(0, 1, STEPS)
        a, b = self._pictures[self.pair]
        rows = {
            f"{name}, {way}": [a, *network.decode(path(start, end, at)).clamp(0, 1).numpy(), b]
            for name, network, z in zip(self.names, self.networks, self._codes)
            for start, end in [torch.from_numpy(z[self.pair])]
            for way, path in (("straight", lerp), ("spherical", slerp))
        }
        self._show_rows(figure, rows, fontsize=8)

    def __repr__(self):
        height, width = self.shape
        return (
            f"Interpolation({self.title!r}: {', '.join(self.names)}; "
            f"{height} x {width} pixels, {len(self.labels)} images)"
        )
