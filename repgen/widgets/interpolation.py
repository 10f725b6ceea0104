"""From one image to another through a code: straight or along an arc, by several models side by side."""

import numpy as np
import torch
import traitlets as t
from ipywidgets import widget_serialization

from repgen.concepts import spherical, straight
from repgen.widgets.base import HERE, Widget, array, image_bytes, image_shape, script
from repgen.widgets.network import Network

STEPS = 7  # pictures in a film, both ends included


class Interpolation(Widget):
    """Two images, and the way between their codes: a film for each model and path, and one picture under a slider."""

    _esm = script("interpolation")
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
        if not hasattr(models, "items"):
            models = {type(models).__name__: models}
        if not models:
            raise ValueError("models: expected at least one, found none")
        models = {str(name): model if isinstance(model, tuple) else (model, model) for name, model in models.items()}
        networks = [Network.from_module(network, dtype) for _, network in models.values()]
        shape = image_shape(networks[0], shape)
        for name, network in zip(models, networks):
            if network.spec["n_out"] != shape[0] * shape[1]:
                raise ValueError(f"{name}: images of {network.spec['n_out']} pixels, the others' are {shape[0]} x {shape[1]}")
        pixels = image_bytes(images, "images", shape)
        n = len(pixels)
        if n < 2:
            raise ValueError(f"images: expected two or more to go between, found {n}")
        labels = [f"image {i + 1}" for i in range(n)] if labels is None else [str(getattr(x, "item", lambda x=x: x)()) for x in labels]
        if len(labels) != n:
            raise ValueError(f"{len(labels)} labels for {n} images")
        pair = [int(i) for i in pair]
        if len(pair) != 2 or not all(0 <= i < n for i in pair) or not 0 <= place <= 1:
            raise ValueError(f"pair={pair}, place={place}: expected two of {n} images, and a place from 0 to 1")
        with torch.no_grad():
            self._codes = [
                array(model.encode(torch.as_tensor(images).flatten(1)), f"{name}: codes", n, network.spec["n_in"])
                for (name, (model, _)), network in zip(models.items(), networks)
            ]
        super().__init__(
            networks=networks, names=list(models), codes=b"".join(z.tobytes() for z in self._codes), images=pixels.tobytes(),
            labels=labels, pair=pair, place=float(place), steps=STEPS, shape=shape, title=title or "From one image to another",
        )  # fmt: skip
        self._pictures = pixels / 255
        self.still_height = 0.6 + 0.62 * 2 * len(networks)

    def still(self, figure):
        at = torch.linspace(0, 1, STEPS)
        axes = figure.subplots(2 * len(self.networks), STEPS + 2, squeeze=False)
        figure.suptitle(self.title, fontsize=11)
        rows = [
            (f"{name}, {way}", network.decode(path(*torch.from_numpy(z[self.pair]), at)).numpy())
            for name, network, z in zip(self.names, self.networks, self._codes)
            for way, path in (("straight", straight), ("spherical", spherical))
        ]
        a, b = self._pictures[self.pair]
        for line, (name, film) in zip(axes, rows):
            for ax, values in zip(line, np.concatenate([a[None], film.clip(0, 1), b[None]])):
                ax.imshow(values.reshape(self.shape), cmap="gray", vmin=0, vmax=1)
                ax.set(xticks=[], yticks=[], frame_on=False)
            line[0].set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")

    def __repr__(self):
        height, width = self.shape
        return f"Interpolation({self.title!r}: {', '.join(self.names)}; {height} x {width} pixels, {len(self.labels)} images)"
