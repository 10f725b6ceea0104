"""Diagrams of models as SVG: boxes with sizes, nets that narrow and widen, arrows, what is random, what is compared.

Their colours are variables of the page's style sheet (``--diagram-ink`` and the others of INKS), so one drawing is
right in the light, in the dark and in print; where a page has no such sheet, as in Colab, the page's own ink is used.
"""

import hashlib
import html
import math
import re
from typing import NamedTuple

CELL = (100, 84)  # units of a column and of a row; one is a pixel where there is room
WIDEST = 6  # columns: on a phone, 350 pixels wide, the labels (14 units) are then 8 pixels tall
INKS = {
    "ink": "currentColor",  # lines and words
    "net": "rgba(47, 127, 193, 0.16)",  # what is learned
    "data": "rgba(128, 128, 128, 0.16)",  # what is given, or made
    "random": "rgba(220, 130, 40, 0.22)",  # what is drawn
    "loss": "rgba(60, 160, 90, 0.18)",  # what is compared
}
KINDS = ("data", "net", "random", "loss", "op")
PART = re.compile(r"([_^])(?:\{([^}]*)\}|(.))")


class Node(NamedTuple):
    """A shape: its middle, width and height, and its kind."""

    x: float
    y: float
    width: float
    height: float
    kind: str


class Diagram:
    """A drawing on a grid of columns and rows, counted from 0; what is added later lies on top.

    Labels hold formulas between dollars, with ``_`` and ``^`` for what is below and above the line: "$z_{i}$". A
    notebook shows the last expression of a cell, so a diagram there is these few lines.

    Parameters
    ----------
    about : str
        The drawing in words, for those who do not see it.
    columns, rows : int
        The size of the grid; at most six columns, so that a phone shows it legibly.

    Raises
    ------
    ValueError
        For a grid that is too wide, a node outside of it, a kind that is unknown, a name used twice or never drawn.

    Examples
    --------
    >>> d = Diagram("An autoencoder: an image of 784 pixels, a code of 2 numbers, and the image made from it", 5, 1)
    >>> d.node("x", 0, 0, "image $x$", size="784")
    >>> d.node("encoder", 1, 0, kind="net", to="narrow")
    >>> d.node("z", 2, 0, "code $z$", size="2")
    >>> d.node("decoder", 3, 0, kind="net", to="wide")
    >>> d.node("y", 4, 0, "$x'$", size="784")
    >>> d.arrows("x", "encoder", "z", "decoder", "y")
    >>> d.svg()[:4]
    '<svg'
    """

    def __init__(self, about: str, columns: int, rows: int = 1):
        if not 1 <= columns <= WIDEST:
            raise ValueError(f"a diagram has 1 to {WIDEST} columns, or a phone shows it too small; got {columns}")
        self.about, self.columns, self.rows = about, columns, rows
        self.nodes: dict[str, Node] = {}
        self._shapes: list[str] = []

    def node(
        self,
        name: str,
        column: float,
        row: float,
        label: str | None = None,
        *,
        kind: str = "data",
        size="",
        to="",
        width=0.0,
    ) -> None:
        """Adds a node with its label, or its name, inside.

        ``kind``: "data", a box, with its ``size`` below; "net", a trapezium ``to`` "narrow" or "wide", or else a box;
        "random", a circle of dashes; "loss", rounded; "op", a small circle, for + and the like. ``width`` in columns.
        """
        if kind not in KINDS or to not in ("", "narrow", "wide"):
            raise ValueError(f"a kind is one of {', '.join(KINDS)}, to is narrow or wide; got {kind!r}, {to!r}")
        if name in self.nodes:
            raise ValueError(f"there is a node {name!r} already")
        if not (0 <= column <= self.columns - 1 and 0 <= row <= self.rows - 1):
            raise ValueError(f"node {name!r} at column {column}, row {row} is outside of {self.columns} x {self.rows}")
        across, down = {"random": (48, 48), "op": (24, 24), "loss": (84, 32), "net": (84, 60)}.get(kind, (70, 48))
        x, y = (column + 0.5) * CELL[0], (row + 0.5) * CELL[1]
        node = Node(x, y, width * CELL[0] or across, down, kind)
        self.nodes[name] = node
        self._shapes.append(_shape(node, to))
        self._write(x, y, name if label is None else label)
        if size:
            self._write(x, y + down / 2 + 13, size)

    def arrows(self, *names: str, label: str = "", gradient: bool = True, elbow: bool = False) -> None:
        """Adds arrows from each of the nodes to the next, dashed where no gradient flows.

        An ``elbow`` goes up or down from the first, then sideways to the second.
        """
        for start, end in zip(names, names[1:]):
            a, b = self._find(start), self._find(end)
            corner = (a.x, b.y) if elbow else ((a.x + b.x) / 2, (a.y + b.y) / 2)
            (x1, y1), (x2, y2) = _edge(a, corner, 2), _edge(b, corner, 2)
            length = max(math.dist(corner, (x2, y2)), 1e-9)
            dx, dy = (x2 - corner[0]) / length, (y2 - corner[1]) / length  # the way at its end
            dashes = "" if gradient else ' stroke-dasharray="5 4"'
            way = f"M{x1:.1f} {y1:.1f}L{corner[0]:.1f} {corner[1]:.1f}L{x2 - 6 * dx:.1f} {y2 - 6 * dy:.1f}"
            tip = [(x2, y2), (x2 - 9 * dx - 4 * dy, y2 - 9 * dy + 4 * dx), (x2 - 9 * dx + 4 * dy, y2 - 9 * dy - 4 * dx)]
            self._shapes.append(
                f'<path d="{way}" class="arrow"{dashes}/><polygon points="{_points(tip)}" class="tip"/>'
            )
            if label:
                self._write(corner[0], corner[1] - 12, label)

    def plate(self, *names: str, label: str = "") -> None:
        """Adds a frame around nodes, for what is there many times, with the number in its corner."""
        inside = [self._find(name) for name in names]
        left, right = min(n.x - n.width / 2 for n in inside) - 9, max(n.x + n.width / 2 for n in inside) + 9
        top, bottom = min(n.y - n.height / 2 for n in inside) - 8, max(n.y + n.height / 2 for n in inside) + 19
        box = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"'
        self._shapes.append(f'<rect {box} rx="5" class="arrow"/>')
        self._write(right - 5, bottom - 9, label, "end")

    def svg(self) -> str:
        """The drawing as an SVG element."""
        width, height = self.columns * CELL[0], self.rows * CELL[1] + 10  # a little more, for a size or a plate below
        style = "".join(f".d-{name}{{fill:var(--diagram-{name},{ink})}}" for name, ink in INKS.items() if name != "ink")
        line = f"stroke:var(--diagram-ink,{INKS['ink']});stroke-width:1.4"
        style += f".node{{{line}}}.arrow{{{line};fill:none}}.d-op{{fill:none}}"
        style += f"text{{fill:var(--diagram-ink,{INKS['ink']});font:14px system-ui,sans-serif;text-anchor:middle}}"
        style += ".end{text-anchor:end}.tip{stroke:none;fill:var(--diagram-ink,currentColor)}"
        scoped = re.sub(r"(^|\})([.a-z])", rf"\1#{self._id()} \2", style)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" id="{self._id()}" class="repgen-diagram" role="img" '
            f'viewBox="0 0 {width} {height}" style="width:100%;max-width:{width}px;height:auto">'
            f"<title>{html.escape(self.about)}</title><style>{scoped}</style>"
            f"{''.join(self._shapes)}</svg>"
        )

    def _repr_html_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"Diagram: {self.about}"

    def _find(self, name: str) -> Node:
        if name not in self.nodes:
            raise ValueError(f"there is no node {name!r}; drawn are {', '.join(self.nodes)}")
        return self.nodes[name]

    def _id(self) -> str:
        return f"d{hashlib.sha256(self.about.encode()).hexdigest()[:8]}"

    def _write(self, x: float, y: float, label: str, kind: str = "") -> None:
        lines = label.split("\n")
        for number, line in enumerate(lines):
            at = y + 5 + 17 * (number - (len(lines) - 1) / 2)
            as_kind = f' class="{kind}"' if kind else ""
            self._shapes.append(f'<text x="{x:.1f}" y="{at:.1f}"{as_kind}>{_spans(line)}</text>')


