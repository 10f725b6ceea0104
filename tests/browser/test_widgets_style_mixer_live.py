"""The style mixer, in a static page: every picture is what the generator makes of the same styles, noise and
truncation."""

import copy
import math

import pytest
import torch
from test_widgets_style_mixer import GENERATOR, LATENTS, SHARES, a_generator, a_mixer, crossing, made
from widget_page import (
    accessible,
    as_grey,
    close,
    fits_a_phone,
    grey,
    mulberry32,
    press,
    reached_by_keyboard,
    settle,
    static_page,
)

START = {"chosen": (4, 2), "psi": 0.7, "noise": 1.5}
MIX = ".rg-figure >> nth=1 >> canvas"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return static_page(
        tmp_path_factory.mktemp("mixer"), a_mixer(**START, shares=SHARES, dtype="float32", title="Mixer")
    )


def drawn(page):
    """All that was asked for has been drawn."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('.rg-crossings')].every((row) => row.getAttribute('aria-busy') === "
        "'false')"
    )


def shows(page, shares, nth=0, net=GENERATOR, **settings):
    """A, the mix, B and the crossings are the generator's, and what says so agrees."""
    drawn(page)
    root, n = f".rg-styles >> nth={nth} >> ", len(net.layers)
    a, *between, b = want = made([crossing(k, n) for k in range(n, -1, -1)], net=net, **settings)
    for i, picture in enumerate((a, made([shares], net=net, **settings), b)):
        assert close(grey(page, f"{root}.rg-figure >> nth={i} >> canvas"), as_grey(picture))
    for i, picture in enumerate(want):
        assert close(grey(page, f"{root}.rg-crossings canvas >> nth={i}"), as_grey(picture))
    sliders = page.locator(f"{root}.rg-levels input").all()
    assert [float(s.input_value()) for s in sliders] == pytest.approx(shares)
    texts = ["A" if t == 0 else "B" if t == 1 else f"{100 * t:.0f} % B" for t in shares]
    assert (
        [s.get_attribute("aria-valuetext") for s in sliders]
        == texts
        == page.locator(f"{root}.rg-levels output").all_text_contents()
    )
    pressed = [one.get_attribute("aria-pressed") for one in page.locator(f"{root}.rg-crossings button").all()]
    assert pressed == ["true" if list(shares) == crossing(k, n) else "false" for k in range(n, -1, -1)]
    a, b = settings.get("chosen", (0, 1))
    assert page.locator(f"{root}.rg-figure .rg-caption").all_text_contents() == [
        f"A: sample {a + 1}",
        "the mix",
        f"B: sample {b + 1}",
    ]


def chosen(page):
    """The samples that are A and B, by the letters on them and by what a screen reader is told."""
    letters = page.locator(".rg-letter").all_text_contents()
    samples = page.locator(".rg-samples button").all()
    assert [s.get_attribute("aria-label") for s in samples] == [
        f"sample {i + 1}" + (f", style {x}" if x else "") for i, x in enumerate(letters)
    ]
    assert [s.get_attribute("aria-pressed") for s in samples] == ["true" if x else "false" for x in letters]
    return tuple(letters.index(x) for x in "AB")


def said(page, text):
    page.wait_for_function("(text) => document.querySelector('[aria-live]').textContent.includes(text)", arg=text)


def slider(page, name):
    return page.get_by_role("slider", name=name, exact=True)


def test_the_first_view_is_what_the_generator_makes(open_widget, url):
    page = open_widget(url)
    shows(page, SHARES, **START)
    assert chosen(page) == START["chosen"] and page.locator("[aria-live]").text_content() == ""
    assert made([SHARES], **START).std() > 0.1
    for i, picture in enumerate(GENERATOR(LATENTS)):  # neither truncated nor with other noise
        assert close(grey(page, f".rg-samples canvas >> nth={i}"), as_grey(picture))
    assert [label.text_content() for label in page.locator(".rg-levels label").all()] == [
        "1: 4 × 4",
        "2: 4 × 4",
        "3: 8 × 8",
        "4: 8 × 8",
    ]
    assert slider(page, "truncation ψ").get_attribute("aria-valuetext") == "0.70"
    assert slider(page, "noise").get_attribute("aria-valuetext") == "1.50 × what was learned"


