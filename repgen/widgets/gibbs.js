// The Gibbs chain of a restricted Boltzmann machine, parts of which the reader may hold.

const SPEEDS = [1, 2, 5, 10, 20, 60]; // steps a second
const KEPT = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]; // steps whose pictures stay in sight
const BRUSHES = [ // [name, its radius in pixels of 28, the pixel it leaves (-1: as it was), whether that is held]
  ["paints white, and holds it", 1.2, 1, true],
  ["paints black, and holds it", 2.2, 0, true],
  ["holds what is there", 2.2, -1, true],
  ["lets go", 2.2, -1, false],
];

/** A chain v -> h -> v; network.encode(v) is p(h = 1|v), network.decode(h) is p(v = 1|h). Held pixels stay as they are. */
function gibbsChain(network, random) {
  const chain = {
    v: new Float32Array(network.n_in), // 0 or 1
    means: new Float32Array(network.n_in), // p(v|h) of the last step; of a held pixel and of a start, v itself
    h: new Float32Array(network.n_code),
    held: new Uint8Array(network.n_in),
    flipped: new Uint8Array(network.n_code), // hidden units that the last step changed
    steps: 0,
    changed: 0, // pixels that the last step changed
  };
  const drawHidden = () => {
    network.encode(chain.v).forEach((p, j) => {
      const on = random() < p ? 1 : 0;
      chain.flipped[j] = on === chain.h[j] ? 0 : 1;
      chain.h[j] = on;
    });
  };
  /** Begins at a picture, white(i) says whether pixel i is white; keepHeld: but for the held pixels. */
  chain.start = (white, keepHeld = false) => {
    for (let i = 0; i < chain.v.length; i++) {
      if (keepHeld && chain.held[i]) continue;
      chain.v[i] = white(i) ? 1 : 0;
    }
    chain.means.set(chain.v);
    drawHidden();
    chain.flipped.fill(0);
    chain.steps = chain.changed = 0;
  };
  chain.step = () => {
    drawHidden();
    const p = network.decode(chain.h);
    chain.changed = 0;
    for (let i = 0; i < p.length; i++) {
      chain.means[i] = chain.held[i] ? chain.v[i] : p[i];
      if (chain.held[i]) continue;
      const on = random() < p[i] ? 1 : 0;
      if (on !== chain.v[i]) chain.changed++;
      chain.v[i] = on;
    }
    chain.steps++;
  };
  return chain;
}

