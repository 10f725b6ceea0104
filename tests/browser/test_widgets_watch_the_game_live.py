"""Watch the game, in a static page: D, samples, pulls and counts are torch's, and everybody can move the scrubber and
the probe."""

import base64
import re

import numpy as np
import pytest
import torch
from test_widgets_watch_the_game import CENTRES, HISTORIES, STEPS, a_game, a_history
from torch import nn
from widget_page import accessible, fits_a_phone, press, reached_by_keyboard, settle, static_page

from repgen.evaluation.metrics import modes
from repgen.gan import OBJECTIVES
from repgen.widgets.base import script

SHOWN = {"sd": 0.25, "samples": 150, "arrows": 6, "moment": 1, "probe": (0.4, -0.2), "dtype": "float32"}
LEFT, RIGHT, TOP, BOTTOM = 26, 6, 8, 24  # the edges of a picture


@pytest.fixture(scope="module")
def game():
    return a_game(**SHOWN)


@pytest.fixture(scope="module")
def url(game, tmp_path_factory):
    return static_page(tmp_path_factory.mktemp("watch"), game)


# The numbers by themselves: the functions of watch_the_game.js without a widget

SOURCE = script("reconstruct", "watch_the_game").replace("export default", "const exported =")
RUN = """([source, game, weights, latents, each, extent, modes, sd, t, places]) => {
  const { momentOf, numbers } = new Function(source + "; return { momentOf, numbers }")();
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const whole = bytes(weights), [G, D] = game.bytes, start = t * (G + D);
  const drawn = numbers(bytes(latents), "float32");
  drawn.each = each;
  const moment = momentOf(game, [new DataView(whole.buffer, start, G), new DataView(whole.buffer, start + G, D)],
    { latents: drawn, extent, modes: Float32Array.from(modes), sd });
  const tally = moment.tally();
  return { samples: [...moment.samples()], pulls: places.map((x) => moment.pull(x)), landscape: [...moment.landscape()],
    found: [...tally.found], modes: tally.modes, share: tally.share };
}"""
ACTIVATIONS = [nn.Tanh, nn.ReLU, nn.Sigmoid, nn.ELU, nn.Softplus, lambda: nn.LeakyReLU(0.2)]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("objective", ["minimax", "non-saturating", "hinge"])
def test_landscape_samples_and_pulls_are_those_of_torch(page, objective, dtype):
    pulled = 0
    for activation in ACTIVATIONS:
        history = a_history(objective=objective, activation=activation, width=32, latent_dim=3)
        shown = a_game(histories={"one": history}, samples=80, sd=0.3, dtype=dtype)
        places = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))
        got = page.evaluate(
            RUN,
            [
                SOURCE,
                shown.games[0],
                *(base64.b64encode(b).decode() for b in (shown.weights, shown.latents)),
                3,
                shown.extent,
                CENTRES.flatten().tolist(),
                0.3,
                2,
                places.tolist(),
            ],
        )
        gan = history[2][1]
        if dtype == "float16":
            for p in gan.parameters():
                p.data = p.data.half().float()
        z = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
        samples = gan.decode(z).detach()
        assert (torch.tensor(got["samples"]).view(80, 2) - samples).abs().max() < 1e-4
        x = places.clone().requires_grad_()
        a = gan.logits(x)
        (slope,) = torch.autograd.grad(OBJECTIVES[objective].generator(a).sum(), x)
        d, pull = zip(*got["pulls"])
        assert (torch.tensor(d) - a.sigmoid()).abs().max() < 1e-4
        assert (torch.tensor(pull) + slope).abs().max() < 1e-4
        pulled = max(pulled, slope.abs().max().item())
        (x0, x1), (y0, y1) = shown.extent
        middle = (torch.arange(64) + 0.5) / 64
        grid = torch.stack(
            [(x0 + (x1 - x0) * middle).expand(64, 64), (y1 - (y1 - y0) * middle)[:, None].expand(64, 64)], -1
        ).view(-1, 2)
        assert (torch.tensor(got["landscape"]) - gan.logits(grid).sigmoid()).abs().max() < 1e-4
        want = modes(samples, CENTRES, 0.3)
        assert (torch.tensor(got["found"]) == (want.counts > 0)).all() and got["modes"] == want.found
        assert got["share"] == pytest.approx(want.quality)
    assert pulled > 0.3


# The widget


def gan_of(name, t):
    return HISTORIES[name][t][1]


