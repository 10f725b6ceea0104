"""The widgets in a static page: what is shown is what torch computes; keyboard, theme, width, access."""

import re

import pytest
import torch
from sklearn.datasets import load_digits
from widget_page import (
    TILES,
    accessible,
    as_grey,
    close,
    decoded_tiles,
    fits_a_phone,
    grey,
    place,
    reached_by_keyboard,
    settle,
    static_page,
)

from repgen.pca import PCA
from repgen.widgets import ComponentExplorer, LatentMap, Network

DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)
LABELS = torch.tensor(load_digits().target)
PCA2, PCA12 = PCA(2).fit(DIGITS), PCA(12).fit(DIGITS)


@pytest.fixture(scope="module")
def explorer(tmp_path_factory):
    widget = ComponentExplorer(
        PCA12, DIGITS[:3], ["zero", "one", "two"], n_sliders=5, dtype="float32", noun="digit", title="Explore"
    )
    return static_page(tmp_path_factory.mktemp("explorer"), widget)


@pytest.fixture(scope="module")
def latent_map(tmp_path_factory):
    shown = LatentMap(PCA2, PCA2.encode(DIGITS[:300]), LABELS[:300], images=DIGITS[:300], dtype="float32", title="Map")
    return static_page(tmp_path_factory.mktemp("map"), shown)


AFTER, BEFORE = ".rg-figure:nth-child(2) canvas", ".rg-figure:nth-child(1) canvas"


# The component explorer


def test_an_image_is_shown_beside_its_reconstruction(open_widget, explorer):
    page = open_widget(explorer)
    assert close(grey(page, BEFORE), as_grey(DIGITS[0]))
    assert close(grey(page, AFTER), as_grey(PCA12.reconstruct(DIGITS[:1])))
    page.get_by_role("radio", name="two").check()
    assert close(grey(page, BEFORE), as_grey(DIGITS[2]))
    assert close(grey(page, AFTER), as_grey(PCA12.reconstruct(DIGITS[2:3])))
    page.get_by_role("radio", name="mean digit").check()
    assert close(grey(page, AFTER), as_grey(PCA12.mean))
    assert not page.locator(BEFORE).is_visible()


def test_a_slider_moves_the_image_along_its_component(open_widget, explorer):
    page = open_widget(explorer)
    share = f"{100 * PCA12.explained_variance_ratio[2]:.2g}"
    slider = page.get_by_role("slider", name=f"component 3 ({share} % of variance)")
    slider.focus()
    page.keyboard.press("Home")
    code = PCA12.encode(DIGITS[:1])
    code[0, 2] = -4 * PCA12.explained_variance[2].sqrt()
    assert close(grey(page, AFTER), as_grey(PCA12.decode(code)))
    assert slider.get_attribute("aria-valuetext") == "−4.0 σ"
    page.keyboard.press("ArrowRight")
    code[0, 2] = -3.9 * PCA12.explained_variance[2].sqrt()
    assert close(grey(page, AFTER), as_grey(PCA12.decode(code)))
    assert not close(grey(page, AFTER), as_grey(PCA12.reconstruct(DIGITS[:1])))
    page.get_by_role("button", name="Reset").click()
    assert close(grey(page, AFTER), as_grey(PCA12.reconstruct(DIGITS[:1])))


def test_fewer_components_leave_the_squared_error_that_torch_measures(open_widget, explorer):
    page = open_widget(explorer)
    count = page.get_by_role("slider", name="number of components used")
    for n in (12, 4, 0):
        count.fill(str(n))
        code = PCA12.encode(DIGITS[:1])
        code[:, n:] = 0
        decoded = PCA12.decode(code)
        assert close(grey(page, AFTER), as_grey(decoded))
        want = (DIGITS[0] - decoded).square().sum().item()
        assert abs(float(page.locator(".rg-error b").text_content()) - want) < 0.006
    none, every = re.findall(r"[\d.]+", page.locator(".rg-curve").get_attribute("aria-label"))[:2]
    assert abs(float(none) - (DIGITS[0] - PCA12.mean).square().sum()) < 0.006 and float(every) < float(none)
    assert page.get_by_role("slider", name="component 1 ").is_disabled()  # it would change nothing


