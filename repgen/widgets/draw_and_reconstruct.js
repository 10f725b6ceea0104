// A pad to draw on; autoencoders reconstruct the drawing while it grows.

async function render({ model, el, signal = new AbortController().signal }) {
  const nets = await loadNetworks(model);
  const get = (name) => model.get(name);
  const shape = get("shape"), names = get("names"), labels = get("labels");
  const [height, width] = shape, pixels = height * width;
  const images = numbers(get("images"), "uint8");

  let net = get("net");
  let drawn = false; // a pen has been on this picture
  const ink = new Float32Array(pixels); // what is on the pad
  const ranges = nets.map(() => [0, 0]); // of the code's numbers: what has been seen so far

  const root = frame(model, el, "draw");
  const strip = imageStrip({ shape, images, labels, onchoose: choose });
  const paper = picture(shape, { role: null, "aria-hidden": "true" });
  const invite = h("span", { class: "rg-invite" }, "Draw here");
  const mark = h("span", { class: "rg-pen", hidden: true });
  const hint = h("p", { class: "rg-hint", id: uid() },
    "Draw with a mouse, a pen or a finger. By keyboard: arrow keys move the pen, the space bar sets it down and lifts it.");
  const pad = h("div", {
    class: "rg-pad", tabindex: 0, role: "application", "aria-roledescription": "drawing pad", "aria-label": "Drawing pad",
    "aria-describedby": hint.id, style: `aspect-ratio: ${width} / ${height}`,
  }, paper, invite, mark);
  const centre = h("input", { type: "checkbox", checked: get("centre"), onchange: () => tell({ centre: centre.checked }) });
  const seen = picture(shape), rebuilt = picture(shape);
  const rebuiltText = h("span");
  const error = h("p", { class: "rg-error", hidden: nets.length > 1 });
  const choice = options({
    heading: "Net", note: "squared error, summed over pixels", names, chosen: net, onchoose: (i) => tell({ net: (net = i) }),
  });
  choice.hidden = nets.length < 2;
  const bars = h("canvas", { class: "rg-bars", role: "img" }), barsText = h("div", { class: "rg-caption" });
  const live = announcer();
  root.append(
    strip,
    h("div", { class: "rg-columns" },
      h("div", { class: "rg-main" }, pad,
        h("div", { class: "rg-buttons" }, button("Clear", clear)),
        h("label", { class: "rg-check" }, centre, "centre my drawing, as MNIST's digits are"), hint),
      h("div", { class: "rg-side" },
        h("div", { class: "rg-pair" }, captioned(seen, "the net sees"), captioned(rebuilt, rebuiltText)),
        error, choice, h("div", {}, bars, barsText))),
    live);

  const tell = teller(model, () => draw());
  function choose(i) {
    ink.set(strip.original(i));
    drawn = false;
    strip.mark(i);
    tell({ start: i });
  }
  function clear() {
    ink.fill(0);
    drawn = false;
    strip.mark(-1);
    tell({ start: -1 });
  }

  // The pen: round, as wide as MNIST's strokes, its edge soft over one pixel.
  const radius = Math.max(0.7, (1.1 * Math.min(height, width)) / 28);
  /** Ink along the line from one place to another, in pixels from the upper left corner. */
  function stroke([x0, y0], [x1, y1]) {
    const far = distanceFrom([x0, y0], [x1, y1]), reach = radius + 0.5;
    const rows = [Math.max(0, Math.floor(Math.min(y0, y1) - reach)), Math.min(height - 1, Math.floor(Math.max(y0, y1) + reach))];
    const columns = [Math.max(0, Math.floor(Math.min(x0, x1) - reach)), Math.min(width - 1, Math.floor(Math.max(x0, x1) + reach))];
    for (let i = rows[0]; i <= rows[1]; i++) {
      for (let j = columns[0]; j <= columns[1]; j++) {
        ink[i * width + j] = Math.max(ink[i * width + j], Math.min(1, Math.max(0, reach - far(j, i))));
      }
    }
    if (!drawn) strip.mark(-1);
    drawn = true;
    draw();
  }
  drawOn(pad, mark, shape, {
    pen: [width / 2, height / 2], stroke,
    onpen: (down) => requestAnimationFrame(() => live.say(down ? "pen down" : "pen up")), // the last word, after that of a stroke's frame
  });

  /** x moved by whole pixels so that its centre of mass is where MNIST has it: half a pixel beyond the middle. */
  function centred(x) {
    let mass = 0, across = 0, downwards = 0;
    for (let i = 0; i < pixels; i++) {
      mass += x[i];
      across += x[i] * ((i % width) + 0.5);
      downwards += x[i] * (Math.floor(i / width) + 0.5);
    }
    if (!mass) return x;
    const right = Math.round(width / 2 + 0.5 - across / mass), below = Math.round(height / 2 + 0.5 - downwards / mass);
    return x.map((_, i) => {
      const row = Math.floor(i / width) - below, column = (i % width) - right;
      return row >= 0 && row < height && column >= 0 && column < width ? x[row * width + column] : 0;
    });
  }

  const widen = (i, code) => {
    for (const value of code) ranges[i] = [Math.min(ranges[i][0], value), Math.max(ranges[i][1], value)];
  };
  nets.forEach((each, i) => labels.forEach((_, at) => widen(i, each.encode(strip.original(at)))));

  const draw = onceAFrame(() => {
    const x = drawn && centre.checked ? centred(ink) : ink, empty = !ink.some(Boolean);
    paper.show(ink);
    invite.hidden = !empty;
    seen.show(x).setAttribute("aria-label", `what the net sees: ${drawn ? "your drawing" : empty ? "nothing yet" : labels[get("start")]}`);
    const errors = nets.map((each, i) => {
      const code = each.encode(x), y = each.decode(code);
      if (i === net) {
        drawBars(code);
        rebuilt.show(y).setAttribute("aria-label", `reconstruction by ${names[i]}`);
      }
      return show(squaredError(x, y));
    });
    rebuiltText.textContent = "its reconstruction";
    choice.notes(errors);
    error.replaceChildren("squared error, summed over pixels", h("b", {}, errors[net]));
    live.say(`${names[net]}: squared error ${errors[net]}`);
  });

  /** The code's numbers as bars from zero, on the widest scale needed so far. */
  function drawBars(code) {
    widen(net, code);
    const css = getComputedStyle(root), wide = bars.clientWidth, high = bars.clientHeight;
    const g = sharp(bars, wide, high), [low, top] = ranges[net], scale = (high - 4) / (top - low || 1);
    const zero = 2 + top * scale, step = Math.min(wide / code.length, 40);
    g.fillStyle = css.getPropertyValue("--rg-accent");
    code.forEach((value, k) => g.fillRect(k * step, zero, Math.max(step * 0.75, 0.5), -value * scale));
    g.strokeStyle = css.getPropertyValue("--rg-edge");
    line(g, [0, zero], [step * code.length, zero]);
    const many = `${code.length} number${code.length === 1 ? "" : "s"}`;
    barsText.textContent = `the code: ${many}`;
    bars.setAttribute("aria-label", `the code, ${many} from ${show(Math.min(...code))} to ${show(Math.max(...code))}`);
  }

  followTheme(root, draw, signal);
  const resized = new ResizeObserver(draw);
  resized.observe(root);
  signal.addEventListener("abort", () => resized.disconnect());
  if (get("start") >= 0) choose(get("start"));
  else draw();
}

export default { render };
