"""Gibbs in the page, in a static page: its chain is the machine's, what is held stays, and everybody can steer it."""

import base64
import re

import pytest
import torch
from sklearn.datasets import load_digits
from test_widgets_gibbs import a_machine
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

from repgen.widgets import Gibbs
from repgen.widgets.base import script
from repgen.widgets.gibbs import conditionals

DIGITS = torch.tensor(load_digits().data / 16, dtype=torch.float32)  # (1797, 64)
RBM = a_machine()  # 64 visible units, 20 hidden ones
NOISE = ((RBM.visible_offset * 255).round().double() / 255).tolist()  # as the page gets it
SEED = 3


# The chain by itself: the functions of gibbs.js without a widget

SOURCE = script("reconstruct", "pad", "chance", "gibbs").replace("export default", "const exported =")
RUN = """([source, spec, weights, task]) => {
  const { buildNetwork, gibbsChain, randomFrom } = new Function(source + "; return { buildNetwork, gibbsChain, randomFrom }")();
  const network = buildNetwork(spec, new DataView(Uint8Array.from(atob(weights), (c) => c.charCodeAt(0)).buffer));
  const { states, held, seed, steps } = task;
  if (states) return states.map((v) => {
    const chain = gibbsChain(network, randomFrom(seed));
    chain.start((i) => v[i] === 1);
    const p = [...network.encode(chain.v)];
    chain.step();
    return [p, [...chain.h], [...chain.means], [...chain.v]];
  });
  const chain = gibbsChain(network, randomFrom(seed)), counts = {};
  chain.start(() => false);
  held.forEach(([i, value]) => ((chain.held[i] = 1), (chain.v[i] = value)));
  for (let k = 0; k < steps; k++) {
    chain.step();
    const key = [...chain.v, ...chain.h].join("");
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}"""


def in_the_page(page, network, **task):
    return page.evaluate(RUN, [SOURCE, network.spec, base64.b64encode(network.weights).decode(), {"seed": 1, **task}])


