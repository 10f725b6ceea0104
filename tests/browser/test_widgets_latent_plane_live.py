"""The latent plane, in a static page: what is shown, large and on the whole map, is what the generator makes of the
same z."""

import numpy as np
import pytest
import torch
from test_widgets_latent_plane import GENERATOR, LATENTS, a_plane, decoded, z_at
from torch import nn
from widget_page import TILES, accessible, as_grey, close, fits_a_phone, grey, reached_by_keyboard, settle, static_page

from repgen.widgets import LatentPlane

START = (0.3, 0.4)
HERE = ".rg-figure canvas"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return static_page(tmp_path_factory.mktemp("plane"), a_plane(point=START, dtype="float32", title="Plane"))


@pytest.fixture(scope="module")
def on_the_shell(tmp_path_factory):
    return static_page(
        tmp_path_factory.mktemp("shell"),
        a_plane(point=START, corners=(4, 2, 6), shell=True, dtype="float32", title="Shell"),
    )


def readout(page):
    """x, y, the length of z, and of a draw."""
    settle(page)
    return [float(text.replace("−", "-")) for text in page.locator(".rg-readout b").all_text_contents()]


def shows(page, x, y, corners=(0, 1, 2), shell=False):
    """Picture, readout and mark are those of a place."""
    z = z_at(x, y, corners, shell)
    assert readout(page) == pytest.approx([x, y, np.sqrt(z @ z), 5**0.5], abs=0.0051)
    assert close(grey(page, HERE), as_grey(decoded([(x, y)], corners, shell)))
    mark = page.locator(".rg-now").evaluate("(mark) => mark.offsetLeft + mark.offsetWidth / 2") / page.locator(
        ".rg-length"
    ).evaluate("(bar) => bar.clientWidth")
    assert mark == pytest.approx(min(1, np.sqrt(z @ z) / 2 / 5**0.5), abs=0.015)


def chosen(page):
    """The samples that are A, B and C, by the letters on them and by what a screen reader is told."""
    settle(page)
    letters = page.locator(".rg-letter").all_text_contents()
    samples = page.locator(".rg-sample").all()
    assert [s.get_attribute("aria-label") for s in samples] == [
        f"sample {i + 1}" + (f", corner {x}" if x else "") for i, x in enumerate(letters)
    ]
    assert [s.get_attribute("aria-pressed") for s in samples] == ["true" if x else "false" for x in letters]
    return [letters.index(x) for x in "ABC"]


def on_page(page, x, y):
    """Where a place is on the page: the plot's edges are 44, 10, 10 and 40 pixels wide."""
    box = page.locator(".rg-pad").bounding_box()
    return box["x"] + 44 + (x + 0.25) / 1.5 * (box["width"] - 54), box["y"] + 10 + (1.25 - y) / 1.5 * (
        box["height"] - 50
    )


def place_at(page, px, py):
    """The place of the plane at a point of the page."""
    (left, top), (right, bottom) = on_page(page, -0.25, 1.25), on_page(page, 1.25, -0.25)
    return -0.25 + 1.5 * (px - left) / (right - left), 1.25 - 1.5 * (py - top) / (bottom - top)


def said(page, text):
    page.wait_for_function("(text) => document.querySelector('[aria-live]').textContent.includes(text)", arg=text)


def test_the_first_view_is_that_of_the_place_on_the_plane_or_its_shell(open_widget, url, on_the_shell):
    page = open_widget(url)
    shows(page, *START)
    assert chosen(page) == [0, 1, 2]
    for i, picture in enumerate(GENERATOR(LATENTS)):
        assert close(grey(page, f".rg-sample >> nth={i} >> canvas"), as_grey(picture))
    assert (
        not page.get_by_label("keep the length of a draw").is_checked()
        and page.locator("[aria-live]").text_content() == ""
    )
    page = open_widget(on_the_shell)
    shows(page, *START, (4, 2, 6), True)
    assert chosen(page) == [4, 2, 6] and page.get_by_label("keep the length of a draw").is_checked()


