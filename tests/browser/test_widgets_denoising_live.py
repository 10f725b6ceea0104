"""The widgets that draw, corrupt and repair, in a static page: what is shown is what torch computes."""

import base64
import math

import pytest
import torch
from sklearn.datasets import load_digits
from test_forward import FORWARD
from test_widgets_denoising import AUTOENCODERS
from widget_checks import lively
from widget_page import (
    accessible,
    as_grey,
    at_once,
    close,
    fits_a_phone,
    grey,
    reached_by_keyboard,
    settle,
    static_page,
)

from repgen.autoencoder import Autoencoder
from repgen.pca import PCA
from repgen.widgets import CorruptAndRepair, DrawAndReconstruct, Network

DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)
SHOWN = (DIGITS[:4] * 255).round() / 255  # as the page gets them
PCA9, NET = PCA(9).fit(DIGITS), lively(Autoencoder((64, 20, 5), torch.nn.Tanh, tied=True)).requires_grad_(False)
PAD, SEEN, REBUILT = ".rg-pad canvas", ".rg-figure:nth-child(1) canvas", ".rg-figure:nth-child(2) canvas"
CLEAN, CORRUPTED, REPAIRED = (f".rg-pair .rg-figure:nth-child({i}) canvas" for i in (1, 2, 3))


def rebuild(model, x):
    return model.decode(model.encode(x.reshape(1, -1)))[0]


def gap(x, y):
    return (x - y).square().sum().item()


# The forward pass


RUN = """([source, spec, weights, images, codes]) => {
  const { buildNetwork } = new Function(source + "; return { buildNetwork }")();
  const bytes = Uint8Array.from(atob(weights), (c) => c.charCodeAt(0));
  const network = buildNetwork(spec, new DataView(bytes.buffer));
  const each = (f, rows) => rows.map((row) => Array.from(f(row)));
  return [each(network.encode, images), each(network.decode, codes), each(network.forward, images)];
}"""


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_javascript_and_torch_agree_on_both_halves(page, name):
    model = AUTOENCODERS[name]()
    network = Network.from_autoencoder(model, "float32")
    encode, decode = (model[0], model[1]) if name == "sequential" else (model.encode, model.decode)
    codes = 2 * torch.randn(10, network.spec["n_code"], generator=torch.Generator().manual_seed(0))
    weights = base64.b64encode(network.weights).decode()
    got = page.evaluate(RUN, [FORWARD, network.spec, weights, DIGITS[:10].tolist(), codes.tolist()])
    with torch.no_grad():
        wanted = encode(DIGITS[:10]), decode(codes), decode(encode(DIGITS[:10]))
    for have, want in zip(got, wanted):
        assert want.std() > 0.01 and (torch.tensor(have) - want).abs().max() < 1e-4


def test_an_image_of_the_wrong_size_is_an_error(page):
    network = Network.from_autoencoder(PCA9, "float32")
    with pytest.raises(Exception, match="an image of 3 numbers for an encoder of 64"):
        page.evaluate(RUN, [FORWARD, network.spec, base64.b64encode(network.weights).decode(), [[1, 2, 3]], []])


# The pad


@pytest.fixture(scope="module")
def pad(tmp_path_factory):
    widget = DrawAndReconstruct(
        {"PCA": PCA9, "a net": NET}, SHOWN, [f"digit {i}" for i in range(4)], dtype="float32", title="Draw"
    )
    return static_page(tmp_path_factory.mktemp("pad"), widget)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(784, 3), torch.nn.Linear(3, 784))
    return static_page(tmp_path_factory.mktemp("large"), DrawAndReconstruct(model, title="Draw"))


def errors(page):
    settle(page)
    return [float(text) for text in page.locator(".rg-note").all_text_contents() if text]


def draw(page, *places):
    """A stroke through places in [0, 1] x [0, 1] of the pad."""
    page.locator(".rg-pad").scroll_into_view_if_needed()
    box = page.locator(".rg-pad").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def test_an_image_is_reconstructed_by_every_net(open_widget, pad):
    page = open_widget(pad)
    for i, name in ((0, None), (2, "digit 2")):
        if name:
            page.get_by_role("radio", name=name).check()
        for picture in (PAD, SEEN):
            assert close(grey(page, picture), as_grey(SHOWN[i]))
        for model, label, found in zip((PCA9, NET), ("PCA", "a net"), errors(page)):
            page.get_by_role("radio", name=label).check()
            want = rebuild(model, SHOWN[i])
            assert close(grey(page, REBUILT), as_grey(want))
            assert abs(found - gap(SHOWN[i], want)) < 0.006
            z = model.encode(SHOWN[i : i + 1])
            label = page.locator(".rg-bars").get_attribute("aria-label").replace("−", "-")
            assert label == f"the code, {z.numel()} numbers from {z.min():.2f} to {z.max():.2f}"


