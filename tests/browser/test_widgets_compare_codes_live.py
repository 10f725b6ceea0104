"""Compare codes, in a static page: one point in every map, and its neighbours are those that scikit-learn finds."""

import re

import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from test_widgets_compare_codes import CURVED, DIGITS, FLAT, LABELS, PCA2, REBUILT, a_comparison
from widget_page import accessible, as_grey, close, fits_a_phone, grey, reached_by_keyboard, settle, static_page

CODES = {"PCA": FLAT, "curved": CURVED}
NEAR = {
    name: NearestNeighbors(n_neighbors=120).fit(z.numpy()).kneighbors(z.numpy())[1][:, 1:] for name, z in CODES.items()
}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return static_page(tmp_path_factory.mktemp("compare"), a_comparison(title="Two maps"))


def pad(page, name):
    return page.get_by_role("application", name=f"Map of {name}")


def places(page, name):
    """Where each point of a map stands in the page: both axes on one scale, 1.08 times the longer side wide."""
    box, z = pad(page, name).bounding_box(), CODES[name]
    low, high = z.min(0).values, z.max(0).values
    at = (z - (low + high) / 2) / (1.08 * (high - low).max()) * box["width"]
    return torch.stack([box["x"] + box["width"] / 2 + at[:, 0], box["y"] + box["height"] / 2 - at[:, 1]], 1)


def shows(page, i):
    """Original, reconstruction, error, neighbours, counts: of point i, in both rows."""
    assert close(grey(page, ".rg-result > .rg-figure canvas"), as_grey(DIGITS[i]))
    assert page.locator(".rg-result > .rg-figure").inner_text() == f"original: {LABELS[i]}"
    assert close(grey(page, ".rg-near >> nth=0 >> .rg-figure canvas"), as_grey(REBUILT[i]))
    error = (DIGITS[i] - PCA2.decode(FLAT[i : i + 1])[0]).square().sum().item()
    said = page.locator(".rg-near .rg-figure").all_inner_texts()
    assert abs(float(said[0].split()[1]) - error) < 0.051 and said[1] == "no way back"
    common = len(set(NEAR["PCA"][i, :5]) & set(NEAR["curved"][i, :5]))
    for row, name in enumerate(CODES):
        near = NEAR[name][i, :5]
        buttons = page.locator(".rg-near").nth(row).get_by_role("button")
        assert buttons.all_inner_texts() == [str(LABELS[j].item()) for j in near]
        for at, j in enumerate(near):
            assert close(grey(page, f".rg-near >> nth={row} >> button >> nth={at} >> canvas"), as_grey(DIGITS[j]))
        counts = [
            int(number)
            for number in re.findall(
                r"\d+", page.locator(".rg-near").nth(row).locator(".rg-caption").nth(1).inner_text()
            )
        ]
        assert counts == [(LABELS[near] == LABELS[i]).sum().item(), 5, common]


def test_the_chosen_point_is_shown_with_its_neighbours_in_both_maps(open_widget, url):
    page = open_widget(url)
    shows(page, 7)
    assert page.locator(".rg-near >> nth=1 >> .rg-figure").get_attribute("class") == "rg-figure rg-empty"
    assert grey(page, ".rg-near >> nth=1 >> .rg-figure canvas").max() == 0


@pytest.mark.parametrize("name", CODES)
def test_the_point_under_the_pointer_is_chosen_in_either_map(open_widget, url, name):
    page = open_widget(url)
    at = places(page, name)
    for i in (20, 66):
        place = at[i] + torch.tensor([0.4, -0.3])
        want = int((at - place).norm(dim=1).argmin())
        page.mouse.move(*place.tolist())
        shows(page, want)
    page.mouse.move(5, 5)
    shows(page, 7)  # back to where the reader stood
    page.mouse.move(*at[20].tolist())
    page.mouse.down()
    page.mouse.move(*at[66].tolist(), steps=3)  # dragging chooses on the way
    page.mouse.up()
    page.mouse.move(5, 5)
    shows(page, int((at - at[66]).norm(dim=1).argmin()))


def test_a_finger_chooses_too(open_widget, url):
    page = open_widget(url, has_touch=True)
    at = places(page, "curved")
    page.touchscreen.tap(*at[33].tolist())
    shows(page, int((at - at[33]).norm(dim=1).argmin()))


def towards(codes, i, way, allowed=None):
    """The nearest point within 45 degrees of a direction, by the angle itself."""
    d = codes.double() - codes[i].double()
    angle = (
        torch.atan2(d[:, 1], d[:, 0]) - {"Right": 0, "Up": torch.pi / 2, "Left": torch.pi, "Down": -torch.pi / 2}[way]
    )
    inside = (torch.cos(angle) >= 2**-0.5 - 1e-12) & (d.norm(dim=1) > 0)
    if allowed is not None:
        inside &= allowed
    return int(torch.where(inside, d.norm(dim=1), torch.inf).argmin()) if inside.any() else i


