"""The two pictures that no notebook stores: `make pictures`, after `make book`, with the real data.

pages/images/faces.png, for the front page: strangers' faces from ever more numbers.
pages/images/widget.png, for the README: the first widget of the faces' notebook, as a browser shows it.
"""

import shutil
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from playwright.sync_api import sync_playwright

from repgen import PCA, figures, load_data

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "pages" / "images"
WIDGET = ROOT / "_build" / "html" / "chapters" / "01_foundations" / "02_faces_and_digits.html"
STRANGERS = [3, 14, 45, 62, 83]  # one photograph each of five people that the model never saw
NUMBERS = [1, 5, 20, 100]


def faces():
    known, strangers = load_data("faces", "train"), load_data("faces", "test")
    if known.stand_in:
        sys.exit("the faces are not here, and a stand-in has no place on the front page: set REPGEN_DATA")
    pca = PCA(max(NUMBERS)).fit(known.flat)
    z = pca.encode(strangers.flat[STRANGERS])  # (5, 100)
    rows = {f"{k} number{'s' * (k > 1)}": pca.decode(z[:, :k]) for k in NUMBERS}
    figures.style()
    figures.rows(rows | {"1,024 pixels": strangers.flat[STRANGERS]}, size=0.85)
    plt.savefig(IMAGES / "faces.png", dpi=150)


def widget():
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 900}, device_scale_factor=2)
        page.goto(WIDGET.as_uri())
        shown = page.locator(".widget-output .rg").first
        shown.scroll_into_view_if_needed()
        for slider, steps in enumerate([6, -9, 7]):
            shown.locator("input[type=range]").nth(slider).focus()
            for _ in range(abs(steps)):
                page.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")
        page.evaluate("document.activeElement.blur()")
        shown.screenshot(path=IMAGES / "widget.png")
        browser.close()


if __name__ == "__main__":
    faces()
    widget()