def test_the_reconstruction_follows_the_mouse(open_widget, pad):
    page = open_widget(pad)
    page.get_by_label("centre my drawing").uncheck()
    page.get_by_role("button", name="Clear").click()
    assert grey(page, PAD).max() == 0 and page.get_by_text("Draw here").is_visible()
    assert page.locator(".rg-thumb input:checked").count() == 0
    before = grey(page, REBUILT)
    stages = []
    for places in ([(0.3, 0.2), (0.3, 0.5)], [(0.3, 0.5), (0.7, 0.8)]):
        draw(page, *places)
        ink = grey(page, PAD)
        assert torch.equal(ink, grey(page, SEEN))
        assert (grey(page, REBUILT) - as_grey(rebuild(PCA9, ink / 255))).abs().max() < 1.5  # ink is finer than a grey
        for model, found in zip((PCA9, NET), errors(page)):
            assert abs(found - gap(ink / 255, rebuild(model, ink / 255))) < 0.05
        stages.append((ink, grey(page, REBUILT), errors(page)))
    assert not page.get_by_text("Draw here").is_visible()
    assert (stages[0][0] <= stages[1][0]).all() and stages[0][0].sum() < stages[1][0].sum()
    assert not close(before, stages[0][1]) and not close(stages[0][1], stages[1][1]) and stages[0][2] != stages[1][2]
    page.get_by_role("radio", name="a net").check()
    assert (grey(page, REBUILT) - as_grey(rebuild(NET, ink / 255))).abs().max() < 1.5
    assert not close(grey(page, REBUILT), stages[1][1])


def test_the_pen_is_round_soft_and_as_wide_as_mnists(open_widget, large):
    page = open_widget(large)
    draw(page, (0.25, 0.4), (0.75, 0.4))
    ink = grey(page, PAD).reshape(28, 28) / 255
    across = ink[:, 9:19].sum(0)
    assert ((across > 1.9) & (across < 2.5)).all()  # pixels
    assert ((ink > 0.05) & (ink < 0.95)).any() and ink.max() == 1
    rows, columns = torch.nonzero(ink, as_tuple=True)
    assert (
        (rows.min(), rows.max()) in ((9, 12), (10, 12), (9, 13))
        and abs(columns.min() - 6) <= 1
        and abs(columns.max() - 21) <= 1
    )


def test_a_drawing_is_centred_by_its_mass(open_widget, large):
    page = open_widget(large)
    middle = lambda x, dim: (x.sum(1 - dim) * (torch.arange(28) + 0.5)).sum() / x.sum()
    for half in (0, 0.5 / 28):  # of these two, one would show a centre half a pixel off
        page.get_by_role("button", name="Clear").click()
        draw(page, *((x + half, y + half) for x, y in ((0.1, 0.15), (0.4, 0.15), (0.2, 0.5))))
        ink, seen = grey(page, PAD).reshape(28, 28), grey(page, SEEN).reshape(28, 28)
        shifts = [round(14.5 - middle(ink, dim).item()) for dim in (0, 1)]
        assert min(shifts) > 2
        assert torch.equal(seen, ink.roll(shifts, (0, 1)))
        assert all(abs(middle(seen, dim) - 14.5) < 0.51 for dim in (0, 1))
    page.get_by_label("centre my drawing").uncheck()
    assert torch.equal(grey(page, SEEN).reshape(28, 28), ink)


def test_an_image_can_be_drawn_over_and_stepped_through(open_widget, pad):
    page = open_widget(pad)
    checked = page.locator(".rg-thumb input:checked")
    page.get_by_role("button", name="Next image").click()
    assert checked.get_attribute("aria-label") == "digit 1" and close(grey(page, PAD), as_grey(SHOWN[1]))
    draw(page, (0.1, 0.9), (0.3, 0.9))
    assert (
        checked.count() == 0
        and (grey(page, PAD) >= as_grey(SHOWN[1]) - 0.5).all()
        and not close(grey(page, PAD), as_grey(SHOWN[1]))
    )
    page.get_by_role("button", name="Next image").click()
    assert close(grey(page, PAD), as_grey(SHOWN[2])) and close(grey(page, SEEN), as_grey(SHOWN[2]))
    for _ in range(3):
        page.get_by_role("button", name="Previous").click()
    assert checked.get_attribute("aria-label") == "digit 3"


