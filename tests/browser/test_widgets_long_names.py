"""Names that a user gives may be long and without a place to break: no widget grows wider than its page for them."""

import pytest
import torch
from sklearn.datasets import load_digits
from test_widgets_ask_for_a_digit import a_net
from test_widgets_compare_codes import CURVED, FLAT, REBUILT, a_comparison
from test_widgets_gibbs import a_machine
from test_widgets_latent_plane import a_plane
from test_widgets_noise_dial import a_vae
from test_widgets_real_or_fake import FORGERS, a_quiz
from test_widgets_style_mixer import a_mixer
from test_widgets_watch_the_game import a_game, a_history
from widget_page import settle, static_page

from repgen import widgets
from repgen.autoencoder import Autoencoder
from repgen.pca import PCA
from repgen.widgets import (
    AskForADigit,
    ComponentExplorer,
    ConceptMixer,
    CorruptAndRepair,
    DrawAndReconstruct,
    Gibbs,
    Interpolation,
    LatentMap,
    NoiseDial,
)  # fmt: skip

LONG = "anextraordinarilylongnamethatcannotbebrokenanywhereatall"
OTHER = LONG[::-1]
DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)
LABELS = torch.tensor(load_digits().target)
PCA2, PCA5 = PCA(2).fit(DIGITS), PCA(5).fit(DIGITS)
CODES = PCA2.encode(DIGITS)
NETS = {LONG: Autoencoder((64, 5)), OTHER: Autoencoder((64, 3))}
FEW = DIGITS[:2], [LONG, OTHER]

MAKE = {
    "AskForADigit": lambda: AskForADigit(a_net(), [LONG, OTHER, "two", "three"], title=LONG),
    "CompareCodes": lambda: a_comparison(
        codes={LONG: FLAT, OTHER: CURVED},
        reconstructions={LONG: REBUILT},
        names=[f"{d}{LONG}" for d in range(10)],
        title=LONG,
    ),
    "ComponentExplorer": lambda: ComponentExplorer(PCA5, *FEW, noun=LONG, title=LONG),
    "ConceptMixer": lambda: ConceptMixer(
        PCA5, FEW[0], {LONG: torch.ones(5), OTHER: -torch.ones(5)}, FEW[1], title=LONG
    ),
    "CorruptAndRepair": lambda: CorruptAndRepair(NETS, *FEW, title=LONG),
    "DrawAndReconstruct": lambda: DrawAndReconstruct(NETS, *FEW, title=LONG),
    "Gibbs": lambda: Gibbs(a_machine(), *FEW, title=LONG),
    "Interpolation": lambda: Interpolation(NETS, *FEW, title=LONG),
    "LatentMap": lambda: LatentMap(
        PCA2,
        CODES,
        LABELS,
        [f"{d}{LONG}" for d in range(10)],
        images=DIGITS,
        axis_labels=(LONG, OTHER),
        title=LONG,
        path=CODES[:3],
    ),
    "LatentPlane": lambda: a_plane(title=LONG),
    "NoiseDial": lambda: NoiseDial(a_vae(), *FEW, title=LONG),
    "RealOrFake": lambda: a_quiz(
        forgers={LONG: FORGERS["dense"], OTHER: FORGERS["dense"]}, seed=1, rounds=3, title=LONG
    ),
    "StyleMixer": lambda: a_mixer(title=LONG),
    "WatchTheGame": lambda: a_game(histories={LONG: a_history(), OTHER: a_history(10)}, title=LONG),
}
BEYOND = """(width) => [document.documentElement, ...document.querySelectorAll(".rg, .rg *")].filter((part) => {
  const hidden = part.closest(".rg-hidden"), edges = part.getBoundingClientRect();
  return !hidden && (edges.right > width + 0.5 || edges.left < -0.5 || (part === document.documentElement && part.scrollWidth > width));
}).map((part) => `${part.tagName}.${part.className} to ${part.getBoundingClientRect().right}: ${part.textContent.slice(0, 30)}`)"""


def test_no_widget_is_left_out():
    assert {*MAKE, "Network", "record"} == {*widgets.__all__}


@pytest.mark.parametrize("name", MAKE)
def test_a_long_name_is_broken(open_widget, tmp_path, name):
    page = open_widget(
        static_page(tmp_path, MAKE[name]()), viewport={"width": 360, "height": 700}, is_mobile=True, has_touch=True
    )
    assert page.evaluate(BEYOND, 360) == []
    for option in page.locator(".rg-thumbs input").all()[:4]:  # what was chosen is named again, elsewhere
        option.check(force=True)
        settle(page)
        assert page.evaluate(BEYOND, 360) == []
    for width in (320, 700, 1000):
        page.set_viewport_size({"width": width, "height": 700})
        settle(page)
        assert page.evaluate(BEYOND, width) == []
