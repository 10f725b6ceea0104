"""Noise of three kinds, what an autoencoder makes of it, and the chain of both."""

from functools import partial

import torch
import traitlets as t

from repgen import corruption
from repgen.widgets.base import script
from repgen.widgets.reconstruct import Reconstruction

KINDS = {  # as in corrupt_and_repair.js
    "masking": corruption.mask,
    "Gaussian": corruption.gaussian,
    "salt and pepper": corruption.salt_and_pepper,
}


class CorruptAndRepair(Reconstruction):
    """Damages an image and shows what is repaired, once or again and again."""

    _esm = script("reconstruct", "corrupt_and_repair")
    kind = t.Unicode().tag(sync=True)
    amount = t.Float().tag(sync=True)
    still_height = 2.6

    def __init__(
        self, model, images, labels=None, shape=None, *, kind="masking", amount=0.3, title=None, dtype="float16"
    ):
        """`model`: an autoencoder, denoising or not, or name -> autoencoder where the reader shall
        choose; whatever Network.from_autoencoder reads.

        images: (M, D), (M, H, W) or (M, 1, H, W) in [0, 1], a few to damage (ten fill a row).
        labels: M strings or numbers; by default "image 1", ... shape: (H, W), square by default.
        kind: of the noise at first, "masking", "Gaussian" or "salt and pepper", as in
            `repgen.corruption`; amount: in [0, 1], the share of the pixels, or the standard deviation.

        All weights travel with the page: see DrawAndReconstruct for how many it can hold. Where
        both widgets stand on a page, give both the same Network.from_autoencoder(model).
        Raises TypeError for a model that the page cannot compute, ValueError for input of the
        wrong size or range.
        """
        if kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}; got {kind!r}")
        if not 0 <= amount <= 1:
            raise ValueError(f"amount: expected a number in [0, 1], got {amount}")
        if images is None or len(images) == 0:
            raise ValueError("images: expected at least one to damage, found none")
        super().__init__(
            model, images, labels, shape, dtype, title=title or "Corrupt and repair", kind=kind, amount=float(amount)
        )

    def still(self, figure):
        corrupt = partial(KINDS[self.kind], generator=torch.Generator().manual_seed(0))
        damaged = corrupt(torch.as_tensor(self._pictures), self.amount)
        network = self.networks[self.net]
        repaired = network.decode(network.encode(damaged))
        self._show_rows(figure, {"clean": self._pictures, "corrupted": damaged.numpy(), "repaired": repaired.numpy()})
