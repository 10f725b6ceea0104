"""What a variational autoencoder leaves open about an image: draws from its posterior, as wide as the reader likes."""

import numpy as np
import torch
import traitlets as t
from ipywidgets import widget_serialization

from repgen.widgets.base import HERE, Widget, array, image_bytes, image_shape, label_texts, script
from repgen.widgets.network import Network


class NoiseDial(Widget):
    """Draws z = mean + s * deviation * noise for a chosen image, decoded live while s is turned up."""

    _esm = script("reconstruct", "noise_dial")
    _css = Widget._css + (HERE / "noise_dial.css").read_text("utf-8")
    network = t.Instance(Network).tag(sync=True, **widget_serialization)
    images = t.Bytes().tag(sync=True)  # uint8 (M, H * W)
    labels = t.List().tag(sync=True)  # one an image
    means = t.Bytes().tag(sync=True)  # float32 (M, K), of q(z|x)
    deviations = t.Bytes().tag(sync=True)  # float32 (M, K)
    noise = t.Bytes().tag(sync=True)  # float32 (draws, K), from N(0, 1)
    widest = t.Float(5.0).tag(sync=True)  # the dial's end, in posterior deviations
    scale = t.Float(1.0).tag(sync=True)  # the dial; can be read from Python, as can these two
    prior = t.Bool(False).tag(sync=True)  # whether the draws are the prior's instead
    start = t.Int(0).tag(sync=True)  # the image chosen

    def __init__(
        self,
        vae,
        images,
        labels=None,
        shape=None,
        *,
        scale=1.0,
        widest=5,
        draws=16,
        seed=0,
        title=None,
        network=None,
        dtype="float16",
    ):
        """`vae`: has `posterior(x)`, the mean and log-variance (M, K) of q(z|x), and a decoder that
        Network.from_module reads; any K, and with K = 2 there is a map of the posterior.

        images: (M, D), (M, H, W) or (M, 1, H, W) in [0, 1], a few to choose from; their
            posteriors are computed here, so that only the decoder travels with the page.
        labels: M strings or numbers; by default "image 1", ... shape: (H, W), square by default.
        scale: the dial at first, in posterior deviations; widest: its end.
        draws: how many codes, their noise fixed by `seed`.
        network: the Network of the decoder, where another widget of the page has it already; else
            one is made, its weights of `dtype` "float16" or "float32".
        Raises TypeError for a model without a posterior or a decoder that the page cannot compute,
        ValueError for input of the wrong size or range.
        """
        if not callable(getattr(vae, "posterior", None)):
            raise TypeError(
                f"a {type(vae).__name__} has no posterior(x): the noise dial needs a variational autoencoder"
            )
        if not 0 < widest < float("inf"):
            raise ValueError(f"widest: expected a number above 0, got {widest}")
        if not 0 <= scale <= widest:
            raise ValueError(f"scale: expected 0 to {widest} posterior deviations, got {scale}")
        if draws < 1:
            raise ValueError(f"draws: expected at least one, got {draws}")
        if images is None or len(images) == 0:
            raise ValueError("images: expected at least one to choose from, found none")
        network = Network.from_module(vae if network is None else network, dtype)
        shape = image_shape(network, shape)
        pixels = image_bytes(images, "images", shape)
        count, width = len(pixels), network.spec["n_in"]
        with torch.no_grad():
            mean, log_var = vae.posterior(torch.as_tensor(images).flatten(1).to(next(vae.parameters())))
        mean, deviation = array(mean, "means", count, width), array((0.5 * log_var).exp(), "deviations", count, width)
        noise = torch.randn(draws, width, generator=torch.Generator().manual_seed(seed)).numpy()
        super().__init__(
            network=network,
            shape=shape,
            title=title or "Noise dial",
            images=pixels.tobytes(),
            labels=label_texts(labels, count),
            means=mean.tobytes(),
            deviations=deviation.tobytes(),
            noise=noise.tobytes(),
            scale=float(scale),
            widest=float(widest),
        )
        self._first, self._codes = pixels[0] / 255, mean[0] + scale * deviation[0] * noise

    def still(self, figure):
        height, width = self.shape
        across = int(np.ceil(len(self._codes) ** 0.5))
        decoded = self.network.decode(torch.as_tensor(self._codes)).numpy().reshape(-1, height, width)
        sheet = np.zeros((across, across, height, width), np.float32)
        sheet.reshape(-1, height, width)[: len(decoded)] = decoded
        figure.suptitle(self.title, fontsize=11)
        for ax, picture, name in zip(
            figure.subplots(1, 2, width_ratios=[1, 2]),
            (self._first.reshape(height, width), sheet.transpose(0, 2, 1, 3).reshape(across * height, -1)),
            (f"original: {self.labels[0]}", f"draws, {self.scale:g} times as wide"),
        ):
            ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[], title=name)

    def __repr__(self):
        height, width = self.shape
        return (
            f"NoiseDial({self.title!r}: {len(self.labels)} images of {height} x {width} pixels, codes of "
            f"{self.network.spec['n_in']}, {len(self._codes)} draws)"
        )
