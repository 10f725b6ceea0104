// A deep belief net asked for a class: the chain of its top pair, and what the layers below make of it.

const PACES = [1, 2, 5, 10, 20, 50]; // steps a frame
const FRAME = 100; // milliseconds from one frame to the next
const KEPT = 12; // fantasies that stay in sight

/** exp(x) / sum exp(x), a new array. */
function softmax(x) {
  const most = x.reduce((a, b) => Math.max(a, b), -Infinity);
  const e = Float64Array.from(x, (v) => Math.exp(v - most)), sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}

/**
 * The chain of the top pair: features and one class of so many <-> hidden units. top.encode(v) is p(h = 1|v), top.decode(h)
 * what the visible units sum: sigmoid of it for the features, softmax for the classes. A class asked for stays on.
 */
function labelledChain(top, classes, random) {
  const width = top.n_in - classes;
  const chain = {
    v: new Float32Array(top.n_in), // the features, 0 or 1, then the classes, one of them 1
    means: new Float32Array(width), // p(feature = 1|h) of the last step
    belief: new Float64Array(classes).fill(1 / classes), // p(class|h) of the last step
    h: new Float32Array(top.n_code),
    asked: -1,
    steps: 0,
    since: 0, // steps since the class was asked for
  };
  const turnOn = (k) => {
    chain.v.fill(0, width);
    chain.v[width + k] = 1;
  };
  chain.ask = (k) => {
    [chain.asked, chain.since] = [k, 0];
    if (k >= 0) turnOn(k); // with none asked for, the class that is on goes on from where it is
  };
  /** Features that are tossed coins; a class by chance, unless one is asked for. */
  chain.start = () => {
    for (let i = 0; i < width; i++) chain.v[i] = random() < 0.5 ? 1 : 0;
    turnOn(chain.asked >= 0 ? chain.asked : Math.floor(random() * classes));
    chain.means.fill(0.5);
    chain.belief.fill(1 / classes);
    chain.steps = chain.since = 0;
  };
  chain.step = () => {
    top.encode(chain.v).forEach((p, j) => (chain.h[j] = random() < p ? 1 : 0));
    const total = top.decode(chain.h);
    for (let i = 0; i < width; i++) {
      chain.means[i] = 1 / (1 + Math.exp(-total[i]));
      chain.v[i] = random() < chain.means[i] ? 1 : 0;
    }
    chain.belief.set(softmax(total.subarray(width)));
    if (chain.asked < 0) {
      let left = random(), k = 0;
      while (k < classes - 1 && (left -= chain.belief[k]) >= 0) k++;
      turnOn(k);
    }
    chain.steps++;
    chain.since++;
  };
  return chain;
}

