// Sliders along the components of a code, the decoded image live beside the original.

async function render({ model, el, signal = new AbortController().signal }) {
  const network = await loadNetwork(model);
  const get = (name) => model.get(name);
  const shape = get("shape"), labels = get("labels"), noun = get("noun");
  const pixels = shape[0] * shape[1], K = network.n_in;
  const originals = numbers(get("images"), "uint8"), codes = numbers(get("codes"), "float32");
  const centre = numbers(get("centre"), "float32"), deviations = numbers(get("deviations"), "float32");
  const shares = get("shares");
  const original = (i) => Float32Array.from(originals.subarray(i * pixels, (i + 1) * pixels), (b) => b / 255);

  const unit = shares.length ? "component" : "unit";

  let start = get("start"); // an image's index, -1: the mean, -2: a random code
  let used = get("n_used");
  let errors = []; // of the starting image, by the number of components
  const code = new Float32Array(K);

  const root = frame(model, el, "explorer");

  // Start from: the mean, one of the images, or chance.
  const name = uid();
  const choice = (i, label, values) => {
    const input = h("input", { type: "radio", name, "aria-label": label, onchange: () => begin(i) });
    const canvas = picture(shape, { role: null, "aria-hidden": "true" }).show(values);
    return h("label", { class: "rg-thumb", title: label }, input, canvas);
  };
  const mean = network.forward(centre).slice();
  const choices = h("div", { class: "rg-thumbs", role: "radiogroup", "aria-label": `Start from` },
    choice(-1, `mean ${noun}`, mean), ...labels.map((label, i) => choice(i, label, original(i))));
  const buttons = h("div", { class: "rg-buttons" },
    button(`Random ${noun}`, () => begin(-2)), button("Reset", () => begin(start)));

  // The two pictures and the number of components in use.
  const before = picture(shape), after = picture(shape);
  const beforeText = h("span"), afterText = h("span"), error = h("p", { class: "rg-error" });
  const curve = h("canvas", { class: "rg-curve", role: "img" });
  const pair = h("div", { class: "rg-pair" }, captioned(before, beforeText), captioned(after, afterText));
  const usedRow = sliderRow({
    label: `number of ${unit}s used`, min: 0, max: K, step: 1,
    text: (n) => `${n} of ${K}`, onchange: (n) => tell({ n_used: (used = n) }),
  });

  // One slider a component, in standard deviations from the centre.
  const rows = Array.from({ length: Math.min(get("n_sliders"), K) }, (_, k) => sliderRow({
    label: shares.length ? `${unit} ${k + 1} (${percent(shares[k])} of variance)` : `${unit} ${k + 1}`,
    min: -4, max: 4, step: 0.1, from: 0,
    text: (value) => `${value > 0 ? "+" : ""}${show(value, 1)} σ`,
    onchange: (value) => { code[k] = centre[k] + value * deviations[k]; draw(); },
  }));

  root.append(
    h("div", { class: "rg-start" }, choices, buttons),
    h("div", { class: "rg-columns" },
      h("div", { class: "rg-side" }, pair, usedRow, error, curve),
      h("div", { class: "rg-sliders", role: "group", "aria-label": `Sliders, in standard deviations` }, ...rows)),
  );

  function begin(i) {
    start = i;
    for (let k = 0; k < K; k++) {
      code[k] = i >= 0 ? codes[i * K + k] : centre[k] + (i === -2 ? deviations[k] * gaussian() : 0);
    }
    if (i >= 0) {
      const x = original(i);
      errors = Array.from({ length: K + 1 }, (_, n) => squaredError(x, network.forward(first(n, code))));
    }
    const radios = choices.querySelectorAll("input");
    radios.forEach((radio, at) => (radio.checked = at === i + 1));
    rows.forEach((row, k) => row.set((code[k] - centre[k]) / (deviations[k] || 1)));
    tell({ start: i });
  }

  const tell = teller(model, () => draw());

  /** The code with only its first n numbers; the others are as in the mean image. */
  const first = (n, z) => z.map((value, k) => (k < n ? value : centre[k]));
  function squaredError(x, y) {
    let sum = 0;
    for (let i = 0; i < pixels; i++) sum += (x[i] - y[i]) ** 2;
    return sum;
  }

  const draw = onceAFrame(() => {
    const decoded = network.forward(first(used, code));
    after.show(decoded);
    rows.forEach((row, k) => row.disable(k >= used));
    usedRow.set(used);
    const from = start === -1 ? `the mean ${noun}` : start === -2 ? `a random ${noun}` : labels[start];
    afterText.textContent = `${used} ${unit}${used === 1 ? "" : "s"}`;
    after.setAttribute("aria-label", `decoded from ${used} of ${K} ${unit}s, starting from ${from}`);
    const real = start >= 0;
    before.parentNode.hidden = curve.hidden = !real;
    if (!real) return void error.replaceChildren(`started from ${from}`);
    const x = original(start), now = squaredError(x, decoded);
    before.show(x).setAttribute("aria-label", `original: ${from}`);
    beforeText.textContent = "original";
    error.replaceChildren("squared error, summed over pixels", h("b", {}, show(now)));
    drawCurve(now);
  });

  /** The error of the image's own code by the number of components; the dot is what is shown now. */
  function drawCurve(now) {
    const css = getComputedStyle(root), wide = curve.clientWidth, high = curve.clientHeight;
    const g = sharp(curve, wide, high), top = Math.max(errors[0], now) || 1;
    const at = (n, e) => [8 + (n / K) * (wide - 16), high - 18 - (e / top) * (high - 28)];
    g.strokeStyle = css.getPropertyValue("--rg-line");
    line(g, at(0, 0), at(K, 0));
    g.lineWidth = 2;
    g.strokeStyle = g.fillStyle = css.getPropertyValue("--rg-accent");
    line(g, ...errors.map((e, n) => at(n, e)));
    g.beginPath();
    g.arc(...at(used, now), 5, 0, 7);
    g.fill();
    g.fillStyle = css.getPropertyValue("--rg-quiet");
    g.font = `12px ${css.fontFamily}`;
    g.fillText("0", 5, high - 3);
    g.textAlign = "right";
    g.fillText(`${K} ${unit}s`, wide - 4, high - 3);
    curve.setAttribute("aria-label",
      `squared error by number of ${unit}s, from ${show(errors[0])} with none to ${show(errors[K])} with ${K}`);
  }

  followTheme(root, draw, signal);
  const resized = new ResizeObserver(draw);
  resized.observe(root);
  signal.addEventListener("abort", () => resized.disconnect());
  begin(start);
}

const percent = (share) => `${(100 * share).toPrecision(2).replace(/\.0$/, "")} %`;

export default { render };