def shows(page, game, t, probe):
    """The step, what is counted, and what is read at the probe: of moment t, in all panels."""
    settle(page)
    assert (
        page.locator(".rg-controls output").inner_text() == f"{STEPS[t]} of 40"
        and int(page.get_by_role("slider").input_value()) == t
    )
    where = re.findall(r"−?\d+\.\d+", page.locator(".rg-probe").inner_text())
    assert [float(v.replace("−", "-")) for v in where] == pytest.approx(probe, abs=0.0051)
    for name in HISTORIES:
        panel = page.get_by_role("group", name=name)
        lines = panel.locator(".rg-facts b").all_inner_texts()
        found, share = game.tally(name, t)
        d, pull = game._pull(name, t, np.array([probe], np.float32))
        size = np.linalg.norm(pull)
        assert lines[0].startswith(f"D = {d[0]:.2f}, pull ") or abs(float(lines[0][4:8]) - d[0]) < 0.0051
        said = lines[0].rsplit(" ", 1)[1]
        assert size < 0.01 if "<" in lines[0] else abs(float(said) - size) < 0.0051
        assert lines[1:] == [f"{found.sum()} of 8", f"{int(100 * share + 0.5)} %"]
        labels = [strip.get_attribute("aria-label") for strip in panel.locator(".rg-strip").all()]
        assert labels[0].startswith(f"modes found: {found.sum()} of 8 at step {STEPS[t]}") and labels[1].startswith(
            "high quality: "
        )


def test_the_first_view_and_every_step_of_the_scrubber(open_widget, game, url):
    page = open_widget(url)
    shows(page, game, 1, SHOWN["probe"])
    page.get_by_role("slider").focus()
    for key, t in (("ArrowRight", 2), ("ArrowRight", 2), ("ArrowLeft", 1), ("Home", 0), ("ArrowLeft", 0), ("End", 2)):
        page.keyboard.press(key)
        shows(page, game, t, SHOWN["probe"])
    for name, t in (("Previous", 1), ("Previous", 0), ("Previous", 0), ("Next", 1)):
        press(page, name)
        shows(page, game, t, SHOWN["probe"])


def test_it_plays_to_the_end_and_then_anew(open_widget, game, url):
    page = open_widget(url)
    press(page, "Play")
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Play").wait_for()  # it has stopped by itself
    shows(page, game, 2, SHOWN["probe"])
    page.evaluate("""() => {
      window.seen = [];
      const out = document.querySelector(".rg-controls output");
      new MutationObserver(() => seen.push(out.textContent)).observe(out, { childList: true });
    }""")
    press(page, "Play")
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Play").wait_for()
    settle(page)
    seen = page.evaluate("seen.filter((text, i) => text !== seen[i - 1])")
    assert seen == [f"{step} of 40" for step in STEPS]


def test_pause_and_the_scrubber_stop_it(open_widget, url):
    page = open_widget(url)
    for stop in ("Pause", "Next"):
        press(page, "Play", stop)
        page.get_by_role("button", name="Play", exact=True).wait_for()
        step = page.locator(".rg-controls output").inner_text()
        page.wait_for_timeout(700)
        assert page.locator(".rg-controls output").inner_text() == step


def test_who_wants_no_motion_gets_steps_alone(open_widget, game, url):
    page = open_widget(url, reduced_motion="reduce")
    assert not page.get_by_role("button", name="Play").is_visible()
    press(page, "Next")
    shows(page, game, 2, SHOWN["probe"])


def pad(page, name):
    return page.get_by_role("application", name=f"The game of {name}")


def in_page(page, game, name, x):
    """Where a place of the plane stands in the page."""
    box, ((x0, x1), (y0, y1)) = pad(page, name).bounding_box(), game.extent
    side = box["width"] - LEFT - RIGHT
    assert box["height"] - TOP - BOTTOM == pytest.approx(side, abs=0.1)
    return box["x"] + LEFT + side * (x[0] - x0) / (x1 - x0), box["y"] + TOP + side * (y1 - x[1]) / (y1 - y0)


def test_the_probe_follows_the_mouse_and_stays_where_it_is_clicked(open_widget, game, url):
    page = open_widget(url)
    page.mouse.move(*in_page(page, game, "with a cure", (-0.5, 0.75)))
    shows(page, game, 1, (-0.5, 0.75))  # in both pictures
    page.mouse.move(2, 2)
    shows(page, game, 1, SHOWN["probe"])
    page.mouse.move(*in_page(page, game, "naive", (1.0, 1.0)))
    page.mouse.down()
    page.mouse.move(*in_page(page, game, "naive", (0.25, -1.0)), steps=2)
    page.mouse.up()
    page.mouse.move(2, 2)
    shows(page, game, 1, (0.25, -1.0))
    page.mouse.move(*in_page(page, game, "naive", (0.25, -1.0)))
    page.mouse.down()
    page.mouse.move(2, 2)  # beyond the edge it stays at the edge
    page.mouse.up()
    shows(page, game, 1, (game.extent[0][0], game.extent[1][1]))


