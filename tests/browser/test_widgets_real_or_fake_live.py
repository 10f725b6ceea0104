"""Real or fake, in a static page: its pictures and its discriminator are torch's, its chance the seed's, its score the
closed form's."""

import math
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import torch
from scipy.stats import binomtest
from test_widgets_real_or_fake import FORGERS, JUDGE, REAL, a_quiz
from widget_page import (
    accessible,
    as_grey,
    close,
    fits_a_phone,
    grey,
    mulberry32,
    press,
    reached_by_keyboard,
    settle,
    static_page,
)

from repgen.widgets.base import script

SEED = 11
HERE = ".rg-stage canvas"


class Deck:
    """The pictures of the page in their order, (source, picture (8, 8), the discriminator's probability), by
    definition."""

    def __init__(self, seed):
        self.random, self.left = mulberry32(seed), []

    def draw(self, forger=None):
        u = lambda: next(self.random)
        source = "real" if u() < 0.5 else forger or list(FORGERS)[int(2 * u())]
        if source == "real":
            self.left = self.left or list(range(len(REAL)))
            x = REAL[self.left.pop(int(u() * len(self.left)))]
        else:
            z = [
                math.sqrt(-2 * math.log(1 - u())) * math.cos(2 * math.pi * u())
                for _ in range(3 if source == "dense" else 5)
            ]
            x = FORGERS[source](torch.tensor([z])).reshape(8, 8)
        return source, x, JUDGE(x[None, None]).sigmoid().item()


def right(said, source):
    return said == ("real" if source == "real" else "made")


# The statistics by themselves: the functions of real_or_fake.js without a widget

SOURCE = script("chance", "real_or_fake").replace("export default", "const exported =")


