"""The built book: whole, linked, self-contained, and with every claim where it should be."""

import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import address
import pytest
import stored
from bs4 import BeautifulSoup
from pybtex.database import parse_file

ROOT = Path(__file__).resolve().parent.parent
LOADED = {
    "script": ["src"],
    "img": ["src", "srcset"],
    "source": ["src", "srcset"],
    "iframe": ["src"],
    "video": ["src", "poster"],
    "audio": ["src"],
    "embed": ["src"],
    "object": ["data"],
    "input": ["src"],
}
# links that fetch nothing
NO_LOAD = {"canonical", "index", "search", "next", "prev", "author", "copyright", "alternate"}


def soup(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="session")
def pages(book):
    """Every built page, parsed: {path below the book: soup}."""
    found = {p.relative_to(book).as_posix(): soup(p) for p in sorted(book.rglob("*.html")) if "_static" not in p.parts}
    assert "index.html" in found
    del found["404.html"]  # served at any address, so its own are whole
    return found


def loads(page):
    """Addresses that a browser fetches by itself when it opens the page."""
    for tag, attributes in LOADED.items():
        for element in page.find_all(tag):
            yield from (part.split()[0] for a in attributes if element.get(a) for part in element[a].split(","))
    for element in page.find_all("link", href=True):
        if not NO_LOAD.intersection(element.get("rel", [])):
            yield element["href"]
    for style in [element.string or "" for element in page.find_all("style")] + [
        e["style"] for e in page.find_all(style=True)
    ]:
        yield from css_loads(style)


def css_loads(css):
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    yield from re.findall(r"""(?:url\(\s*['"]?|@import\s+['"])([^'")]+)""", css)


def broken_links(pages, exists):
    """Links within the book that lead nowhere. `exists` says whether a path below the book is there."""
    anchors = {
        name: {e["id"] for e in page.find_all(id=True)} | {e["name"] for e in page.find_all("a", attrs={"name": True})}
        for name, page in pages.items()
    }
    for name, page in pages.items():
        hrefs = [element["href"] for element in page.find_all("a", href=True)]
        for href in [*hrefs, *loads(page)]:
            target = urlsplit(urljoin(f"http://book/{name}", href))
            if target.netloc != "book" or target.scheme != "http":
                continue
            path, fragment = unquote(target.path.lstrip("/")) or "index.html", unquote(target.fragment)
            if not exists(path):
                yield f"{name}: {href} is not there"
            elif fragment and path in anchors and fragment not in anchors[path] and href != "#":
                yield f"{name}: {href} has no such place"


def test_every_page_of_the_contents_is_built(pages):
    assert {f"{page}.html" for page in stored.pages(ROOT)} | {"search.html"} == set(pages)


def test_links_and_anchors_resolve(book, pages):
    assert list(broken_links(pages, lambda path: (book / path).is_file())) == []


def test_broken_links_are_found():
    page = BeautifulSoup(
        '<a href="b.html">b</a><a href="#x">x</a><img src="i.png"><a href="#y" id="y">y</a>', "html.parser"
    )
    assert len(list(broken_links({"a.html": page}, {"a.html"}.__contains__))) == 3


def test_pages_load_nothing_from_elsewhere(book, pages):
    for name, page in pages.items():
        outside = [
            address
            for address in loads(page)
            if urlsplit(address).scheme not in ("", "data") or address.startswith("//")
        ]
        assert outside == [], name
    for css in book.rglob("*.css"):
        outside = [a for a in css_loads(css.read_text(encoding="utf-8")) if re.match(r"(https?:)?//", a)]
        assert outside == [], css.name


def test_loads_from_elsewhere_are_found():
    html = """<script src="https://a.org/x.js"></script><link rel="stylesheet" href="//b.org/y.css"><style>@import "https://c.org/z.css";
      a { background: url('https://d.org/i.png') }</style><link rel="canonical" href="https://e.org/"><a href="https://f.org/">f</a>"""
    found = set(loads(BeautifulSoup(html, "html.parser")))
    assert found == {"https://a.org/x.js", "//b.org/y.css", "https://c.org/z.css", "https://d.org/i.png"}


def test_the_page_of_claims_holds_every_claim(pages):
    listed = pages["pages/claims.html"]
    plain = lambda text: text.replace("‘", "'").replace("’", "'").replace("“", '"').replace("”", '"')
    links = {(urljoin("pages/", a["href"]), plain(a.get_text())) for a in listed.select("table.claims a")}
    count = 0
    for page, path in stored.notebooks(ROOT):
        for claim in stored.claims(stored.read(path)):
            count += 1
            assert (f"{page}.html#{claim['id']}", plain(claim["sentence"])) in links
            box = pages[f"{page}.html"].find(id=claim["id"])
            assert box is not None and claim["sentence"] in box.get_text()
            if claim["source"]:
                link = box.find("a", class_="claim-source")
                assert link and urlsplit(link["href"]).fragment == f"ref-{claim['source']}"
    assert len(listed.select("table.claims tbody tr")) == count
    assert f"{count} claims" in listed.get_text() or count == 0
    assert not any(page.find("span", class_="claim-source") for page in pages.values()), (
        "a BibTeX key is shown as it is"
    )


