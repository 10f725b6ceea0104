"""The game of a generator and a discriminator on two-dimensional data: recorded by `record`, watched in the page."""

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
import traitlets as t
from torch import nn
from torch.nn.utils import parametrize

from repgen.evaluation.metrics import modes as count_modes
from repgen.gan import GAN, OBJECTIVES
from repgen.train import fit
from repgen.widgets.base import HERE, Widget, array, script
from repgen.widgets.network import LAYERS, Maps, _check_chain, _layers

# objectives whose logit is 0 where the discriminator cannot tell; as in watch_the_game.js
SHOWN = ("minimax", "non-saturating", "hinge")
CELLS = 64  # of a landscape, each way
MADE, EVEN, DATA, SAMPLE, EDGE = "#f0a15c", "#fcfbf9", "#74b4df", "#a33b00", "#8c959f"  # as in watch_the_game.css


class _Recorded(nn.Module):
    """A GAN for `fit` that keeps copies of itself: before its next step, once the generator has taken one of
    `steps`."""

    def __init__(self, gan, steps):
        super().__init__()
        self.gan, self.steps, self.turns, self.kept = gan, set(steps), 0, []

    def keep(self, step):
        self.kept.append((step, copy.deepcopy(self.gan).eval().requires_grad_(False)))

    def players(self):
        discriminator, generator = self.gan.players()

        def loss(*batch, **options):  # the discriminator opens each round
            step, within = divmod(self.turns, discriminator.steps)
            if within == 0 and step in self.steps:
                self.keep(step)
            self.turns += 1
            return discriminator.loss(*batch, **options)

        return discriminator._replace(loss=loss), generator


def record(
    gan: GAN, data, moments: int | Sequence[int] = 30, *, epochs: int = 10, batch_size: int = 128, **options
) -> list:
    """Trains `gan` as ``fit(gan, data, ...)`` does, and returns copies of it: a list of (step of the generator, GAN).

    moments: how many copies, evenly spaced from before the first step to the end; or the steps themselves, in order.
    options: as for `fit`, but for those that train more or less than was asked for or compile the losses
        (validation, patience, checkpoint, compile).

    Raises ValueError for moments beyond the training, and what `fit` raises.
    """
    if refused := {"validation", "patience", "checkpoint", "compile"} & set(options):
        raise ValueError(f"a recorded training takes no {' and no '.join(sorted(refused))}")
    examples = getattr(data, "x", data)
    total = epochs * math.ceil(len(examples) / batch_size) // gan.n_critic
    if isinstance(moments, (int, np.integer)):
        if not 2 <= moments <= total + 1:
            raise ValueError(
                f"moments: expected 2 to {total + 1} in a training of {total} steps of the generator, got {moments}"
            )
        steps = [int(step) for step in np.linspace(0, total, int(moments)).round()]
    else:
        steps = [int(step) for step in moments]
    if not steps or steps[0] < 0 or steps[-1] > total or any(a >= b for a, b in zip(steps, steps[1:])):
        raise ValueError(f"moments: expected steps that increase from 0 to {total} at most, got {steps}")
    recorded = _Recorded(gan, steps)
    fit(recorded, examples, epochs=epochs, batch_size=batch_size, **options)
    if len(recorded.kept) < len(steps):  # the end, unless a last round that the discriminator has begun came after it
        recorded.keep(total)
    return recorded.kept


