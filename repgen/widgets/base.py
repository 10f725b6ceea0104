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

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
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
        raise ValueError(f"{what}: expected images of {shape[0]} x {shape[1]} pixels, found shape {tuple(x.shape)}")
    x = array(x.flatten(1), what, None, shape[0] * shape[1])
    if x.size and (x.min() < -1e-3 or x.max() > 1 + 1e-3):
        raise ValueError(f"{what}: expected values in [0, 1], found {x.min():.3g} to {x.max():.3g}")
    return (x.clip(0, 1) * 255).round().astype(np.uint8)


def image_shape(network, shape):
    """(height, width) of the network's images: square where `shape` is None; ValueError where it does not fit."""
    height, width = shape or (round(network.spec["n_out"] ** 0.5),) * 2
    if height * width != network.spec["n_out"]:
        raise ValueError(f"the decoder gives {network.spec['n_out']} numbers: not an image of {height} x {width}")
    return [int(height), int(width)]
