"""A map of a two-dimensional code: move through it and see what each place decodes to."""

import io

import numpy as np
import torch
import traitlets as t
from ipywidgets import widget_serialization
from PIL import Image

from repgen.widgets.base import HERE, Widget, array, image_bytes, image_shape, script
from repgen.widgets.network import Network

MAX_POINTS = 2000  # more cannot be told apart on a page, and weigh
COLOURS = "#0072b2 #d98a00 #00875f #d55e00 #c0608f #3a9fdc #8c6d1f #b5a800 #1f2328 #868e96".split()


class LatentMap(Widget):
    """A two-dimensional code as a map: the encoded images are points, every place decodes live."""

    _esm = script("latent_map")
    _css = Widget._css + (HERE / "latent_map.css").read_text("utf-8")
    network = t.Instance(Network).tag(sync=True, **widget_serialization)
    codes = t.Bytes().tag(sync=True)  # uint16 (N, 2): 0 and 65535 are the edges of `box`
    box = t.List().tag(sync=True)  # [[least x, greatest x], [least y, greatest y]] of the codes
    extent = t.List().tag(sync=True)  # the same, of the map
    labels = t.Bytes().tag(sync=True)  # uint8 (N,), indices into `names`
    names = t.List().tag(sync=True)  # one a class; empty without classes
    sprite = t.Bytes().tag(sync=True)  # a PNG of the original images, in rows; may be empty
    axis_labels = t.List().tag(sync=True)
    prior = t.Unicode().tag(sync=True)  # "" or "normal": how the map's axes run
    point = t.List().tag(sync=True)  # where the reader stands; can be read and set from Python
    path = t.List().tag(sync=True)  # the corners [x, y] of the reader's path; likewise

    def __init__(
        self,
        decoder,
        codes,
        labels=None,
        names=None,
        images=None,
        shape=None,
        *,
        axis_labels=("code 1", "code 2"),
        title=None,
        extent=None,
        point=None,
        prior=None,
        path=(),
        dtype="float16",
    ):
        """`decoder` is whatever Network.from_module reads, from two numbers to an image.

        codes: (N, 2), the encoded images; of more than 2,000 the page gets 2,000 at random.
        labels: (N,) whole numbers, one class a point. names: the classes' names, by label.
        images: (N, D), (N, H, W) or (N, 1, H, W) in [0, 1], shown when a point is chosen.
        shape: (H, W) of the decoded image, square by default.
        extent: ((x0, x1), (y0, y1)) of the map; by default the codes' range and a little more.
        point: (x, y) where the reader stands at first; by default the codes' median.
        prior: "normal" spaces both axes, and so the decoded images, by the quantiles of N(0, 1):
            equal areas of the map are equally probable; `extent` is -3.5 to 3.5 where not given.
        path: (M, 2), the corners of a path whose film is shown at first.
        Raises TypeError for a decoder that the page cannot compute, ValueError for input of the
        wrong size or range.
        """
        network = Network.from_module(decoder, dtype)
        if network.spec["n_in"] != 2:
            raise ValueError(f"a map needs a code of 2 numbers, this decoder takes {network.spec['n_in']}")
        shape = image_shape(network, shape)
        codes = array(codes, "codes", None, 2)
        if len(codes) == 0:
            raise ValueError("codes: expected at least one point, found none")
        labels, names = _classes(labels, names, len(codes))
        if images is not None and len(images) != len(codes):
            raise ValueError(f"{len(images)} images for {len(codes)} codes")
        if len(codes) > MAX_POINTS:
            kept = np.sort(np.random.default_rng(0).choice(len(codes), MAX_POINTS, replace=False))
            codes, labels = codes[kept], labels[kept] if len(labels) else labels
            images = None if images is None else torch.as_tensor(images)[torch.as_tensor(kept)]
        if prior not in (None, "normal"):
            raise ValueError(f'prior is None (evenly spaced axes) or "normal", got {prior!r}')
        low, high = codes.min(0), codes.max(0)
        margin = 0.05 * np.maximum(high - low, 1e-6)
        if extent is None:
            extent = [[-3.5, 3.5]] * 2 if prior else np.stack([low - margin, high + margin], 1)
        extent = array(extent, "extent", 2, 2)
        if not (extent[:, 0] < extent[:, 1]).all():
            raise ValueError(f"extent: expected ((x0, x1), (y0, y1)) with x0 < x1 and y0 < y1, found {extent.tolist()}")
        high = np.maximum(high, low + 1e-6)
        point = np.median(codes, 0) if point is None else array(point, "point", 2)
        path = array(path, "path", None, 2) if len(path) else np.zeros((0, 2), np.float32)
        super().__init__(
            network=network,
            shape=shape,
            title=title or "Latent map",
            axis_labels=list(axis_labels),
            codes=((codes - low) / (high - low) * 65535).round().astype(np.uint16).tobytes(),
            box=np.stack([low, high], 1).tolist(),
            extent=extent.tolist(),
            point=point.tolist(),
            labels=labels.astype(np.uint8).tobytes(),
            names=names,
            sprite=b"" if images is None else _sprite(image_bytes(images, "images", shape), shape),
            prior=prior or "",
            path=path.tolist(),
        )
        x, y = torch.meshgrid(self._places(extent[0], 9), self._places(extent[1], 9).flip(0), indexing="xy")
        self._tiles = network.decode(torch.stack([x, y], -1).reshape(81, 2)).reshape(9, 9, *shape)
        self._codes, self._labels = codes, labels

    def _places(self, ends, n):
        """n places from one end of an axis to the other, as the map spaces them."""
        low, high = ends
        if not self.prior:
            return torch.linspace(low, high, n)
        normal = torch.distributions.Normal(0.0, 1.0)
        low, high = normal.cdf(torch.as_tensor(ends))
        return normal.icdf(torch.linspace(low, high, 2 * n + 1)[1::2])

    def still(self, figure):
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        figure.suptitle(self.title, fontsize=11)
        colours = [COLOURS[i % 10] for i in self._labels] if self.names else COLOURS[0]
        left.scatter(*self._codes.T, s=3, c=colours, linewidths=0)
        for i, name in enumerate(self.names):
            if (mine := self._codes[self._labels == i]).size:
                left.text(
                    *np.median(mine, 0),
                    name,
                    weight="bold",
                    ha="center",
                    va="center",
                    bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8},
                )
        left.plot(*np.reshape(self.path, (-1, 2)).T, color="black", linewidth=2)
        left.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1])
        sheet = self._tiles.permute(0, 2, 1, 3).reshape(9 * self.shape[0], -1)  # (9, 9, H, W) -> (9 H, 9 W)
        right.imshow(sheet.clamp(0, 1).numpy(), cmap="gray", vmin=0, vmax=1)
        right.set(xticks=[], yticks=[], title="what the map decodes to")

    def __repr__(self):
        height, width = self.shape
        return (
            f"LatentMap({self.title!r}: {len(self.codes) // 4} points, {len(self.names)} classes, "
            f"{height} x {width} pixels)"
        )


