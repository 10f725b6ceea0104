"""Sliders along the components of a code, the decoded image live beside the original."""

import numpy as np
import torch
import traitlets as t
from ipywidgets import widget_serialization

from repgen.widgets.base import Widget, array, image_bytes, image_shape, label_texts, script
from repgen.widgets.network import Network


class ComponentExplorer(Widget):
    """Moves an image along the components of its code; shows what the first n of them leave out."""

    _esm = script("component_explorer")
    network = t.Instance(Network).tag(sync=True, **widget_serialization)
    codes = t.Bytes().tag(sync=True)  # float32 (M, K): the images' codes
    images = t.Bytes().tag(sync=True)  # uint8 (M, H * W)
    labels = t.List().tag(sync=True)
    centre = t.Bytes().tag(sync=True)  # float32 (K,): the code that "mean" stands for
    deviations = t.Bytes().tag(sync=True)  # float32 (K,): one step of a slider's unit
    shares = t.List().tag(sync=True)  # of the variance, one a slider; empty where there is no such thing
    noun = t.Unicode().tag(sync=True)
    n_sliders = t.Int().tag(sync=True)
    start = t.Int().tag(sync=True)  # an image, or -1: the mean, -2: a random code
    n_used = t.Int().tag(sync=True)
    still_height = 2.2

    def __init__(
        self,
        model,
        images,
        labels=None,
        *,
        codes=None,
        shape=None,
        n_sliders=8,
        n_used=None,
        start=0,
        noun="image",
        title=None,
        dtype="float16",
    ):
        """`model` is a fitted PCA, or any model with `encode` and a decoder that Network can read.

        images: (M, D), (M, H, W) or (M, 1, H, W) in [0, 1], the few images to start from.
        labels: M strings; by default "image 1", ...
        codes: (N, K), for a model that is no PCA: the codes whose mean and standard deviations
            the sliders start from and are measured in (a PCA knows its own).
        shape: (H, W) of the decoded image, square by default. noun: what to call an image.
        start: the image shown first, or -1 for the mean. n_used: components used at first, all by default.
        Raises TypeError for a model that cannot be read, ValueError for input of the wrong size or range.
        """
        network = Network.from_module(model, dtype)
        shape, n_code = image_shape(network, shape), network.spec["n_in"]
        pixels = image_bytes(images, "images", shape)  # (M, H * W)
        with torch.no_grad():
            own = model.encode(torch.as_tensor(images).flatten(1))
        own = array(own, "the images' codes", len(pixels), n_code)
        shares = []
        if codes is not None:
            codes = array(codes, "codes", None, n_code)
            centre, deviations = codes.mean(0), codes.std(0)
        elif hasattr(model, "explained_variance"):
            deviations = array(model.explained_variance, "explained_variance", n_code) ** 0.5
            centre = np.zeros(n_code, np.float32)
            shares = [round(float(r), 5) for r in model.explained_variance_ratio[:n_sliders]]
        else:
            raise TypeError(
                f"a {type(model).__name__} does not say how far its code spreads: pass codes=model.encode(x)"
            )
        n_used = n_code if n_used is None else n_used
        if not 0 <= n_used <= n_code or not -1 <= start < len(pixels):
            raise ValueError(f"n_used={n_used} of {n_code} components, start={start} of {len(pixels)} images")
        super().__init__(
            network=network,
            shape=shape,
            title=title or "Component explorer",
            noun=noun,
            codes=own.tobytes(),
            images=pixels.tobytes(),
            labels=label_texts(labels, len(pixels), noun),
            centre=centre.astype(np.float32).tobytes(),
            deviations=deviations.astype(np.float32).tobytes(),
            shares=shares,
            n_sliders=min(n_sliders, n_code),
            start=start,
            n_used=n_used,
        )
        self._rows = {"original": pixels[:10] / 255, "decoded": network.decode(own[:10]).clamp(0, 1).numpy()}

    def still(self, figure):
        self._show_rows(figure, self._rows, turned=True)

    def __repr__(self):
        height, width = self.shape
        n_code = self.network.spec["n_in"]
        return (
            f"ComponentExplorer({self.title!r}: {n_code} components, "
            f"{height} x {width} pixels, {len(self.labels)} images)"
        )
