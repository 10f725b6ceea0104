"""A pad to draw on; autoencoders reconstruct the drawing while it grows."""

import traitlets as t

from repgen.widgets.base import script
from repgen.widgets.reconstruct import Reconstruction


class DrawAndReconstruct(Reconstruction):
    """The reader draws, or chooses an image, and sees what each of several autoencoders makes of it."""

    _esm = script("reconstruct", "pad", "draw_and_reconstruct")
    centre = t.Bool(True).tag(sync=True)

    def __init__(self, models, images=None, labels=None, shape=None, *, title=None, centre=True, dtype="float16"):
        """`models`: name -> autoencoder, or a single one; whatever Network.from_autoencoder reads
        (a fitted PCA, an Autoencoder, tied or not, nn.Sequential(encoder, decoder), a Network).

        images: (M, D), (M, H, W) or (M, 1, H, W) in [0, 1], a few to choose from besides drawing
            (ten fill a row); without any, the pad is empty at first.
        labels: M strings or numbers; by default "image 1", ...
        shape: (H, W) of the images, square by default.
        centre: whether drawings are moved to their centre of mass, as MNIST's digits were, before
            the nets see them; the reader can switch it. Images are shown to the nets as they are.

        All weights travel with the page, in `dtype`: 2 bytes a weight as float16, of which a page
        of this book has room for some 1.2 MB beside its figures, so 600,000 weights. A PCA of 30
        components of 784 pixels takes 0.05 MB, 784-128-30 and back 0.4 MB (tied, 0.2), 784-1000-500-250-30
        and back 5.7 MB: too much. `repr` says how much it is.
        Raises TypeError for a model that the page cannot compute, ValueError for input of the
        wrong size or range.
        """
        super().__init__(
            models, images, labels, shape, dtype, title=title or "Draw and reconstruct", centre=bool(centre)
        )
        self.still_height = 0.7 + 0.62 * (1 + len(self.names))

    def still(self, figure):
        x = self._pictures
        rebuilt = {name: net.decode(net.encode(x)).numpy() for name, net in zip(self.names, self.networks)}
        self._show_rows(figure, {"input": x} | rebuilt)