def test_the_length_is_kept_where_that_is_asked(open_widget, url):
    page = open_widget(url)
    length = readout(page)[2]
    page.get_by_label("keep the length of a draw").check()
    shows(page, *START, shell=True)
    assert readout(page)[2] > length + 0.3
    said(page, f"length {readout(page)[2]:.2f}, a draw's 2.24")
    page.get_by_label("keep the length of a draw").uncheck()
    shows(page, *START)


def test_the_band_of_the_bar_is_where_the_draws_are(open_widget, url):
    page = open_widget(url)
    left, width, whole = page.locator(".rg-usual").evaluate(
        "(band) => [band.offsetLeft, band.offsetWidth, band.parentNode.clientWidth]"
    )
    low, high = (
        torch.randn(100_000, 5, generator=torch.Generator().manual_seed(0))
        .norm(dim=1)
        .quantile(torch.tensor([0.025, 0.975]))
        .tolist()
    )
    assert left / whole == pytest.approx(low / 2 / 5**0.5, abs=0.01) and (left + width) / whole == pytest.approx(
        high / 2 / 5**0.5, abs=0.01
    )
    assert f"{low:.1f} to {high:.1f}" in page.locator(".rg-facts .rg-hint").inner_text()


def test_arrow_keys_move_and_enter_goes_to_the_nearest_corner(open_widget, url):
    page, (x, y) = open_widget(url), START
    pad = page.get_by_role("application", name="Map of the plane through A, B and C")
    pad.focus()
    for key, dx, dy in [
        ("ArrowRight", 0.02, 0),
        ("ArrowUp", 0, 0.02),
        ("Shift+ArrowRight", 0.1, 0),
        ("Shift+ArrowDown", 0, -0.1),
        ("ArrowLeft", -0.02, 0),
    ]:
        page.keyboard.press(key)
        x, y = x + dx, y + dy
        shows(page, x, y)
    said(page, f"x {x:.2f}, y {y:.2f}, length ")
    for _ in range(20):
        page.keyboard.press("Shift+ArrowUp")
    shows(page, x, 1.25)  # it stops at the edge
    for corner, keys in (((0, 1), []), ((0, 0), ["Shift+ArrowDown"] * 6), ((1, 0), ["Shift+ArrowRight"] * 6)):
        for key in keys:
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        shows(page, *corner)
    said(page, "corner B, length")
    assert close(grey(page, HERE), grey(page, ".rg-sample >> nth=1 >> canvas"))
    page.keyboard.press("Tab")
    assert not pad.evaluate("(pad) => pad === document.activeElement")  # the keyboard is not trapped


def test_pointer_previews_stays_and_drags(open_widget, url):
    page = open_widget(url)
    page.locator(".rg-pad").scroll_into_view_if_needed()
    middle, other = ([round(v) for v in on_page(page, *at)] for at in ((0.7, 0.6), (-0.1, 0.9)))
    page.mouse.move(*middle)
    shows(page, *place_at(page, *middle))
    page.mouse.move(5, 5)
    shows(page, *START)  # back to where the reader stands
    page.mouse.click(*middle)
    page.mouse.move(5, 5)
    shows(page, *place_at(page, *middle))
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(*other, steps=3)
    page.mouse.up()
    page.mouse.move(5, 5)
    shows(page, *place_at(page, *other))
    px, py = on_page(page, 0, 1)
    page.mouse.click(px + 5, py - 5)
    page.mouse.move(5, 5)
    shows(page, 0, 1)  # near a corner: the corner itself
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(2, 2, steps=2)
    page.mouse.up()
    shows(page, -0.25, 1.25)  # no further than the map


def test_a_finger_moves_it_too(open_widget, on_the_shell):
    page = open_widget(on_the_shell, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 700})
    page.locator(".rg-pad").scroll_into_view_if_needed()
    px, py = (round(v) for v in on_page(page, 0.8, 0.45))
    page.touchscreen.tap(px, py)
    shows(page, *place_at(page, px, py), (4, 2, 6), True)