class WatchTheGame(Widget):
    """Recipes side by side, one scrubber through their training: landscape D(x), samples, and the pull that the samples
    feel."""

    _esm = script("reconstruct", "watch_the_game")
    _css = Widget._css + (HERE / "watch_the_game.css").read_text("utf-8")
    # one a recipe: {"name", "objective", "generator", "discriminator", "bytes": of their weights}
    games = t.List().tag(sync=True)
    steps = t.List().tag(sync=True)  # of the generator, one a moment
    # of each recipe and in it each moment, the generator's and then the discriminator's
    weights = t.Bytes().tag(sync=True)
    latents = t.Bytes().tag(sync=True)  # float32 (samples, latent_dim)
    latent_dim = t.Int(0).tag(sync=True)
    data = t.Bytes().tag(sync=True)  # float32 (at most 400, 2)
    modes = t.Bytes().tag(sync=True)  # float32 (M, 2); may be empty
    sd = t.Float(0.0).tag(sync=True)  # of the data around a mode
    extent = t.List().tag(sync=True)  # [[x0, x1], [y0, y1]] of the pictures
    arrows = t.Int(0).tag(sync=True)  # how many samples have one
    scale = t.Float(1.0).tag(sync=True)  # the pull whose arrow is half as long as the longest
    moment = t.Int(0).tag(sync=True)  # the one that is shown; can be read and set from Python
    probe = t.List().tag(sync=True)  # where the reader stands; likewise
    still_height = 3.0

    def __init__(
        self,
        data,
        histories,
        *,
        modes=None,
        sd=None,
        samples=400,
        arrows=40,
        moment=-1,
        probe=None,
        extent=None,
        seed=0,
        title=None,
        dtype="float16",
    ):
        """`histories`: {name: [(step, GAN), ...]}, what `record` gives of one recipe or more, at the same steps.

        data: the points (N, 2), or a repgen.Data of such. modes: (M, 2), the centres of the data's modes, and
            sd, their standard deviation: then modes found and samples of high quality are counted, as by
            repgen.evaluation.metrics.modes.
        samples: how many are drawn, of the same latents at all moments. arrows: how many of these show
            the pull: minus the gradient of the generator's loss at the sample (without the instance noise
            of training, where a recipe has that).
        moment: the one shown at first, counted from 0, or from the end where below 0. probe: (x, y) where D and the
            pull are read at first; by default the middle of the pictures.
        extent: ((x0, x1), (y0, y1)) of the pictures; by default a square around the data.
        seed: of the latents.

        The weights of all moments travel with the page, in `dtype`: as float16, 33 kB a recipe for 24 moments of
        generators 2-16-16-2 and discriminators 2-16-16-1 (of 32 units 115 kB, of 64 units 427 kB).
        Raises TypeError for nets that the page cannot compute, ValueError for input of the wrong size or range.
        """
        if dtype not in ("float16", "float32"):
            raise ValueError(f"dtype is {dtype!r}: the page reads 'float16' or 'float32'")
        points = array(getattr(data, "x", data), "data", None, 2)
        if len(points) == 0:
            raise ValueError("data: expected at least one point, found none")
        if (modes is None) != (sd is None):
            raise ValueError("modes and sd: give both, to have modes counted, or neither")
        centres = np.zeros((0, 2), np.float32) if modes is None else array(modes, "modes", None, 2)
        if modes is not None and not (len(centres) and 0 < sd < math.inf):
            raise ValueError(
                f"modes and sd: expected at least one centre and a positive number, got {len(centres)} and {sd}"
            )
        if samples < 1 or not 0 <= arrows <= samples:
            raise ValueError(
                f"samples and arrows: expected 1 or more samples and no more arrows than these, got {samples} and "
                f"{arrows}"
            )
        if not hasattr(histories, "items") or not len(histories):
            raise ValueError("histories: expected a dict of at least one recipe, {name: [(step, GAN), ...]}")
        histories = {str(name): _history(name, history) for name, history in histories.items()}
        first, *others = histories
        steps = [step for step, _ in histories[first]]
        for name in others:
            if len(histories[name]) != len(steps):
                raise ValueError(
                    f"{name}: {len(histories[name])} moments, but {first} has {len(steps)}: one scrubber moves all of "
                    f"them"
                )
            if (own := [step for step, _ in histories[name]]) != steps:
                raise ValueError(
                    f"{name}: recorded at the steps {own}, but {first} at {steps}: one scrubber moves all of them"
                )
        if not -len(steps) <= moment < len(steps):
            raise ValueError(f"moment: expected the number of a moment, 0 to {len(steps) - 1}, got {moment}")
        extent = (
            _square(np.concatenate([points, centres]))
            if extent is None
            else [[float(v) for v in axis] for axis in extent]
        )
        if np.shape(extent) != (2, 2) or not all(-math.inf < low < high < math.inf for low, high in extent):
            raise ValueError(f"extent: expected ((x0, x1), (y0, y1)) with x0 < x1 and y0 < y1, got {extent}")
        start = [(low + high) / 2 for low, high in extent] if probe is None else array(probe, "probe", 2)

        nets = {name: [_nets(name, step, gan, dtype) for step, gan in history] for name, history in histories.items()}
        games, sent = [], []
        for name, moments in nets.items():
            specs = [[_spec(net, dtype) for net in pair] for pair in moments]
            if any(pair != specs[0] for pair in specs):
                raise ValueError(f"{name}: the nets of all moments have one shape; these differ")
            weights = [[_weights(net, dtype) for net in pair] for pair in moments]
            sent += [part for pair in weights for part in pair]
            games.append(
                {
                    "name": name,
                    "objective": histories[name][0][1].objective,
                    "generator": specs[0][0],
                    "discriminator": specs[0][1],
                    "bytes": [len(part) for part in weights[0]],
                }
            )
        latent_dim = max(game["generator"]["n_in"] for game in games)
        latents = torch.randn(samples, latent_dim, generator=torch.Generator().manual_seed(seed))
        self._nets, self._latents, self._centres, self._points = nets, latents, centres, points[:400]
        self._objectives = {game["name"]: game["objective"] for game in games}
        pulls = [
            np.linalg.norm(self._pull(name, k, self._samples(name, k)[: max(arrows, 1)])[1], axis=1)
            for name in nets
            for k in range(len(steps))
        ]
        super().__init__(
            shape=[CELLS, CELLS],
            title=title or "Watch the game",
            games=games,
            steps=steps,
            weights=b"".join(sent),
            latents=latents.numpy().tobytes(),
            latent_dim=latent_dim,
            data=points[:400].tobytes(),
            modes=centres.tobytes(),
            sd=float(sd or 0),
            extent=extent,
            arrows=int(arrows),
            scale=max(float(np.median(np.concatenate(pulls))), 1e-6),
            moment=moment % len(steps),
            probe=[float(v) for v in start],
        )

    @torch.no_grad()
    def _samples(self, name, k):
        """What the page draws of recipe `name` at moment k: (samples, 2)."""
        generator = self._nets[name][k][0]
        return generator(self._latents[:, : next(generator.parameters()).shape[1]]).numpy()

    def _pull(self, name, k, x):
        """D at places x (N, 2), (N,), and minus the gradient there of what the generator minimises, (N, 2)."""
        x = torch.as_tensor(x).clone().requires_grad_()
        a = self._nets[name][k][1](x)[:, 0]
        (gradient,) = torch.autograd.grad(OBJECTIVES[self._objectives[name]].generator(a).sum(), x)
        return a.detach().sigmoid().numpy(), -gradient.numpy()

    def tally(self, name, k):
        """Which modes recipe `name` has found at moment k, bool (M,), and its share of samples of high quality."""
        counted = count_modes(torch.from_numpy(self._samples(name, k)), torch.from_numpy(self._centres), self.sd)
        return counted.counts.numpy() > 0, counted.quality

    def still(self, figure):
        from matplotlib.colors import LinearSegmentedColormap, to_rgb

        ends = [np.array(to_rgb(colour)) for colour in (MADE, EVEN, DATA)]
        ways = np.linspace(-1, 1, 101)  # of 2 D - 1; they leave the middle steeply, as in the page
        colours = LinearSegmentedColormap.from_list(
            "made to data", [ends[1] + abs(w) ** 0.6 * (ends[0 if w < 0 else 2] - ends[1]) for w in ways]
        )
        figure.suptitle(
            f"{self.title}: D(x), samples and their pulls after {self.steps[self.moment]:,} steps", fontsize=11
        )
        (x0, x1), (y0, y1) = self.extent
        middle = [np.linspace(low, high, 2 * CELLS + 1)[1::2] for low, high in self.extent]
        places = np.stack(np.meshgrid(*middle), -1).reshape(-1, 2).astype(np.float32)
        axes = np.atleast_1d(figure.subplots(1, len(self._nets)))
        for ax, name in zip(axes, self._nets):
            d, samples = (
                self._pull(name, self.moment, places)[0].reshape(CELLS, CELLS),
                self._samples(name, self.moment),
            )
            shown = ax.imshow(
                d,
                cmap=colours,
                vmin=0,
                vmax=1,
                extent=(x0, x1, y0, y1),
                origin="lower",
                aspect="auto",
                interpolation="bilinear",
            )
            ax.scatter(*samples.T, s=6, c=SAMPLE, linewidths=0.3, edgecolors=EVEN)
            if len(self._centres):
                found, share = self.tally(name, self.moment)
                for ring, style, wide in ((self._centres[found], "-", 1.6), (self._centres[~found], ":", 1.0)):
                    ax.scatter(*ring.T, s=70, facecolors="none", edgecolors="black", linewidths=wide, linestyles=style)
                ax.set_xlabel(f"{found.sum()} of {len(found)} modes, {share:.0%} high quality", fontsize=8)
            else:
                ax.scatter(*self._points.T, s=2, c="black", alpha=0.5, linewidths=0)
            if self.arrows:
                some = samples[: self.arrows]
                pull = self._pull(name, self.moment, some)[1]
                size = np.linalg.norm(pull, axis=1, keepdims=True)
                pull = 0.1 * (x1 - x0) * pull / (size + self.scale)
                ax.quiver(
                    *some.T,
                    *pull.T,
                    angles="xy",
                    scale_units="xy",
                    scale=1,
                    width=0.008,
                    headwidth=4,
                    headlength=4,
                    color="#1f2328",
                )
            ax.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal")
            ax.locator_params(nbins=4)
            ax.tick_params(labelsize=8, color=EDGE)
            ax.set_title(name, fontsize=9)
        bar = figure.colorbar(shown, ax=list(axes), fraction=0.04, shrink=0.6, ticks=[0, 0.5, 1])
        bar.ax.set_yticklabels(["0, made", "1/2", "1, data"], fontsize=8)

    def __repr__(self):
        return (
            f"WatchTheGame({self.title!r}: {', '.join(self._nets)}; {len(self.steps)} moments to step "
            f"{self.steps[-1]}, "
            f"{len(self._latents)} samples, {len(self.weights) / 1e3:.0f} kB of weights)"
        )


