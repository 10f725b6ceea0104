"""Sliders along directions of a code that have a name: thicker, more slanted, with glasses."""

import torch
import traitlets as t
from ipywidgets import widget_serialization

from repgen.latents import slant, thickness
from repgen.widgets.base import HERE, Widget, array, image_bytes, image_shape, label_texts, script
from repgen.widgets.network import Network

MEASURES = {"slant": slant, "thickness": thickness}  # what the page can measure on a picture, as concept_mixer.js does


class ConceptMixer(Widget):
    """Adds concept vectors to the code of a chosen image, and shows what it decodes to."""

    _esm = script("reconstruct", "concept_mixer")
    _css = Widget._css + (HERE / "moving.css").read_text("utf-8")
    network = t.Instance(Network).tag(sync=True, **widget_serialization)
    codes = t.Bytes().tag(sync=True)  # float32 (M, K): the images' codes
    images = t.Bytes().tag(sync=True)  # uint8 (M, H * W)
    generated = t.Bool(False).tag(sync=True)  # whether the images are what the codes decode to, and nothing else
    labels = t.List().tag(sync=True)
    names = t.List().tag(sync=True)  # of the concepts
    vectors = t.Bytes().tag(sync=True)  # float32 (C, K)
    amounts = t.List().tag(sync=True)  # where the sliders stand; can be read from Python, too
    limit = t.Float().tag(sync=True)  # the sliders go from -limit to limit vectors
    measures = t.List().tag(sync=True)  # names of MEASURES to show below the pictures
    start = t.Int().tag(sync=True)  # the image chosen

    def __init__(
        self,
        model,
        images,
        concepts,
        labels=None,
        *,
        codes=None,
        measures=(),
        limit=2.0,
        start=0,
        shape=None,
        title=None,
        dtype="float16",
    ):
        """`model` has `encode` and a decoder that Network can read (a VAE, an Autoencoder, a PCA), or is a pair of
        the two: (model, network), where a network is shared with another widget.

        images: (M, D), (M, H, W) or (M, 1, H, W) in [0, 1], to choose from; None where there are `codes`.
        codes: (M, K), for a generator, which cannot encode: the images are what it, or its network, makes of them.
        concepts: name -> vector (K,) in the code, such as `repgen.latents.attribute_vector` gives; a slider's unit is
        one vector. labels: M strings or numbers; by default "image 1", ...
        measures: of "slant" and "thickness", those to be measured on the two pictures.
        limit: how far the sliders go, in vectors, both ways. start: the image chosen at first.
        Raises TypeError for a model that the page cannot compute, ValueError for input of the wrong size or range.
        """
        model, network = model if isinstance(model, tuple) else (model, model)
        network = Network.from_module(network, dtype)
        shape, n_code = image_shape(network, shape), network.spec["n_in"]
        if (images is None) == (codes is None):
            raise ValueError(
                "expected images to encode or codes to decode, found " + ("neither" if codes is None else "both")
            )
        generated = codes is not None
        if generated:
            codes = array(codes, "codes", None, n_code)
            images = network.decode(codes)
        if not len(images):
            raise ValueError("images: expected at least one image, found none")
        pixels = image_bytes(images, "images", shape)
        n = len(pixels)
        if not concepts:
            raise ValueError("concepts: expected at least one vector, found none")
        if unknown := [m for m in measures if m not in MEASURES]:
            raise ValueError(f"the page measures {', '.join(MEASURES)}; got {unknown}")
        if not 0 <= start < n or not limit > 0:
            raise ValueError(f"start={start} of {n} images, limit={limit}: expected an image, and a limit above 0")
        if not generated:
            with torch.no_grad():
                codes = array(model.encode(torch.as_tensor(images).flatten(1)), "the images' codes", n, n_code)
        self._codes = torch.from_numpy(codes)
        self._vectors = torch.stack(
            [torch.from_numpy(array(v, f"the vector of {name}", n_code)) for name, v in concepts.items()]
        )
        super().__init__(
            network=network,
            shape=shape,
            title=title or "Concept mixer",
            images=pixels.tobytes(),
            labels=label_texts(labels, n),
            codes=self._codes.numpy().tobytes(),
            names=[str(name) for name in concepts],
            vectors=self._vectors.numpy().tobytes(),
            amounts=[0.0] * len(concepts),
            limit=float(limit),
            measures=list(measures),
            start=start,
            generated=generated,
        )
        self._pictures = pixels / 255
        self.still_height = 0.6 + 0.85 * len(concepts)

    def still(self, figure):
        amounts = torch.linspace(-self.limit, self.limit, 7)
        originals, titles = ([], []) if self.generated else ([self._pictures[self.start]], ["original"])
        titles += [f"{a:+.1f}".replace("-", "−") if abs(a) > 1e-6 else "0" for a in amounts]
        codes = self._codes[self.start] + amounts[:, None] * self._vectors[:, None]  # (C, 7, K)
        films = [self.network.decode(z).clamp(0, 1).numpy() for z in codes]
        rows = {name: [*originals, *film] for name, film in zip(self.names, films)}
        for line in self._show_rows(figure, rows, turned=True):
            for ax, title in zip(line, titles):
                ax.set_title(title, fontsize=8, pad=2)

    def __repr__(self):
        height, width = self.shape
        return (
            f"ConceptMixer({self.title!r}: {', '.join(self.names)}; "
            f"{height} x {width} pixels, {len(self.labels)} images)"
        )