def _classes(labels, names, n):
    """Labels as indices (N,) into a list of names."""
    if labels is None:
        if names is not None:
            raise ValueError("names without labels: say which point belongs to which class")
        return np.zeros(0, np.int64), []
    labels = torch.as_tensor(labels).detach().cpu()
    if tuple(labels.shape) != (n,) or labels.is_floating_point():
        raise ValueError(
            f"labels: expected {n} whole numbers, one a code, found shape {tuple(labels.shape)} of {labels.dtype}"
        )
    if names is None:
        classes, labels = labels.unique(return_inverse=True)
        names = [str(c) for c in classes.tolist()]
    if labels.min() < 0 or labels.max() >= len(names):
        raise ValueError(f"{len(names)} names, but labels from {labels.min()} to {labels.max()}: give one name a class")
    if len(names) > 256:
        raise ValueError(f"{len(names)} classes: the map shows at most 256")
    return labels.numpy(), [str(name) for name in names]


def _sprite(images, shape):
    """uint8 images (N, H * W) side by side, filled row by row, as one grey PNG."""
    height, width = shape
    across = int(np.ceil(len(images) ** 0.5))
    down = -(-len(images) // across)
    sheet = np.zeros((down * across, height, width), np.uint8)
    sheet[: len(images)] = images.reshape(-1, height, width)
    sheet = sheet.reshape(down, across, height, width).transpose(0, 2, 1, 3).reshape(down * height, across * width)
    out = io.BytesIO()
    Image.fromarray(sheet).save(out, "png", optimize=True)
    return out.getvalue()
