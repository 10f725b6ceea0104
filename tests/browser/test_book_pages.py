"""Every page of the built book in Chromium, opened as a file: silent, whole, legible, light enough for a phone."""

import gzip
import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import stored

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*stored.pages(ROOT), "search"]
MEGABYTES = 3.0  # what a page may load before a reader does anything, text compressed as servers send it
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
# not ours to mend
THEME = [".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", "#pst-header", "dialog"]
MANY = [".highlight", "mjx-container"]  # thousands of spans of a few kinds: looked at on one page only


@pytest.fixture
def opened(book, open_page):
    """opened(name, **context) -> (page, seen): a page of the book with its mathematics set."""

    def opened(name, **context):
        page, seen = open_page("about:blank", **context)
        seen.requests = []
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("requestfailed", lambda request: seen.errors.append(f"not loaded: {request.url}"))
        page.goto((book / f"{name}.html").as_uri())
        page.wait_for_load_state("networkidle")
        if page.locator(".math").count():
            page.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
            page.evaluate("MathJax.startup.promise")
        return page, seen

    return opened


def axe(page, *rules, leave_out=(*THEME, *MANY)):
    """Serious violations of accessibility (WCAG 2 A and AA, or of the given rules only), in words."""
    from axe_playwright_python.sync_playwright import Axe

    context = {"include": [["body"]], "exclude": [[place] for place in leave_out]}
    only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": ["wcag2a", "wcag2aa"]}
    options = {"runOnly": only, "resultTypes": ["violations"]}
    return [
        f"{violation['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for violation in Axe().run(page, context=context, options=options).response["violations"]
        for node in violation["nodes"]
        if violation["impact"] in ("serious", "critical")
    ]


def empty(page, *places):
    """Takes out what is left out anyway: axe spends half its time on finding its way round it."""
    page.evaluate(
        "places => document.querySelectorAll(places).forEach(element => element.replaceChildren())", ", ".join(places)
    )


def weight(path):
    """Bytes of a file on the wire: GitHub Pages, like most servers, compresses text."""
    data = path.read_bytes()
    return len(gzip.compress(data, 6)) if path.suffix in (".html", ".css", ".js", ".svg", ".json") else len(data)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_on_a_phone_in_the_dark_and_on_a_desk_in_the_light(name, opened):
    page, seen = opened(name, color_scheme="dark", **PHONE)
    assert seen.failed() == [] and seen.outside == []
    assert page.locator(".math").count() == page.locator(".math mjx-container").count(), "mathematics was not set"
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0, "mathematics with errors"
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    wide = page.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth")
    assert wide <= 0, f"{wide} pixels too wide"
    empty(page, *MANY)
    assert axe(page, "color-contrast") == []
    page.emulate_media(color_scheme="light")
    page.wait_for_function("document.documentElement.dataset.theme == 'light'")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.evaluate("new Promise(requestAnimationFrame)")
    assert seen.failed() == [] and seen.outside == []
    loaded = {unquote(urlsplit(url).path) for url in seen.requests if url.startswith("file:")}
    size = sum(weight(Path(path)) for path in loaded)
    assert size < MEGABYTES * 1e6, f"{size / 1e6:.1f} MB in {len(loaded)} files"
    assert axe(page) == []  # the last, for it makes requests of its own


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_code_and_mathematics_are_legible(scheme, opened):
    for name in ("pages/run", "pages/notation"):
        page, _ = opened(name, color_scheme=scheme)
        assert axe(page, "color-contrast", leave_out=THEME) == []


def test_axe_sees_a_fault(page):
    page.set_content(
        '<html lang="en"><title>t</title><main><img src="data:," ><p style="color:#bbb">pale</p></main></html>'
    )
    assert {fault.split(":")[0] for fault in axe(page)} >= {"image-alt", "color-contrast"}


