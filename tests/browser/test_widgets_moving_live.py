"""The widgets that move through a code, in a static page: what is shown is what torch computes."""

import pytest
import torch
from sklearn.datasets import load_digits
from test_widgets_concept_mixer import a_generator
from widget_checks import lively
from widget_page import accessible, as_grey, close, fits_a_phone, grey, reached_by_keyboard, settle, static_page

from repgen.autoencoder import Autoencoder
from repgen.latents import attribute_vector, lerp, slant, slerp, thickness
from repgen.pca import PCA
from repgen.vae import VAE
from repgen.widgets import ConceptMixer, Interpolation, Network

DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)
NAMES = [f"digit {i}" for i in range(5)]
PCA9 = PCA(9).fit(DIGITS)
MODELS = {"autoencoder": Autoencoder((64, 20, 5), torch.nn.Tanh), "VAE": VAE.dense((64, 20, 4))}
for model in MODELS.values():
    lively(model, seed=1, factor=2).requires_grad_(False)
SCORE = DIGITS.sum(1)
VECTORS = {
    "ink": attribute_vector(PCA9.encode(DIGITS), SCORE),
    "left": attribute_vector(PCA9.encode(DIGITS), DIGITS.reshape(-1, 8, 8)[:, :, :4].sum((1, 2))),
}


@pytest.fixture(scope="module")
def between(tmp_path_factory):
    return static_page(
        tmp_path_factory.mktemp("between"), Interpolation(MODELS, DIGITS[:5], NAMES, pair=(0, 3), dtype="float32")
    )


@pytest.fixture(scope="module")
def mixer(tmp_path_factory):
    widget = ConceptMixer(PCA9, DIGITS[:5], VECTORS, NAMES, measures=["slant", "thickness"], dtype="float32")
    return static_page(tmp_path_factory.mktemp("mixer"), widget)


# Interpolation


def shows(page, i, j, t):
    """All four rows are what torch computes for images i and j."""
    at = torch.tensor([float(t)])
    ways = [(model, path) for model in MODELS.values() for path in (lerp, slerp)]
    for row, (model, path) in enumerate(ways):
        a, b = model.encode(DIGITS[[i, j]])
        assert close(grey(page, f".rg-way >> nth={row} >> .rg-live canvas"), as_grey(model.decode(path(a, b, at))))
        film = model.decode(path(a, b, torch.linspace(0, 1, 7)))
        for k in (0, 2, 6):
            assert close(grey(page, f".rg-way >> nth={row} >> .rg-film canvas >> nth={k}"), as_grey(film[k]))
        text = page.locator(".rg-way-name b").nth(row).text_content()
        assert text == f"{path(a, b, at).norm():.1f}"


def test_every_place_of_the_way_is_what_torch_computes(open_widget, between):
    page = open_widget(between)
    shows(page, 0, 3, 0.5)
    slider = page.get_by_role("slider", name="share of the way")
    slider.fill("0.2")
    shows(page, 0, 3, 0.2)
    assert slider.get_attribute("aria-valuetext") == "20 %"
    page.get_by_role("radiogroup", name="From").get_by_role("radio", name="digit 1").check()
    page.get_by_role("radiogroup", name="To").get_by_role("radio", name="digit 4").check()
    shows(page, 1, 4, 0.2)
    page.get_by_role("button", name="Swap").click()
    shows(page, 4, 1, 0.2)
    assert page.locator(".rg-film canvas.rg-here").count() == 4


def test_the_arc_and_the_line_differ_and_meet_at_both_ends(open_widget, between):
    page = open_widget(between)
    live = [f".rg-way >> nth={row} >> .rg-live canvas" for row in range(4)]
    assert not close(grey(page, live[0]), grey(page, live[1])) and not close(grey(page, live[2]), grey(page, live[3]))
    slider = page.get_by_role("slider", name="share of the way")
    slider.focus()
    for key in ("Home", "End"):
        page.keyboard.press(key)
        assert close(grey(page, live[0]), grey(page, live[1])) and close(grey(page, live[2]), grey(page, live[3]))
    page.keyboard.press("ArrowLeft")
    shows(page, 0, 3, 0.99)


def test_from_an_image_to_itself_nothing_moves(open_widget, between):
    page = open_widget(between)
    page.get_by_role("radiogroup", name="To").get_by_role("radio", name="digit 0").check()
    shows(page, 0, 0, 0.5)


