"""Ask for a digit, in a static page: its chain is the net's, a class asked for stays on, and everybody can steer it."""

import base64
import itertools
import re

import pytest
import torch
from test_widgets_ask_for_a_digit import a_net
from widget_page import (
    accessible,
    as_grey,
    close,
    fits_a_phone,
    grey,
    heeds_reduced_motion,
    mulberry32,
    press,
    reached_by_keyboard,
    settle,
    static_page,
)

from repgen.widgets import AskForADigit
from repgen.widgets.ask_for_a_digit import top_pair
from repgen.widgets.base import script

NET = a_net()  # 64 pixels, 20 and 12 units, 4 classes beside 30 units on top
SEED = 3


# The chain by itself: the functions of ask_for_a_digit.js without a widget

SOURCE = script("reconstruct", "chance", "ask_for_a_digit").replace("export default", "const exported =")
RUN = """([source, spec, weights, task]) => {
  const { buildNetwork, labelledChain, randomFrom } = new Function(source + "; return { buildNetwork, labelledChain, randomFrom }")();
  const network = buildNetwork(spec, new DataView(Uint8Array.from(atob(weights), (c) => c.charCodeAt(0)).buffer));
  const { states, asked, classes, seed, steps } = task;
  const chain = labelledChain(network, classes, randomFrom(seed)), counts = {};
  if (states) return states.map((v) => {
    chain.v.set(v);
    const p = [...network.encode(chain.v)];
    chain.ask(-1);
    chain.step();
    return [p, [...chain.h], [...chain.means, ...chain.belief], [...chain.v]];
  });
  chain.ask(asked);
  chain.start();
  for (let k = 0; k < steps; k++) {
    chain.step();
    const key = [...chain.v, ...chain.h].join("");
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}"""


def in_the_page(page, rbm, **task):
    network = top_pair(rbm, "float32")
    weights = base64.b64encode(network.weights).decode()
    return page.evaluate(RUN, [SOURCE, network.spec, weights, {"seed": 1, "classes": rbm.n_classes, **task}])


def test_conditionals_are_those_of_torch(page):
    top = a_net((5, 400, 800), 10).top
    with torch.no_grad():
        for p in top.parameters():
            p.mul_(0.3)
    g = torch.Generator().manual_seed(0)
    v = top.join((torch.rand(4, 400, generator=g) < 0.3).float(), torch.tensor([3, 0, 9, 3]))
    p_hidden, h, means, after = (
        torch.tensor(rows, dtype=torch.float32) for rows in zip(*in_the_page(page, top, states=v.tolist()))
    )
    assert p_hidden.std() > 0.1 and means[:, :400].std() > 0.1 and means[:, 400:].std() > 0.1
    assert (p_hidden - top.hidden_given_visible(v)).abs().max() < 1e-4
    assert (means - top.visible_given_hidden(h)).abs().max() < 1e-4
    assert h.unique().tolist() == after.unique().tolist() == [0, 1]
    assert (after[:, 400:].sum(1) == 1).all()


def exactly(rbm):
    """p(v, h) of a pair with 2 features, 3 classes and 2 hidden units, from its energy: {"f f c c c h h":
    probability}."""
    pairs = [
        (rbm.join(torch.tensor([f]), torch.tensor([k]))[0], torch.tensor(h))
        for f in itertools.product((0.0, 1.0), repeat=2)
        for k in range(3)
        for h in itertools.product((0.0, 1.0), repeat=2)
    ]
    p = (-rbm.energy(torch.stack([v for v, _ in pairs]), torch.stack([h for _, h in pairs]))).softmax(0).tolist()
    return {"".join(str(int(u)) for u in (*v, *h)): q for (v, h), q in zip(pairs, p)}