@pytest.mark.parametrize("size, channels", [(6, (5,)), (12, (4, 3, 2))])
def test_any_number_of_levels(open_widget, tmp_path, size, channels):
    net = a_generator(size, channels)
    shown = a_mixer(generator=net, dtype="float32")
    page = open_widget(static_page(tmp_path, shown))
    shows(page, shown.shares, net=net)
    press(page, "coarse from A")
    shows(page, crossing(len(channels), 2 * len(channels)), net=net)


def test_weights_of_two_bytes_are_read_as_they_were_rounded(open_widget, tmp_path):
    net = copy.deepcopy(GENERATOR)
    for tensor in net.state_dict().values():
        tensor.copy_(tensor.half())
    shows(open_widget(static_page(tmp_path, a_mixer(shares=SHARES))), SHARES, net=net)


def test_the_sliders_say_for_each_layer_how_much_is_b(open_widget, url):
    page, shares = open_widget(url), list(SHARES)
    for layer, keys, share in [
        ("3: 8 × 8", ["ArrowLeft"] * 3, 0.85),
        ("1: 4 × 4", ["ArrowRight"] * 2, 0.1),
        ("2: 4 × 4", ["End"], 1),
        ("4: 8 × 8", ["Home"], 0),
    ]:
        slider(page, layer).focus()
        for key in keys:
            page.keyboard.press(key)
        shares[int(layer[0]) - 1] = share
        shows(page, shares, **START)
    assert page.get_by_role("img", name="the mix: layer 1 10 % B, layer 2 B, layer 3 85 % B, layer 4 A").count() == 1
    said(page, "the mix: layer 1 10 % B, layer 2 B, layer 3 85 % B, layer 4 A")


def test_quick_buttons(open_widget, url):
    page = open_widget(url)
    for name, shares, words in [
        ("all A", [0, 0, 0, 0], "all layers from A"),
        ("coarse from A", [0, 0, 1, 1], "first 2 of 4 layers from A, the others from B"),
        ("fine from A", [1, 1, 0, 0], "layer 1 B, layer 2 B, layer 3 A, layer 4 A"),
        ("all B", [1, 1, 1, 1], "all layers from B"),
    ]:
        press(page, name)
        shows(page, shares, **START)
        said(page, f"the mix: {words}")
    assert close(grey(page, MIX), grey(page, ".rg-figure >> nth=2 >> canvas"))


def test_a_crossing_can_be_taken(open_widget, url):
    page = open_widget(url)
    for name, k in [("A: all layers", 4), ("first 3 from A", 3), ("B: all layers", 0)]:
        press(page, name)
        shows(page, crossing(k), **START)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    shows(page, crossing(1), **START)
    said(page, "first 1 of 4 layers from A")


def test_truncation_ends_at_the_mean_picture(open_widget, url):
    page = open_widget(url)
    slider(page, "truncation ψ").focus()
    for key, psi, text in [("ArrowLeft", 0.65, "0.65"), ("End", 1.5, "1.50"), ("Home", 0, "0: the mean picture")]:
        page.keyboard.press(key)
        shows(page, SHARES, **START | {"psi": psi})
        assert slider(page, "truncation ψ").get_attribute("aria-valuetext") == text
    net = copy.deepcopy(GENERATOR)
    for layer in net.layers:
        layer.strength *= START["noise"]
    assert close(grey(page, MIX), as_grey(net.synthesis(net.mean_style[None])))


def test_noise_counts_as_much_as_its_slider_says(open_widget, url):
    page = open_widget(url)
    slider(page, "noise").focus()
    for key, noise, text in [
        ("ArrowRight", 1.55, "1.55 × what was learned"),
        ("Home", 0, "none"),
        ("End", 2, "2.00 × what was learned"),
    ]:
        page.keyboard.press(key)
        shows(page, SHARES, **START | {"noise": noise})
        assert slider(page, "noise").get_attribute("aria-valuetext") == text


def test_new_noise_is_drawn_from_the_seed(open_widget, url):
    page = open_widget(url)
    for seed in (1, 2):
        press(page, "Draw new noise")
        u = mulberry32(seed)
        noise = [
            torch.tensor(
                [
                    math.sqrt(-2 * math.log(1 - next(u))) * math.cos(2 * math.pi * next(u))
                    for _ in range(layer.noise.numel())
                ]
            )
            for layer in GENERATOR.layers
        ]
        shows(page, SHARES, **START, drawn=noise)
        said(page, f"noise number {seed}")