def test_the_search_finds_without_a_network(opened, book):
    page, seen = opened("index")
    page.goto((book / "search.html").as_uri() + "?q=bibliography")
    page.wait_for_selector("#search-results li a")
    assert any("Bibliography" in text for text in page.locator("#search-results li a").all_text_contents())
    assert seen.failed() == [] and seen.outside == []


@pytest.mark.parametrize("width", [390, 900, 1280])
def test_menu_contents_and_neighbours_answer_to_a_tap(width, opened):
    page, seen = opened("chapters/06_variational/02_the_bound", viewport={"width": width, "height": 800})
    bar, link = page.locator(".bd-header-article"), page.locator("nav.bd-links a", has_text="Notation").element_handle()
    in_sight = "a => a.getBoundingClientRect().left >= 0 && a.getBoundingClientRect().width > 0"
    before = link.evaluate(in_sight)
    assert before == (width >= 992)
    bar.locator(".primary-toggle").click()
    page.wait_for_function(f"([a, before]) => ({in_sight})(a) != before", arg=[link, before])
    if width < 992:
        page.keyboard.press("Escape")
        page.wait_for_selector("#pst-primary-sidebar-modal[open]", state="detached")
    if width < 1200:
        bar.locator(".secondary-toggle").click()
        page.wait_for_selector("#pst-secondary-sidebar-modal[open]")
    page.locator(".page-toc a:visible").nth(3).click()
    page.wait_for_function("location.hash && scrollY > 500 && !document.querySelector('dialog[open]')")
    page.locator("a.left-prev").click()
    page.wait_for_url("**/01_*.html")
    page.locator("a.right-next").click()
    page.wait_for_url("**/02_the_bound.html")
    assert seen.failed() == []


def test_the_theme_can_be_switched(opened):
    page, _ = opened("index", viewport={"width": 1280, "height": 900}, color_scheme="light")
    look = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(look)
    for _ in range(3):  # auto, light, dark
        page.locator(".theme-switch-button").first.click()
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    assert page.evaluate(look) != before


def test_a_dark_page_is_printed_in_the_light(opened):
    page, _ = opened("pages/run", color_scheme="dark")
    look = "[document.documentElement.dataset.theme, getComputedStyle(document.body).color]"
    theme, ink = page.evaluate(look)
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'light'")
    assert page.evaluate(look)[1] != ink and axe(page, "color-contrast", leave_out=THEME) == []
    page.emulate_media(media="screen", color_scheme="dark")
    page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
    assert page.evaluate(look) == [theme, ink]


def test_a_claim_can_be_followed_to_its_place(opened):
    page, seen = opened("pages/claims")
    links = page.locator("table.claims a[href*='#claim-']")
    if not links.count():
        pytest.skip("no claim yet")
    sentence = links.first.text_content()
    links.first.click()
    page.wait_for_load_state()
    assert page.locator(".repgen-claim:target").text_content().startswith(sentence)
    assert seen.failed() == []


def test_the_setup_is_folded_and_opens(opened):
    for name, _ in stored.notebooks(ROOT):
        if "/exercises/" not in name:
            page, _ = opened(name)
            fold = page.locator(".tag_setup details").first
            code = fold.locator("pre").first
            assert not code.is_visible()
            fold.locator("summary").click()
            assert code.is_visible()
            return
    pytest.skip("no notebook yet")


def test_the_text_can_be_read_without_javascript(opened):
    page, _ = opened("pages/run", java_script_enabled=False)
    colours = page.locator("article h1").evaluate(
        "e => [getComputedStyle(e).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert page.locator("article h1").is_visible() and colours[0] != colours[1]


def test_the_search_index_is_a_script(book):
    """A page opened as a file may not fetch, so the index has to be a script that holds it."""
    text = (book / "searchindex.js").read_text(encoding="utf-8")
    assert (
        text.startswith("Search.setIndex(") and json.loads(text[len("Search.setIndex(") : text.rindex(")")])["docnames"]
    )