def test_a_finger_sets_the_probe(open_widget, game, url):
    page = open_widget(url, has_touch=True)
    page.touchscreen.tap(*in_page(page, game, "with a cure", (-0.5, 0.75)))
    shows(page, game, 1, (-0.5, 0.75))


def test_arrow_keys_move_the_probe(open_widget, game, url):
    page = open_widget(url)
    step = (game.extent[0][1] - game.extent[0][0]) / 64
    pad(page, "naive").focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
    shows(page, game, 1, (0.4 - step, -0.2 + 2 * step))


def test_a_click_on_a_strip_goes_to_that_time(open_widget, game, url):
    page = open_widget(url)
    strip = page.locator(".rg-strip").nth(3)
    wide = strip.bounding_box()["width"] - LEFT - RIGHT
    for step, t in ((38, 2), (1, 0), (12, 1)):
        strip.click(position={"x": LEFT + wide * step / 40, "y": 20})
        settle(page)
        page.mouse.move(2, 2)
        shows(page, game, t, SHOWN["probe"])


def test_what_has_changed_is_said(open_widget, game, url):
    page = open_widget(url)
    page.wait_for_timeout(900)
    assert page.locator("[aria-live]").text_content() == ""
    press(page, "Next")
    page.wait_for_function("document.querySelector('[aria-live]').textContent !== ''")
    found, _ = game.tally("naive", 2)
    assert (
        page.locator("[aria-live]")
        .text_content()
        .startswith(f"Step 40. naive: modes found {found.sum()} of 8, high quality ")
    )
    pad(page, "naive").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_function("document.querySelector('[aria-live]').textContent.startsWith('Probe at 0.40, −0.1')")


TINTS = {
    "light": ((0xF0, 0xA1, 0x5C), (0xFC, 0xFB, 0xF9), (0x74, 0xB4, 0xDF)),
    "dark": ((0x99, 0x50, 0x0F), (0x15, 0x18, 0x1C), (0x1C, 0x6E, 0xA6)),
}


@pytest.mark.parametrize("theme", TINTS)
def test_the_colours_of_the_landscape_are_those_of_d(open_widget, tmp_path, theme):
    """Away from samples, modes and the line of D = 1/2; the picture is smoothed between its cells."""
    shown = a_game(**SHOWN | {"samples": 1, "arrows": 0})
    page = open_widget(static_page(tmp_path, shown))
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
    settle(page)
    made, even, data = (np.array(c) for c in TINTS[theme])
    shares = [(i / 11, j / 11) for i in range(1, 11) for j in range(1, 11)]
    checked = seen = 0
    for name in HISTORIES:
        places = np.array(
            [[low + s * (high - low) for s, (low, high) in zip(share, shown.extent)] for share in shares], np.float32
        )
        d = shown._pull(name, 1, places)[0]
        marks = np.concatenate([CENTRES.numpy(), shown._samples(name, 1)])
        free = (np.linalg.norm(places[:, None] - marks, axis=2).min(1) > 0.2) & (np.abs(d - 0.5) > 0.06)
        pixels = np.array(
            pad(page, name)
            .locator("canvas")
            .first.evaluate(
                """(c, [shares, L, R, T]) => shares.map(([x, y]) => {
              const side = c.clientWidth - L - R, k = c.width / c.clientWidth;
              return [...c.getContext("2d").getImageData(k * (L + side * x), k * (T + side * (1 - y)), 1, 1).data];
            })""",
                [shares, LEFT, RIGHT, TOP],
            )
        )
        way = np.abs(2 * d - 1)[:, None] ** 0.6
        want = even + way * (np.where(d[:, None] < 0.5, made, data) - even)
        gap = np.abs(pixels[:, :3] - want).max(1)[free]
        assert (gap < 12).mean() > 0.9, gap
        checked, seen = checked + free.sum(), seen + np.ptp(d[free])
    assert checked > 60 and seen > 0.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_accessibility(open_widget, url, theme):
    accessible(open_widget(url), theme)


def test_no_sideways_scroll_on_a_phone(open_widget, url, tmp_path):
    three = a_game(histories=HISTORIES | {"a third recipe with a long name": a_history(30)}, modes=None, sd=None)
    fits_a_phone(open_widget, url, static_page(tmp_path, three))
    page = open_widget(url, viewport={"width": 360, "height": 700}, is_mobile=True, has_touch=True)
    upper, lower = (box.bounding_box() for box in page.locator(".rg-pad").all())
    # stacked, and room beside them to scroll by
    assert upper["y"] + upper["height"] < lower["y"] and lower["width"] < 300
    page.locator(".rg-pad").last.scroll_into_view_if_needed()
    assert page.get_by_role("slider").bounding_box()["y"] >= 0  # the scrubber stays in sight


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(open_widget, url):
    reached_by_keyboard(open_widget, url)