def test_a_sample_takes_the_place_of_the_corner_chosen_longest_ago(open_widget, url):
    page = open_widget(url)
    sample = lambda i: page.get_by_role("button", name=f"sample {i + 1}")
    corners = [0, 1, 2]
    for i, p in [(5, 0), (3, 1), (6, 2), (0, 0)]:  # A, B, C and A again
        assert page.locator(".rg-next").inner_text().endswith(f"the place of {'ABC'[p]}.")
        sample(i).click()
        corners[p] = i
        assert chosen(page) == corners
        shows(page, *START, corners)
    said(page, "sample 1 is corner A. B is replaced next.")
    sample(3).click()  # B already: now C is the one chosen longest ago
    assert chosen(page) == corners == [0, 3, 6]
    said(page, "sample 4 is corner B. C is replaced next.")
    sample(3).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # sample 5
    assert chosen(page) == [0, 3, 4]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press(" ")  # sample 3
    assert chosen(page) == [2, 3, 4]
    shows(page, *START, (2, 3, 4))


def test_the_corners_are_on_the_map(open_widget, url):
    page = open_widget(url)
    page.get_by_role("button", name="sample 6").click()
    settle(page)
    size = min(44, (page.locator(".rg-pad").bounding_box()["width"] - 54) / 9)
    box = page.locator(".rg-pad").bounding_box()
    for (x, y), i in zip([(0, 0), (1, 0), (0, 1)], (5, 1, 2)):
        px, py = on_page(page, x, y)
        shown, ink = page.locator(".rg-pad canvas").first.evaluate(
            """(c, [x, y, size, dx, dy]) => {
              const g = c.getContext("2d"), at = (x, y) => [...g.getImageData(x, y, 1, 1).data];
              const middle = (k) => ((k + 0.5) / 8 - 0.5) * size;
              return [Array.from({ length: 64 }, (_, k) => at(x + middle(k % 8), y + middle(Math.floor(k / 8)))[0]), at(x + dx, y + dy)];
            }""",
            [
                px - box["x"],
                py - box["y"],
                size,
                (1 if x else -1) * (size / 2 + 3) + 6.5,
                (-1 if y else 1) * (size / 2 + 3),
            ],
        )
        # about where the pixels' middles are, by sample
        gaps = (torch.tensor(shown) - 255 * GENERATOR(LATENTS).flatten(1)).abs().mean(1)
        assert gaps.argmin() == i and gaps[i] < 32
        assert ink == [11, 98, 168, 255]  # the disc of its letter


HOOK = """() => {  // keeps the sheet of tiles that the map draws
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (from, ...where) {
    if (from.width === 15 * 8) window.sheet = from;
    return draw.call(this, from, ...where);
  };
}"""


def map_is(page, corners, shell):
    """The map becomes what the generator makes of the middles of its 15 x 15 cells, to one grey level."""
    middles = -0.2 + 0.1 * np.arange(15)
    want = (
        as_grey(decoded([(x, y) for y in middles[::-1] for x in middles], corners, shell))
        .reshape(15, 15, 8, 8)
        .permute(0, 2, 1, 3)
    )
    page.wait_for_function(
        """(want) => {
          const d = window.sheet?.getContext("2d").getImageData(0, 0, 120, 120).data;
          return d && want.every((v, k) => Math.abs(d[4 * k] - v) < 1 && d[4 * k + 3] === 255);
        }""",
        arg=want.flatten().tolist(),
    )


def test_the_whole_map_is_what_the_generator_makes(open_widget, url):
    page = open_widget(url)
    page.evaluate(HOOK)
    page.get_by_label("decode the whole map").check()
    map_is(page, (0, 1, 2), False)
    page.get_by_label("keep the length of a draw").check()
    map_is(page, (0, 1, 2), True)
    page.get_by_role("button", name="sample 6").click()
    map_is(page, (5, 1, 2), True)
    page.get_by_label("decode the whole map").uncheck()
    page.get_by_role("button", name="sample 7").click()
    page.get_by_label("decode the whole map").check()
    map_is(page, (5, 6, 2), True)
    shows(page, *START, (5, 6, 2), True)