def _square(points):
    """A square around points (N, 2), with room for samples that miss them."""
    low, high = points.min(0), points.max(0)
    half = 0.5 * 1.6 * max(float((high - low).max()), 1e-3)
    return [[float(m) - half, float(m) + half] for m in (low + high) / 2]


def _history(name, history):
    """[(step, GAN), ...], checked but for the nets."""
    try:
        history = [(int(step), gan) for step, gan in history]
    except (TypeError, ValueError):
        raise ValueError(
            f"{name}: expected a list of (step, GAN), such as `record` gives, got {type(history).__name__}"
        ) from None
    if len(history) < 2:
        raise ValueError(f"{name}: expected at least 2 moments, found {len(history)}")
    for step, gan in history:
        if not isinstance(gan, GAN):
            raise ValueError(f"{name} at step {step}: expected a GAN, found a {type(gan).__name__}")
    if any(a >= b for (a, _), (b, _) in zip(history, history[1:])) or history[0][0] < 0:
        raise ValueError(f"{name}: expected steps that increase, got {[step for step, _ in history]}")
    if len({id(gan) for _, gan in history}) < len(history):
        raise ValueError(
            f"{name}: the same GAN stands for several moments, so it shows its last state; keep copies: "
            f"copy.deepcopy(gan)"
        )
    objectives = {gan.objective for _, gan in history}
    if len(objectives) > 1 or not objectives <= set(SHOWN):
        raise ValueError(
            f"{name}: the page draws D = sigma(a) for one objective of {', '.join(SHOWN)}; this has "
            f"{', '.join(sorted(objectives))}"
        )
    return history