def test_a_tiny_pair_is_in_its_states_as_often_as_enumeration_says(page):
    rbm = a_net((2, 2, 2), 3, seed=2).top
    with torch.no_grad():
        for p in rbm.parameters():
            p.mul_(1.5)
    want, steps = exactly(rbm), 60_000
    assert max(want.values()) > 3 * min(want.values())
    have = in_the_page(page, rbm, asked=-1, steps=steps)
    assert set(have) <= set(want)
    assert sum(abs(have.get(state, 0) / steps - p) for state, p in want.items()) / 2 < 0.015
    for k in range(3):
        have = in_the_page(page, rbm, asked=k, steps=steps)
        given = {state: p for state, p in want.items() if state[2 + k] == "1"}
        assert set(have) <= set(given)  # the class has never changed
        assert sum(abs(have.get(s, 0) / steps - p / sum(given.values())) for s, p in given.items()) / 2 < 0.015


# The widget, against the same chain in Python


class Chain:
    """The chain of the page, step by step; `asked` is a class, or -1."""

    def __init__(self, asked=0):
        self.random, self.asked = mulberry32(SEED), asked

    def toss(self, p):
        return torch.tensor([float(next(self.random) < q) for q in p])

    def turn_on(self, k):
        self.v = NET.top.join(self.v[None, :12], torch.tensor([k]))[0]

    def start(self):
        self.v = self.toss([0.5] * 12)
        self.turn_on(self.asked if self.asked >= 0 else int(next(self.random) * 4))
        self.belief = torch.full((4,), 0.25)

    @torch.no_grad()
    def step(self, n=1):
        for _ in range(n):
            h = self.toss(NET.top.hidden_given_visible(self.v[None])[0])
            means = NET.top.visible_given_hidden(h[None])[0]
            self.v, self.belief = self.toss(means[:12]), means[12:]
            k = self.asked
            if k < 0:
                k = int((next(self.random) >= self.belief.cumsum(0)[:-1]).sum())
            self.turn_on(k)

    @property
    @torch.no_grad()
    def picture(self):
        return as_grey(NET.decode(self.v[None, :12]))


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    shown = AskForADigit(NET, dtype="float32", seed=SEED, every=50)
    return static_page(tmp_path_factory.mktemp("ask"), shown)


PAPER = ".rg-large canvas"


def ask(page, name):
    page.get_by_role("radio", name=name, exact=True).check()
    settle(page)


def facts(page):
    """The step, the class held or none, and for how many steps."""
    settle(page)
    seen = page.locator(".rg-main .rg-facts").text_content()
    numbers = [int(n) for n in re.findall(r"\d+", seen)]
    return tuple(numbers) if len(numbers) == 3 else (numbers[0], None, None)


def beliefs(page):
    """The shares in per cent, and the lengths of the bars."""
    settle(page)
    shares = [int(text.split()[0]) for text in page.locator(".rg-share").all_text_contents()]
    return shares, page.locator(".rg-bar").evaluate_all("(all) => all.map((b) => parseFloat(b.style.width))")


def same_belief(page, chain):
    shares, bars = beliefs(page)
    want = 100 * chain.belief
    return (torch.tensor(shares) - want).abs().max() <= 0.51 and (torch.tensor(bars) - want).abs().max() < 0.02


def test_what_is_shown_is_the_nets_chain(open_widget, url):
    page, chain = open_widget(url), Chain()
    chain.start()
    assert close(grey(page, PAPER), chain.picture) and facts(page) == (0, 0, 0) and same_belief(page, chain)
    for step in (1, 2, 3):
        chain.step()
        press(page, "One step")
        assert close(grey(page, PAPER), chain.picture) and facts(page) == (step, 0, step) and same_belief(page, chain)
    ask(page, "2")
    chain.asked = 2
    chain.turn_on(2)
    assert close(grey(page, PAPER), chain.picture) and facts(page) == (3, 2, 0)
    press(page, "100 steps")
    chain.step(100)
    assert close(grey(page, PAPER), chain.picture) and facts(page) == (103, 2, 100) and same_belief(page, chain)
    assert page.locator(".rg-asked").all_text_contents() == ["2"]
    ask(page, "none")
    chain.asked = -1
    press(page, "100 steps")
    chain.step(100)
    assert close(grey(page, PAPER), chain.picture) and facts(page)[0] == 203 and same_belief(page, chain)
    assert page.locator(".rg-facts", has_text="no class held").count() == 1 and page.locator(".rg-asked").count() == 0
    ask(page, "1")
    press(page, "Reset")
    chain.asked = 1
    chain.start()
    assert close(grey(page, PAPER), chain.picture) and facts(page) == (0, 1, 0) and same_belief(page, chain)