def _shape(node: Node, to: str) -> str:
    x, y, w, h = node.x, node.y, node.width / 2, node.height / 2
    if node.kind in ("random", "op"):
        dashes = ' stroke-dasharray="2 3"' if node.kind == "random" else ""
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{h:.1f}" class="node d-{node.kind}"{dashes}/>'
    if to:
        left, right = (h, h - 16) if to == "narrow" else (h - 16, h)
        corners = [(x - w, y - left), (x + w, y - right), (x + w, y + right), (x - w, y + left)]
        return f'<polygon points="{_points(corners)}" class="node d-{node.kind}"/>'
    round = h if node.kind == "loss" else 4
    box = f'x="{x - w:.1f}" y="{y - h:.1f}" width="{2 * w:.1f}" height="{2 * h:.1f}" rx="{round:.1f}"'
    return f'<rect {box} class="node d-{node.kind}"/>'


def _points(corners: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _edge(node: Node, towards: tuple[float, float], gap: float) -> tuple[float, float]:
    """Where the line from the middle of a node leaves it, and a gap further."""
    dx, dy = towards[0] - node.x, towards[1] - node.y
    length = max((dx**2 + dy**2) ** 0.5, 1e-9)
    if node.kind in ("random", "op"):
        reach = node.height / 2
    else:
        reach = length * min(node.width / 2 / max(abs(dx), 1e-9), node.height / 2 / max(abs(dy), 1e-9))
    return node.x + dx * (reach + gap) / length, node.y + dy * (reach + gap) / length


def _spans(line: str) -> str:
    """A line of a label: formulas between dollars in italics, _ and ^ lowered and raised."""
    parts = []
    for number, part in enumerate(line.split("$")):
        if number % 2:
            said = PART.sub(lambda m: _shifted(m[1], m[2] or m[3]), html.escape(part, quote=False))
            parts.append(f'<tspan font-style="italic">{said}</tspan>')
        else:
            parts.append(html.escape(part, quote=False))
    return "".join(parts)


def _shifted(sign: str, what: str) -> str:
    down = 4 if sign == "_" else -5
    return f'<tspan dy="{down}" font-size="75%">{what}</tspan><tspan dy="{-down}">\u200b</tspan>'