def _nets(name, step, gan, dtype):
    """Generator and discriminator with their weights as the page gets them, each an nn.Sequential."""
    nets = []
    for role, net, n_in, n_out in (
        ("generator", gan.generator, gan.latent_dim, 2),
        ("discriminator", gan.discriminator, 2, 1),
    ):
        where = f"{name} at step {step}: the {role}"
        try:
            layers = _layers(_plain(copy.deepcopy(net).cpu().float().eval()), role)
            sized = [layer for layer in layers if isinstance(layer, nn.Linear)]
            if not sized or any(isinstance(layer, Maps) for layer in layers):
                raise TypeError("expected linear layers and activations; the page follows the pull through these alone")
            _check_chain(layers)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{where}: {error}") from None
        if (sized[0].in_features, sized[-1].out_features) != (n_in, n_out):
            raise ValueError(
                f"{where} takes {sized[0].in_features} numbers and gives {sized[-1].out_features}; expected {n_in} "
                f"and {n_out}"
            )
        net = nn.Sequential(*layers).requires_grad_(False)
        for p in net.parameters():
            with np.errstate(over="ignore"):
                rounded = torch.from_numpy(p.numpy().astype(dtype).astype(np.float32))
            if not rounded.isfinite().all():
                raise ValueError(f"{where}: {(~rounded.isfinite()).sum()} weights are NaN or too large for {dtype}")
            p.data = rounded
        nets.append(net)
    return nets


def _plain(net):
    """The net with the weights that its parametrisations, such as spectral normalisation, make."""
    if isinstance(net, nn.Sequential):
        return nn.Sequential(*map(_plain, net))
    if not (isinstance(net, nn.Linear) and parametrize.is_parametrized(net)):
        return net
    plain = nn.Linear(net.in_features, net.out_features, net.bias is not None)
    plain.load_state_dict({name: getattr(net, name).detach() for name in plain.state_dict()})
    return plain


def _spec(net, dtype):
    """The layers of a net, as `buildNetwork` of forward.js reads them."""
    sized = [layer for layer in net if isinstance(layer, nn.Linear)]
    return {
        "n_in": sized[0].in_features,
        "n_out": sized[-1].out_features,
        "dtype": dtype,
        "layers": [LAYERS[type(layer)](layer) for layer in net],
    }


def _weights(net, dtype):
    """W and b of each linear layer, one after the other, as bytes."""
    zeros = {
        layer: torch.zeros(layer.out_features) for layer in net if isinstance(layer, nn.Linear) and layer.bias is None
    }
    parts = [
        part
        for layer in net
        if isinstance(layer, nn.Linear)
        for part in (layer.weight.flatten(), zeros.get(layer, layer.bias))
    ]
    return torch.cat(parts).numpy().astype(dtype).tobytes()
