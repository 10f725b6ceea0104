"""Widgets in a static page: how they get there, what their pictures show, and what every one of them owes its
readers."""

import json
from pathlib import Path

import torch
from ipywidgets.embed import dependency_state, embed_data

HOST = Path(__file__).parents[2] / "_ext/static_widgets/widget_host.js"


def static_page(folder, *widgets):
    """The widgets as the book has them: state and views in tags, the host beside them."""
    data = embed_data(views=widgets, state=dependency_state(widgets, drop_defaults=False))
    tag = '<script type="application/vnd.jupyter.widget-{}+json">{}</script>'
    body = "".join(tag.format("view", json.dumps(view)) for view in data["view_specs"])
    path = folder / "page.html"
    path.write_text(
        '<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>Widgets</title>'
        '<meta name="viewport" content="width=device-width">'
        '<style>html[data-theme="dark"] { background: #111; color: #eee }</style>'
        f'<script defer src="{HOST.as_uri()}"></script>{tag.format("state", json.dumps(data["manager_state"]))}'
        f"<body><main><h1>Widgets</h1>{body}</main></body></html>",
        "utf-8",
    )
    return path.as_uri()


def settle(page):
    """Two frames: what was asked for has been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def grey(page, canvas):
    """The pixels of a picture, 0 to 255, in its own resolution."""
    settle(page)
    data = page.locator(canvas).evaluate("(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]")
    return torch.tensor(data[::4], dtype=torch.float32)


def as_grey(x):
    return x.reshape(-1).clamp(0, 1) * 255


def close(got, want):
    return (got - want).abs().max() < 0.51  # one rounding


def mulberry32(seed):
    """The page's random numbers, from the generator's definition."""
    while True:
        seed = (seed + 0x6D2B79F5) & 0xFFFFFFFF
        a = seed
        a = ((a ^ (a >> 15)) * (a | 1)) & 0xFFFFFFFF
        a ^= (a + ((a ^ (a >> 7)) * (a | 61) & 0xFFFFFFFF)) & 0xFFFFFFFF
        yield ((a ^ (a >> 14)) & 0xFFFFFFFF) / 2**32


def at_once(page, *keys):
    """Presses keys on a widget's pad before the page can do anything else: no frame and no timer comes between them."""
    press = "(pad, keys) => keys.forEach((key) => pad.dispatchEvent(new KeyboardEvent('keydown', { key })))"
    page.locator(".rg-pad").evaluate(press, keys)


def press(page, *names):
    """Clicks the buttons of these names, one after the other; what the last one asked for has been drawn."""
    for name in names:
        page.get_by_role("button", name=name, exact=True).click()
    settle(page)


def place(page):
    """What a map's readout says: the coordinates, and the name of the point."""
    settle(page)
    values = page.locator(".rg-readout b").all_text_contents()
    return [float(v.replace("−", "-")) for v in values[:2]], values[2]


def decoded_tiles(page):
    """The map's background of 15 x 15 decoded images, once it is there: the pixels in their middles, (225, 4)."""
    page.wait_for_function(f"() => ({TILES})().every((pixel) => pixel[3] === 255)")
    return torch.tensor(page.evaluate(TILES))


TILES = """() => {
  // the plot's edges are 44, 10, 10 and 40 pixels wide
  const c = document.querySelector(".rg-pad canvas"), g = c.getContext("2d"), middle = (i) => Math.floor(i) + 0.5;
  const w = (c.width - 54) / 15, h = (c.height - 50) / 15;
  return Array.from({ length: 225 }, (_, i) => [...g.getImageData(44 + middle(i % 15) * w, 10 + middle(i / 15) * h, 1, 1).data]);
}"""


# What every widget owes its readers


def accessible(page, theme):
    """Axe finds nothing to mend, once the page has the theme."""
    # as late as Playwright in conftest.py: without it tests are skipped
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
    settle(page)
    assert page.locator(".rg").get_attribute("data-theme") == theme
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def fits_a_phone(open_widget, *urls):
    """Nothing has to be scrolled sideways, and nothing is cut off or too narrow to be seen."""
    pictures = ".rg-figure, .rg-live, .rg-film:not([hidden]) canvas, .rg-draws canvas, .rg-plane"
    for url in urls:
        page = open_widget(url, viewport={"width": 360, "height": 700}, is_mobile=True, has_touch=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for part in page.locator(f".rg :is(button, input[type=range], .rg-pad, .rg-option, {pictures})").all():
            edges = part.bounding_box()
            assert edges["x"] >= 0 and edges["x"] + edges["width"] <= 360 and edges["width"] > 20


def reached_by_keyboard(open_widget, *urls):
    """The Tab key comes to everything, one radio button of a group, and each shows that it has the focus."""
    for url in urls:
        page = open_widget(url)
        wanted = page.locator(
            ".rg :is(button, input:not([type=radio]), input:checked[type=radio], [tabindex='0'])"
        ).count()
        reached = 0
        for _ in range(wanted):
            page.keyboard.press("Tab")
            reached += page.evaluate("""() => {
              const at = document.activeElement, css = getComputedStyle(at.closest(".rg-thumb") ? at.nextElementSibling : at);
              return at.closest(".rg") && parseFloat(css.outlineWidth) >= 2 && css.outlineStyle !== "none";
            }""")
        assert reached == wanted


def heeds_reduced_motion(open_widget, url, step_of):
    """Of a chain that can play: who wants no motion gets single steps alone, and one that plays stops when that is
    said."""
    page = open_widget(url, reduced_motion="reduce")
    assert not page.get_by_role("button", name="Play").is_visible() and not page.get_by_role("slider").is_visible()
    press(page, "One step")
    assert step_of(page) == 1
    page.emulate_media(reduced_motion="no-preference")
    press(page, "Play")
    page.wait_for_function("parseInt(document.querySelector('.rg-facts').textContent.slice(5)) > 2")
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Play", include_hidden=True).wait_for(state="hidden")
    step = step_of(page)
    page.wait_for_timeout(300)
    assert step_of(page) == step
