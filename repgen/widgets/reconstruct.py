"""What the widgets share that pass whole images through autoencoders: their nets and images, checked."""

import traitlets as t
from ipywidgets import widget_serialization

from repgen.widgets.base import HERE, Widget, image_bytes, image_shape
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
        if not hasattr(models, "items"):
            models = {type(models).__name__: models}
        if not len(models):
            raise ValueError("models: expected at least one, found none")
        networks = []
        for name, model in models.items():
            try:
                networks.append(Network.from_autoencoder(model, dtype))
            except (TypeError, ValueError) as error:
                raise type(error)(f"{name}: {error}") from error
        shape = image_shape(networks[0], shape)
        for name, network in zip(models, networks):
            if network.spec["n_out"] != shape[0] * shape[1]:
                raise ValueError(f"{name}: images of {network.spec['n_out']} pixels, the others' are {shape[0]} x {shape[1]}")
        if images is None and labels is not None:
            raise ValueError(f"{len(labels)} labels without images")
        pixels = image_bytes([[0.0] * (shape[0] * shape[1])] if images is None else images, "images", shape)
        count = 0 if images is None else len(pixels)
        labels = [f"image {i + 1}" for i in range(count)] if labels is None else [_label(x) for x in labels]
        if len(labels) != count:
            raise ValueError(f"{len(labels)} labels for {count} images")
        super().__init__(
            networks=networks, names=[str(name) for name in models], shape=shape, labels=labels,
            images=pixels[:count].tobytes(), start=0 if count else -1, **more,
        )  # fmt: skip
        self._pictures = pixels[:10] / 255  # (at most 10, H * W); a black one where there are none

    def _show_rows(self, figure, rows):
        """Rows of pictures with a name each: {name: (n, H * W)}."""
        axes = figure.subplots(len(rows), len(self._pictures), squeeze=False)
        figure.suptitle(self.title, fontsize=11)
        for line, (name, pictures) in zip(axes, rows.items()):
            for ax, values in zip(line, pictures):
                ax.imshow(values.reshape(self.shape), cmap="gray", vmin=0, vmax=1)
                ax.set(xticks=[], yticks=[], frame_on=False)
            line[0].set_ylabel(name, fontsize=9, rotation=0, ha="right", va="center")

    def __repr__(self):
        height, width = self.shape
        weights = sum(len(network.weights) for network in set(self.networks)) / 1e6
        return (
            f"{type(self).__name__}({self.title!r}: {', '.join(self.names)}; {height} x {width} pixels, "
            f"{len(self.labels)} images, {weights:.1f} MB of weights)"
        )


def _label(x):
    """A label as text: the number of a one-element tensor, without the tensor's name."""
    return str(x.item() if hasattr(x, "item") else x)
