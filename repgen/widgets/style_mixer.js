// The styles of two pictures of a style-based generator, mixed layer by layer.

/** Maps (n, side, side), each times its own s, in a frame of zeros one pixel wide: (n, side + 2, side + 2). */
function framed(x, s, side, y) {
  const wide = side + 2;
  for (let c = 0, k = 0; c < s.length; c++) for (let i = 1; i <= side; i++) {
    for (let j = 1; j <= side; j++, k++) y[(c * wide + i) * wide + j] = s[c] * x[k];
  }
  return y;
}

/** Maps of one side to twice that side, bilinear, as torch has it where corners are not aligned. */
function doubled(x, side, y) {
  const near = Array.from({ length: 2 * side }, (_, k) => k >> 1); // gives 3/4, its neighbour the rest
  const next = near.map((i, k) => Math.min(side - 1, Math.max(0, i + (k % 2 ? 1 : -1))));
  for (let from = 0, k = 0; k < y.length; from += side * side) for (let r = 0; r < 2 * side; r++) {
    const row = from + near[r] * side, other = from + next[r] * side;
    for (let q = 0; q < 2 * side; q++, k++) {
      const [i, j] = [near[q], next[q]];
      y[k] = 0.75 * (0.75 * x[row + i] + 0.25 * x[row + j]) + 0.25 * (0.75 * x[other + i] + 0.25 * x[other + j]);
    }
  }
  return y;
}

/** Adds to y, from `at` on, the 3 x 3 convolution of the framed map that begins at `from`, by the nine weights from k on. */
function convolve(y, at, x, from, w, k, side) {
  const wide = side + 2, w0 = w[k], w1 = w[k + 1], w2 = w[k + 2], w3 = w[k + 3], w4 = w[k + 4], w5 = w[k + 5], w6 = w[k + 6], w7 = w[k + 7], w8 = w[k + 8];
  for (let i = 0; i < side; i++) {
    let a = from + i * wide, b = a + wide, c = b + wide;
    let a0 = x[a], a1 = x[a + 1], b0 = x[b], b1 = x[b + 1], c0 = x[c], c1 = x[c + 1];
    for (let j = 2; j < wide; j++, at++) {
      const a2 = x[a + j], b2 = x[b + j], c2 = x[c + j];
      y[at] += w0 * a0 + w1 * a1 + w2 * a2 + w3 * b0 + w4 * b1 + w5 * b2 + w6 * c0 + w7 * c1 + w8 * c2;
      (a0 = a1), (a1 = a2), (b0 = b1), (b1 = b2), (c0 = c1), (c1 = c2);
    }
  }
}

/** A layer as `Styled` in styles.py: (maps, style, noise, how strong that is) -> maps, overwritten by the next call. */
function styled({ n_style, slope, gain }, { n_in, n_out, side, double }, take) {
  const affine = LAYERS.linear({ n_in: n_style, n_out: n_in }, take), w = take(9 * n_in * n_out), bias = take(n_out), [strength] = take(1);
  const size = side * side, kept = take(size), squares = new Float64Array(n_in * n_out);
  w.forEach((v, k) => (squares[Math.floor(k / 9)] += v * v));
  const large = new Float64Array(double ? n_in * size : 0), inside = new Float64Array(n_in * (side + 2) ** 2), y = new Float64Array(n_out * size);
  const layer = (x, style, noise, factor) => {
    const s = affine(style), s2 = s.map((v) => v * v);
    framed(double ? doubled(x, side / 2, large) : x, s, side, inside);
    y.fill(0);
    for (let o = 0; o < n_out; o++) {
      for (let c = 0; c < n_in; c++) convolve(y, o * size, inside, c * (side + 2) ** 2, w, 9 * (o * n_in + c), side);
      const length = Math.sqrt(dot(squares, o * n_in, s2, n_in) + 1e-8);
      for (let k = 0; k < size; k++) {
        const v = y[o * size + k] / length + factor * strength * noise[k] + bias[o];
        y[o * size + k] = gain * (v > 0 ? v : slope * v);
      }
    }
    return y;
  };
  return Object.assign(layer, { side, kept });
}

/** { mean, layers, picture(one style for each layer, one noise for each layer, how strong it is) } of a StyleGenerator. */
function buildGenerator(spec, view) {
  const { dtype, n_style, layers: specs } = spec, weights = numbers(view, dtype);
  let at = 0;
  const take = (n) => weights.subarray(at, (at += n));
  const mean = take(n_style), start = take(specs[0].n_in * specs[0].side ** 2);
  const layers = specs.map((layer) => styled(spec, layer, take)), last = take(specs.at(-1).n_out), [bias] = take(1);
  if (at !== weights.length) throw new Error(`the layers take ${at} weights, the buffer holds ${weights.length}`);
  const picture = (styles, noise, factor) => {
    const x = layers.reduce((maps, layer, l) => layer(maps, styles[l], noise[l], factor), start), size = layers.at(-1).side ** 2;
    return Float32Array.from({ length: size }, (_, k) => Math.min(1, Math.max(0, last.reduce((sum, v, c) => sum + v * x[c * size + k], bias))));
  };
  return { mean, layers, picture };
}