@pytest.mark.parametrize("name", CODES)
def test_arrow_keys_go_to_the_nearest_point_in_their_direction(open_widget, url, name):
    page, i, visited = open_widget(url), 7, {7}
    pad(page, name).focus()
    for way in ("Down", "Left", "Left", "Up", "Down", "Right"):
        page.keyboard.press(f"Arrow{way}")
        i = towards(CODES[name], i, way)
        visited.add(i)
        shows(page, i)
    assert len(visited) > 4
    last, steps = i, 0
    while (further := towards(CODES[name], last, "Right")) != last:
        last, steps = further, steps + 1
    for _ in range(steps + 2):  # beyond the last there is nothing
        page.keyboard.press("ArrowRight")
    assert steps > 0
    shows(page, last)


def test_a_neighbour_can_be_chosen(open_widget, url):
    page = open_widget(url)
    page.get_by_role("group", name="curved").get_by_role("button").nth(2).click()
    page.mouse.move(5, 5)
    shows(page, int(NEAR["curved"][7, 2]))


def coloured(page, name):
    """The points of a map whose middle is painted about as dark as a shown one's."""
    settle(page)
    box, at = pad(page, name).bounding_box(), places(page, name)
    pixels = (
        pad(page, name)
        .locator("canvas")
        .first.evaluate(
            "(c, at) => at.map(([x, y]) => c.getContext('2d').getImageData(x * c.width, y * c.height, 1, 1).data[3])",
            [[(x - box["x"]) / box["width"], (y - box["y"]) / box["height"]] for x, y in at.tolist()],
        )
    )
    return torch.tensor(pixels) > 128


def test_classes_are_switched_off_and_on(open_widget, url):
    page = open_widget(url)
    assert all(coloured(page, name).all() for name in CODES)
    page.get_by_role("button", name="None").click()
    assert not any(coloured(page, name).any() for name in CODES)
    page.mouse.move(*places(page, "PCA")[20].tolist())
    pad(page, "PCA").focus()
    page.keyboard.press("ArrowUp")
    shows(page, 7)  # there is nothing to go to
    for digit in ("4", "9"):
        page.get_by_role("group", name="Classes shown").get_by_role("button", name=digit).click()
    on = (LABELS == 4) | (LABELS == 9)
    assert coloured(page, "curved")[on].all()
    assert page.locator(".rg-legend [aria-pressed=true]").all_inner_texts() == ["4", "9"]
    for name in CODES:
        at = places(page, name)
        page.mouse.move(*at[20].tolist())
        shows(page, int(torch.where(on, (at - at[20]).norm(dim=1), torch.inf).argmin()))
    page.mouse.move(5, 5)
    pad(page, "PCA").focus()
    page.keyboard.press("ArrowUp")
    shows(page, towards(FLAT, 7, "Up", on))
    page.get_by_role("button", name="All").click()
    assert coloured(page, "PCA").all()


def test_the_marks_stand_where_the_neighbours_are(open_widget, url):
    page = open_widget(url)
    settle(page)
    for name in CODES:
        box, at = pad(page, name).bounding_box(), places(page, name)
        ink = (
            pad(page, name)
            .locator("canvas")
            .nth(1)
            .evaluate(
                """(c, at) => at.map(([x, y]) => { // within 11 pixels
              const r = 11 * c.width / c.clientWidth, d = c.getContext('2d').getImageData(x * c.width - r, y * c.height - r, 2 * r, 2 * r).data;
              return d.filter((v, k) => k % 4 === 3 && v > 128).length;
            })""",
                [[(x - box["x"]) / box["width"], (y - box["y"]) / box["height"]] for x, y in at.tolist()],
            )
        )
        marked = [7, *NEAR["PCA"][7, :5], *NEAR["curved"][7, :5]]
        assert min(ink[j] for j in marked) > 40
        assert sum(v == 0 for v in ink) > 30  # and most of the map is free of them


def test_what_was_chosen_is_said_and_known(open_widget, url):
    page = open_widget(url)
    page.wait_for_timeout(900)
    assert page.locator("[aria-live]").text_content() == ""
    pad(page, "PCA").focus()
    page.keyboard.press("ArrowRight")
    i = towards(FLAT, 7, "Right")
    page.wait_for_function("document.querySelector('[aria-live]').textContent !== ''")
    text = page.locator("[aria-live]").text_content()
    assert (
        text.startswith(f"{LABELS[i]}. PCA: error ")
        and "; curved: " in text
        and text.count("neighbours share its class") == 2
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_accessibility(open_widget, url, theme):
    page = open_widget(url)
    page.get_by_role("group", name="Classes shown").get_by_role("button", name="4").click()
    accessible(page, theme)


def test_no_sideways_scroll_on_a_phone(open_widget, url, tmp_path):
    three = a_comparison(
        codes=CODES | {"a third map with a long name": FLAT.flip(1)}, reconstructions={"curved": REBUILT}
    )
    fits_a_phone(open_widget, url, static_page(tmp_path, three))
    page = open_widget(url, viewport={"width": 360, "height": 700}, is_mobile=True, has_touch=True)
    upper, lower = (box.bounding_box() for box in page.locator(".rg-pad").all())
    # stacked, and room beside them to scroll by
    assert upper["y"] + upper["height"] < lower["y"] and lower["width"] < 300


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(open_widget, url):
    reached_by_keyboard(open_widget, url)
