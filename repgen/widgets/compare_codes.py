"""Several two-dimensional maps of the same images: one point, marked in all of them, and who is near it in each."""

import numpy as np
import torch
import traitlets as t

from repgen.widgets.base import HERE, Widget, array, image_bytes, script
from repgen.widgets.latent_map import COLOURS, MAX_POINTS, _classes, _sprite


class CompareCodes(Widget):
    """Maps side by side; what is chosen in one is shown in all, with its reconstructions and its neighbours."""

    _esm = script("reconstruct", "compare_codes")
    _css = Widget._css + (HERE / "compare_codes.css").read_text("utf-8")
    maps = t.List().tag(sync=True)  # the names of the M maps
    codes = t.Bytes().tag(sync=True)  # float32 (M, N, 2)
    labels = t.Bytes().tag(sync=True)  # uint8 (N,), indices into `names`
    names = t.List().tag(sync=True)  # one a class
    sprite = t.Bytes().tag(sync=True)  # a PNG of the N images and, after them, the reconstructions
    # of each map, which N of the sprite's images are its reconstructions; -1: it has none
    rebuilt = t.List().tag(sync=True)
    # float32 (M, N), squared and summed over pixels; NaN where there is no reconstruction
    errors = t.Bytes().tag(sync=True)
    neighbours = t.Int(5).tag(sync=True)
    chosen = t.Int(0).tag(sync=True)  # the point where the reader stands; can be read and set from Python
    still_height = 5.4

    def __init__(
        self, codes, images, labels, reconstructions=None, names=None, shape=None, *, chosen=0, neighbours=5, title=None
    ):
        """`codes`: {name: (N, 2)}, two maps or more of the same N images, at most 2,000.

        images: (N, D), (N, H, W) or (N, 1, H, W) in [0, 1]. labels: (N,) whole numbers, the classes.
        reconstructions: {name: (N, D)}, what a map's code decodes to, for those that have a way
            back; numbers beyond [0, 1] count in the error and are shown as black or white.
        names: the classes' names, by label. shape: (H, W) of rows of pixels, square by default.
        chosen: the number of the point that is marked at first. neighbours: how many are shown.

        All pictures travel with the page, about 0.3 kB each. Raises ValueError for input of the
        wrong size or range.
        """
        if not hasattr(codes, "items") or len(codes) < 2:
            raise ValueError("codes: expected a dict of two maps or more to compare, {name: (N, 2)}")
        images = torch.as_tensor(images)
        codes = {str(name): array(z, f"codes of {name}", None, 2) for name, z in codes.items()}
        for name, z in codes.items():
            if len(z) != len(images):
                raise ValueError(f"codes of {name}: {len(z)} points for {len(images)} images")
        n = len(images)
        if not 1 <= neighbours < n:
            raise ValueError(f"neighbours: expected 1 or more, and fewer than the {n} points, got {neighbours}")
        if n > MAX_POINTS:
            raise ValueError(f"{n} points: more than {MAX_POINTS} cannot be told apart on a page; choose some of them")
        if not 0 <= chosen < n:
            raise ValueError(f"chosen: expected the number of a point, 0 to {n - 1}, got {chosen}")
        if labels is None:
            raise ValueError("labels: expected one a point, found none; neighbours are counted by class")
        labels, names = _classes(labels, names, n)
        if shape is None:
            shape = images.shape[-2:] if images.ndim > 2 else (round(images.shape[-1] ** 0.5),) * 2
        shape = [int(length) for length in shape]
        pictures, rebuilt, errors = [image_bytes(images, "images", shape)], [], []
        reconstructions = {str(name): x for name, x in (reconstructions or {}).items()}
        if unknown := set(reconstructions) - set(codes):
            raise ValueError(f"reconstructions of {', '.join(sorted(unknown))}, but the maps are {', '.join(codes)}")
        for name in codes:
            if name not in reconstructions:
                rebuilt.append(-1)
                errors.append(np.full(n, np.nan, np.float32))
                continue
            y = array(
                torch.as_tensor(reconstructions[name]).flatten(1), f"reconstructions of {name}", n, shape[0] * shape[1]
            )
            rebuilt.append(len(pictures))
            pictures.append(image_bytes(y.clip(0, 1), name, shape))
            errors.append(np.square(array(images.flatten(1), "images", n, None) - y).sum(1))
        super().__init__(
            shape=shape,
            title=title or "Compare codes",
            maps=list(codes),
            codes=np.stack(list(codes.values())).tobytes(),
            labels=labels.astype(np.uint8).tobytes(),
            names=names,
            sprite=_sprite(np.concatenate(pictures), shape),
            rebuilt=rebuilt,
            errors=np.stack(errors).astype(np.float32).tobytes(),
            neighbours=int(neighbours),
            chosen=int(chosen),
        )
        self._codes, self._labels = codes, labels
        self._pictures = np.stack(pictures) / np.float32(255)  # (1 + R, N, H * W)

    def nearest(self, name):
        """The numbers of the points that are nearest to the chosen one in the map `name`, the nearest first."""
        z = self._codes[name].astype(np.float64)
        order = np.argsort(np.square(z - z[self.chosen]).sum(1), kind="stable")
        return order[order != self.chosen][: self.neighbours]

    def still(self, figure):
        height, width = self.shape
        upper, lower = figure.subfigures(2, 1, height_ratios=[3.2, 1.05 * len(self.maps)])
        figure.suptitle(self.title, fontsize=11)
        for ax, (name, z) in zip(upper.subplots(1, len(self.maps)), self._codes.items()):
            ax.scatter(*z.T, s=4, c=[COLOURS[i % 10] for i in self._labels], linewidths=0)
            near = self.nearest(name)
            ax.scatter(*z[near].T, s=40, facecolors="none", edgecolors="black", linewidths=0.8)
            ax.scatter(*z[self.chosen], s=90, marker="+", c="black", linewidths=1.6)
            for i, text in enumerate(self.names):
                if (mine := z[self._labels == i]).size:
                    ax.text(
                        *np.median(mine, 0),
                        text,
                        fontsize=9,
                        weight="bold",
                        ha="center",
                        va="center",
                        bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
                    )
            # one scale for both axes, as in the page
            middle, half = (z.max(0) + z.min(0)) / 2, 0.54 * max(np.ptp(z, 0).max(), 1e-6)
            ax.set(xticks=[], yticks=[], aspect="equal", xlim=middle[0] + [-half, half], ylim=middle[1] + [-half, half])
            ax.set_title(name, fontsize=10)
        axes = lower.subplots(len(self.maps), 2 + self.neighbours)
        for line, name, block in zip(axes, self.maps, self.rebuilt):
            shown = [
                (0, self.chosen),
                *([(block, self.chosen)] if block > 0 else [None]),
                *((0, i) for i in self.nearest(name)),
            ]
            for column, (ax, which) in enumerate(zip(line, shown)):
                ax.set(xticks=[], yticks=[], frame_on=False)
                if which is None:
                    ax.text(0.5, 0.5, "no way\nback", fontsize=8, ha="center", va="center", transform=ax.transAxes)
                    continue
                ax.imshow(self._pictures[which].reshape(height, width), cmap="gray", vmin=0, vmax=1)
                ax.set_title("decoded" if column == 1 else self.names[self._labels[which[1]]], fontsize=8, pad=2)
            line[0].set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")

    def __repr__(self):
        height, width = self.shape
        return (
            f"CompareCodes({self.title!r}: {', '.join(self.maps)}; {len(self.labels)} images of {height} x {width} "
            f"pixels, "
            f"{len(self.names)} classes)"
        )
