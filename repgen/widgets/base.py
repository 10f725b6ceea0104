"""What every widget shares on the Python side: its scripts, checks of its input, a still picture."""

import base64
import io
from pathlib import Path

import anywidget
import numpy as np
import torch
import traitlets as t
from matplotlib.figure import Figure
from PIL import Image

HERE = Path(__file__).parent


def script(*names):
    """The one module that the page imports for a widget: its own files after the shared ones."""
    return "\n".join((HERE / f"{part}.js").read_text("utf-8") for part in ("forward", "common", *names))


class Widget(anywidget.AnyWidget):
    """A widget of the book; a subclass has `_esm`, its Network or networks, its own traits and `still`."""

    _css = (HERE / "widget.css").read_text("utf-8")
    shape = t.List().tag(sync=True)  # height, width
    title = t.Unicode().tag(sync=True)
    still_height = 3.4  # inches, beside 7 of width

    def still(self, figure):
        """Draws the widget's first view into a matplotlib Figure: what is seen without JavaScript."""
        raise NotImplementedError

    def _show_rows(self, figure, rows, *, fontsize=9, turned=False):
        """Draws rows of pictures, {name: (n, H * W)}, and their names beside them, turned or not. Returns the axes."""
        axes = figure.subplots(len(rows), max(map(len, rows.values())), squeeze=False)
        figure.suptitle(self.title, fontsize=11)
        for line, (name, pictures) in zip(axes, rows.items()):
            for ax, values in zip(line, pictures):
                ax.imshow(values.reshape(self.shape), cmap="gray", vmin=0, vmax=1)
                ax.set(xticks=[], yticks=[], frame_on=False)
            line[0].set_ylabel(
                name, fontsize=fontsize, **({} if turned else {"rotation": 0, "ha": "right", "va": "center"})
            )
        return axes

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        assert bundle is not None  # it is None for a widget without a view, and these have one
        data, metadata = bundle
        figure = Figure(figsize=(7, self.still_height), dpi=110, layout="constrained", facecolor="white")
        self.still(figure)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png")
        return data | {"image/png": base64.b64encode(_smaller(drawn)).decode()}, metadata


def _smaller(drawn):
    """A PNG of 256 colours from one of 16 million: a third of the bytes, and no date in it."""
    out = io.BytesIO()
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return out.getvalue()


def array(x, what, *shape):
    """`x` as float32 numpy of a shape; None in `shape` is any length. ValueError says what was found."""
    x = torch.as_tensor(x).detach().float().cpu().numpy()
    if x.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, x.shape)):
        wanted = ", ".join("N" if n is None else str(n) for n in shape)
        raise ValueError(f"{what}: expected shape ({wanted}), found {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{what}: {(~np.isfinite(x)).sum()} of {x.size} numbers are NaN or infinite")
    return x


def image_bytes(images, what, shape):
    """Images (N, H * W), (N, H, W) or (N, 1, H, W) in [0, 1] as uint8 (N, H * W)."""
    x = torch.as_tensor(images)
    if x.ndim < 2 or x[0].numel() != shape[0] * shape[1]:
        colour = _ask_for_grey(x[0].numel(), x.shape[2:] if x.ndim == 4 else None) if x.ndim > 1 and len(x) else ""
        found = f"expected images of {shape[0]} x {shape[1]} pixels, found shape {tuple(x.shape)}"
        raise ValueError(f"{what}: {found}{colour}")
    x = array(x.flatten(1), what, None, shape[0] * shape[1])
    if x.size and (x.min() < -1e-3 or x.max() > 1 + 1e-3):
        raise ValueError(f"{what}: expected values in [0, 1], found {x.min():.3g} to {x.max():.3g}")
    return (x.clip(0, 1) * 255).round().astype(np.uint8)


def image_shape(network, shape):
    """(height, width) of the network's images: square where `shape` is None; ValueError where it does not fit."""
    n = network.spec["n_out"]
    if shape is not None and len(shape) != 2:
        colour = _ask_for_grey(n, shape[1:]) if len(shape) == 3 else ""
        raise ValueError(f"expected shape=(height, width), found {tuple(shape)}{colour}")
    height, width = shape or (round(n**0.5),) * 2
    if height * width != n:
        raise ValueError(f"the decoder gives {n} numbers: not an image of {height} x {width}{_ask_for_grey(n, shape)}")
    return [int(height), int(width)]


def _ask_for_grey(n, shape=None):
    """What an error says besides, where n numbers may be a picture in colour, of (height, width) or square; else ""."""
    height, width = shape or (round((n / 3) ** 0.5),) * 2
    if n != 3 * height * width:
        return ""
    return (
        f". If these are colour pictures of {height} x {width}: the page draws grey ones alone, so train on "
        "load_images(..., channels=1), or on the mean of the three channels, x.mean(1, keepdim=True)"
    )


def shared_image_shape(networks, shape):
    """(height, width) of the images of all networks, {name: network}; ValueError where one does not fit."""
    height, width = image_shape(next(iter(networks.values())), shape)
    for name, network in networks.items():
        if network.spec["n_out"] != height * width:
            raise ValueError(f"{name}: images of {network.spec['n_out']} pixels, the others' are {height} x {width}")
    return [height, width]


def by_name(models):
    """{name: model} as it is; a single model gets the name of its class. ValueError where there is none."""
    models = models if hasattr(models, "items") else {type(models).__name__: models}
    if not len(models):
        raise ValueError("models: expected at least one, found none")
    return models


def label_texts(labels, n, noun="image"):
    """n labels as text: of a one-element tensor its number, by default "image 1", ...; ValueError for more or fewer."""
    if labels is None:
        return [f"{noun} {i + 1}" for i in range(n)]
    texts = [str(x.item() if hasattr(x, "item") else x) for x in labels]
    if len(texts) != n:
        raise ValueError(f"{len(texts)} labels for {n} images")
    return texts