async function render({ model, el, signal = new AbortController().signal }) {
  const mapping = await loadNetwork(model, model.get("mapping"));
  const get = (name) => model.get(name), tell = teller(model);
  const { mean, layers, picture: make } = buildGenerator(get("spec"), get("weights"));
  const shape = get("shape"), n = mapping.n_in, L = layers.length, all = numbers(get("latents"), "float32");
  const styles = Array.from({ length: all.length / n }, (_, i) => {
    const z = all.subarray(i * n, (i + 1) * n), length = Math.sqrt(dot(z, 0, z, n) / n + 1e-8);
    return mapping.forward(z.map((v) => v / length)).slice();
  });
  const kept = layers.map((layer) => layer.kept);
  let noise, next = 0, last; // next: the letter, 0 or 1, that is replaced next; last: what was chosen before

  /** One style for each layer, of a share for each. */
  function blend(shares) {
    const [a, b] = get("chosen").map((i) => styles[i]), psi = get("psi");
    return shares.map((t) => mean.map((m, k) => m + psi * ((1 - t) * a[k] + t * b[k] - m)));
  }
  function drawNoise() {
    const normal = normalFrom(randomFrom(get("seed")));
    noise = get("seed") ? kept.map((one) => one.map(normal)) : kept;
  }
  /** Shares that leave the first k layers to A and the others to B. */
  const crossing = (k) => layers.map((_, l) => (l < k ? 0 : 1));

  const root = frame(model, el, "styles");
  const hidden = () => picture(shape, { role: null, "aria-hidden": "true" });
  const thumbs = styles.map(hidden), letters = styles.map(() => h("span", { class: "rg-letter", "aria-hidden": "true" }));
  const samples = styles.map((_, i) => button("", () => choose(i), { class: "rg-sample" }));
  samples.forEach((sample, i) => sample.append(thumbs[i], letters[i]));
  const hint = h("p", { class: "rg-hint rg-next" });
  const [pictureA, pictureMix, pictureB] = [0, 1, 2].map(() => picture(shape));
  const [captionA, captionB] = [h("span"), h("span")];
  const small = Array.from({ length: L + 1 }, hidden);
  const crossingNames = [["B", "B: all layers"], ...Array.from({ length: L - 1 }, (_, k) => [k + 1, `first ${k + 1} from A`]), ["A", "A: all layers"]];
  const crossings = crossingNames.map(([text, label], k) => {
    const one = button("", () => share(crossing(k)), { class: "rg-sample", "aria-label": label });
    one.append(small[k], h("span", { class: "rg-caption", "aria-hidden": "true" }, text));
    return one;
  });
  const rowName = h("p", { class: "rg-hint", id: uid() }, "So many of the coarsest layers from A, the others from B:");
  const row = h("div", { class: "rg-crossings", role: "group", "aria-labelledby": rowName.id }, ...[...crossings].reverse());
  const sliders = layers.map(({ side }, l) => sliderRow({
    label: `${l + 1}: ${side} × ${side}`, min: 0, max: 1, step: 0.05, text: (t) => (t === 0 ? "A" : t === 1 ? "B" : `${show(100 * t, 0)} % B`),
    onchange: (t) => share(get("shares").map((old, m) => (m === l ? t : old))),
  }));
  const psi = sliderRow({
    label: "truncation ψ", min: 0, max: 1.5, step: 0.05, text: (v) => (v ? show(v) : "0: the mean picture"), onchange: (v) => tell({ psi: v }),
  });
  const strength = sliderRow({
    label: "noise", min: 0, max: 2, step: 0.05, text: (v) => (v ? `${show(v)} × what was learned` : "none"), onchange: (v) => tell({ noise: v }),
  });
  const half = Math.floor(L / 2), fine = crossing(half).map((t) => 1 - t);
  const quick = [["all A", crossing(L)], ["coarse from A", crossing(half)], ["fine from A", fine], ["all B", crossing(0)]];
  const live = announcer();
  root.append(
    h("div", { class: "rg-samples", role: "group", "aria-label": "Samples to choose A and B from" }, ...samples), hint,
    h("div", { class: "rg-columns" },
      h("div", { class: "rg-main" },
        h("div", { class: "rg-pair" }, captioned(pictureA, captionA), captioned(pictureMix, "the mix"), captioned(pictureB, captionB)),
        h("div", {}, rowName, row)),
      h("div", { class: "rg-side" },
        h("div", { class: "rg-buttons" }, ...quick.map(([name, shares]) => button(name, () => share(shares)))),
        h("div", { class: "rg-levels", role: "group", "aria-label": "Style of each layer, from A to B, coarse to fine" },
          h("div", { class: "rg-hint rg-ends", "aria-hidden": "true" }, h("span", {}, "layer"), h("span", {}, "A"), h("span", {}, "B")), ...sliders),
        h("div", { class: "rg-dials" }, psi, strength, h("div", { class: "rg-buttons" }, button("Draw new noise", () => {
          tell({ seed: get("seed") + 1 });
          live.say(`noise number ${get("seed")}`);
        }))))),
    live);

  // What has to be drawn, in this order; a part of it each frame, so that the page stays responsive. What is asked for
  // again keeps its place, so that all pictures follow a slider that is moved; the mix is never late.
  const stale = new Set();
  const pictureOf = (shares) => make(blend(shares), noise, get("noise"));
  const mix = () => pictureMix.show(pictureOf(get("shares")));
  const paints = small.map((canvas, k) => () => {
    const values = pictureOf(crossing(k));
    for (const one of [canvas, ...(k ? [] : [pictureB]), ...(k === L ? [pictureA] : [])]) one.show(values);
  });
  const sketches = thumbs.map((canvas, i) => () => canvas.show(make(layers.map(() => styles[i]), kept, 1)));
  let waiting = null;
  function work() {
    const until = performance.now() + 30;
    if (stale.delete(mix)) mix();
    for (const paint of stale) {
      stale.delete(paint);
      paint();
      if (performance.now() > until) break;
    }
    waiting = stale.size ? requestAnimationFrame(work) : null;
    row.setAttribute("aria-busy", String(stale.size > 0));
  }
  function ask(...paints) {
    for (const paint of paints) stale.add(paint);
    row.setAttribute("aria-busy", "true");
    waiting ??= requestAnimationFrame(work);
  }
  const askAll = () => ask(mix, paints[L], paints[0], ...paints.slice(1, L).reverse());

  const share = (shares) => { tell({ shares }); live.say(`the mix: ${inWords()}`); };
  function choose(i) {
    const had = get("chosen").indexOf(i), p = had < 0 ? next : had;
    tell({ chosen: get("chosen").map((j, q) => (q === p ? i : j)) });
    next = 1 - p;
    mark();
    live.say(`sample ${i + 1} is ${"AB"[p]}. ${"AB"[next]} is replaced next.`);
  }
  /** The crossing that the shares are, or -1. */
  const crossed = () => crossings.findIndex((_, k) => crossing(k).every((t, l) => t === get("shares")[l]));
  function inWords() {
    const k = crossed();
    if (k % L === 0) return `all layers from ${k ? "A" : "B"}`;
    if (k > 0) return `first ${k} of ${L} layers from A, the others from B`;
    return sliders.map((slider, l) => `layer ${l + 1} ${slider.querySelector("output").textContent}`).join(", ");
  }

  function mark() {
    const chosen = get("chosen");
    samples.forEach((sample, i) => {
      const p = chosen.indexOf(i);
      letters[i].textContent = "AB"[p] ?? "";
      sample.setAttribute("aria-pressed", String(p >= 0));
      sample.setAttribute("aria-label", `sample ${i + 1}${p < 0 ? "" : `, style ${"AB"[p]}`}`);
    });
    hint.textContent = `Two samples give their styles. Choose another one: it takes the place of ${"AB"[next]}.`;
    [[captionA, pictureA], [captionB, pictureB]].forEach(([caption, canvas], p) => {
      caption.textContent = `${"AB"[p]}: sample ${chosen[p] + 1}`;
      canvas.setAttribute("aria-label", `picture of style ${"AB"[p]}, sample ${chosen[p] + 1}`);
    });
  }
  function slide() {
    sliders.forEach((slider, l) => slider.set(get("shares")[l]));
    crossings.forEach((one, k) => one.setAttribute("aria-pressed", String(k === crossed())));
    pictureMix.setAttribute("aria-label", `the mix: ${inWords()}`);
  }
  function turn() {
    psi.set(get("psi"));
    strength.set(get("noise"));
  }

  // Whoever changes a setting, a hand, another view or Python: it is drawn when the model says so.
  model.on("change:shares", () => { slide(); ask(mix); });
  model.on("change:psi change:noise", () => { turn(); askAll(); });
  model.on("change:seed", () => { drawNoise(); askAll(); });
  model.on("change:chosen", () => {
    const changed = [0, 1].filter((p) => get("chosen")[p] !== last[p]);
    if (changed.length === 1) next = 1 - changed[0];
    last = get("chosen");
    mark();
    askAll();
  });
  signal.addEventListener("abort", () => cancelAnimationFrame(waiting));
  last = get("chosen");
  drawNoise();
  mark();
  slide();
  turn();
  live.say("");
  ask(mix, paints[L], paints[0], ...sketches);
  askAll();
  followTheme(root, () => {}, signal);
}

export default { render };