def test_random_codes_have_the_variances_of_the_components(open_widget, explorer):
    page = open_widget(explorer)
    draws = page.evaluate("""() => {
      const button = [...document.querySelectorAll("button")].find((b) => b.textContent === "Random digit");
      const readouts = [...document.querySelectorAll(".rg-sliders output")];
      return Array.from({ length: 1000 }, () => (button.click(), readouts.map((r) => parseFloat(r.textContent.replace("−", "-")))));
    }""")
    z = torch.tensor(draws)  # (1000, 5), in standard deviations
    assert z.mean(0).abs().max() < 5 / 1000**0.5 and (z.std(0) - 1).abs().max() < 5 / 2000**0.5
    assert (torch.corrcoef(z.T) - torch.eye(5)).abs().max() < 5 / 1000**0.5
    assert page.locator(".rg-sliders input:disabled").count() == 0
    code = torch.zeros(1, 12)
    code[0, :5] = z[-1] * PCA12.explained_variance[:5].sqrt()
    page.get_by_role("slider", name="number of components used").fill("5")
    assert (grey(page, AFTER) - as_grey(PCA12.decode(code))).abs().max() < 8  # the readouts have one decimal


def test_an_explorer_of_an_autoencoder_measures_from_the_mean_code(open_widget, tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Module()
    model.decoder = torch.nn.Sequential(torch.nn.Linear(3, 64), torch.nn.Sigmoid())
    model.encode = lambda x: x @ torch.ones(64, 3) / 20 + torch.tensor([1.0, 2.0, 3.0])
    codes = model.encode(DIGITS)
    page = open_widget(
        static_page(tmp_path, ComponentExplorer(model, DIGITS[:2], codes=codes, dtype="float32", start=-1))
    )
    decode = lambda z: as_grey(model.decoder(z).detach())
    assert close(grey(page, AFTER), decode(codes.mean(0)))
    page.get_by_role("slider", name="unit 2").focus()
    page.keyboard.press("End")
    want = codes.mean(0) + torch.tensor([0, 4, 0]) * codes.std(0, correction=0)
    assert close(grey(page, AFTER), decode(want)) and not close(decode(want), decode(codes.mean(0)))
    page.get_by_role("slider", name="number of units used").fill("1")
    assert close(grey(page, AFTER), decode(codes.mean(0)))  # the unused unit is at its mean again


# The latent map


def decoded_at(page):
    return as_grey(PCA2.decode(torch.tensor([place(page)[0]])))


def near(got, want):
    return (got - want).abs().max() < 2  # the readout has two decimals


def test_arrow_keys_move_and_the_image_follows(open_widget, latent_map):
    page = open_widget(latent_map)
    pad = page.get_by_role("application", name="Map of the code, code 1 by code 2")
    pad.focus()
    (x0, y0), _ = place(page)
    assert near(grey(page, BEFORE), decoded_at(page))
    before = grey(page, BEFORE)
    page.keyboard.press("ArrowRight")
    (x1, y1), _ = place(page)
    assert x1 > x0 and y1 == y0
    page.keyboard.press("Shift+ArrowUp")
    (x2, y2), _ = place(page)
    assert x2 == x1 and y2 - y1 > 5 * (x1 - x0)
    assert near(grey(page, BEFORE), decoded_at(page)) and not near(grey(page, BEFORE), before)
    for _ in range(15):
        page.keyboard.press("Shift+ArrowLeft")  # stops at the edge
    low = PCA2.encode(DIGITS[:300])[:, 0].min().item()
    assert place(page)[0][0] < low < place(page)[0][0] + 0.6
    page.keyboard.press("Tab")
    assert not pad.evaluate("(pad) => pad === document.activeElement")  # the keyboard is not trapped


def test_enter_goes_to_the_nearest_image_and_shows_the_original(open_widget, latent_map):
    page = open_widget(latent_map)
    assert page.locator(AFTER).get_attribute("aria-label") == "click on a point"
    (x, y), _ = place(page)
    page.locator(".rg-pad").focus()
    page.keyboard.press("Enter")
    codes = PCA2.encode(DIGITS[:300])
    (x, y), name = place(page)
    i = (codes - torch.tensor([x, y])).norm(dim=1).argmin()
    assert (codes[i] - torch.tensor([x, y])).abs().max() < 0.006
    assert name == str(LABELS[i].item())
    assert close(grey(page, AFTER), as_grey(DIGITS[i]))
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('point')")


def test_pointer_previews_pins_and_drags(open_widget, latent_map):
    page = open_widget(latent_map)
    box = page.locator(".rg-pad").bounding_box()
    at = lambda u, v: (box["x"] + u * box["width"], box["y"] + v * box["height"])
    pinned = place(page)[0]
    page.mouse.move(*at(0.3, 0.8))
    hovered = place(page)[0]
    assert hovered[0] < pinned[0] and hovered[1] < pinned[1]
    assert near(grey(page, BEFORE), decoded_at(page))
    page.mouse.move(5, 5)
    assert place(page)[0] == pinned  # back to where the reader stands
    page.mouse.move(*at(0.5, 0.5))
    page.mouse.down()
    page.mouse.move(*at(0.85, 0.2), steps=4)
    page.mouse.up()
    page.mouse.move(5, 5)
    dragged = place(page)[0]
    assert dragged[0] > pinned[0] and dragged[1] > pinned[1]
    assert near(grey(page, BEFORE), decoded_at(page))


def test_a_finger_moves_it_too(open_widget, latent_map):
    page = open_widget(latent_map, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 700})
    page.locator(".rg-pad").scroll_into_view_if_needed()
    box = page.locator(".rg-pad").bounding_box()
    page.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + 0.3 * box["height"])
    (x, _), _ = place(page)
    assert x > PCA2.encode(DIGITS[:300])[:, 0].quantile(0.9)
    assert near(grey(page, BEFORE), decoded_at(page))