def test_the_page_of_run_times_holds_every_notebook(pages):
    table = pages["pages/run_times.html"].select_one("table.run-times")
    for page, path in stored.notebooks(ROOT):
        if record := stored.read(path).metadata.get("repgen"):
            row = next(row for row in table.select("tbody tr") if row.find("a", href=f"../{page}.html"))
            assert record["date"] in row.get_text() and record["versions"]["torch"] in row.get_text()


def test_the_bibliography_lists_every_reference(pages):
    listed = {element["id"] for element in pages["pages/bibliography.html"].select("div.citation")}
    assert listed == {f"ref-{key}" for key in parse_file(str(ROOT / "references.bib")).entries}


def test_every_notebook_opens_in_colab(pages):
    repository = address.current().removeprefix("https://github.com/")
    for page, _ in stored.notebooks(ROOT):
        links = [a["href"] for a in pages[f"{page}.html"].find_all("a", href=re.compile("colab.research.google.com"))]
        path = f"assignments/{Path(page).name}" if "/exercises/" in page else page
        expected = f"https://colab.research.google.com/github/{repository}/blob/main/{path}.ipynb"
        assert expected in links and set(links) == {expected}
        assert (ROOT / f"{path}.ipynb").exists()


def test_images_have_alternative_text(pages):
    for name, page in pages.items():
        for image in page.select("article img"):
            assert image.get("alt", "").strip(), f"{name}: {image.get('src')}"


def test_the_whole_site_stays_small(book):
    """Theme and MathJax take about 20 MB; a notebook stands there as a page and to be downloaded."""
    size = sum(path.stat().st_size for path in book.rglob("*") if path.is_file())
    most = 25e6 + 2e6 * len(stored.notebooks(ROOT))
    assert size < most, f"{size / 1e6:.0f} MB for {len(stored.notebooks(ROOT))} notebooks"


def test_no_page_shows_the_machine_it_was_built_on(book):
    for path in [*book.rglob("*.html"), *book.rglob("searchindex.js")]:
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text and str(Path.home()) + "/" not in text, path.name


def small_book(folder, page):
    """The book's own configuration around a single page."""
    for name in ("_config.yml", "references.bib"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "_ext", folder / "_ext", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "pages", folder / "pages", ignore=shutil.ignore_patterns("*.md"))
    shutil.copy(ROOT / "pages" / "bibliography.md", folder / "pages" / "bibliography.md")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters:\n- file: pages/bibliography\n")
    (folder / "index.md").write_text(page, encoding="utf-8")
    return folder


CLAIM = '# A title\n\n<div class="repgen-claim"><span class="claim-source" data-key="{}">[{}]</span></div>\n'


def test_a_claims_key_becomes_a_link(tmp_path, build_book):
    html = build_book(small_book(tmp_path, CLAIM.format(*["hinton2006reducing"] * 2)), tmp_path / "out")
    link = soup(html / "index.html").select_one(".repgen-claim a")
    assert link.get_text() == "Hinton & Salakhutdinov, 2006"
    assert link["href"] == "pages/bibliography.html#ref-hinton2006reducing"


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (CLAIM.format(*["nobody1900nothing"] * 2), "nobody1900nothing"),
        ("# A title\n\n[A page](pages/that_is_not_there.md)\n", "that_is_not_there"),
    ],
)
def test_a_fault_stops_the_build(tmp_path, build_book, page, message):
    with pytest.raises(AssertionError, match=message):
        build_book(small_book(tmp_path, page), tmp_path / "out")


def test_the_code_in_the_readme_runs():
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["again"].shape == names["strangers"].flat.shape


def test_a_shared_page_says_what_it_is(pages):
    for path, page in pages.items():
        if path == "search.html":
            continue
        said = {tag.get("property") or tag.get("name"): tag.get("content") for tag in page.find_all("meta")}
        assert said["description"].strip() and said["og:title"] and said["og:image:alt"], path
        assert said["og:url"].endswith(f"/{path}") and said["og:url"].startswith("https://"), path
        assert page.title.string.count("Learned representations and generative models") == 1, path


def test_search_engines_are_told_of_every_page(pages, book):
    listed = re.findall(r"<loc>([^<]+)</loc>", (book / "sitemap.xml").read_text(encoding="utf-8"))
    base = listed[0].split("/chapters/")[0]
    assert {url.removeprefix(f"{base}/") for url in listed} == pages.keys() - {"search.html"}


def test_a_page_that_is_not_there_leads_back(book):
    lost = soup(book / "404.html")
    home = urlsplit(soup(book / "index.html").find("meta", property="og:url")["content"]).path.removesuffix(
        "index.html"
    )
    links = [a["href"] for a in lost.select("nav a, a.logo") if not a["href"].startswith(("#", "http"))]
    assert links and all(link.startswith(home) and (book / unquote(link.removeprefix(home))).exists() for link in links)


def test_nothing_moves_when_pictures_come(pages):
    for path, page in pages.items():
        for image in page.select("article img"):
            if image["src"].endswith(".png") and not image["src"].startswith("data:"):
                assert image.get("width") and image.get("height"), f"{path}: {image['src']}"


def test_what_folds_a_chapter_has_a_name(pages):
    for path, page in pages.items():
        for summary in page.select("nav.bd-links summary"):
            assert summary["aria-label"].startswith("Pages of "), path