def test_a_sample_takes_the_place_of_the_one_chosen_longest_ago(open_widget, url):
    page, now = open_widget(url), list(START["chosen"])
    sample = lambda i: page.get_by_role("button", name=f"sample {i + 1}")
    for i, p in [(5, 0), (3, 1), (0, 0)]:  # A, B and A again
        assert page.locator(".rg-next").inner_text().endswith(f"the place of {'AB'[p]}.")
        sample(i).click()
        now[p] = i
        assert chosen(page) == tuple(now)
        shows(page, SHARES, **START | {"chosen": now})
    said(page, "sample 1 is A. B is replaced next.")
    sample(3).click()  # B already: now A is the one chosen longest ago
    assert chosen(page) == (0, 3)
    said(page, "sample 4 is B. A is replaced next.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # sample 5
    assert chosen(page) == (4, 3)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press(" ")  # sample 3
    assert chosen(page) == (4, 2)
    shows(page, SHARES, **START | {"chosen": (4, 2)})


def test_views_of_one_widget_move_together(open_widget, tmp_path):
    """As they do when a setting is changed from Python."""
    shown = a_mixer(**START, shares=SHARES, dtype="float32")
    page = open_widget(static_page(tmp_path, shown, shown))
    first = page.locator(".rg-styles").first
    first.get_by_role("button", name="sample 6").click()
    first.get_by_role("button", name="fine from A").click()
    for name in ("truncation ψ", "noise"):
        first.get_by_role("slider", name=name, exact=True).press("Home")
    shows(page, [1, 1, 0, 0], nth=1, chosen=(5, 2), psi=0, noise=0)
    second = page.locator(".rg-styles").nth(1)
    assert second.locator(".rg-letter").all_text_contents() == ["", "", "B", "", "", "A"]
    assert second.locator(".rg-next").inner_text().endswith("the place of B.")
    assert [
        second.get_by_role("slider", name=name, exact=True).input_value() for name in ("truncation ψ", "noise")
    ] == ["0", "0"]


def test_all_pictures_follow_a_slider_that_is_moved_and_the_mix_is_never_late(open_widget, tmp_path):
    """A large generator, and a setting that changes in every frame: the mix is drawn in each, the others by turns."""
    page = open_widget(static_page(tmp_path, a_mixer(generator=a_generator(32, (96, 64)))))
    drawn(page)
    counts = page.evaluate("""async () => {
      const canvases = [...document.querySelectorAll(".rg-figure canvas, .rg-crossings canvas")], counts = canvases.map(() => 0);
      const put = CanvasRenderingContext2D.prototype.putImageData;
      CanvasRenderingContext2D.prototype.putImageData = function (...args) {
        counts[canvases.indexOf(this.canvas)]++;
        return put.apply(this, args);
      };
      const psi = document.querySelector(".rg-dials input"), frame = () => new Promise(requestAnimationFrame);
      for (let i = 0; i < 12; i++) {
        psi.value = (i % 2) + 0.25;
        psi.dispatchEvent(new Event("input"));
        await frame();
      }
      return counts;
    }""")
    assert counts[1] == 12 and min(counts) >= 2 and max(counts[:1] + counts[2:]) < 12


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_accessibility(open_widget, url, theme):
    page = open_widget(url)
    accessible(page, theme)
    press(page, "first 1 from A")
    page.get_by_role("button", name="sample 6").click()
    accessible(page, theme)


def test_no_sideways_scroll_on_a_phone(open_widget, url, tmp_path):
    fits_a_phone(open_widget, url, static_page(tmp_path, a_mixer(generator=a_generator(16, (4, 3, 2, 2, 2)))))
    page = open_widget(url, viewport={"width": 360, "height": 480}, is_mobile=True, has_touch=True)
    page.evaluate("document.querySelector('.rg-levels').scrollIntoView()")
    settle(page)
    mix, levels = (page.locator(part).bounding_box() for part in (".rg-pair", ".rg-levels"))
    assert 0 <= mix["y"] < 100 and mix["height"] < 200  # the pictures stay in sight of the sliders
    assert levels["width"] > 300


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(open_widget, url):
    reached_by_keyboard(open_widget, url)
