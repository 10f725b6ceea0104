"""Pages in headless Chromium: shared by the tests of the widgets and of the built book.

`page` is an empty page; `open_page(url)` opens one and records what went wrong on it; `open_widget(url)`
opens one with widgets on it. Without a Chromium these tests are skipped, and say so; where the
environment variable CI is set they fail.
"""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

pytest.register_assert_rewrite("widget_page")  # so that its assertions, too, say what they found
from widget_page import settle

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def _absent(reason):
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; in CI the widgets must be seen to live", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium (CHROMIUM names its program where it is not found by itself)."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _absent("no playwright here, so no widget was seen in a browser: pip install -r requirements.txt")
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path  # from `playwright install chromium`
        found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
        if not found and not Path(own).exists():
            _absent(
                "no Chromium here, so no widget was seen in a browser: install it, or `playwright install chromium`"
            )
        browser = playwright.chromium.launch(executable_path=found or own, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """open_page(url, **context) -> (page, seen): `seen.errors` (exceptions, console errors, widgets
    that say they failed: ask seen.failed()) and `seen.outside` (requests to other places)."""
    contexts = []

    def open_page(url="about:blank", **context):
        contexts.append(browser.new_context(**{"viewport": {"width": 1000, "height": 900}, **context}))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        seen = SimpleNamespace(errors=[], outside=[])
        seen.failed = lambda: seen.errors + page.locator(".widget-error").all_text_contents()
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: _own(request.url) or seen.outside.append(request.url))
        page.goto(str(url))
        return page, seen

    yield open_page
    for context in contexts:
        context.close()


def _own(url):
    parts = urlsplit(url)
    return parts.scheme in ("file", "data", "blob", "about") or parts.hostname in ("127.0.0.1", "localhost")


@pytest.fixture
def open_widget(open_page):
    """open_widget(url, **context) -> a page whose widgets are drawn; at the end nothing may have gone wrong on it."""
    opened = []

    def open_widget(url, **context):
        page, seen = open_page(url, **context)
        page.wait_for_selector(".widget-host[data-ready]")
        settle(page)
        opened.append(seen)
        return page

    yield open_widget
    for seen in opened:
        assert seen.failed() == [] and seen.outside == []


@pytest.fixture
def page(open_page):
    """An empty page."""
    return open_page()[0]