def test_the_keyboard_draws_too(open_widget, pad):
    page = open_widget(pad)
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("application", name="Drawing pad").focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    assert grey(page, PAD).max() == 0  # the pen is up
    for key in ("Space", "ArrowRight", "ArrowRight", "ArrowRight", "Space", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    ink = grey(page, PAD).reshape(8, 8)  # from (2, 3) to (5, 3)
    assert (ink[2:4, 2:5] > 100).all() and ink[:, 6:].max() == 0 and ink[5:].max() == 0
    page.keyboard.press("Tab")
    assert not page.locator(".rg-pen").is_visible()
    page.wait_for_function("document.querySelector('[aria-live]').textContent === 'pen up'")
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("document.querySelector('[aria-live]').textContent.startsWith('PCA: squared error')")
    # not the error of what is drawn meanwhile
    for keys, said in (((" ", "ArrowRight", " "), "pen up"), ((" ",), "pen down")):
        at_once(page, *keys)
        page.wait_for_function(f"document.querySelector('[aria-live]').textContent === '{said}'")


def test_a_finger_draws_and_nothing_scrolls(open_widget, large):
    page = open_widget(large, has_touch=True, is_mobile=True, viewport={"width": 390, "height": 700})
    page.locator(".rg-pad").scroll_into_view_if_needed()
    box = page.locator(".rg-pad").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.25)
    ink = grey(page, PAD).reshape(28, 28)
    assert ink[6:8, 13:15].min() > 200 and ink[12:].max() == 0
    assert page.locator(".rg-pad").evaluate("(pad) => getComputedStyle(pad).touchAction") == "none"
    assert box["width"] <= 250  # room beside it to move the page


# Repair


@pytest.fixture(scope="module")
def repair(tmp_path_factory):
    widget = CorruptAndRepair(
        {"PCA": PCA9, "a net": NET}, SHOWN, [f"digit {i}" for i in range(4)], dtype="float32", title="Repair"
    )
    return static_page(tmp_path_factory.mktemp("repair"), widget)


class Chance:
    """The page's numbers at random, and here the same ones."""

    def __init__(self, page):
        self.state = 1
        page.evaluate("() => { let s = 1; Math.random = () => (s = (s * 16807) % 2147483647) / 2147483647 }")

    def number(self):
        self.state = self.state * 16807 % 2147483647
        return self.state / 2147483647

    def noise(self):
        """Uniform and normal numbers (64,) as the page draws them, Box & Muller's way."""
        u = torch.tensor([self.number() for _ in range(64)])
        pairs = [(self.number(), self.number()) for _ in range(64)]
        return u, torch.tensor([math.sqrt(-2 * math.log(1 - a)) * math.cos(2 * math.pi * b) for a, b in pairs])


def damaged(kind, x, amount, noise):
    u, normal = noise
    if kind == "Gaussian":
        return x + amount * normal
    hit = u < amount
    return torch.where(hit, (u < amount / 2).float() if kind == "Salt and pepper" else torch.zeros(()), x)


def captions(page):
    settle(page)
    return [float(text.split()[-1]) for text in page.locator(".rg-pair .rg-caption b").all_text_contents()[1:]]


def shows(page, clean, corrupted, model):
    repaired = rebuild(model, corrupted)
    assert close(grey(page, CLEAN), as_grey(clean))
    assert close(grey(page, CORRUPTED), as_grey(corrupted)) and close(grey(page, REPAIRED), as_grey(repaired))
    wanted = [gap(clean, corrupted), gap(clean, repaired)]
    assert all(abs(have - want) < 0.006 for have, want in zip(captions(page), wanted))
    return repaired


def test_each_noise_is_the_packages_and_is_repaired_as_torch_repairs_it(open_widget, repair):
    page = open_widget(repair)
    chance, amount = Chance(page), page.get_by_role("slider", name="amount of noise")
    page.get_by_role("button", name="Fresh noise").click()
    noise = chance.noise()
    for kind in ("Masking", "Gaussian", "Salt and pepper"):
        page.get_by_role("radio", name=kind).check()
        for share in (0.6, 0.25):
            amount.fill(str(share))
            want = damaged(kind, SHOWN[0], share, noise)
            assert not close(as_grey(want), as_grey(SHOWN[0]))
            shows(page, SHOWN[0], want, PCA9)
        want_text = "standard deviation 0.25" if kind == "Gaussian" else "25 % of the pixels"
        assert amount.get_attribute("aria-valuetext") == want_text
    page.get_by_role("radio", name="a net").check()
    shows(page, SHOWN[0], want, NET)
    for model, found in zip((PCA9, NET), errors(page)):
        assert abs(found - gap(SHOWN[0], rebuild(model, want))) < 0.006
    page.get_by_role("button", name="Next image").click()  # with noise of its own
    shows(page, SHOWN[1], damaged("Salt and pepper", SHOWN[1], 0.25, chance.noise()), NET)
    amount.fill("0")
    shows(page, SHOWN[1], SHOWN[1], NET)