def test_two_at_random_are_two(open_widget, between):
    page = open_widget(between)
    seen = set()
    for _ in range(12):
        page.get_by_role("button", name="Two at random").click()
        pair = page.locator(".rg-thumb input:checked").evaluate_all("(all) => all.map((one) => one.ariaLabel)")
        assert len(set(pair)) == 2
        seen.add(tuple(pair))
    assert len(seen) > 2


# The mixer


def mixed(i, *amounts):
    z = PCA9.encode(DIGITS[i : i + 1]) + sum(a * v for a, v in zip(amounts, VECTORS.values()))
    return PCA9.decode(z)[0]


def test_the_mixture_is_what_torch_computes(open_widget, mixer):
    page = open_widget(mixer)
    pictures = [f".rg-figure:nth-child({k}) canvas" for k in (1, 2, 3)]
    for i, amounts in ((0, (0, 0)), (2, (1.5, -0.5)), (2, (-2, 0.25))):
        page.get_by_role("radio", name=f"digit {i}").check()
        for name, amount in zip(VECTORS, amounts):
            page.get_by_role("slider", name=name).fill(str(amount))
        for canvas, want in zip(pictures, (DIGITS[i], mixed(i, 0, 0), mixed(i, *amounts))):
            assert close(grey(page, canvas), as_grey(want))
    assert page.get_by_role("slider", name="ink").get_attribute("aria-valuetext") == "−2.00 vectors"
    page.get_by_role("button", name="Back to zero").click()
    assert close(grey(page, pictures[2]), as_grey(mixed(2, 0, 0)))
    assert page.get_by_role("slider", name="left").input_value() == "0"


def test_of_a_generator_a_sample_and_the_mixture_are_shown(open_widget, tmp_path):
    generator, z = a_generator()
    page = open_widget(
        static_page(tmp_path, ConceptMixer(generator, None, VECTORS, NAMES[:4], codes=z, dtype="float32"))
    )
    page.get_by_role("radio", name="digit 1").check()
    page.get_by_role("slider", name="ink").fill("1.5")
    settle(page)
    assert page.locator(".rg-figure").all_inner_texts() == ["sample", "with the concepts added"]
    with torch.no_grad():
        wanted = generator(torch.stack([z[1], z[1] + 1.5 * VECTORS["ink"]]))
    for k, want in enumerate(wanted, 1):
        assert close(grey(page, f".rg-figure:nth-child({k}) canvas"), as_grey(want))
    labels = [c.get_attribute("aria-label") for c in page.locator(".rg-figure canvas").all()]
    assert labels[0] == "digit 1" and labels[1].startswith("digit 1, decoded with ink 1.50")


def test_what_is_measured_is_what_the_package_measures(open_widget, mixer):
    page = open_widget(mixer)
    page.get_by_role("slider", name="ink").fill("1")
    for i in (0, 1, 3):
        page.get_by_role("radio", name=f"digit {i}").check()
        settle(page)
        texts = page.locator(".rg-measured").all_inner_texts()
        for text, x in zip(texts, (DIGITS[i], mixed(i, 0, 0), mixed(i, 1, 0))):
            lean, wide = slant(x.reshape(1, 8, 8)).item(), thickness(x.reshape(1, 8, 8)).item()
            got = [float(part.split()[1].rstrip("°").replace("−", "-")) for part in text.splitlines()]
            assert abs(got[0] - lean) < 0.06 and abs(got[1] - wide) < 0.06


# Both


def test_the_two_share_the_weights(open_widget, tmp_path):
    model = MODELS["VAE"]
    network = Network.from_module(model)
    mixing = ConceptMixer((model, network), DIGITS[:5], {"x": torch.ones(4)})
    url = static_page(tmp_path, Interpolation({"VAE": (model, network)}, DIGITS[:5]), mixing)
    assert (tmp_path / "page.html").read_text().count('["weights"]') == 1
    page = open_widget(url)
    assert page.locator(".rg-between").count() == page.locator(".rg-mixer").count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_accessibility(open_widget, between, mixer, theme):
    for url in (between, mixer):
        accessible(open_widget(url), theme)


def test_no_sideways_scroll_on_a_phone(open_widget, between, mixer):
    fits_a_phone(open_widget, between, mixer)


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(open_widget, between, mixer):
    reached_by_keyboard(open_widget, between, mixer)
