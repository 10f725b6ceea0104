"""Diagrams: well-formed, legible on a phone, in the page's colours, with arrows from edge to edge."""

import re
from xml.etree import ElementTree

import pytest

from repgen.figures.diagrams import CELL, INKS, WIDEST, Diagram

SVG = "{http://www.w3.org/2000/svg}"


def drawn():
    d = Diagram("x < y & a net", 5, 2)
    d.node("x", 0, 1, "image\n$x_{i}$", size="784")
    d.node("net", 1, 1, kind="net", to="narrow")
    d.node("z", 2, 1, "$z^2$", kind="random")
    d.node("back", 3, 1, "back", kind="net", to="wide")
    d.node("y", 4, 1, "a < b")
    d.node("loss", 2, 0, kind="loss")
    d.arrows("x", "net", "z", "back", "y", label="why")
    d.arrows("x", "loss", elbow=True)
    d.arrows("y", "loss", elbow=True, gradient=False)
    d.plate("z", "back", label="$N$")
    return d


def parsed(d):
    return ElementTree.fromstring(d.svg())


def distance(node, x, y):
    """From a node's edge outwards, negative inside."""
    if node.kind in ("random", "op"):
        return ((x - node.x) ** 2 + (y - node.y) ** 2) ** 0.5 - node.height / 2
    return max(abs(x - node.x) - node.width / 2, abs(y - node.y) - node.height / 2)


def test_it_is_an_image_with_words_for_those_who_do_not_see_it():
    root = parsed(drawn())
    assert root.get("role") == "img" and root.find(f"{SVG}title").text == "x < y & a net"
    assert drawn().svg() == drawn().svg() == drawn()._repr_html_()
    assert repr(drawn()) == "Diagram: x < y & a net"


def test_every_label_is_written_once_within_the_frame_and_on_a_phone_large_enough():
    d = drawn()
    root = parsed(d)
    _, _, width, height = map(float, root.get("viewBox").split())
    words = ["".join(text.itertext()).replace("\u200b", "") for text in root.iter(f"{SVG}text")]
    assert sorted(words) == sorted(["image", "xi", "784", "net", "z2", "back", "a < b", "loss", *["why"] * 4, "N"])
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.get("x")) < width and 10 < float(text.get("y")) < height
    style = root.find(f"{SVG}style").text
    (size,) = map(float, re.findall(r"font:(\d+)px", style))
    assert size * 350 / (WIDEST * CELL[0]) >= 8


def test_colours_are_the_pages():
    style = parsed(drawn()).find(f"{SVG}style").text
    used = set(re.findall(r"var\(--diagram-(\w+)", style))
    assert used == set(INKS)
    assert not re.search(r"(fill|stroke):(?!var|none)", style)
    assert not re.search(r'(fill|stroke)="', drawn().svg())


def test_rules_of_one_diagram_do_not_reach_another():
    style = parsed(drawn()).find(f"{SVG}style").text
    identity = parsed(drawn()).get("id")
    assert all(rule.startswith(f"#{identity} ") for rule in style.split("}") if rule)
    assert identity != parsed(Diagram("another", 1)).get("id")


def test_arrows_go_from_edge_to_edge():
    d = drawn()
    pairs = [("x", "net"), ("net", "z"), ("z", "back"), ("back", "y"), ("x", "loss"), ("y", "loss")]
    root = parsed(d)
    ways = [path.get("d") for path in root.iter(f"{SVG}path")]
    tips = [p.get("points") for p in root.iter(f"{SVG}polygon") if p.get("class") == "tip"]
    assert len(ways) == len(tips) == len(pairs)
    for (start, end), way, tip in zip(pairs, ways, tips, strict=True):
        first = [float(number) for number in way[1:].split("L")[0].split()]
        last = [float(number) for number in tip.split()[0].split(",")]
        assert 0 <= distance(d.nodes[start], *first) <= 4, (start, end)
        assert 0 <= distance(d.nodes[end], *last) <= 4, (start, end)


def test_dashes_are_where_no_gradient_flows():
    dashed = [path.get("stroke-dasharray") is not None for path in parsed(drawn()).iter(f"{SVG}path")]
    assert dashed == [False] * 5 + [True]


def test_a_plate_holds_its_nodes():
    d = drawn()
    frame = next(r for r in parsed(d).iter(f"{SVG}rect") if r.get("class") == "arrow")
    left, top, width, height = (float(frame.get(name)) for name in ("x", "y", "width", "height"))
    for name in ("z", "back"):
        n = d.nodes[name]
        assert left < n.x - n.width / 2 and n.x + n.width / 2 < left + width
        assert top < n.y - n.height / 2 and n.y + n.height / 2 < top + height


@pytest.mark.parametrize(
    "mistake, said",
    [
        (lambda d: Diagram("", 7), "1 to 6 columns, or a phone shows it too small; got 7"),
        (lambda d: d.node("x", 0, 0), "there is a node 'x' already"),
        (lambda d: d.node("far", 5, 0), "outside of 5 x 2"),
        (lambda d: d.node("odd", 0, 0, kind="cloud"), "got 'cloud'"),
        (lambda d: d.node("odd", 0, 0, to="left"), "got 'data', 'left'"),
        (lambda d: d.arrows("x", "nowhere"), "no node 'nowhere'; drawn are x, net"),
        (lambda d: d.plate("x", "nowhere"), "no node 'nowhere'"),
    ],
)
def test_mistakes_are_named(mistake, said):
    with pytest.raises(ValueError, match=said):
        mistake(drawn())