def test_the_map_stands_where_its_axes_say(open_widget, tmp_path):
    flat = nn.Linear(3, 64)  # images of one grey, 0.2 + 0.4 x + 0.15 y
    flat.weight.data, flat.bias.data = torch.tensor([[0.0, 0.4, 0.15]]).repeat(64, 1), torch.full((64,), 0.2)
    url = static_page(
        tmp_path, LatentPlane(flat, torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 1]]), dtype="float32", title="Flat")
    )
    page = open_widget(url)
    page.get_by_label("decode the whole map").check()
    at = -0.2 + 0.1 * torch.arange(15)
    want = 255 * (0.2 + 0.4 * at[None, :] + 0.15 * at.flip(0)[:, None]).clamp(0, 1)  # rows go down
    x, y = torch.meshgrid(torch.arange(15), torch.arange(15).flip(0), indexing="xy")
    # of lines and letters
    free = (
        ((x < 1) | (y < 1) | (x + y > 15))
        & ((x - 1.5).abs() + (y - 13.5).abs() > 3)
        & ((x - 13.5).abs() + (y - 1.5).abs() > 3)
        & (x + y > 3)
    )
    assert free.sum() > 90
    cells = [[i, v] for i, (v, clear) in enumerate(zip(want.flatten().tolist(), free.flatten().tolist())) if clear]
    page.wait_for_function(
        f"(cells) => {{ const all = ({TILES})(); return cells.every(([i, v]) => Math.abs(all[i][0] - v) < 1.5 && "
        f"all[i][3] === 255); }}",
        arg=cells,
    )


def test_views_of_one_widget_move_together(open_widget, tmp_path):
    """As they do when `point`, `corners` or `shell` are set from Python."""
    plane = a_plane(point=START, dtype="float32")
    page = open_widget(static_page(tmp_path, plane, plane))
    second = lambda part: f".rg-corners >> nth=1 >> {part}"
    first = page.locator(".rg-corners").first
    first.locator(".rg-pad").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+ArrowRight")
    first.get_by_label("keep the length of a draw").check()
    for i in (6, 4):
        first.get_by_role("button", name=f"sample {i + 1}").click()
    assert close(grey(page, second(HERE)), as_grey(decoded([(0.1, 0)], (6, 4, 2), True)))
    assert page.locator(second(".rg-letter")).all_text_contents() == ["", "", "C", "", "B", "", "A"]
    assert page.locator(second(".rg-next")).inner_text().endswith("the place of C.")
    assert page.locator(".rg-corners").nth(1).get_by_label("keep the length of a draw").is_checked()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_accessibility(open_widget, url, theme):
    page = open_widget(url)
    accessible(page, theme)
    page.get_by_label("decode the whole map").check()
    page.get_by_role("button", name="sample 6").click()
    accessible(page, theme)


def test_what_is_drawn_follows_the_theme(open_widget, url):
    page = open_widget(url)
    paper = "() => { const c = document.querySelector('.rg-pad canvas'); return [...c.getContext('2d').getImageData(44 + 0.4 * (c.width - 54), 10 + 0.6 * (c.height - 50), 1, 1).data]; }"
    assert min(page.evaluate(paper)[:3]) > 230  # inside the triangle
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    settle(page)
    assert max(page.evaluate(paper)[:3]) < 60


def test_no_sideways_scroll_on_a_phone(open_widget, url):
    fits_a_phone(open_widget, url)
    page = open_widget(url, viewport={"width": 360, "height": 480}, is_mobile=True, has_touch=True)
    picture, pad = (page.locator(part).bounding_box() for part in (".rg-figure", ".rg-pad"))
    # the picture is above the map, and stays there
    assert picture["y"] + picture["height"] <= pad["y"] and pad["width"] > 280
    page.evaluate(f"scrollTo(0, {picture['y'] + 80})")
    settle(page)
    assert page.locator(".rg-columns").bounding_box()["y"] < -40
    assert 0 <= page.locator(".rg-figure").bounding_box()["y"] < 100


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(open_widget, url):
    reached_by_keyboard(open_widget, url)
