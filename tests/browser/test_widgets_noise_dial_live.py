"""The noise dial, and the path on the latent map, in a static page: what is shown is what torch computes."""

import re

import pytest
import torch
from sklearn.datasets import load_digits
from test_widgets_noise_dial import a_vae
from widget_page import (
    accessible,
    as_grey,
    at_once,
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
from repgen.widgets import LatentMap, NoiseDial

DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)
LABELS = torch.tensor(load_digits().target)
PCA2, VAE5 = PCA(2).fit(DIGITS), a_vae(5)
CODES = PCA2.encode(DIGITS[:300])


def lively_posterior():
    vae = a_vae()
    for p in vae.parameters():
        p.data *= 2
    return vae


VAE2 = lively_posterior()


# The noise dial


@pytest.fixture(scope="module")
def dial(tmp_path_factory):
    shown = NoiseDial(VAE2, DIGITS[:3], ["zero", "one", "two"], dtype="float32", title="Dial")
    return static_page(tmp_path_factory.mktemp("dial"), shown)


def draws(page):
    settle(page)
    return [grey(page, f".rg-draws canvas:nth-child({i + 1})") for i in range(16)]


def wanted(vae, image, scale, noise):
    with torch.no_grad():
        q = vae.posterior(DIGITS[image : image + 1])
        return vae.decode(q.mean + scale * (0.5 * q.log_var).exp() * noise)


def facts(page):
    settle(page)
    return page.locator(".rg-readout b").all_text_contents()


def test_draws_are_the_posteriors_as_wide_as_the_dial_says(open_widget, dial):
    page = open_widget(dial)
    noise = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
    knob = page.get_by_role("slider", name="width of the posterior")
    assert knob.get_attribute("aria-valuetext") == "1.00 times its own"
    for image, scale in ((0, 1.0), (0, 4.5), (2, 4.5), (2, 0.0)):
        page.get_by_role("radio", name=("zero", "one", "two")[image]).check()
        knob.fill(str(scale))
        want = wanted(VAE2, image, scale, noise)
        assert all(close(have, as_grey(row)) for have, row in zip(draws(page), want))
        error = (want - (DIGITS[image] * 255).round() / 255).square().sum(1).mean()
        assert abs(float(facts(page)[0]) - error) < 0.06
    assert close(grey(page, ".rg-pair .rg-figure:nth-child(1) canvas"), as_grey(DIGITS[2]))
    assert close(grey(page, ".rg-pair .rg-figure:nth-child(2) canvas"), draws(page)[7])  # at 0 all are the mean's
    with torch.no_grad():
        q = VAE2.posterior(DIGITS[2:3])
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(q.mean, (0.5 * q.log_var).exp()), torch.distributions.Normal(0, 1)
    )
    assert abs(float(facts(page)[2].split()[0]) - kl.sum()) < 0.06


def test_the_prior_takes_the_image_away_and_fresh_noise_is_fresh(open_widget, dial):
    page = open_widget(dial)
    page.get_by_label("draw from the prior instead").check()
    noise = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        want = VAE2.decode(noise)
    before = draws(page)
    assert all(close(have, as_grey(row)) for have, row in zip(before, want))
    assert page.get_by_role("slider").is_disabled()
    page.get_by_role("button", name="Next image").click()
    assert all(torch.equal(a, b) for a, b in zip(before, draws(page)))
    page.get_by_role("button", name="Fresh noise").click()
    assert not any(torch.equal(a, b) for a, b in zip(before, draws(page)))
    page.wait_for_function("document.querySelector('[aria-live]').textContent.startsWith('16 draws from the prior')")


def test_a_code_of_two_numbers_has_a_map_and_a_larger_one_has_none(open_widget, dial, tmp_path):
    page = open_widget(dial)
    label = page.locator(".rg-plane").get_attribute("aria-label").replace("−", "-")
    with torch.no_grad():
        q = VAE2.posterior(DIGITS[:1])
    (x, y), (a, b) = q.mean[0], (0.5 * q.log_var).exp()[0]
    assert label == f"map of the code: draws around {x:.2f}, {y:.2f}, ellipse half-axes {a:.2f} and {b:.2f}"
    five = open_widget(static_page(tmp_path, NoiseDial(VAE5, DIGITS[:2], dtype="float32", widest=2)))
    assert five.locator(".rg-plane").count() == 0 and " to " in facts(five)[1]
    assert five.get_by_role("slider").get_attribute("max") == "2"
    noise = torch.randn(16, 5, generator=torch.Generator().manual_seed(0))
    assert all(close(have, as_grey(row)) for have, row in zip(draws(five), wanted(VAE5, 0, 1.0, noise)))


# The path


@pytest.fixture(scope="module")
def path_map(tmp_path_factory):
    shown = LatentMap(PCA2, CODES, LABELS[:300], dtype="float32", extent=((-2, 2), (-2, 2)), point=(0, 0), title="Path")
    return static_page(tmp_path_factory.mktemp("path"), shown)


def frames(page):
    """Where the frames of the film say they are, (12, 2); each is seen to show what is there."""
    settle(page)
    labels = page.locator(".rg-film canvas").evaluate_all("(all) => all.map((c) => c.getAttribute('aria-label'))")
    at = torch.tensor(
        [[float(v) for v in re.findall(r"code \d (-?[\d.]+)", text.replace("−", "-"))] for text in labels]
    )
    for i in (0, 3, 11):
        want = as_grey(PCA2.decode(at[i : i + 1]))
        assert (grey(page, f".rg-film > :nth-child({i + 1}) canvas") - want).abs().max() < 2  # labels have two decimals
    return at


