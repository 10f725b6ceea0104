"""What the widgets share that pass whole images through autoencoders: their nets and images, checked."""

import traitlets as t
from ipywidgets import widget_serialization

from repgen.widgets.base import HERE, Widget, by_name, image_bytes, label_texts, shared_image_shape
from repgen.widgets.network import Network


class Reconstruction(Widget):
    """A widget of several autoencoders and a few images to pass through them."""

    _css = Widget._css + (HERE / "reconstruct.css").read_text("utf-8")
    networks = t.List(t.Instance(Network)).tag(sync=True, **widget_serialization)
    names = t.List().tag(sync=True)  # one a network
    images = t.Bytes().tag(sync=True)  # uint8 (M, H * W); may be empty
    labels = t.List().tag(sync=True)  # one an image
    net = t.Int().tag(sync=True)  # the network chosen; can be read from Python, too
    start = t.Int().tag(sync=True)  # the image chosen, or -1

    def __init__(self, models, images, labels, shape, dtype, **more):
        """`models` is one autoencoder or a dict of name -> autoencoder; the rest as in the subclasses."""
        networks = {}
        for name, model in by_name(models).items():
            try:
                networks[name] = Network.from_autoencoder(model, dtype)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{name}: {error}") from error
        shape = shared_image_shape(networks, shape)
        if images is None and labels is not None:
            raise ValueError(f"{len(labels)} labels without images")
        pixels = image_bytes([[0.0] * (shape[0] * shape[1])] if images is None else images, "images", shape)
        count = 0 if images is None else len(pixels)
        super().__init__(
            networks=list(networks.values()),
            names=[str(name) for name in networks],
            shape=shape,
            images=pixels[:count].tobytes(),
            labels=label_texts(labels, count),
            start=0 if count else -1,
            **more,
        )
        self._pictures = pixels[:10] / 255  # (at most 10, H * W); a black one where there are none

    def __repr__(self):
        height, width = self.shape
        weights = sum(len(network.weights) for network in set(self.networks)) / 1e6
        return (
            f"{type(self).__name__}({self.title!r}: {', '.join(self.names)}; {height} x {width} pixels, "
            f"{len(self.labels)} images, {weights:.1f} MB of weights)"
        )
