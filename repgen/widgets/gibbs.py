"""The Gibbs chain of a restricted Boltzmann machine, run by the page: hold a part of the picture, watch the rest."""

import numpy as np
import torch
import traitlets as t
from ipywidgets import widget_serialization
from torch import nn

from repgen.rbm import as_linear
from repgen.widgets.base import HERE, Widget, image_bytes, label_texts, script, shared_image_shape
from repgen.widgets.network import Network

HOLDS = ("nothing", "upper half", "left half")  # as in gibbs.js
SHOWN = (1, 10, 100)  # steps of the still picture


def conditionals(rbm, dtype="float16"):
    """The Network of a machine's two layers: `encode` is p(h = 1|v), `decode` p(v = 1|h); W travels once.

    `rbm`: an RBM of Bernoulli units, or a Network made here, which is given back as it is.
    Raises TypeError for anything else, ValueError for other units.
    """
    if isinstance(rbm, Network):
        return Network.from_autoencoder(rbm)
    if not (hasattr(rbm, "hidden_given_visible") and hasattr(rbm, "visible_given_hidden")):
        raise TypeError(f"a {type(rbm).__name__} has no hidden_given_visible and visible_given_hidden: expected an RBM")
    if {rbm.visible, rbm.hidden} != {"bernoulli"}:
        raise ValueError(f"the page draws units that are 0 or 1; this machine has {rbm.visible} and {rbm.hidden} ones")
    up, down = as_linear(rbm)
    return Network.from_autoencoder(
        nn.Sequential(nn.Sequential(up, nn.Sigmoid()), nn.Sequential(down, nn.Sigmoid())), dtype
    )


class Gibbs(Widget):
    """A chain v -> h -> v that the reader starts, steps, and holds in places by painting on it."""

    _esm = script("reconstruct", "pad", "chance", "gibbs")
    _css = Widget._css + "".join((HERE / f"{name}.css").read_text("utf-8") for name in ("reconstruct", "gibbs"))
    network = t.Instance(Network).tag(sync=True, **widget_serialization)
    images = t.Bytes().tag(sync=True)  # uint8 (M, H * W)
    labels = t.List().tag(sync=True)  # one an image
    noise = t.Bytes().tag(sync=True)  # uint8 (H * W), how often a pixel is white in a start from noise
    start = t.Int(0).tag(sync=True)  # the image chosen, or -1 for noise; can be read from Python
    hold = t.Unicode("nothing").tag(sync=True)  # what is held at first
    speed = t.Int(10).tag(sync=True)  # steps a second at first
    seed = t.Int(0).tag(sync=True)  # of the page's random numbers
    still_height = 1.9

    def __init__(
        self,
        rbm,
        images,
        labels=None,
        shape=None,
        *,
        noise=None,
        start=0,
        hold="nothing",
        speed=10,
        seed=0,
        title=None,
        dtype="float16",
    ):
        """`rbm`: an RBM of Bernoulli units, or the Network that `conditionals` makes of one, where
        several widgets of a page share it.

        images: (M, D), (M, H, W) or (M, 1, H, W) in [0, 1], a few for the chain to begin at (ten fill
            a row); the chain sees them in black and white, white from 1/2 on.
        labels: M strings or numbers; by default "image 1", ... shape: (H, W), square by default.
        noise: (D,) in [0, 1], how often each pixel is white where the chain starts from noise; by default
            the mean image on which the machine is centred, 1/2 for one that is not.
        start: the image at first, or -1 for noise. hold: what is kept at first as it is in that
            image, "nothing", "upper half" or "left half". speed: steps a second, when it plays.
        seed: of the random numbers, in the page and in the still picture.

        The weights travel with the page, in `dtype`: 2 bytes a weight as float16, so 0.8 MB for 784 x 500.
        Raises TypeError for a machine that the page cannot run, ValueError for input of the wrong size or range.
        """
        if hold not in HOLDS:
            raise ValueError(f"hold is one of {', '.join(HOLDS)}; got {hold!r}")
        if not 1 <= speed <= 60:
            raise ValueError(f"speed: expected 1 to 60 steps a second, got {speed}")
        if images is None or len(images) == 0:
            raise ValueError("images: expected at least one to begin at, found none")
        if not -1 <= start < len(images):
            raise ValueError(
                f"start: expected the number of an image, 0 to {len(images) - 1}, or -1 for noise, got {start}"
            )
        if hold != "nothing" and start < 0:
            raise ValueError(f"hold {hold!r} keeps a part of an image, but the chain starts from noise")
        network = conditionals(rbm, dtype)
        shape = shared_image_shape({"the machine": network}, shape)
        pixels = image_bytes(images, "images", shape)
        if noise is None:
            offset = getattr(rbm, "visible_offset", torch.zeros(1))
            noise = offset if offset.any() else torch.full((shape[0] * shape[1],), 0.5)
        noise = image_bytes(torch.as_tensor(noise)[None], "noise", shape)
        super().__init__(
            network=network,
            shape=shape,
            title=title or "Gibbs in the page",
            images=pixels.tobytes(),
            noise=noise.tobytes(),
            labels=label_texts(labels, len(pixels)),
            start=start,
            hold=hold,
            speed=int(speed),
            seed=int(seed),
        )
        self._noise = torch.from_numpy(noise[0] / np.float32(255))
        self._first = None if start < 0 else torch.from_numpy((pixels[start] / 255 >= 0.5).astype(np.float32))

    def held(self):
        """Which pixels are held at first, bool (H * W,)."""
        height, width = self.shape
        rows, columns = np.indices((height, width))
        return {"nothing": rows < 0, "upper half": rows < height // 2, "left half": columns < width // 2}[
            self.hold
        ].ravel()

    def still(self, figure):
        height, width = self.shape
        g, held = torch.Generator().manual_seed(self.seed), torch.from_numpy(self.held())
        noise = torch.bernoulli(self._noise, generator=g)
        v = noise if self._first is None else self._first
        pictures = {"start": v.clone()}
        if held.any():  # the rest begins at noise, so that there is something to complete
            v = torch.where(held, v, noise)
            pictures = {"held, and noise": v.clone()}
        for step in range(1, max(SHOWN) + 1):
            h = torch.bernoulli(self.network.encode(v[None]), generator=g)
            p = torch.where(held, v, self.network.decode(h)[0])
            v = torch.where(held, v, torch.bernoulli(p, generator=g))
            if step in SHOWN:
                pictures[f"step {step}"] = p
        figure.suptitle(self.title, fontsize=11)
        across = int(np.ceil(h.numel() ** 0.5))
        units = np.full(across * int(np.ceil(h.numel() / across)), np.nan)
        units[: h.numel()] = h[0]
        for ax, (name, x) in zip(figure.subplots(1, len(pictures) + 1), [*pictures.items(), ("hidden units", units)]):
            picture = np.asarray(x).reshape((-1, across) if name == "hidden units" else (height, width))
            ax.imshow(picture, cmap="Blues" if name == "hidden units" else "gray", vmin=0, vmax=1)
            if name != "hidden units" and held.any():
                ax.contour(held.reshape(height, width), levels=[0.5], colors="#e69f00", linewidths=1.2)
            ax.set(xticks=[], yticks=[])
            ax.set_title(name, fontsize=9)

    def __repr__(self):
        height, width = self.shape
        spec = self.network.spec
        return (
            f"Gibbs({self.title!r}: {spec['n_in']} visible and {spec['n_code']} hidden units, {height} x {width} "
            f"pixels, "
            f"{len(self.labels)} images, {len(self.network.weights) / 1e6:.1f} MB of weights)"
        )
