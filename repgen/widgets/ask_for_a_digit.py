"""A deep belief net asked for a class: its top pair runs in the page with the class held, and paints what it dreams."""

import numpy as np
import torch
import traitlets as t
from ipywidgets import widget_serialization
from torch import nn
from torch.nn.functional import one_hot

from repgen.rbm import as_linear
from repgen.widgets.base import HERE, Widget, image_shape, label_texts, script
from repgen.widgets.network import Network

SHOWN = (10, 100, 500)  # steps of the still picture


def top_pair(rbm, dtype="float16"):
    """The Network of a LabelledRBM: `encode` is p(h = 1|v), `decode` what its visible units sum, before sigmoid and
    softmax."""
    up, down = as_linear(rbm)
    return Network.from_autoencoder(nn.Sequential(nn.Sequential(up, nn.Sigmoid()), nn.Sequential(down)), dtype)


def way_down(rbms, dtype="float16"):
    """The Network from the top pair's features to the pixels' means, through RBMs given from the pixels up."""
    return Network.from_module(
        nn.Sequential(*(part for rbm in reversed(rbms) for part in (as_linear(rbm)[1], nn.Sigmoid()))), dtype
    )


class AskForADigit(Widget):
    """Gibbs steps between the features and the top layer of a DBN, with the class that the reader asks for held."""

    _esm = script("reconstruct", "chance", "ask_for_a_digit")
    _css = Widget._css + "".join(
        (HERE / f"{name}.css").read_text("utf-8") for name in ("reconstruct", "ask_for_a_digit")
    )
    top = t.Instance(Network).tag(sync=True, **widget_serialization)
    down = t.Instance(Network).tag(sync=True, **widget_serialization)
    labels = t.List().tag(sync=True)  # one a class
    asked = t.Int(0).tag(sync=True)  # the class that is held, or -1 for none; can be read from Python
    speed = t.Int(1).tag(sync=True)  # steps a frame at first
    every = t.Int(100).tag(sync=True)  # steps from one kept fantasy to the next
    seed = t.Int(0).tag(sync=True)  # of the page's random numbers
    still_height = 2.8

    def __init__(
        self, dbn, labels=None, shape=None, *, asked=0, speed=1, every=100, seed=0, title=None, dtype="float16"
    ):
        """`dbn`: a DBN with classes, of Bernoulli units, with a layer below its top pair at least.

        labels: names of the classes, by default 0, 1, ... shape: (H, W), square by default.
        asked: the class that is held at first, or -1 for none. speed: steps a frame, when it plays.
        every: steps from one kept fantasy to the next. seed: of the random numbers, in the page
            and in the still picture.

        The weights travel with the page, in `dtype`: 2 bytes a weight as float16, so 1.6 MB for 784-400-400-800.
        Raises TypeError for what is no DBN, ValueError for one without classes and for settings out of range.
        """
        if not (hasattr(dbn, "rbms") and hasattr(dbn, "classes")):
            raise TypeError(f"a {type(dbn).__name__} has no rbms and classes: expected a DBN")
        if not dbn.classes:
            raise ValueError("this net was built without classes, so none can be asked for: DBN(sizes, classes=10)")
        if len(dbn.rbms) < 2:
            raise ValueError(
                f"the top pair stands on the pixels (sizes {tuple(dbn.sizes)}): expected a layer between them, such "
                f"as (784, 400, 800)"
            )
        others = sorted({units for rbm in dbn.rbms for units in (rbm.visible, rbm.hidden)} - {"bernoulli"})
        if others:
            raise ValueError(f"the page draws units that are 0 or 1; this net has {' and '.join(others)} ones")
        if not -1 <= asked < dbn.classes:
            raise ValueError(f"asked: expected a class, 0 to {dbn.classes - 1}, or -1 for none, got {asked}")
        if not 1 <= speed <= 50:
            raise ValueError(f"speed: expected 1 to 50 steps a frame, got {speed}")
        if every < 1:
            raise ValueError(f"every: expected a step at least from one kept fantasy to the next, got {every}")
        labels = label_texts(range(dbn.classes) if labels is None else labels, dbn.classes, "class")
        down = way_down(dbn.rbms[:-1], dtype)
        super().__init__(
            top=top_pair(dbn.top, dtype),
            down=down,
            shape=image_shape(down, shape),
            title=title or "Ask for a digit",
            labels=labels,
            asked=int(asked),
            speed=int(speed),
            every=int(every),
            seed=int(seed),
        )

    def still(self, figure):
        """A row for each of SHOWN, a column for each class, all held from the first step on."""
        g, k = torch.Generator().manual_seed(self.seed), len(self.labels)
        width = self.top.spec["n_in"] - k
        held = one_hot(torch.arange(k), k).float()
        features, rows = torch.rand(k, width, generator=g).round(), {}
        for step in range(1, max(SHOWN) + 1):
            h = torch.bernoulli(self.top.encode(torch.cat([features, held], 1)), generator=g)
            features = torch.bernoulli(self.top.decode(h)[:, :width].sigmoid(), generator=g)
            if step in SHOWN:
                rows[f"step {step}"] = self.down.decode(features).numpy()
        axes = self._show_rows(figure, rows)
        for ax, label in zip(np.atleast_1d(axes[0]), self.labels):
            ax.set_title(label, fontsize=9)

    def __repr__(self):
        height, width = self.shape
        n, k, size = self.top.spec["n_in"], len(self.labels), len(self.top.weights) + len(self.down.weights)
        layers = [layer["n_out"] for layer in self.down.spec["layers"] if "n_out" in layer]
        sizes = "-".join(map(str, [*reversed(layers), n - k, self.top.spec["n_code"]]))
        return (
            f"AskForADigit({self.title!r}: {sizes}, {k} classes, "
            f"{height} x {width} pixels, {size / 1e6:.1f} MB of weights)"
        )