async function render({ model, el, signal = new AbortController().signal }) {
  const [top, down] = await Promise.all(["top", "down"].map((name) => loadNetwork(model, model.get(name))));
  const get = (name) => model.get(name);
  const shape = get("shape"), labels = get("labels"), every = get("every");
  const chain = labelledChain(top, labels.length, randomFrom(get("seed"))), width = top.n_in - labels.length;
  const seen = () => down.forward(chain.v.subarray(0, width)); // the pixels' means, given the features as they are
  const asks = (k) => (k < 0 ? "none" : labels[k]);
  let pace = get("speed"), kept = [], keptAt = 0; // keptAt: the step of the last picture kept

  const root = frame(model, el, "ask");
  const paper = picture(shape), facts = h("div", { class: "rg-caption rg-facts" });
  const name = uid(), heading = uid();
  const classes = [...labels.keys(), -1];
  const radios = classes.map((k) => h("input", { type: "radio", name, "aria-label": asks(k), onchange: () => choose(k) }));
  const group = h("div", { class: "rg-thumbs", role: "radiogroup", "aria-labelledby": heading },
    ...classes.map((k, i) => h("label", { class: "rg-thumb rg-class" }, radios[i], h("span", { "aria-hidden": "true" }, asks(k)))));
  const speed = sliderRow({
    label: "speed", min: 0, max: PACES.length - 1, step: 1, text: (i) => `${PACES[i]} step${i ? "s" : ""} a frame`,
    onchange: (i) => (pace = PACES[i]),
  });
  const play = playButton({ step: () => walk(pace), wait: () => FRAME, onstop: () => live.say(said()), others: [speed], signal });
  const beliefId = uid();
  const lines = labels.map((label) => [
    h("span", {}, label), h("span", { class: "rg-track", "aria-hidden": "true" }, h("span", { class: "rg-bar" })), h("span", { class: "rg-share" }),
  ]);
  const belief = h("div", { class: "rg-belief", role: "group", "aria-labelledby": beliefId }, ...lines.flat());
  const film = h("div", { class: "rg-chain", role: "list", "aria-label": "Fantasies so far" });
  const live = announcer();
  root.append(
    h("div", { class: "rg-columns" },
      h("div", { class: "rg-main" }, h("div", { class: "rg-figure rg-large" }, paper), facts,
        h("div", { class: "rg-buttons" }, play, button("One step", () => (play.stop(), walk(1))),
          button("100 steps", () => (play.stop(), walk(100))), button("Reset", restart)),
        speed),
      h("div", { class: "rg-side" },
        h("div", { class: "rg-caption rg-facts", id: heading }, "Ask for"), group,
        h("div", { class: "rg-caption rg-facts", id: beliefId }, "What the top layer takes it for"), belief,
        h("p", { class: "rg-hint" }, "Reset tosses a coin for each feature. A class asked for is held on in every step; with none, the net chooses."))),
    film, live);

  // The chain.
  /** Keeps the picture as it is, unless that was done at this step. */
  function keep() {
    if (chain.steps === keptAt) return;
    keptAt = chain.steps;
    kept = [...kept, [asks(chain.asked), chain.steps, seen().slice()]].slice(-KEPT);
  }
  function walk(n) {
    for (let k = 0; k < n; k++) {
      chain.step();
      if (chain.steps % every === 0) keep();
    }
    draw(said());
  }
  function choose(k) {
    keep();
    chain.ask(k);
    model.set({ asked: k });
    model.save_changes();
    draw(k < 0 ? "no class is held" : `asks for ${labels[k]}`);
  }
  function restart() {
    keep();
    chain.start();
    keptAt = 0;
    draw(`starts anew, ${chain.asked < 0 ? "no class held" : `asks for ${labels[chain.asked]}`}`);
  }
  const best = () => chain.belief.indexOf(Math.max(...chain.belief));
  const percent = (p) => `${(100 * p).toFixed(0)} %`;
  const said = () => `step ${chain.steps}: taken for ${labels[best()]} with ${percent(chain.belief[best()])}`;

  // What is seen.
  const paint = onceAFrame(() => {
    const held = chain.asked < 0 ? "no class held" : `${labels[chain.asked]} held for ${chain.since}`;
    paper.show(seen()).setAttribute("aria-label", `The fantasy at step ${chain.steps}, ${held}`);
    facts.textContent = `step ${chain.steps} · ${held}`;
    lines.forEach(([label, track, share], k) => {
      label.classList.toggle("rg-asked", k === chain.asked);
      track.firstChild.style.width = `${100 * chain.belief[k]}%`;
      share.textContent = percent(chain.belief[k]);
    });
    drawFilm();
  });
  /** Draws, and says `text` unless it plays. */
  function draw(text) {
    paint();
    if (text && !play.playing) live.say(text);
  }
  function drawFilm() {
    while (film.childNodes.length < kept.length) {
      film.append(h("div", { class: "rg-figure", role: "listitem" }, picture(shape), h("div", { class: "rg-caption" })));
    }
    film.childNodes.forEach((item, i) => {
      const [label, step, values] = kept[i];
      item.firstChild.show(values).setAttribute("aria-label", `asked for ${label}, step ${step}`);
      item.lastChild.textContent = `${label} · ${step}`;
    });
  }

  speed.set(PACES.findIndex((p) => p >= pace));
  pace = PACES.find((p) => p >= pace);
  chain.ask(get("asked"));
  radios[classes.indexOf(chain.asked)].checked = true;
  chain.start();
  draw("starts");
  followTheme(root, paint, signal);
}

export default { render };