def test_the_whole_map_is_decoded_where_asked(open_widget, tmp_path):
    flat = torch.nn.Linear(2, 64)  # images of one grey, 0.5 + 0.3 x + 0.15 y
    flat.weight.data, flat.bias.data = torch.tensor([[0.3, 0.15]]).repeat(64, 1), torch.full((64,), 0.5)
    url = static_page(
        tmp_path, LatentMap(flat, torch.zeros(1, 2), extent=((-1, 1), (-1, 1)), dtype="float32", title="Flat")
    )
    page = open_widget(url)
    page.get_by_label("show the points").uncheck()
    settle(page)
    assert torch.tensor(page.evaluate(TILES))[:, 3].float().mean() < 50  # not covered yet
    page.get_by_label("decode the whole map").check()
    at = (torch.arange(15) + 0.5) / 15 * 2 - 1
    want = 255 * (0.5 + 0.3 * at[None, :] - 0.15 * at[:, None])  # rows go down
    assert (decoded_tiles(page)[:, 0] - want.flatten()).abs().max() < 1.5


def test_one_class_can_be_singled_out(open_widget, latent_map):
    page = open_widget(latent_map)
    seven = page.get_by_role("group", name="one class").get_by_role("button", name="7", exact=True)
    seven.click()
    assert seven.get_attribute("aria-pressed") == "true" and place(page)[1] == "7"
    seven.click()
    assert seven.get_attribute("aria-pressed") == "false"


def test_widgets_share_the_weights_of_a_network(open_widget, tmp_path):
    network = Network.from_module(PCA2, "float32")
    codes = PCA2.encode(DIGITS[:20])
    widgets = [LatentMap(network, codes, title="one"), LatentMap(network, codes, LABELS[:20], title="two")]
    url = static_page(tmp_path, *widgets)
    assert (tmp_path / "page.html").read_text().count('["weights"]') == 1
    page = open_widget(url)
    assert page.locator(".rg-map").count() == 2
    assert page.locator("head style:has-text('.rg')").count() == 1 or page.locator("style").count() == 2


# Both


def test_dark_theme_is_followed_at_once(open_widget, latent_map, explorer):
    for url in (latent_map, explorer):
        page = open_widget(url)
        # the mean of the words at the foot of the drawing, red + green + blue
        ink = """() => {
          const c = document.querySelector(".rg-pad canvas, .rg-curve");
          const d = c.getContext("2d").getImageData(0, c.height - 16, c.width, 16).data;
          let sum = 0, n = 0;
          for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 150) { sum += d[i] + d[i + 1] + d[i + 2]; n++; }
          return sum / n;
        }"""
        paper = "() => getComputedStyle(document.querySelector('.rg')).backgroundColor"
        light = page.evaluate(paper), page.evaluate(ink)
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        settle(page)
        dark = page.evaluate(paper), page.evaluate(ink)
        assert light[0] == "rgb(255, 255, 255)" and dark[0] != light[0]
        assert dark[1] > light[1] + 100  # what is drawn is lighter on dark paper
        page.evaluate("document.documentElement.removeAttribute('data-theme')")
        page.emulate_media(color_scheme="light")
        settle(page)
        assert page.evaluate(paper) == light[0]
        page.evaluate("document.body.dataset.jpThemeLight = 'false'")  # JupyterLab's
        settle(page)
        assert page.evaluate(paper) == dark[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_accessibility(open_widget, explorer, latent_map, theme):
    accessible(open_widget(latent_map), theme)
    page = open_widget(explorer)
    page.get_by_role("slider", name="number of components used").fill("2")  # some sliders are off
    accessible(page, theme)


def test_no_sideways_scroll_on_a_phone(open_widget, explorer, latent_map):
    fits_a_phone(open_widget, explorer, latent_map)


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(open_widget, explorer, latent_map):
    reached_by_keyboard(open_widget, explorer, latent_map)