def test_interval_and_probability_are_those_of_scipy(page):
    cases = [(k, n) for n in (1, 2, 7, 20, 200) for k in range(0, n + 1, max(1, n // 10))]
    run = "([source, cases]) => { const { wilson, byGuessing } = new Function(source + '; return { wilson, byGuessing }')(); return cases.map(([k, n]) => [...wilson(k, n), byGuessing(k, n)]); }"
    for (k, n), (low, high, p) in zip(cases, page.evaluate(run, [SOURCE, cases])):
        want = binomtest(k, n).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx((want.low, want.high), abs=1e-6)
        assert p == pytest.approx(binomtest(k, n, alternative="greater").pvalue, rel=1e-9)


# The widget

# finds the models of the page where its host keeps them
SPY = """<script>
  const set = Map.prototype.set, models = [];
  Map.prototype.set = function (key, value) {
    if (value instanceof Promise) value.then((model) => model.save_changes && models.push(model), () => {});
    return set.call(this, key, value);
  };
  const quiz = () => models.find((model) => model.get("answers"));
</script>"""


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    def make(**change):
        url = static_page(
            tmp_path_factory.mktemp("quiz"),
            a_quiz(**{"dtype": "float32", "seed": SEED, "rounds": 6, "title": "Quiz"} | change),
        )
        path = Path(unquote(urlsplit(url).path))
        path.write_text(path.read_text("utf-8").replace("<script defer", SPY + "<script defer", 1), "utf-8")
        return url

    return make


@pytest.fixture(scope="module")
def url(make):
    return make()


def answer(page, said):
    press(page, said.title())


def play(page, *said):
    """Answers round after round; the answer to the last one is on the page."""
    for k, one in enumerate(said):
        if k:
            press(page, "Next picture")
        answer(page, one)


def asked(page, k, rounds=6):
    """Round k, counted from 1, waits for an answer and gives none away."""
    assert page.locator(".rg-progress span").text_content() == f"Picture {k} of {rounds}"
    assert page.locator(HERE).get_attribute("aria-label") == f"picture {k} of {rounds}"
    assert page.locator(".rg-actions button").all_text_contents() == ["Real", "Made"]
    assert page.locator(".rg-card").count() == 0


def board(page):
    return page.locator(".rg-score b").all_text_contents()


def said_aloud(page, text):
    page.wait_for_function("(text) => document.querySelector('[aria-live]').textContent.includes(text)", arg=text)


def test_pictures_and_opinions_are_those_of_torch(open_widget, make):
    page, deck, sources = open_widget(make(rounds=15)), Deck(SEED), []
    for k in range(15):
        asked(page, k + 1, 15)
        source, x, p = deck.draw()
        assert close(grey(page, HERE), as_grey(x))
        said = ("real", "made")[k % 2]
        answer(page, said)
        mine, judge = page.locator(".rg-card").all()
        word = "Right" if right(said, source) else "Wrong"
        assert mine.locator("p").text_content() == f"{word}. This picture " + (
            "is real." if source == "real" else f"was made by {source}."
        )
        assert mine.locator(".rg-mark").text_content() == (
            "✓" if word == "Right" else "✗"
        ) and f"rg-{word.lower()}" in mine.get_attribute("class")
        fits = (p > 0.5) == (source == "real")
        assert (
            judge.locator("p").text_content()
            == f"The discriminator says {100 * p:.0f} % real: {'right' if fits else 'wrong'}."
        )
        assert f"rg-{'right' if fits else 'wrong'}" in judge.get_attribute("class")
        assert float(judge.locator(".rg-p").evaluate("(bar) => bar.style.width.slice(0, -1)")) == pytest.approx(
            100 * p, abs=0.01
        )
        shown = page.locator(".rg-seen").nth(k)
        assert shown.locator("b").text_content() == ("real" if source == "real" else "made")
        assert shown.locator("span").all_text_contents() == [
            f"you {'✓' if word == 'Right' else '✗'}",
            f"D {'✓' if fits else '✗'}",
        ]
        assert close(grey(page, f".rg-seen >> nth={k} >> canvas"), as_grey(x))
        sources.append(source)
        press(page, "Next picture" if k < 14 else "Summary")
    assert {*sources} == {"real", "dense", "DCGAN"}


def test_the_bar_is_as_long_as_the_probability(open_widget, url):
    page = open_widget(url)
    answer(page, "real")
    box, bar, half = (page.locator(f".rg-card {part}").bounding_box() for part in (".rg-track", ".rg-p", ".rg-half"))
    assert bar["width"] == pytest.approx(Deck(SEED).draw()[2] * box["width"], abs=1) and bar["x"] == pytest.approx(
        box["x"], abs=1
    )
    assert half["x"] + half["width"] / 2 == pytest.approx(box["x"] + box["width"] / 2, abs=1)


KEYS = "(keys) => keys.forEach((key) => document.querySelector('.rg').dispatchEvent(new KeyboardEvent('keydown', { key })))"
SEEN = """() => [...document.querySelectorAll(".rg-seen")].map((item) => {
  const c = item.querySelector("canvas"), data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  return [item.querySelector("b").textContent, c.getAttribute("aria-label"), [...data].filter((_, i) => i % 4 === 0)];
})"""


def all_made(page, n):
    """A game of n rounds: of each picture what it was, its label, and its pixels."""
    page.evaluate(KEYS, ["m", "Enter"] * n)
    return page.evaluate(SEEN)


def test_the_order_is_the_seeds_and_half_of_the_pictures_are_real(open_widget, make):
    shown, deck, real = all_made(open_widget(make(rounds=200)), 200), Deck(SEED), []
    assert len(shown) == 200
    for kind, label, pixels in shown:
        source, x, _ = deck.draw()
        assert kind == ("real" if source == "real" else "made") and (source == "real" or f"made by {source};" in label)
        assert close(torch.tensor(pixels), as_grey(x))
        real += [tuple(pixels)] if source == "real" else []
    assert abs(len(real) - 100) < 3 * 50**0.5
    for at in (0, 30, 60):  # none of the 30 comes again before all were shown
        assert len(set(real[at : at + 30])) == 30
    shown = all_made(open_widget(make(rounds=200, forger="DCGAN")), 200)
    assert 60 < sum("made by DCGAN" in label for _, label, _ in shown) < 140 and not any(
        "dense" in label for _, label, _ in shown
    )


def test_without_a_seed_every_visit_is_another(open_widget, make):
    url = make(seed=None, rounds=40)
    games = [all_made(open_widget(url), 40) for _ in range(2)]
    assert [kind for kind, *_ in games[0]] != [kind for kind, *_ in games[1]]
    made = [{tuple(pixels) for kind, _, pixels in game if kind == "made"} for game in games]
    assert min(map(len, made)) > 5 and not made[0] & made[1]


ROWS = """() => [...document.querySelectorAll(".rg-score")].map((row) => {
  const [track, band, at, half] = [".rg-track", ".rg-band", ".rg-at", ".rg-half"].map((part) => row.querySelector(part).getBoundingClientRect());
  const share = (x) => (x - track.x) / track.width;
  return { text: row.querySelector(".rg-hint").textContent, places: [share(band.left), share(band.right), share(at.x + at.width / 2), share(half.x + half.width / 2)] };
})"""


@pytest.mark.parametrize("mine, beats", [(20, True), (15, True), (14, False), (3, None)])
def test_score_interval_and_summary_are_those_of_scipy(open_widget, make, mine, beats):
    page, deck = open_widget(make(rounds=20)), Deck(SEED)
    drawn = [deck.draw() for _ in range(20)]
    judged, said = [(p > 0.5) == (source == "real") for source, _, p in drawn], []
    assert board(page) == ["–", "–"] and not page.locator(".rg-band").first.is_visible()
    for k, (source, *_) in enumerate(drawn):
        said.append("real" if (source == "real") == (k < mine) else "made")
        page.evaluate(KEYS, [said[-1][0]])
        ok = [right(one, source) for one, (source, *_) in zip(said, drawn)], judged[: k + 1]
        assert board(page) == [f"{sum(all_)} of {k + 1}" for all_ in ok]
        for row, all_ in zip(page.evaluate(ROWS), ok, strict=True):
            want, share = binomtest(sum(all_), k + 1).proportion_ci(method="wilson"), sum(all_) / (k + 1)
            assert row["text"] == f"95 % interval: {100 * want.low:.0f} to {100 * want.high:.0f} %"
            assert row["places"] == pytest.approx([want.low, want.high, share, 0.5], abs=0.01)
        page.evaluate(KEYS, ["Enter"])
    p = {side: binomtest(mine, 20, alternative=side).pvalue for side in ("greater", "less")}
    text = page.locator(".rg-summary").inner_text()
    number = lambda p: "less than 0.001" if p < 0.001 else f"{p:.{3 if p < 0.1 else 2}f}"
    assert (p["greater"] < 0.05, p["less"] < 0.05) == (beats is True, beats is None)
    headline = {
        True: "You beat guessing",
        False: "This could have been guessing",
        None: "Guessing would have done better",
    }[beats]
    assert f"{mine} of 20 right. {headline}." in text
    if beats is None:
        assert f"gets {mine} or fewer right with probability {number(p['less'])}." in text
    else:
        assert (
            f"gets {mine} or more right with probability "
            f"{number(p['greater'])}{'' if beats else '; 15 would beat guessing'}." in text
        )
    theirs = sum(judged)
    assert (
        f"The discriminator got {theirs}, which guessing reaches with probability "
        f"{number(binomtest(theirs, 20, alternative='greater').pvalue)}." in text
    )
    rows = [row.locator("> div").all_text_contents() for row in page.locator(".rg-table [role=row]").all()]
    assert rows[0] == ["pictures", "you", "discriminator", "your mistakes"]
    for (name, you, judge, _), source in zip(rows[1:], ("real", *FORGERS), strict=True):
        at = [k for k, (s, *_) in enumerate(drawn) if s == source]
        assert name == ("real ones" if source == "real" else source) and at
        wrong = [k for k in at if not right(said[k], source)]
        assert (you, judge) == (f"{len(at) - len(wrong)} of {len(at)}", f"{sum(judged[k] for k in at)} of {len(at)}")
        row = page.get_by_role("row").filter(has_text=name)
        assert [c.get_attribute("aria-label") for c in row.locator("canvas").all()] == [
            f"picture {k + 1}" for k in wrong
        ]
    real = [k for k, (s, *_) in enumerate(drawn) if s == "real"]
    lost = lambda which: sum(not right(said[k], drawn[k][0]) for k in which)
    made = [k for k in range(20) if k not in real]
    assert (
        f"You took {lost(made)} of {len(made)} made pictures for real, and {lost(real)} of {len(real)} real ones for "
        f"made." in text
    )


def test_mistakes_of_the_summary_are_the_pictures(open_widget, url):
    page, deck = open_widget(url), Deck(SEED)
    drawn = [deck.draw() for _ in range(6)]
    play(page, *["made" if source == "real" else "real" for source, *_ in drawn])
    press(page, "Summary")
    for k, (_, x, _) in enumerate(drawn):
        assert close(grey(page, f".rg-table canvas[aria-label='picture {k + 1}']"), as_grey(x))


def test_few_rounds_say_that_they_are_few(open_widget, make):
    page = open_widget(make(rounds=4, discriminator=None))
    play(page, "real", "real", "made", "made")
    press(page, "Summary")
    assert "4 pictures are too few to beat guessing" in page.locator(".rg-summary").inner_text()
    assert "iscriminator" not in page.locator(".rg").inner_text() and page.locator(".rg-score").count() == 1
    assert page.locator(".rg-seen span").count() == 4


def test_answers_can_be_read_and_the_forger_set(open_widget, url):
    page, deck = open_widget(url), Deck(SEED)
    drawn = [deck.draw() for _ in range(4)]
    play(page, "real", "made", "made")
    for found, said, (source, _, p) in zip(
        page.evaluate("quiz().get('answers')"), ("real", "made", "made"), drawn[:3], strict=True
    ):
        assert found.pop("discriminator") == pytest.approx(p, abs=1e-4)
        assert found == {"source": source, "said": said, "right": right(said, source)}
    press(page, "Next picture")
    page.evaluate("quiz().set('forger', 'DCGAN')")
    settle(page)
    asked(page, 1)
    assert page.get_by_role("radio", name="DCGAN").is_checked() and page.evaluate("quiz().get('answers')") == []
    for _ in range(6):
        source, x, _ = deck.draw("DCGAN")
        assert source != "dense" and close(grey(page, HERE), as_grey(x))
        answer(page, "made")
        page.locator(".rg-onwards").click()
    page.get_by_role("radio", name="all mixed").check()
    settle(page)
    asked(page, 1)
    assert page.evaluate("quiz().get('forger')") is None
    assert close(grey(page, HERE), as_grey(deck.draw()[1]))


def test_one_forger_alone_leaves_nothing_to_choose(open_widget, make):
    page = open_widget(make(forgers={"dense": FORGERS["dense"]}))
    assert page.get_by_role("radio").count() == 0 and "dense" in page.locator(".rg-verdict").inner_text()


def test_a_game_can_be_begun_anew(open_widget, url):
    page, deck = open_widget(url), Deck(SEED)
    drawn = [deck.draw() for _ in range(9)]
    play(page, "real", "made")
    press(page, "Start anew")
    asked(page, 1)
    assert (
        board(page) == ["–", "–"]
        and page.locator(".rg-seen").count() == 0
        and page.evaluate("quiz().get('answers')") == []
    )
    assert close(grey(page, HERE), as_grey(drawn[2][1]))
    said_aloud(page, "New game. Picture 1 of 6")
    play(page, *6 * ["made"])
    press(page, "Summary")
    assert page.locator(".rg-stage").count() == 0 and page.locator(".rg-headline").is_visible()
    press(page, "Play again")
    asked(page, 1)
    assert board(page) == ["–", "–"] and page.locator(".rg-headline").count() == 0
    assert close(grey(page, HERE), as_grey(drawn[8][1]))
    page.get_by_role("radio", name="dense").check()
    said_aloud(page, "New game against dense. Picture 1 of 6")


def test_keys_answer_and_go_on(open_widget, url):
    page, deck = open_widget(url), Deck(SEED)
    page.evaluate("window.leaked = []; document.addEventListener('keydown', (event) => leaked.push(event.key))")
    page.get_by_role("button", name="Real", exact=True).focus()
    for k, (key, said, on) in enumerate(
        [
            ("r", "real", "Enter"),
            ("ArrowRight", "made", "Space"),
            ("M", "made", "Enter"),
            ("ArrowLeft", "real", "Space"),
        ]
    ):
        asked(page, k + 1)
        source, *_ = deck.draw()
        page.keyboard.press("Control+b" if said == "real" else "Alt+b")
        asked(page, k + 1)
        page.keyboard.press(key)
        settle(page)
        assert page.evaluate("document.activeElement.textContent") == "Next picture"
        assert page.evaluate("quiz().get('answers').at(-1).said") == said and page.locator(
            ".rg-card b"
        ).first.text_content() == ("Right." if right(said, source) else "Wrong.")
        page.keyboard.press(key)  # a second answer is none
        settle(page)
        assert page.evaluate("quiz().get('answers').length") == k + 1 and page.locator(".rg-seen").count() == k + 1
        page.keyboard.press(on)
        settle(page)
        assert page.evaluate("document.activeElement.matches('.rg-stage')")
    # arrows may turn the page, letters change a notebook's cell
    assert not {"r", "M", "ArrowLeft", "ArrowRight"} & {*page.evaluate("leaked")}
    page.keyboard.press("r")
    page.locator(".rg-stage").focus()
    page.keyboard.press("Enter")  # not on the button
    settle(page)
    asked(page, 6)
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    settle(page)
    assert page.evaluate("document.activeElement.matches('.rg-summary')")
    page.keyboard.press("r")
    settle(page)
    assert page.evaluate("quiz().get('answers').length") == 6


def test_held_keys_and_modified_keys_do_nothing(open_widget, url):
    page = open_widget(url)
    keydown = "(props) => document.querySelector('.rg-stage').dispatchEvent(new KeyboardEvent('keydown', { bubbles: true, ...props }))"
    for props in (
        {"key": "r", "repeat": True},
        {"key": "r", "ctrlKey": True},
        {"key": "ArrowLeft", "altKey": True},
        {"key": "m", "metaKey": True},
    ):
        page.evaluate(keydown, props)
        settle(page)
        asked(page, 1)
    page.evaluate(keydown, {"key": "r"})
    assert page.locator(".rg-card").count() == 2


def test_arrows_on_the_choice_of_a_forger_choose(open_widget, url):
    page = open_widget(url)
    page.get_by_role("radio", name="all mixed").focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert page.get_by_role("radio", name="dense").is_checked() and page.evaluate("quiz().get('forger')") == "dense"
    asked(page, 1)


def test_a_double_click_does_not_skip_the_answer(open_widget, url):
    page = open_widget(url)
    page.get_by_role("button", name="Real", exact=True).dblclick()
    settle(page)
    assert (
        page.locator(".rg-card").count() == 2 and page.locator(".rg-progress span").text_content() == "Picture 1 of 6"
    )


def test_answers_are_spoken(open_widget, url):
    page, deck = open_widget(url), Deck(SEED)
    assert page.locator("[aria-live]").text_content() == ""
    source, _, p = deck.draw()
    answer(page, "made")
    judged = (p > 0.5) == (source == "real")
    told = f"{'Right' if right('made', source) else 'Wrong'}: the picture {'is real' if source == 'real' else f'was made by {source}'}. "
    said_aloud(
        page,
        f"{told}The discriminator says {100 * p:.0f} % real: {'right' if judged else 'wrong'}. You "
        f"{right('made', source):d} of 1, Discriminator {judged:d} of 1.",
    )
    press(page, "Next picture")
    said_aloud(page, "Picture 2 of 6: real or made?")
    play(page, *5 * ["real"])
    press(page, "Summary")
    said_aloud(page, "of 6 right. ")


def test_nothing_moves_by_itself(open_widget, url):
    page = open_widget(url, reduced_motion="reduce")
    answer(page, "real")
    assert page.evaluate("document.getAnimations().length") == 0
    before = page.locator(".rg").inner_html()
    page.wait_for_timeout(400)
    assert page.locator(".rg").inner_html() == before


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_accessibility(open_widget, url, theme):
    page = open_widget(url)
    accessible(page, theme)
    play(page, *6 * ["real"])  # right ones and wrong ones
    accessible(page, theme)
    press(page, "Summary")
    accessible(page, theme)


def test_no_sideways_scroll_on_a_phone(open_widget, make):
    names = {
        "a dense generator": FORGERS["dense"],
        "an extraordinarilylongnamethatcannotbebrokenanywhere": FORGERS["dense"],
    }
    url = make(forgers=names, rounds=14)
    fits_a_phone(open_widget, url)
    page = open_widget(url, viewport={"width": 360, "height": 700}, is_mobile=True, has_touch=True)
    narrow = "() => document.documentElement.scrollWidth <= 360 && [...document.querySelectorAll('.rg *')].every((part) => part.getBoundingClientRect().right <= 360)"
    for _ in range(14):
        answer(page, "real")
        assert page.evaluate(narrow)
        page.locator(".rg-onwards").click()
    settle(page)
    assert page.locator(".rg-headline").is_visible() and page.evaluate(narrow)


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(open_widget, url):
    reached_by_keyboard(open_widget, url)
    page = open_widget(url)
    for _ in range(6):
        page.locator(".rg-stage").focus()
        page.keyboard.press("m")
        outline = page.evaluate(
            "(() => { const css = getComputedStyle(document.activeElement); return [css.outlineStyle, "
            "parseFloat(css.outlineWidth)]; })()"
        )
        assert outline[0] != "none" and outline[1] >= 2
        page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Play again"
