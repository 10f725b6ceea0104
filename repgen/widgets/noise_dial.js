// Draws from an image's posterior, decoded live while it is made wider.

const VIEW = 3.5; // the map of a code of two numbers goes so far from 0

async function render({ model, el, signal = new AbortController().signal }) {
  const network = await loadNetwork(model);
  const get = (name) => model.get(name);
  const shape = get("shape"), labels = get("labels"), K = network.n_in;
  const means = numbers(get("means"), "float32"), deviations = numbers(get("deviations"), "float32");
  let noise = numbers(get("noise"), "float32"); // the same while the dial is turned, so that the pictures move smoothly
  let image = get("start"), scale = get("scale"), prior = get("prior");
  const draws = noise.length / K;

  const root = frame(model, el, "dial");
  const strip = imageStrip({ shape, images: numbers(get("images"), "uint8"), labels, onchoose: (i) => tell({ start: (image = i) }) });
  const before = picture(shape), after = picture(shape);
  const beforeText = h("span");
  const cells = Array.from({ length: draws }, () => picture(shape));
  const sheet = h("div", { class: "rg-draws", role: "group", style: `--across: ${Math.ceil(Math.sqrt(draws))}` }, ...cells);
  const dial = sliderRow({
    label: "width of the posterior", min: 0, max: get("widest"), step: get("widest") / 100,
    text: (s) => (s ? `${show(s)} times its own` : "0: the mean alone"),
    onchange: (s) => tell({ scale: (scale = s) }),
  });
  const toggle = h("input", { type: "checkbox", checked: prior, onchange: () => tell({ prior: (prior = toggle.checked) }) });
  const plane = K === 2 ? h("canvas", { class: "rg-plane", role: "img" }) : null;
  const facts = h("div", { class: "rg-readout" });
  const live = announcer();
  root.append(
    strip,
    h("div", { class: "rg-columns" },
      h("div", { class: "rg-main" }, sheet),
      h("div", { class: "rg-side" },
        h("div", { class: "rg-pair" }, captioned(before, beforeText), captioned(after, "its mean code, decoded")),
        dial,
        h("label", { class: "rg-check" }, toggle, "draw from the prior instead"),
        h("div", { class: "rg-buttons" }, button("Fresh noise", () => {
          noise = Float32Array.from(noise, gaussian);
          draw();
        })),
        facts,
        plane && h("div", { class: "rg-where" }, plane,
          h("p", { class: "rg-hint" }, "The draws in the code. Circles: 1, 2 and 3 deviations of the prior. Ellipse: one deviation of the posterior, as wide as the dial says.")))),
    live);

  const tell = teller(model, () => draw());
  const mean = () => means.subarray(image * K, (image + 1) * K);
  const deviation = () => deviations.subarray(image * K, (image + 1) * K);
  /** The code of draw i, as the dial and the switch say. */
  function code(i) {
    const own = noise.subarray(i * K, (i + 1) * K);
    if (prior) return own;
    const m = mean(), d = deviation();
    return own.map((e, k) => m[k] + scale * d[k] * e);
  }

  const draw = onceAFrame(() => {
    const x = strip.original(image), name = labels[image];
    strip.mark(image);
    dial.disable(prior);
    dial.set(scale);
    before.show(x).setAttribute("aria-label", `original: ${name}`);
    beforeText.textContent = `original: ${name}`;
    after.show(network.forward(mean())).setAttribute("aria-label", `decoded from the mean code of ${name}`);
    let error = 0;
    cells.forEach((cell, i) => {
      const decoded = network.forward(code(i));
      error += squaredError(x, decoded) / draws;
      cell.show(decoded).setAttribute("aria-label", `draw ${i + 1}`);
    });
    const kl = mean().reduce((sum, m, k) => sum + (m * m + deviation()[k] ** 2 - 1) / 2 - Math.log(deviation()[k]), 0);
    const wide = [...deviation()].sort((a, b) => a - b);
    sheet.setAttribute("aria-label", prior ? `${draws} draws from the prior` : `${draws} draws from the posterior of ${name}, ${show(scale)} times as wide`);
    facts.replaceChildren(...[
      ["squared error of the draws, on average", show(error, 1)],
      ["posterior deviations", K === 2 ? wide.map((d) => show(d)).join(" and ") : `${show(wide[0])} to ${show(wide[K - 1])}`],
      ["KL from the prior", `${show(kl, 1)} nats`],
    ].map(([what, value]) => h("div", {}, h("span", {}, what), h("b", {}, value))));
    if (plane) drawPlane();
    live.say(`${sheet.getAttribute("aria-label")}: squared error ${show(error, 1)} on average`);
  });

  function drawPlane() {
    const css = getComputedStyle(root), side = plane.clientWidth, g = sharp(plane, side, side);
    const at = ([x, y]) => [side / 2 + (x / VIEW) * (side / 2), side / 2 - (y / VIEW) * (side / 2)];
    const ellipse = ([x, y], a, b) => {
      g.beginPath();
      g.ellipse(...at([x, y]), (a / VIEW) * (side / 2), (b / VIEW) * (side / 2), 0, 0, 7);
      g.stroke();
    };
    g.strokeStyle = css.getPropertyValue("--rg-edge");
    for (const r of [1, 2, 3]) ellipse([0, 0], r, r);
    g.fillStyle = g.strokeStyle = css.getPropertyValue("--rg-accent");
    g.lineWidth = 2;
    const [a, b] = deviation();
    if (!prior) ellipse(mean(), scale * a, scale * b);
    for (let i = 0; i < draws; i++) {
      g.beginPath();
      g.arc(...at(code(i)), 3, 0, 7);
      g.fill();
    }
    plane.setAttribute("aria-label",
      `map of the code: ${prior ? "draws from the prior" : `draws around ${show(mean()[0])}, ${show(mean()[1])}`}, ellipse half-axes ${show(scale * a)} and ${show(scale * b)}`);
  }

  const resized = new ResizeObserver(draw);
  resized.observe(root);
  signal.addEventListener("abort", () => resized.disconnect());
  followTheme(root, draw, signal);
  draw();
}

export default { render };
