"""A plane through a latent space of many dimensions: three samples span it, every place of it decodes live."""

import numpy as np
import torch
import traitlets as t
from ipywidgets import widget_serialization
from scipy.stats import chi

from repgen.widgets.base import HERE, Widget, array, image_shape, script
from repgen.widgets.network import Network

INK = "#0b62a8"  # of triangle and letters, as in widget.css


class LatentPlane(Widget):
    """A map of the plane through three samples A, B and C of a generator: z = A + x (B - A) + y (C - A), decoded
    live."""

    _esm = script("latent_plane")
    _css = Widget._css + (HERE / "latent_plane.css").read_text("utf-8")
    network = t.Instance(Network).tag(sync=True, **widget_serialization)
    latents = t.Bytes().tag(sync=True)  # float32 (M, n): the samples' latents
    extent = t.List().tag(sync=True)  # [[x0, x1], [y0, y1]] of the map
    usual = t.List().tag(sync=True)  # 95 % of the draws of N(0, I) have a length between these two
    corners = t.List().tag(sync=True)  # which samples are A, B and C; can be read and set from Python, as can these two
    point = t.List().tag(sync=True)  # [x, y], where the reader stands
    shell = t.Bool(False).tag(sync=True)  # whether z has the length of a draw
    still_height = 3.5

    def __init__(
        self,
        decoder,
        latents,
        *,
        corners=(0, 1, 2),
        extent=((-0.25, 1.25), (-0.25, 1.25)),
        point=(1 / 3, 1 / 3),
        shape=None,
        title=None,
        shell=False,
        dtype="float16",
    ):
        """`decoder` is whatever Network.from_module reads, from n numbers to an image: of a DCGAN,
        `repgen.dcgan.fold_batch_norm(generator)`.

        latents: (M, n), of the samples that the reader chooses corners from; a dozen is good.
        corners: which three of these, counted from 0, are A at (0, 0), B at (1, 0) and C at (0, 1).
        extent: ((x0, x1), (y0, y1)) of the map, around the three.
        point: (x, y) where the reader stands at first; by default the middle of the triangle.
        shape: (H, W) of the decoded image, square by default.
        shell: whether z is given the length of a draw. With the weights a = 1 - x - y, b = x, c = y of the
            corners that is the root of (a² |A|² + b² |B|² + c² |C|²) / (a² + b² + c²): the corners stay what
            they are, and elsewhere the length lies between theirs. Draws of N(0, I) in many dimensions are
            almost at right angles, so that this is almost z / sqrt(a² + b² + c²), which is distributed as
            they are.
        dtype: how the weights travel, "float16" or "float32".
        Raises TypeError for a decoder that the page cannot compute, ValueError for input of the wrong size or range.
        """
        network = Network.from_module(decoder, dtype)
        shape, n = image_shape(network, shape), network.spec["n_in"]
        latents = array(latents, "latents", None, n)
        if len(latents) < 3:
            raise ValueError(f"latents: expected at least 3 samples, for three corners, found {len(latents)}")
        array(extent, "extent", 2, 2)
        extent = [[float(end) for end in side] for side in extent]
        if any(low > 0 or high < 1 for low, high in extent):
            raise ValueError(
                f"extent: expected ((x0, x1), (y0, y1)) around the corners, which are at 0 and 1; found {extent}"
            )
        corners, point = _corners(corners, len(latents)), _point(point, extent)
        self._latents = torch.from_numpy(latents)
        super().__init__(
            network=network,
            shape=shape,
            title=title or "A plane through three samples",
            latents=latents.tobytes(),
            extent=extent,
            usual=[float(v) for v in chi(n).ppf([0.025, 0.975])],
            corners=corners,
            point=point,
            shell=bool(shell),
        )

    @t.validate("corners")
    def _check_corners(self, proposal):
        return _or_trait_error(_corners, proposal["value"], len(self._latents))

    @t.validate("point")
    def _check_point(self, proposal):
        return _or_trait_error(_point, proposal["value"], self.extent)

    def latent(self, places=None):
        """The latents z (..., n) of places (x, y), (..., 2), on the plane or its shell; by default of `point`."""
        places = torch.as_tensor(self.point if places is None else places).double()
        weights = torch.cat([1 - places.sum(-1, keepdim=True), places], -1)
        corners = self._latents[self.corners].double()
        z = weights @ corners
        if self.shell:
            squares = weights.square()
            length = (squares @ corners.square().sum(1) / squares.sum(-1)).sqrt()
            z = z * (length / z.norm(dim=-1).clamp(min=1e-9))[..., None]
        return z.float()

    def still(self, figure):
        height, width = self.shape
        (x0, x1), (y0, y1) = self.extent
        figure.suptitle(self.title, fontsize=11)
        left, right = figure.subfigures(1, 2, width_ratios=[1, 1.25])
        across = int(np.ceil(len(self._latents) ** 0.5))
        pictures = self.network.decode(self._latents).clamp(0, 1).numpy()
        for i, ax in enumerate(left.subplots(-(-len(pictures) // across), across, squeeze=False).flat):
            ax.axis("off")
            if i < len(pictures):
                ax.imshow(pictures[i].reshape(height, width), cmap="gray", vmin=0, vmax=1)
            if i in self.corners:
                _letter(ax, 0.12, 0.88, "ABC"[self.corners.index(i)], transform=ax.transAxes)
        x, y = ((torch.arange(9) + 0.5) / 9 * (high - low) + low for low, high in self.extent)
        places = torch.stack(torch.meshgrid(x, y.flip(0), indexing="xy"), -1).reshape(81, 2)
        sheet = (
            self.network.decode(self.latent(places))
            .reshape(9, 9, height, width)
            .permute(0, 2, 1, 3)
            .reshape(9 * height, -1)
        )
        ax = right.subplots()
        ax.imshow(sheet.clamp(0, 1).numpy(), cmap="gray", vmin=0, vmax=1, extent=(x0, x1, y0, y1), aspect="auto")
        ax.plot([0, 1, 0, 0], [0, 0, 1, 0], color=INK, linewidth=1.2)
        for (u, v), letter in zip(((0, 0), (1, 0), (0, 1)), "ABC"):
            _letter(ax, u + (0.07 if u else -0.07), v + (0.07 if v else -0.07), letter)
        ax.set(xlabel="towards B", ylabel="towards C", box_aspect=1, xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        ax.set_title("the shell" if self.shell else "the plane", fontsize=9)
        ax.tick_params(labelsize=8)

    def __repr__(self):
        height, width = self.shape
        return (
            f"LatentPlane({self.title!r}: {'shell' if self.shell else 'plane'} of the samples "
            f"{', '.join(map(str, self.corners))} "
            f"among {len(self._latents)}, latents of {self._latents.shape[1]}, {height} x {width} pixels)"
        )


def _letter(ax, x, y, letter, **options):
    """The name of a corner, white in a disc."""
    ax.text(
        x,
        y,
        letter,
        color="white",
        fontsize=7,
        weight="bold",
        ha="center",
        va="center",
        bbox={"boxstyle": "circle,pad=0.25", "fc": INK, "ec": "white", "lw": 0.8},
        **options,
    )


def _corners(corners, n):
    """Three different indices of n samples, as ints."""
    found = torch.as_tensor(corners).tolist() if len(corners) else []
    if len(found) != 3 or any(type(i) is not int or not 0 <= i < n for i in found) or len(set(found)) < 3:
        raise ValueError(f"corners: expected three different samples of 0 to {n - 1}, found {found}")
    return found


def _point(point, extent):
    """A place of the map, as floats."""
    array(point, "point", 2)
    point = [float(v) for v in point]
    if any(not low <= v <= high for v, (low, high) in zip(point, extent)):
        raise ValueError(
            f"point: expected a place (x, y) of the map, x from {extent[0][0]:g} to {extent[0][1]:g} and y from "
            f"{extent[1][0]:g} to {extent[1][1]:g}; found {point}"
        )
    return point


def _or_trait_error(check, *args):
    """What `check` gives, for a trait: its complaint is a TraitError."""
    try:
        return check(*args)
    except (TypeError, ValueError) as error:
        raise t.TraitError(str(error)) from None