def test_a_path_is_drawn_by_the_pointer(open_widget, path_map):
    page = open_widget(path_map)
    film = page.locator(".rg-film")
    assert not film.is_visible()
    page.get_by_role("button", name="Draw a path").click()
    box = page.locator(".rg-pad").bounding_box()
    w, h = box["width"] - 54, box["height"] - 50  # less the edges of the plot
    at = lambda x, y: (box["x"] + 44 + (x + 2) / 4 * w, box["y"] + 10 + (2 - y) / 4 * h)
    page.mouse.move(*at(-1, -1))
    page.mouse.down()
    page.mouse.move(*at(1, -1), steps=6)
    page.mouse.move(*at(1, 1), steps=4)
    page.mouse.up()
    assert film.is_visible()
    along = torch.arange(12) / 11 * 4  # half of the way to the right, half of it upwards
    want = torch.stack([(along - 1).clamp(max=1), (along - 3).clamp(min=-1)], 1)
    assert (frames(page) - want).abs().max() < 0.05
    page.get_by_role("button", name="Draw a path").click()
    assert page.get_by_role("button", name="Draw a path").get_attribute("aria-pressed") == "false"
    page.mouse.click(*at(0.5, 0.5))  # moves, and draws no more
    assert (frames(page) - want).abs().max() < 0.05
    page.get_by_role("button", name="Clear the path").click()
    settle(page)
    assert not film.is_visible()


def test_a_path_is_drawn_by_the_keyboard(open_widget, path_map):
    page = open_widget(path_map)
    page.locator(".rg-pad").focus()
    page.keyboard.press("Space")
    assert not page.locator(".rg-film").is_visible()  # not asked for
    page.get_by_role("button", name="Draw a path").press("Enter")
    page.locator(".rg-pad").focus()
    for key in (
        "Space",
        "Shift+ArrowRight",
        "Shift+ArrowRight",
        "Space",
        "Shift+ArrowUp",
        "Space",
        "Shift+ArrowDown",
        "Space",
        "Backspace",
    ):
        page.keyboard.press(key)
    along = torch.arange(12) / 11 * 1.2  # 0.8 to the right, 0.4 up
    want = torch.stack([along.clamp(max=0.8), (along - 0.8).clamp(min=0)], 1)
    assert (frames(page) - want).abs().max() < 0.006
    page.wait_for_function("document.querySelector('[aria-live]').textContent === 'path of 3 corners, 1.20 long'")
    # what is said of a place comes 50 ms after the key, and is not the last word
    at_once(page, "ArrowLeft", "Backspace")
    page.wait_for_function("document.querySelector('[aria-live]').textContent === 'path of 2 corners, 0.80 long'")


def test_a_path_given_is_shown_and_axes_run_by_quantiles(open_widget, tmp_path):
    path = [[-1.0, 0.0], [1.0, 0.0]]
    page = open_widget(
        static_page(tmp_path, LatentMap(PCA2, CODES, dtype="float32", prior="normal", path=path, point=(0, 0)))
    )
    assert (frames(page) - torch.stack([torch.linspace(-1, 1, 12), torch.zeros(12)], 1)).abs().max() < 0.006
    box = page.locator(".rg-pad").bounding_box()
    places = []
    for u in (0.1, 0.5, 0.9):
        page.mouse.move(box["x"] + 44 + u * (box["width"] - 54), box["y"] + 10 + u * (box["height"] - 50))
        places.append(place(page)[0])
    q = torch.special.ndtri(torch.tensor([0.1, 0.5, 0.9]))
    assert (torch.tensor(places) - torch.stack([q, -q], 1)).abs().max() < 0.02
    page.mouse.move(5, 5)
    page.locator(".rg-pad").focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowUp")  # three tenths of the probability
    assert abs(place(page)[0][1] - torch.special.ndtri(torch.tensor(0.8))) < 0.01


def test_the_whole_map_is_decoded_at_the_quantiles(open_widget, tmp_path):
    flat = torch.nn.Sequential(torch.nn.Linear(2, 64), torch.nn.Sigmoid())  # images of one grey
    flat[0].weight.data, flat[0].bias.data = torch.tensor([[0.6, 0.3]]).repeat(64, 1), torch.zeros(64)
    page = open_widget(static_page(tmp_path, LatentMap(flat, torch.zeros(1, 2), dtype="float32", prior="normal")))
    page.get_by_label("show the points").uncheck()
    page.get_by_label("decode the whole map").check()
    q = torch.special.ndtri((torch.arange(15) + 0.5) / 15)
    want = 255 * torch.sigmoid(0.6 * q[None, :] - 0.3 * q[:, None])
    assert (decoded_tiles(page)[:, 0] - want.flatten()).abs().max() < 2


# Both


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_accessibility(open_widget, dial, path_map, theme):
    accessible(open_widget(dial), theme)
    page = open_widget(path_map)
    page.get_by_role("button", name="Draw a path").click()
    page.locator(".rg-pad").focus()
    for key in ("Space", "Shift+ArrowRight", "Space"):
        page.keyboard.press(key)
    accessible(page, theme)


def test_no_sideways_scroll_on_a_phone(open_widget, dial, path_map):
    fits_a_phone(open_widget, dial, path_map)


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(open_widget, dial, path_map):
    reached_by_keyboard(open_widget, dial, path_map)