async function render({ model, el, signal = new AbortController().signal }) {
  const network = await loadNetwork(model);
  const get = (name) => model.get(name);
  const shape = get("shape"), labels = get("labels");
  const [height, width] = shape;
  const random = randomFrom(get("seed")), chain = gibbsChain(network, random);
  const means = numbers(get("noise"), "uint8"); // of a start from noise
  const noise = (i) => random() < means[i] / 255, coins = () => random() < 0.5;
  let speed = get("speed"), brush = 0, kept = [];

  const root = frame(model, el, "gibbs");
  const strip = imageStrip({ shape, images: numbers(get("images"), "uint8"), labels, onchoose: choose });
  const paper = picture(shape, { role: null, "aria-hidden": "true" });
  const overlay = h("canvas", { class: "rg-held", "aria-hidden": "true" });
  const pen = h("span", { class: "rg-pen", hidden: true });
  const hint = h("p", { class: "rg-hint", id: uid() },
    "Paint with a mouse, a pen or a finger. By keyboard: arrow keys move the brush, the space bar sets it down and lifts it.");
  const pad = h("div", {
    class: "rg-pad", tabindex: 0, role: "application", "aria-roledescription": "drawing pad", "aria-label": "The visible units",
    "aria-describedby": hint.id, style: `aspect-ratio: ${width} / ${height}`,
  }, paper, overlay, pen);
  const facts = h("div", { class: "rg-caption rg-facts" });
  const drawn = h("input", { type: "checkbox", onchange: () => draw() });
  const units = h("canvas", { class: "rg-units", role: "img" }), unitsText = h("div", { class: "rg-caption rg-facts" });
  const pace = sliderRow({
    label: "speed", min: 0, max: SPEEDS.length - 1, step: 1, text: (i) => `${SPEEDS[i]} step${i ? "s" : ""} a second`,
    onchange: (i) => (speed = SPEEDS[i]),
  });
  const play = playButton({ step: () => walk(1), wait: () => 1000 / speed, onstop: () => live.say(said()), others: [pace], signal });
  const brushes = options({
    heading: "The brush", names: BRUSHES.map(([name]) => name), chosen: brush, onchoose: (i) => (brush = i),
  });
  const film = h("div", { class: "rg-chain", role: "list", "aria-label": "The chain so far" });
  const live = announcer();
  root.append(
    strip,
    h("div", { class: "rg-columns" },
      h("div", { class: "rg-main" }, pad, facts,
        h("div", { class: "rg-buttons" }, play, button("One step", () => (play.stop(), walk(1))), button("100 steps", () => (play.stop(), walk(100))),
          button("Restart from noise", () => restart(noise, "noise")), button("Restart from coins", () => restart(coins, "coins"))),
        pace,
        h("label", { class: "rg-check" }, drawn, "show the pixels as drawn, 0 or 1")),
      h("div", { class: "rg-side" },
        h("div", {}, units, unitsText),
        h("div", { class: "rg-buttons", role: "group", "aria-label": "Hold" },
          button("Hold the upper half", () => hold("upper half")), button("Hold the left half", () => hold("left half")),
          button("Let all go", () => hold("nothing"))),
        brushes, hint)),
    film, live);

  const inside = { // as in gibbs.py
    nothing: () => false, "upper half": (i) => i < Math.floor(height / 2), "left half": (i, j) => j < Math.floor(width / 2),
  };
  function hold(what) {
    for (let k = 0; k < chain.held.length; k++) chain.held[k] = inside[what](Math.floor(k / width), k % width) ? 1 : 0;
    draw(`${count(chain.held)} pixels held`);
  }
  const count = (flags) => flags.reduce((sum, flag) => sum + flag, 0);
  function begin(white, keepHeld, image) {
    chain.start(white, keepHeld);
    kept = [];
    remember();
    strip.mark(image);
    model.set({ start: image });
    model.save_changes();
  }
  function fromImage(i) {
    const picture = strip.original(i);
    begin((k) => picture[k] >= 0.5, false, i);
  }
  function choose(i) {
    play.stop();
    fromImage(i);
    draw(`begins at ${labels[i]}`);
  }
  function restart(white, name) { // whatever is held stays
    begin(white, true, -1);
    draw(`begins at ${name}`);
  }

  // The chain.
  const remember = () => KEPT.includes(chain.steps) && kept.push([chain.steps, chain.means.slice()]);
  function walk(n) {
    for (let k = 0; k < n; k++) {
      chain.step();
      remember();
    }
    draw(said());
  }
  const said = () => `step ${chain.steps}: ${chain.changed} pixels changed, ${count(chain.h)} of ${chain.h.length} hidden units on, ${count(chain.flipped)} flipped`;

  // The brush.
  /** Paints along the line from one place to another, in pixels from the upper left corner. */
  function stroke(from, to) {
    const [, radius, value, holds] = BRUSHES[brush], reach = Math.max(0.75, (radius * Math.min(height, width)) / 28);
    const far = distanceFrom(from, to);
    for (let k = 0; k < chain.v.length; k++) {
      if (far(k % width, Math.floor(k / width)) > reach) continue;
      chain.held[k] = holds ? 1 : 0;
      if (value >= 0) chain.v[k] = value;
      if (holds) chain.means[k] = chain.v[k];
    }
    draw(`${count(chain.held)} pixels held`);
  }
  drawOn(pad, pen, shape, {
    pen: [Math.floor(width / 2) + 0.5, Math.floor(height / 2) + 0.5], edge: 0.5, stroke, // the middles of pixels
    onpen: (down) => live.say(down ? "brush down" : `brush up, ${count(chain.held)} pixels held`),
  });

  // What is seen.
  const paint = onceAFrame(() => {
    paper.show(drawn.checked ? chain.v : chain.means);
    const many = count(chain.held), on = count(chain.h), flips = count(chain.flipped);
    facts.textContent = `step ${chain.steps} · ${chain.changed} of ${chain.v.length} pixels changed · ${many} held`;
    unitsText.textContent = `hidden units: ${on} of ${chain.h.length} on · ${flips} flipped`;
    units.setAttribute("aria-label", unitsText.textContent);
    drawHeld();
    drawUnits();
    drawFilm();
  });
  /** Draws, and says `text` unless it plays. */
  function draw(text) {
    paint();
    if (text && !play.playing) live.say(text);
  }

  /** A line around all that is held: orange on black, so that it is seen on both kinds of pixel. */
  function drawHeld() {
    const [w, t] = [pad.clientWidth, pad.clientHeight], g = sharp(overlay, w, t);
    const is = (i, j) => i >= 0 && i < height && j >= 0 && j < width && chain.held[i * width + j] === 1;
    g.fillStyle = "rgb(240 168 48 / 0.16)";
    g.beginPath();
    for (let i = 0; i < height; i++) for (let j = 0; j < width; j++) {
      if (!is(i, j)) continue;
      const [x0, x1, y0, y1] = [(j / width) * w, ((j + 1) / width) * w, (i / height) * t, ((i + 1) / height) * t];
      g.fillRect(x0, y0, x1 - x0, y1 - y0);
      for (const [outside, ...ends] of [
        [!is(i - 1, j), x0, y0, x1, y0], [!is(i + 1, j), x0, y1, x1, y1], [!is(i, j - 1), x0, y0, x0, y1], [!is(i, j + 1), x1, y0, x1, y1],
      ]) {
        if (!outside) continue;
        g.moveTo(ends[0], ends[1]);
        g.lineTo(ends[2], ends[3]);
      }
    }
    g.lineCap = "square";
    for (const [colour, wide] of [["#000", 5], ["#f0a830", 2.5]]) {
      [g.strokeStyle, g.lineWidth] = [colour, wide];
      g.stroke();
    }
  }

  /** A cell for each hidden unit: filled where it is on, ringed where the last step flipped it. */
  function drawUnits() {
    const css = getComputedStyle(root), wide = units.clientWidth, n = chain.h.length;
    const [least, most] = [Math.ceil(Math.sqrt(1.2 * n)), Math.floor(Math.sqrt(2.5 * n))];
    let across = least; // or a width that makes full lines
    while (n % across && across < most) across++;
    if (n % across) across = least;
    const side = Math.min(wide / across, 24), high = Math.ceil(side * Math.ceil(n / across));
    units.style.height = `${high}px`;
    const g = sharp(units, wide, high);
    const gap = Math.max(0.5, side * 0.09);
    const fill = [css.getPropertyValue("--rg-line"), css.getPropertyValue("--rg-accent")];
    g.strokeStyle = css.getPropertyValue("--rg-c3");
    g.lineWidth = Math.max(1.5, side * 0.16);
    chain.h.forEach((on, j) => {
      const x = (j % across) * side + gap, y = Math.floor(j / across) * side + gap, size = side - 2 * gap;
      g.fillStyle = fill[on];
      g.fillRect(x, y, size, size);
      if (chain.flipped[j]) g.strokeRect(x + g.lineWidth / 2, y + g.lineWidth / 2, size - g.lineWidth, size - g.lineWidth);
    });
  }

  function drawFilm() {
    while (film.childNodes.length < kept.length) {
      film.append(h("div", { class: "rg-figure", role: "listitem" }, picture(shape), h("div", { class: "rg-caption" })));
    }
    while (film.childNodes.length > kept.length) film.lastChild.remove();
    film.childNodes.forEach((item, i) => {
      const [step, values] = kept[i], name = step ? `step ${step}` : "start";
      item.firstChild.show(values).setAttribute("aria-label", name);
      item.lastChild.textContent = step || name;
    });
  }

  pace.set(SPEEDS.findIndex((s) => s >= speed));
  if (get("start") < 0) begin(noise, false, -1);
  else fromImage(get("start"));
  hold(get("hold"));
  if (get("hold") !== "nothing") begin(noise, true, get("start")); // something to complete
  followTheme(root, paint, signal);
  const resized = new ResizeObserver(paint);
  resized.observe(root);
  signal.addEventListener("abort", () => resized.disconnect());
}

export default { render };
