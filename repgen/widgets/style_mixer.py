"""The styles of two pictures of a style-based generator, mixed layer by layer."""

import numpy as np
import torch
import traitlets as t
from ipywidgets import widget_serialization

from repgen.stylegan import GAIN, SLOPE, StyledConv, StyleGenerator
from repgen.widgets.base import HERE, Widget, array, script
from repgen.widgets.network import Network

LIMITS = {"shares": 1.0, "psi": 1.5, "noise": 2.0}  # they begin at 0


class StyleMixer(Widget):
    """Two samples of a StyleGenerator give their styles, A and B: each layer gets (1 - t) w_A + t w_B, with a share t
    of its own."""

    _esm = script("reconstruct", "chance", "normal", "style_mixer")
    _css = Widget._css + "".join((HERE / f"{name}.css").read_text("utf-8") for name in ("latent_plane", "style_mixer"))
    mapping = t.Instance(Network).tag(sync=True, **widget_serialization)
    # {"dtype", "n_style", "layers": [{"n_in", "n_out", "side", "double"}]}, of all after the mapping
    spec = t.Dict().tag(sync=True)
    weights = t.Bytes().tag(sync=True)  # in the order of `_weights`
    latents = t.Bytes().tag(sync=True)  # float32 (M, n): the samples' latents
    # which samples are A and B; can be read and set from Python, as can all that follow
    chosen = t.List().tag(sync=True)
    shares = t.List().tag(sync=True)  # t of each layer, 0 (A) to 1 (B), the coarsest first
    psi = t.Float().tag(sync=True)  # of the truncation, 0 to 1.5
    noise = t.Float().tag(sync=True)  # how strong, 0 to 2 times what was learned
    seed = t.Int(0).tag(sync=True)  # of the noise that the page draws; 0: the one that the generator keeps
    still_height = 3.6

    def __init__(
        self, generator, latents, *, chosen=(0, 1), shares=None, psi=1.0, noise=1.0, title=None, dtype="float16"
    ):
        """latents: (M, n), of the samples that the reader chooses A and B from; a dozen is good.

        chosen: which two of these, counted from 0, are A and B at first.
        shares: for each layer, coarse to fine, how much of its style is B's, 0 to 1; by default the first half of the
        layers
            is A's, the other B's.
        psi: styles are m + psi (w - m), with the mean style m. noise: its strength, in multiples of what was learned.
        dtype: how the weights travel, "float16" or "float32".
        Raises TypeError for what is no StyleGenerator, ValueError for input of the wrong size or range, and for
        weights that are not finite in `dtype`.
        """
        if not isinstance(generator, StyleGenerator):
            raise TypeError(f"a {type(generator).__name__} has no styles to mix: expected a StyleGenerator")
        mapping = Network.from_module(generator.mapping, dtype)
        latents = array(latents, "latents", None, mapping.spec["n_in"])
        if len(latents) < 2:
            raise ValueError(f"latents: expected at least 2 samples, for A and B, found {len(latents)}")
        self._generator = generator
        with torch.no_grad():
            self._styles = generator.styles(torch.from_numpy(latents).to(generator.start))  # (M, style_dim)
        layers = [
            {"n_in": m.weight.shape[1], "n_out": m.weight.shape[0], "side": m.noise.shape[-1], "double": m.upsample}
            for m in generator.layers
            if isinstance(m, StyledConv)
        ]
        spec = {"dtype": dtype, "n_style": generator.style_dim, "slope": SLOPE, "gain": GAIN, "layers": layers}
        half = len(layers) // 2
        start = {
            "chosen": chosen,
            "shares": [0.0] * half + [1.0] * (len(layers) - half) if shares is None else shares,
            "psi": psi,
            "noise": noise,
        }
        super().__init__(
            mapping=mapping,
            spec=spec,
            weights=_weights(generator, dtype).tobytes(),
            shape=[layers[-1]["side"]] * 2,
            title=title or "Mix two styles",
            latents=latents.tobytes(),
            **{name: self._checked(name, value) for name, value in start.items()},
        )

    def _checked(self, name, value):
        """The value of a trait, as plain numbers; ValueError where it is out of range."""
        if name == "chosen":
            found, n = torch.as_tensor(value).tolist() if len(value) else [], len(self._styles)
            if len(found) != 2 or any(type(i) is not int or not 0 <= i < n for i in found) or len(set(found)) < 2:
                raise ValueError(f"chosen: expected two different samples of 0 to {n - 1}, found {found}")
            return found
        numbers = array(value, name, *([len(self._generator.layers)] if name == "shares" else []))
        if numbers.min() < 0 or numbers.max() > LIMITS[name]:
            raise ValueError(f"{name}: expected 0 to {LIMITS[name]:g}, found {value}")
        return torch.as_tensor(value, dtype=torch.float64).tolist()

    @t.validate("chosen", *LIMITS)
    def _check(self, proposal):
        try:
            return self._checked(proposal["trait"].name, proposal["value"])
        except (TypeError, ValueError) as error:
            raise t.TraitError(str(error)) from None

    def styles(self, shares=None):
        """The layers' styles (..., L, style_dim) of shares (..., L), truncated, as the page mixes them; by default of
        `shares`."""
        a, b = self._styles[self.chosen]
        shares = torch.as_tensor(self.shares if shares is None else shares).to(a)
        return self._generator.truncate(torch.lerp(a, b, shares[..., None]), self.psi)

    @torch.no_grad()
    def _pictures(self, shares):
        """(N, H, W) of shares (N, L), with the noise that the generator keeps, as numpy."""
        made = self._generator.synthesis(self.styles(shares), noise_scale=self.noise)
        return made.clamp(0, 1)[:, 0].float().cpu().numpy()

    def still(self, figure):
        n = len(self.shares)
        # the first k layers from A, k = n ... 0
        crossings = (torch.arange(n) >= torch.arange(n, -1, -1)[:, None]).double()
        mixed = self._pictures(torch.cat([torch.tensor([self.shares]), crossings]))
        a, b = self.chosen
        figure.suptitle(self.title, fontsize=11)
        above, below = figure.subfigures(2, 1, height_ratios=[1.6, 1])
        large = [(f"A: sample {a + 1}", mixed[1]), ("the mix", mixed[0]), (f"B: sample {b + 1}", mixed[-1])]
        names = ["A", *map(str, range(n - 1, 0, -1)), "B"]
        for part, shown in ((above, large), (below, zip(names, mixed[1:]))):
            shown = list(shown)
            for ax, (name, values) in zip(part.subplots(1, len(shown)), shown):
                ax.imshow(values, cmap="gray", vmin=0, vmax=1)
                ax.set_title(name, fontsize=9, pad=3)
                ax.axis("off")
        below.supxlabel("so many of the coarsest layers from A, the others from B", fontsize=9)

    def __repr__(self):
        (a, b), sides = self.chosen, [layer["side"] for layer in self.spec["layers"]]
        return (
            f"StyleMixer({self.title!r}: A is sample {a}, B is sample {b} of {len(self._styles)}, {len(sides)} layers "
            f"from {sides[0]} x {sides[0]} to {sides[-1]} x {sides[-1]} pixels, psi {self.psi:g}, noise {self.noise:g})"
        )


def _weights(net, dtype):
    """All numbers of the generator after its mapping, in the order in which style_mixer.js takes them."""
    parts = [net.mean_style, net.start]
    for m in net.layers:
        parts += [m.affine.weight, m.affine.bias, m.weight, m.bias, m.strength, m.noise]
    parts += [net.last.weight, net.last.bias]
    with np.errstate(over="ignore"):  # reported below, with what to do
        weights = torch.cat([p.detach().float().cpu().flatten() for p in parts]).numpy().astype(dtype)
    if not np.isfinite(weights).all():
        raise ValueError(
            f"{(~np.isfinite(weights)).sum()} weights are NaN or too large for {dtype}: train again, or pass "
            f"dtype='float32'"
        )
    return weights