def test_fantasies_are_kept(open_widget, url):
    page, chain, kept = open_widget(url), Chain(), []
    chain.start()
    press(page, "One step", "100 steps")
    for step in range(1, 102):
        chain.step()
        if step in (50, 100, 101):  # every 50 steps, and what was there when another class is asked for
            kept.append((f"0 · {step}", chain.picture))
    ask(page, "3")
    chain.asked = 3
    chain.turn_on(3)
    press(page, "Reset")  # nothing has happened since
    chain.start()
    press(page, *["100 steps"] * 5)
    for step in range(1, 501):
        chain.step()
        if step % 50 == 0:
            kept.append((f"3 · {step}", chain.picture))
    settle(page)
    kept = kept[-12:]
    assert page.locator(".rg-chain .rg-caption").all_text_contents() == [name for name, _ in kept]
    for i, (_, picture) in enumerate(kept):
        assert close(grey(page, f".rg-chain .rg-figure:nth-child({i + 1}) canvas"), picture)


def test_begins_with_what_it_was_told(open_widget, tmp_path):
    page = open_widget(
        static_page(
            tmp_path, AskForADigit(NET, ["naught", "one", "two", "three"], asked=-1, dtype="float32", seed=SEED)
        )
    )
    chain = Chain(asked=-1)
    chain.start()
    assert page.get_by_role("radio", name="none").is_checked() and close(grey(page, PAPER), chain.picture)
    press(page, "One step")
    chain.step()
    assert close(grey(page, PAPER), chain.picture)
    ask(page, "two")
    assert page.get_by_role("radio", checked=True).count() == 1
    assert page.locator(PAPER).get_attribute("aria-label") == "The fantasy at step 1, two held for 0"


def test_classes_are_asked_for_by_keyboard_and_it_is_said(open_widget, url):
    page = open_widget(url)
    page.get_by_role("radio", name="0").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('[aria-live]').textContent === 'asks for 1'")
    assert facts(page) == (0, 1, 0)
    press(page, "One step")
    shares, _ = beliefs(page)
    page.wait_for_function("document.querySelector('[aria-live]').textContent.startsWith('step 1: taken for ')")
    assert page.locator("[aria-live]").text_content().endswith(f" with {max(shares)} %")


def test_it_plays_only_when_asked_and_pauses(open_widget, url):
    page = open_widget(url)
    page.wait_for_timeout(300)
    assert facts(page)[0] == 0
    slider = page.get_by_role("slider", name="speed")
    assert slider.get_attribute("aria-valuetext") == "1 step a frame"
    slider.fill("3")
    assert slider.get_attribute("aria-valuetext") == "10 steps a frame"
    press(page, "Play")
    page.wait_for_function("parseInt(document.querySelector('.rg-main .rg-facts').textContent.slice(5)) > 40")
    assert page.locator("[aria-live]").text_content() == ""  # not while it plays
    press(page, "Pause")
    step = facts(page)[0]
    assert step % 10 == 0
    page.wait_for_function(f"document.querySelector('[aria-live]').textContent.startsWith('step {step}: ')")
    assert facts(page)[0] == step
    press(page, "One step")
    assert facts(page)[0] == step + 1


def test_nothing_plays_for_those_who_want_no_motion(open_widget, url):
    heeds_reduced_motion(open_widget, url, lambda page: facts(page)[0])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_accessibility(open_widget, url, theme):
    page = open_widget(url)
    press(page, "100 steps")
    accessible(page, theme)


def test_no_sideways_scroll_on_a_phone(open_widget, url, tmp_path):
    fits_a_phone(open_widget, url, static_page(tmp_path, AskForADigit(a_net((784, 400, 400, 800), 10))))


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(open_widget, url):
    reached_by_keyboard(open_widget, url)