def test_masks_hit_the_share_that_is_asked_for(open_widget, repair):
    page = open_widget(repair)
    page.get_by_role("slider", name="amount of noise").fill("0.3")
    hit, many = 0, 0
    for _ in range(40):
        page.get_by_role("button", name="Fresh noise").click()
        bright = as_grey(SHOWN[0]) > 0
        hit, many = hit + (grey(page, CORRUPTED)[bright] == 0).sum().item(), many + bright.sum().item()
    assert abs(hit / many - 0.3) < 5 * (0.21 / many) ** 0.5


def test_a_chain_takes_what_was_repaired(open_widget, repair):
    page = open_widget(repair)
    chance = Chance(page)
    page.get_by_role("button", name="Fresh noise").click()
    x, states = SHOWN[0], [SHOWN[0]]
    for taken in range(12):
        x = shows_state(page, x, chance.noise())
        states.append(x)
        page.get_by_role("button", name="One step").click()
        settle(page)
        items = page.locator(".rg-chain [role=listitem]")
        assert items.count() == min(taken + 2, 10)
        for at, state in zip((0, -1), (states[-items.count()], states[-1])):
            assert close(
                grey(page, f".rg-chain > :nth-child({1 if at == 0 else items.count()}) canvas"), as_grey(state)
            )
    assert items.all_text_contents() == [str(i) for i in range(3, 13)]
    page.wait_for_function("document.querySelector('[aria-live]').textContent.startsWith('step 12, corrupted error')")
    page.get_by_role("button", name="Back to the start").click()
    settle(page)
    assert items.all_text_contents() == ["start"] and close(grey(page, ".rg-chain canvas"), as_grey(SHOWN[0]))


def shows_state(page, x, noise):
    """The state that follows x; the page is seen to damage x, and to measure from the clean image."""
    corrupted = damaged("Masking", x, 0.3, noise)
    repaired = rebuild(PCA9, corrupted)
    assert close(grey(page, CORRUPTED), as_grey(corrupted)) and close(grey(page, REPAIRED), as_grey(repaired))
    assert abs(captions(page)[1] - gap(SHOWN[0], repaired)) < 0.006
    return repaired


def test_a_chain_walks_until_it_is_stopped(open_widget, repair):
    page = open_widget(repair)
    page.get_by_role("button", name="Walk the chain").click()
    page.wait_for_function("document.querySelectorAll('.rg-chain > *').length >= 4")
    page.get_by_role("button", name="Stop").click()
    settle(page)
    before = page.locator(".rg-chain").inner_text()
    page.wait_for_timeout(1000)
    assert page.locator(".rg-chain").inner_text() == before
    page.get_by_role("button", name="Walk the chain").click()
    page.wait_for_function("document.querySelectorAll('.rg-chain > *').length >= 6")
    page.get_by_role("button", name="Next image").click()  # another image ends the walk, too
    page.wait_for_timeout(1000)
    assert page.locator(".rg-chain").inner_text() == "start"
    assert page.get_by_role("button", name="Walk the chain").is_visible()


def test_nothing_moves_by_itself_where_that_is_not_wanted(open_widget, repair):
    page = open_widget(repair, reduced_motion="reduce")
    assert not page.get_by_role("button", name="Walk the chain").is_visible()
    page.get_by_role("button", name="One step").click()
    page.wait_for_timeout(1000)
    assert page.locator(".rg-chain > *").count() == 2
    page.emulate_media(reduced_motion="no-preference")
    page.get_by_role("button", name="Walk the chain").click()
    page.wait_for_function("document.querySelectorAll('.rg-chain > *').length >= 4")
    page.emulate_media(reduced_motion="reduce")
    settle(page)
    before = page.locator(".rg-chain > *").count()
    page.wait_for_timeout(1000)
    assert page.locator(".rg-chain > *").count() == before


# Both


def test_widgets_share_the_weights_of_an_autoencoder(open_widget, tmp_path):
    network = Network.from_autoencoder(NET)
    url = static_page(
        tmp_path, DrawAndReconstruct({"one": network, "two": network}, SHOWN), CorruptAndRepair(network, SHOWN)
    )
    assert (tmp_path / "page.html").read_text().count('["weights"]') == 1
    page = open_widget(url)
    assert page.locator(".rg-draw").count() == page.locator(".rg-repair").count() == 1
    one, two, repaired = errors(page)
    assert one == two > 0 and repaired > 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_accessibility(open_widget, pad, repair, theme):
    for url, name in ((pad, "Clear"), (repair, "One step")):
        page = open_widget(url)
        page.get_by_role("button", name=name).click()
        accessible(page, theme)


def test_no_sideways_scroll_on_a_phone(open_widget, pad, repair):
    fits_a_phone(open_widget, pad, repair)


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(open_widget, pad, repair):
    reached_by_keyboard(open_widget, pad, repair)
