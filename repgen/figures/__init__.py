"""The book's figures: grids of images, latent scatters, curves. They draw and return None."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

# Okabe & Ito's palette, told apart with any colour vision; ten classes need two greys more.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C6D1F", "#F0E442", "#000000", "#999999")
MARKERS = "os^Dv<>PX*"


def style() -> None:
    """Matplotlib settings of the book: legible at the width of a page, quiet axes."""
    plt.rcParams.update(
        {
            "figure.figsize": (7, 3.6),
            "figure.dpi": 110,
            "savefig.dpi": 160,
            "savefig.bbox": "tight",
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "font.size": 11,
            "axes.titlesize": 11.5,
            "axes.labelsize": 11,
            "legend.fontsize": 10,
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e3e3e3",
            "grid.linewidth": 0.7,
            "axes.axisbelow": True,
            "lines.linewidth": 2,
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "image.cmap": "gray",
            "image.interpolation": "nearest",
        }
    )


def images(
    x: Tensor,
    columns: int | None = None,
    titles: Sequence[str] | None = None,
    signed: bool = False,
    shape: tuple[int, int] | None = None,
    size: float = 0.8,
) -> None:
    """A grid of images (N, D), (N, H, W) or (N, C, H, W), each ``size`` inches wide.

    Values are shown on the scale 0 (black) to 1 (white); with ``signed``, each image is scaled
    by its own largest magnitude and shown from blue (negative) through white to red (positive).
    """
    pictures = as_images(x, shape)
    columns = min(len(pictures), columns or 10)
    lines = -(-len(pictures) // columns)
    h, w = pictures.shape[1:3]
    height = size * h / w + (0.26 if titles is not None else 0.04)
    _, axes = plt.subplots(lines, columns, figsize=(columns * (size + 0.04), lines * height), squeeze=False)
    for i, ax in enumerate(axes.flat):
        ax.axis("off")
        if i < len(pictures):
            _show(ax, pictures[i], signed)
            if titles is not None:
                ax.set_title(titles[i], fontsize=9, pad=3)


def rows(
    labelled: Mapping[str, Tensor], signed: bool = False, shape: tuple[int, int] | None = None, size: float = 0.7
) -> None:
    """One line of images for each label, as in Fig. 2 of Hinton & Salakhutdinov (2006)."""
    lines = {label: as_images(x, shape) for label, x in labelled.items()}
    columns = max(len(x) for x in lines.values())
    h, w = next(iter(lines.values())).shape[1:3]
    label_width = 0.085 * max(len(label) for label in lines)
    _, axes = plt.subplots(
        len(lines),
        columns,
        squeeze=False,
        figsize=(columns * (size + 0.04) + label_width, len(lines) * (size * h / w + 0.04)),
    )
    for line, (label, x) in zip(axes, lines.items()):
        for i, ax in enumerate(line):
            ax.set(xticks=[], yticks=[], frame_on=False)
            if i < len(x):
                _show(ax, x[i], signed)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10, labelpad=6)


def scatter(
    z: Tensor,
    labels: Tensor | None = None,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
    xlabel: str = "code 1",
    ylabel: str = "code 2",
    title: str | None = None,
    size: float = 8,
) -> None:
    """Codes (N, 2) as points, one colour and marker a class; at most ten classes have a legend."""
    ax = ax or plt.subplots(figsize=(5.6, 4.4))[1]
    z = torch.as_tensor(z).detach().cpu()
    if z.ndim != 2 or z.shape[1] != 2:
        raise ValueError(f"expected codes of shape (N, 2), got {tuple(z.shape)}")
    if labels is None:
        ax.scatter(z[:, 0], z[:, 1], s=size, alpha=0.6, linewidths=0)
    else:
        labels = torch.as_tensor(labels).cpu()
        classes = labels.unique().tolist()
        for i, c in enumerate(classes):
            chosen = z[labels == c]
            name = names[c] if names is not None else str(c)
            ax.scatter(
                chosen[:, 0],
                chosen[:, 1],
                s=size,
                alpha=0.65,
                linewidths=0,
                label=name,
                color=COLOURS[i % 10],
                marker=MARKERS[i % 10],
            )
        if len(classes) <= 10:
            ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2.2, handletextpad=0.2)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)


def curves(
    lines: Mapping[str, Sequence[float]],
    x: Sequence[float] | None = None,
    xlabel: str = "epoch",
    ylabel: str = "loss",
    title: str | None = None,
    logx: bool = False,
    logy: bool = False,
    ax: Axes | None = None,
) -> None:
    """Named curves over a common x (by default 1, 2, 3, ...)."""
    ax = ax or plt.subplots()[1]
    for name, line in lines.items():
        y = torch.as_tensor(line).detach().cpu()
        ax.plot(torch.arange(1, len(y) + 1) if x is None else torch.as_tensor(x).detach().cpu(), y, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if logx:
        ax.set_xscale("log")
    if logy:
        ax.set_yscale("log")
    if len(lines) > 1:
        ax.legend()


def as_images(x: Tensor, shape: tuple[int, int] | None = None) -> Tensor:
    """Any batch of images as (N, H, W) or (N, H, W, 3) on the CPU; rows (N, D) are squares unless ``shape`` says."""
    x = torch.as_tensor(x).detach().float().cpu()
    if x.ndim == 2:
        h, w = shape or (round(x.shape[1] ** 0.5),) * 2
        if h * w != x.shape[1]:
            raise ValueError(f"rows of {x.shape[1]} numbers are not {h} x {w} images; give shape=(height, width)")
        x = x.reshape(-1, h, w)
    if x.ndim == 4:
        x = x.squeeze(1) if x.shape[1] == 1 else x.permute(0, 2, 3, 1)
    if x.ndim not in (3, 4) or len(x) == 0 or (x.ndim == 4 and x.shape[3] != 3):
        raise ValueError(f"expected images (N, D), (N, H, W) or (N, 1 or 3, H, W), got {tuple(x.shape)}")
    return x


def _show(ax: Axes, picture: Tensor, signed: bool) -> None:
    if signed:
        limit = picture.abs().max().item() or 1.0
        ax.imshow(picture.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
    else:
        ax.imshow(picture.clamp(0, 1).numpy(), vmin=0, vmax=1)