def test_conditionals_are_those_of_torch(page):
    rbm = a_machine(784, 500)
    with torch.no_grad():
        for p in rbm.parameters():
            p.mul_(0.3)
    v = (torch.rand(4, 784, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    seen = in_the_page(page, conditionals(rbm, "float32"), states=v.tolist())
    p_hidden, h, means, after = (torch.tensor(rows, dtype=torch.float32) for rows in zip(*seen))
    assert p_hidden.std() > 0.1 and means.std() > 0.1
    assert (p_hidden - rbm.hidden_given_visible(v)).abs().max() < 1e-4
    assert (means - rbm.visible_given_hidden(h)).abs().max() < 1e-4
    assert h.unique().tolist() == after.unique().tolist() == [0, 1]


def exactly(rbm):
    """p(v, h) of a machine of 3 and 2 units, from the definition of its energy: {"v v v h h": probability}."""
    v, h = torch.cartesian_prod(*[torch.arange(2.0)] * 3), torch.cartesian_prod(*[torch.arange(2.0)] * 2)
    p = torch.stack([(-rbm.energy(row.expand(4, 3), h)).exp() for row in v]).detach()
    return {
        "".join(str(int(u)) for u in (*a, *b)): (p[i, j] / p.sum()).item()
        for i, a in enumerate(v)
        for j, b in enumerate(h)
    }


def test_a_tiny_machine_is_in_its_states_as_often_as_enumeration_says(page):
    rbm = a_machine(3, 2, seed=2)
    with torch.no_grad():
        for p in rbm.parameters():
            p.mul_(2)
    want, steps = exactly(rbm), 60_000
    network = conditionals(rbm, "float32")
    assert max(want.values()) > 3 * min(want.values())
    # v is drawn given h, so the pair after a step is a draw of p(v, h)
    have = in_the_page(page, network, held=[], steps=steps)
    assert sum(abs(have.get(state, 0) / steps - p) for state, p in want.items()) / 2 < 0.015
    for at, value in ((0, 1), (2, 0)):
        have = in_the_page(page, network, held=[[at, value]], steps=steps)
        given = {state: p for state, p in want.items() if state[at] == str(value)}
        assert set(have) <= set(given)  # the held unit has never moved
        assert sum(abs(have.get(s, 0) / steps - p / sum(given.values())) for s, p in given.items()) / 2 < 0.015


# The widget, against the same chain in Python


class Chain:
    """The chain of the page, step by step; `held` is a mask (64,)."""

    def __init__(self, held=None, seed=SEED):
        self.random, self.h = mulberry32(seed), torch.zeros(20)
        self.held = torch.zeros(64, dtype=torch.bool) if held is None else held

    def start(self, picture=None, keep=False, noise=NOISE):
        white = [v >= 0.5 for v in picture] if picture is not None else None
        self.v = torch.tensor(
            [
                float(
                    self.v[i] if keep and self.held[i] else next(self.random) < noise[i] if white is None else white[i]
                )
                for i in range(64)
            ]
        )
        self.hidden()

    def hidden(self):
        p = RBM.hidden_given_visible(self.v[None])[0]
        before, self.h = self.h, torch.tensor([float(next(self.random) < q) for q in p])
        self.flips = int((before != self.h).sum())

    @torch.no_grad()
    def step(self):
        self.hidden()
        p = RBM.visible_given_hidden(self.h[None])[0]
        self.means = torch.where(self.held, self.v, p)
        new = torch.tensor([float(self.v[i] if self.held[i] else next(self.random) < p[i]) for i in range(64)])
        self.changed, self.v = int((new != self.v).sum()), new


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    shown = Gibbs(RBM, DIGITS[:3], ["zero", "one", "two"], dtype="float32", seed=SEED)
    return static_page(tmp_path_factory.mktemp("gibbs"), shown)


PAPER = ".rg-pad canvas:first-child"


def facts(page):
    """The step, pixels changed and held, hidden units on and flipped."""
    settle(page)
    seen, hidden = page.locator(".rg-facts").all_text_contents()
    step, changed, _, held = map(int, re.findall(r"\d+", seen))
    on, _, flipped = map(int, re.findall(r"\d+", hidden))
    return step, changed, held, on, flipped


def test_what_is_shown_is_the_machines_chain(open_widget, url):
    page, chain = open_widget(url), Chain()
    chain.start(DIGITS[0])
    assert close(grey(page, PAPER), as_grey(chain.v)) and facts(page) == (0, 0, 0, int(chain.h.sum()), 0)
    for step in (1, 2, 3):
        chain.step()
        press(page, "One step")
        assert close(grey(page, PAPER), as_grey(chain.means))
        assert facts(page) == (step, chain.changed, 0, int(chain.h.sum()), chain.flips)
    page.get_by_label("show the pixels as drawn").check()
    assert close(grey(page, PAPER), as_grey(chain.v))
    press(page, "100 steps")
    for _ in range(100):
        chain.step()
    assert facts(page) == (103, chain.changed, 0, int(chain.h.sum()), chain.flips)
    names = page.locator(".rg-chain canvas").evaluate_all("(all) => all.map((c) => c.getAttribute('aria-label'))")
    assert names == ["start", *(f"step {k}" for k in (1, 2, 5, 10, 20, 50, 100))]
    # the cells of the hidden units, five in a line, 24 pixels wide
    settle(page)
    colours = page.locator(".rg-units").evaluate("""(c) => Array.from({ length: 20 }, (_, j) =>
      c.getContext("2d").getImageData((j % 5) * 24 + 12, Math.floor(j / 5) * 24 + 12, 1, 1).data.join())""")
    assert len(set(colours)) == 2 and [c == colours[int(chain.h.argmax())] for c in colours] == chain.h.bool().tolist()
    page.get_by_role("radio", name="two", exact=True).check()
    chain.start(DIGITS[2])
    assert close(grey(page, PAPER), as_grey(chain.v)) and facts(page)[0] == 0
    for name, noise in (("noise", NOISE), ("coins", [0.5] * 64)):
        press(page, f"Restart from {name}")
        chain.start(noise=noise)
        assert close(grey(page, PAPER), as_grey(chain.v)) and page.locator(".rg-chain canvas").count() == 1


def outlined(page):
    """Which of the 64 pixels the overlay tints."""
    settle(page)
    alpha = page.locator(
        ".rg-held"
    ).evaluate("""(c) => Array.from({ length: 64 }, (_, k) =>
      c.getContext("2d").getImageData(((k % 8) + 0.5) * c.width / 8, (Math.floor(k / 8) + 0.5) * c.height / 8, 1, 1).data[3])""")
    return torch.tensor(alpha) > 0


def test_a_half_is_held_and_the_rest_goes_on(open_widget, tmp_path):
    upper, left = torch.arange(64) < 32, torch.arange(64) % 8 < 4
    page = open_widget(
        static_page(tmp_path, Gibbs(RBM, DIGITS[:2], dtype="float32", hold="upper half", start=1, seed=SEED))
    )
    chain = Chain()
    chain.start(DIGITS[1])
    chain.held = upper
    chain.start(None, keep=True)
    assert torch.equal(chain.v[:32], (DIGITS[1, :32] >= 0.5).float())
    assert close(grey(page, PAPER), as_grey(chain.v)) and torch.equal(outlined(page), upper) and facts(page)[2] == 32
    press(page, "100 steps")
    for _ in range(100):
        chain.step()
    assert close(grey(page, PAPER), as_grey(chain.means))
    press(page, "Hold the left half", "100 steps")
    chain.held = left
    for _ in range(100):
        chain.step()
    assert torch.equal(outlined(page), left) and close(grey(page, PAPER), as_grey(chain.means))
    press(page, "Let all go", "One step")
    assert not outlined(page).any() and facts(page)[2] == 0


def test_painting_by_pointer_holds_white_black_and_what_is_there(open_widget, url):
    page = open_widget(url)
    page.get_by_label("show the pixels as drawn").check()
    box = page.locator(".rg-pad").bounding_box()
    at = lambda k: (box["x"] + (k % 8 + 0.5) * box["width"] / 8, box["y"] + (k // 8 + 0.5) * box["height"] / 8)

    def drag(brush, start, end):
        page.get_by_role("radio", name=brush).check()
        page.mouse.move(*at(start))
        page.mouse.down()
        page.mouse.move(*at(end), steps=8)
        page.mouse.up()

    before = grey(page, PAPER)
    wanted = {"white": (range(8, 16), 255.0), "black": (range(32, 40), 0.0), "holds what": (range(56, 64), None)}
    for brush, (row, _) in wanted.items():  # at 8 pixels a brush is one pixel wide
        drag(brush, row[0], row[-1])
    held = torch.zeros(64, dtype=torch.bool)
    for row, _ in wanted.values():
        held[list(row)] = True
    assert torch.equal(outlined(page), held) and facts(page)[2] == 24
    free = []
    for _ in range(5):
        press(page, "One step")
        now = grey(page, PAPER)
        assert (now[8:16] == 255).all() and (now[32:40] == 0).all() and torch.equal(now[56:], before[56:])
        free.append(now[~held])
    assert torch.stack(free).std(0).max() > 0
    drag("lets go", 32, 39)
    held[32:40] = False
    assert torch.equal(outlined(page), held)
    press(page, "Restart from coins")
    assert (grey(page, PAPER)[8:16] == 255).all() and grey(page, PAPER)[32:40].max() == 255


def test_painting_by_keyboard(open_widget, url):
    page = open_widget(url)
    page.locator(".rg-pad").focus()
    for key in ("ArrowRight", "Space", "ArrowDown", "ArrowDown", "Space", "ArrowDown"):
        page.keyboard.press(key)
    want = torch.zeros(64, dtype=torch.bool)
    want[[4 * 8 + 5, 5 * 8 + 5, 6 * 8 + 5]] = True
    assert torch.equal(outlined(page), want)
    assert (grey(page, PAPER)[want] == 255).all()
    page.wait_for_function("document.querySelector('[aria-live]').textContent === 'brush up, 3 pixels held'")


def test_it_plays_only_when_asked_and_pauses(open_widget, url):
    page = open_widget(url)
    page.wait_for_timeout(300)
    assert facts(page)[0] == 0
    assert page.get_by_role("slider", name="speed").get_attribute("aria-valuetext") == "10 steps a second"
    page.get_by_role("slider", name="speed").fill("5")
    press(page, "Play")
    page.wait_for_function("parseInt(document.querySelector('.rg-facts').textContent.slice(5)) > 8")
    assert page.locator("[aria-live]").text_content() == ""  # not while it plays
    press(page, "Pause")
    step = facts(page)[0]
    page.wait_for_function(f"document.querySelector('[aria-live]').textContent.startsWith('step {step}: ')")
    assert facts(page)[0] == step
    press(page, "One step")
    assert facts(page)[0] == step + 1


def test_nothing_plays_for_those_who_want_no_motion(open_widget, url):
    heeds_reduced_motion(open_widget, url, lambda page: facts(page)[0])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation_of_accessibility(open_widget, url, theme):
    page = open_widget(url)
    press(page, "Hold the upper half", "100 steps")
    accessible(page, theme)


def test_no_sideways_scroll_on_a_phone(open_widget, url, tmp_path):
    large = Gibbs(a_machine(784, 500), torch.zeros(10, 784))
    fits_a_phone(open_widget, url, static_page(tmp_path, large))


def test_everything_can_be_reached_by_keyboard_and_shows_its_focus(open_widget, url):
    reached_by_keyboard(open_widget, url)
