"""A quiz: one picture at a time, from the data or made by a generator; the reader and a discriminator say which."""

import numpy as np
import torch
import traitlets as t
from ipywidgets import widget_serialization
from torch import nn

from repgen.widgets.base import HERE, Widget, image_bytes, script, shared_image_shape
from repgen.widgets.network import Network

REAL = "real"  # what stands for the data where a forger has its name
LONGEST = 200  # rounds of a game: the page shows all of its pictures


class RealOrFake(Widget):
    """Rounds of "real or made?" against one generator or all of them, with the score of the reader and of a
    discriminator."""

    _esm = script("chance", "normal", "real_or_fake")
    _css = Widget._css + (HERE / "real_or_fake.css").read_text("utf-8")
    networks = t.List(t.Instance(Network)).tag(sync=True, **widget_serialization)  # the forgers
    names = t.List().tag(sync=True)  # one a forger
    discriminator = t.Instance(Network, allow_none=True).tag(sync=True, **widget_serialization)
    real = t.Bytes().tag(sync=True)  # uint8 (N, H * W)
    rounds = t.Int(20).tag(sync=True)  # of a game
    # of the page's random numbers; without one every visit has others
    seed = t.Int(None, allow_none=True).tag(sync=True)
    # who makes the pictures, None for all mixed; can be set from Python
    forger = t.Unicode(None, allow_none=True).tag(sync=True)
    # what was said in this game: {"source": "real" or a forger's name, "said": "real" or "made", "right": bool,
    # "discriminator": its probability of "real", or None}; can be read from Python
    answers = t.List().tag(sync=True)
    still_height = 2.7

    def __init__(
        self,
        forgers,
        real,
        *,
        discriminator=None,
        rounds=20,
        forger=None,
        seed=None,
        shape=None,
        title=None,
        dtype="float16",
    ):
        """`forgers`: name -> generator, from n numbers to a picture in [0, 1]; whatever Network.from_module reads: of
        a DCGAN, `repgen.dcgan.fold_batch_norm(generator)`, of a VAE the VAE itself.

        real: (N, D), (N, H, W) or (N, 1, H, W) in [0, 1], a few hundred; they travel as bytes.
        discriminator: from a picture to one logit, positive for "real", likewise folded. It is shown the made pictures
            as they are made, before they are rounded to 256 greys for the screen.
        rounds: of a game. In each a fair coin says whether the picture is real, so that whoever guesses is right with
            probability 1/2, whatever was shown before; a made one is drawn in the page from fresh latents of N(0, I).
        forger: the name of the one to play against at first; None for all mixed.
        seed: of the page's random numbers, where every visit is to have the same ones, as tests do.
        shape: (H, W) of the pictures, square by default.

        All weights travel with the page, in `dtype`, "float16" or "float32"; `repr` says how much that is.
        Raises TypeError for a net that the page cannot compute, ValueError for input of the wrong size or range.
        """
        if not hasattr(forgers, "items") or not len(forgers):
            raise ValueError("forgers: expected a dict of at least one generator, {name: generator}")
        networks = {str(name): _network(f"forger {name}", net, dtype) for name, net in forgers.items()}
        if REAL in networks:
            raise ValueError(f"forgers: {REAL!r} stands for the data; give the generator another name")
        _check_known(forger, networks)
        shape = shared_image_shape(networks, shape)
        if real is None or not len(real):
            raise ValueError("real: expected at least one picture, found none")
        pixels = image_bytes(real, "real", shape)
        if not 1 <= rounds <= LONGEST:
            raise ValueError(f"rounds: expected 1 to {LONGEST}, got {rounds}")
        for name, network in networks.items():
            some = network.decode(torch.randn(64, network.spec["n_in"], generator=torch.Generator().manual_seed(0)))
            image_bytes(some, f"forger {name}: some of its pictures", shape)
        if discriminator is not None:
            discriminator = _judge(discriminator, shape, dtype)
        self._networks, self._pictures = networks, pixels / 255
        super().__init__(
            networks=list(networks.values()),
            names=list(networks),
            discriminator=discriminator,
            shape=shape,
            real=pixels.tobytes(),
            rounds=int(rounds),
            forger=forger,
            seed=None if seed is None else int(seed),
            title=title or "Real or fake?",
        )

    @t.validate("forger")
    def _check_forger(self, proposal):
        try:
            _check_known(proposal["value"], self._networks)
        except ValueError as error:
            raise t.TraitError(str(error)) from None
        return proposal["value"]

    def still(self, figure):
        """Real and made pictures mixed, as a puzzle; the answers are below, upside down."""
        g = torch.Generator().manual_seed(self.seed or 0)
        names = list(self._networks) if self.forger is None else [self.forger]
        pictures, sources = [], []
        for is_real in torch.rand(16, generator=g) < 0.5:
            name = REAL if is_real else names[torch.randint(len(names), (), generator=g)]
            if is_real:
                pictures.append(self._pictures[torch.randint(len(self._pictures), (), generator=g)])
            else:
                z = torch.randn(1, self._networks[name].spec["n_in"], generator=g)
                pictures.append(self._networks[name].decode(z)[0].clamp(0, 1).numpy())
            sources.append(name)
        axes = figure.subplots(2, 8)
        figure.suptitle(f"{self.title} (the answers are below, upside down)", fontsize=11)
        for k, (ax, values) in enumerate(zip(axes.flat, pictures), 1):
            ax.imshow(values.reshape(self.shape), cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[], frame_on=False)
            ax.set_title(k, fontsize=8, pad=2)
        found = [
            f"{name}: {', '.join(str(k) for k, source in enumerate(sources, 1) if source == name)}"
            for name in dict.fromkeys([REAL, *sources])
        ]
        figure.supxlabel("   ".join(found), fontsize=7, rotation=180)

    def __repr__(self):
        height, width = self.shape
        nets = {*self.networks, self.discriminator} - {None}
        return (
            f"RealOrFake({self.title!r}: {', '.join(self.names)} against {len(self._pictures)} real pictures of "
            f"{height} x {width} "
            f"pixels; {self.rounds} rounds, with{'' if self.discriminator else 'out'} a discriminator, "
            f"{sum(len(net.weights) for net in nets) / 1e6:.2f} MB of weights)"
        )


def _check_known(forger, names):
    if forger is not None and forger not in names:
        raise ValueError(f"forger: expected None, for all mixed, or one of {', '.join(names)}; found {forger!r}")


def _network(what, net, dtype):
    """Network.from_module, whose complaints say what they are about."""
    try:
        return Network.from_module(net, dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}: {error}") from error


def _judge(net, shape, dtype):
    """The Network of a discriminator: a flat picture of a `shape` -> one logit."""
    # convolutions ask for the maps' shape
    plain = net if isinstance(net, Network) else nn.Sequential(nn.Unflatten(1, (1, *shape)), net)
    network = _network("discriminator", plain, dtype)
    spec, pixels = network.spec, int(np.prod(shape))
    if (spec["n_in"], spec["n_out"]) != (pixels, 1):
        raise ValueError(f"discriminator: expected {pixels} numbers to one, found {spec['n_in']} to {spec['n_out']}")
    if spec["layers"][-1]["type"] == "sigmoid":
        raise ValueError(
            "discriminator: expected a logit, positive for 'real'; this one ends in a Sigmoid: leave that out"
        )
    return network
