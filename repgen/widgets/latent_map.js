// A map of a two-dimensional code: move through it and see what each place decodes to.

const CELLS = 15; // the background is CELLS x CELLS decoded images
const EDGE = { left: 44, right: 10, top: 10, bottom: 40 };

async function render({ model, el, signal = new AbortController().signal }) {
  const network = await loadNetwork(model);
  const get = (name) => model.get(name);
  const shape = get("shape"), names = get("names"), [xName, yName] = get("axis_labels");
  const [[x0, x1], [y0, y1]] = get("extent"), box = get("box");
  const quantised = numbers(get("codes"), "uint16"), labels = numbers(get("labels"), "uint8");
  const n = quantised.length / 2;
  const points = Float32Array.from(quantised, (q, i) => box[i % 2][0] + (q / 65535) * (box[i % 2][1] - box[i % 2][0]));
  const sprite = get("sprite").byteLength
    ? await createImageBitmap(new Blob([get("sprite")], { type: "image/png" })) : null;

  let pin = [...get("point")], hover = null; // where the reader stands, where the mouse is
  let chosen = null; // the index of a point whose original is shown
  let only = null; // the class that the legend singles out
  let tiles = null; // the decoded background, once it has been asked for

  const root = frame(model, el, "map");
  const base = h("canvas", { "aria-hidden": "true" }), cursor = h("canvas", { "aria-hidden": "true" });
  const hint = h("p", { class: "rg-hint", id: uid() },
    "Move over the map; click or drag to stay. Arrow keys move, with Shift further; Enter goes to the nearest point.");
  const pad = h("div", {
    class: "rg-pad", tabindex: 0, role: "application", "aria-roledescription": "two-dimensional map",
    "aria-label": `Map of the code, ${xName} by ${yName}`, "aria-describedby": hint.id,
  }, base, cursor);
  const decoded = picture(shape), original = h("canvas", { width: shape[1], height: shape[0], role: "img" });
  const originalText = h("span"), readout = h("div", { class: "rg-readout" });
  const live = h("p", { class: "rg-hidden", "aria-live": "polite" });
  const pair = h("div", { class: "rg-pair" }, captioned(decoded, "decoded here"), sprite && captioned(original, originalText));
  const legend = h("div", { class: "rg-legend", role: "group", "aria-label": "Show one class only" },
    ...names.map((name, c) => button("", () => single(c), { "aria-pressed": "false" })));
  legend.childNodes.forEach((item, c) => item.append(h("canvas", { width: 28, height: 28, "aria-hidden": "true" }), names[c]));
  const checkbox = (props) => h("input", { type: "checkbox", onchange: () => redraw(), ...props });
  const grid = checkbox(), dots = checkbox({ checked: true });
  root.append(
    h("div", { class: "rg-columns" },
      h("div", { class: "rg-main" }, pad),
      h("div", { class: "rg-side" }, pair, readout, legend, 
        h("label", { class: "rg-check" }, grid, "decode the whole map"),
        h("label", { class: "rg-check" }, dots, "show the points"), hint)),
    live);

  // From code to pixels of the pad, and back.
  let side = 0;
  const plot = () => ({ w: side - EDGE.left - EDGE.right, h: side - EDGE.top - EDGE.bottom });
  const toX = (x) => EDGE.left + ((x - x0) / (x1 - x0)) * plot().w;
  const toY = (y) => EDGE.top + ((y1 - y) / (y1 - y0)) * plot().h;
  const clamp = ([x, y]) => [Math.min(x1, Math.max(x0, x)), Math.min(y1, Math.max(y0, y))];
  const toCode = (event) => {
    const at = pad.getBoundingClientRect();
    return clamp([
      x0 + ((event.clientX - at.left - pad.clientLeft - EDGE.left) / plot().w) * (x1 - x0),
      y1 - ((event.clientY - at.top - pad.clientTop - EDGE.top) / plot().h) * (y1 - y0),
    ]);
  };
  /** The point nearest to a code, and how many pixels away it is. */
  function nearest([x, y]) {
    let best = -1, least = Infinity;
    for (let i = 0; i < n; i++) {
      if (only !== null && labels[i] !== only) continue;
      const d = (toX(points[2 * i]) - toX(x)) ** 2 + (toY(points[2 * i + 1]) - toY(y)) ** 2;
      if (d < least) [best, least] = [i, d];
    }
    return [best, Math.sqrt(least)];
  }
  const medians = names.map((_, c) => {
    const mine = [...labels.keys()].filter((i) => labels[i] === c);
    const median = (axis) => mine.map((i) => points[2 * i + axis]).sort((a, b) => a - b)[mine.length >> 1];
    return mine.length ? [median(0), median(1)] : null;
  });
  const className = (i) => (names.length ? names[labels[i]] : `point ${i + 1}`);

  const redraw = onceAFrame(() => { drawBase(); drawCursor(); });
  const move = onceAFrame(drawCursor);

  function drawBase() {
    const css = getComputedStyle(root), colour = (name) => css.getPropertyValue(`--rg-${name}`).trim();
    const g = sharp(base, side, side), { w, h: high } = plot();
    g.font = `12px ${css.fontFamily}`;
    if (grid.checked) {
      tiles ??= decodeTiles(redraw);
      g.imageSmoothingQuality = "high";
      g.drawImage(tiles, EDGE.left, EDGE.top, w, high);
    }
    g.strokeStyle = colour("line");
    g.fillStyle = colour("quiet");
    g.lineWidth = 1;
    g.textAlign = "center";
    for (const x of ticks(x0, x1)) {
      if (!grid.checked) line(g, [toX(x), EDGE.top], [toX(x), EDGE.top + high]);
      g.fillText(show(x, decimals(x0, x1)), toX(x), side - EDGE.bottom + 16);
    }
    g.fillText(xName, EDGE.left + w / 2, side - 6);
    g.textAlign = "right";
    for (const y of ticks(y0, y1)) {
      if (!grid.checked) line(g, [EDGE.left, toY(y)], [EDGE.left + w, toY(y)]);
      g.fillText(show(y, decimals(y0, y1)), EDGE.left - 6, toY(y) + 4);
    }
    g.save();
    g.translate(12, EDGE.top + high / 2);
    g.rotate(-Math.PI / 2);
    g.textAlign = "center";
    g.fillText(yName, 0, 0);
    g.restore();

    g.save();
    g.beginPath();
    g.rect(EDGE.left, EDGE.top, w, high);
    g.clip();
    g.strokeStyle = "#fff";
    for (let i = 0; dots.checked && i < n; i++) {
      const c = labels[i] ?? 0, quiet = only !== null && c !== only;
      if (quiet && grid.checked) continue;
      g.globalAlpha = quiet ? 0.08 : 0.75;
      g.fillStyle = names.length ? colour(`c${c % 10}`) : colour("accent");
      mark(g, toX(points[2 * i]), toY(points[2 * i + 1]), side / 160, names.length ? c : 0);
      if (grid.checked) g.stroke(); // the tiles are as dark as some of the colours
    }
    g.restore();
    if (dots.checked && !grid.checked) classLabels(g, colour);
    legend.querySelectorAll("canvas").forEach((canvas, c) => {
      const own = canvas.getContext("2d");
      own.clearRect(0, 0, 28, 28);
      own.fillStyle = colour(`c${c % 10}`);
      mark(own, 14, 14, 9, c);
    });
  }

  /** Each class's name at the median of its points, or a little off where another name stands there. */
  function classLabels(g, colour) {
    const taken = [];
    g.font = g.font.replace(/^\S+px/, "bold 15px");
    g.textAlign = "center";
    [g.lineWidth, g.lineJoin, g.strokeStyle, g.fillStyle] = [4, "round", colour("paper"), colour("text")];
    medians.forEach((at, c) => {
      if (!at || (only !== null && only !== c)) return;
      const x = toX(at[0]), middle = toY(at[1]) + 5, wide = g.measureText(names[c]).width;
      const free = (y) => !taken.some((t) => Math.abs(t.x - x) < (t.wide + wide) / 2 + 3 && Math.abs(t.y - y) < 16);
      const y = [0, -4, 4, -8, 8, -12, 12, -16, 16].map((d) => middle + d).find(free) ?? middle;
      taken.push({ x, y, wide });
      g.strokeText(names[c], x, y);
      g.fillText(names[c], x, y);
    });
  }

  /** Decodes the whole map a row of cells at a time, so that the page stays responsive. */
  function decodeTiles(done) {
    const [height, width] = shape;
    const all = h("canvas", { width: CELLS * width, height: CELLS * height }), g = all.getContext("2d");
    const tile = picture(shape);
    let row = 0;
    (function next() {
      for (let column = 0; column < CELLS; column++) {
        const x = x0 + ((column + 0.5) / CELLS) * (x1 - x0), y = y1 - ((row + 0.5) / CELLS) * (y1 - y0);
        g.drawImage(tile.show(network.forward([x, y])), column * width, row * height);
      }
      done();
      if (++row < CELLS) setTimeout(next);
    })();
    return all;
  }

  function drawCursor() {
    const at = hover ?? pin, css = getComputedStyle(root), g = sharp(cursor, side, side);
    for (const [colour, width] of [["--rg-paper", 5], ["--rg-text", 2]]) {
      g.strokeStyle = css.getPropertyValue(colour);
      g.lineWidth = width;
      const [x, y] = [toX(at[0]), toY(at[1])];
      g.beginPath();
      g.arc(x, y, 9, 0, 7);
      g.stroke();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) line(g, [x + 9 * dx, y + 9 * dy], [x + 15 * dx, y + 15 * dy]);
    }
    decoded.show(network.forward(at));
    decoded.setAttribute("aria-label", `image decoded at ${xName} ${show(at[0])}, ${yName} ${show(at[1])}`);
    const [i, far] = nearest(at), here = chosen !== null && !hover ? chosen : i;
    const facts = [[xName, show(at[0])], [yName, show(at[1])], [chosen === here ? "point" : "nearest point", here < 0 ? "none" : className(here)]];
    readout.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("span", {}, name), h("b", {}, value))));
    if (sprite) showOriginal(hover ? (far < 12 ? i : null) : chosen);
  }

  function showOriginal(i) {
    const g = original.getContext("2d"), [height, width] = shape, across = sprite.width / width;
    g.clearRect(0, 0, width, height);
    original.parentNode.classList.toggle("rg-empty", i === null);
    originalText.textContent = i === null ? "click on a point" : `original: ${className(i)}`;
    original.setAttribute("aria-label", originalText.textContent);
    if (i !== null) g.drawImage(sprite, (i % across) * width, Math.floor(i / across) * height, width, height, 0, 0, width, height);
  }

  function stay(at, point = null) {
    [pin, chosen, hover] = [clamp(at), point, null];
    model.set("point", [...pin]);
    model.save_changes();
    move();
    clearTimeout(stay.timer);
    stay.timer = setTimeout(() => (live.textContent = [...readout.children].map((fact) => [...fact.children].map((part) => part.textContent).join(" ")).join(", ")), 400);
  }
  const toNearest = (at, within = Infinity) => {
    const [i, far] = nearest(at);
    if (i >= 0 && far < within) stay([points[2 * i], points[2 * i + 1]], i);
    else stay(at);
  };

  pad.addEventListener("pointermove", (event) => {
    if (event.buttons) return stay(toCode(event));
    if (event.pointerType === "mouse") { hover = toCode(event); move(); }
  });
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    toNearest(toCode(event), event.pointerType === "mouse" ? 6 : 10);
  });
  pad.addEventListener("pointerleave", () => { hover = null; move(); });
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  pad.addEventListener("keydown", (event) => {
    const step = STEPS[event.key], far = event.shiftKey ? 0.1 : 0.01;
    if (step) stay([pin[0] + step[0] * far * (x1 - x0), pin[1] + step[1] * far * (y1 - y0)]);
    else if (event.key === "Enter") toNearest(pin);
    else return;
    event.preventDefault();
  });

  function single(c) {
    only = only === c ? null : c;
    legend.childNodes.forEach((item, at) => item.setAttribute("aria-pressed", String(only === at)));
    redraw();
  }

  const resized = new ResizeObserver(() => {
    side = pad.clientWidth;
    if (side) redraw();
  });
  resized.observe(pad);
  signal.addEventListener("abort", () => resized.disconnect());
  const moved = () => { pin = [...get("point")]; chosen = null; move(); };
  model.on("change:point", () => get("point").some((v, i) => v !== pin[i]) && moved());
  followTheme(root, redraw, signal);
}

/** Class c's mark: ten shapes, so that classes differ by more than their colour. */
function mark(g, x, y, r, c) {
  const corners = [0, 4, 3, 4, 3, 3, 3, 4, 4, 5][c % 10], turn = [0, 0.5, 0, 0, 1, 0.5, -0.5, 0, 0.5, 0][c % 10] * Math.PI;
  const star = [7, 8, 9].includes(c % 10);
  g.beginPath();
  if (!corners) g.arc(x, y, r, 0, 7);
  else {
    const steps = star ? 2 * corners : corners, first = corners === 4 && !star ? turn / 2 : turn;
    for (let k = 0; k < steps; k++) {
      const angle = first + (2 * Math.PI * k) / steps - Math.PI / 2, far = star && k % 2 ? 0.42 * r : 1.2 * r;
      g.lineTo(x + far * Math.cos(angle), y + far * Math.sin(angle));
    }
  }
  g.fill();
}

/** Round numbers between a and b, about five. */
function ticks(a, b) {
  const step = tickStep(a, b), out = [];
  for (let k = Math.ceil(a / step); k * step <= b; k++) out.push(k * step);
  return out;
}
const tickStep = (a, b) => {
  const rough = (b - a) / 5, unit = 10 ** Math.floor(Math.log10(rough));
  return unit * [1, 2, 5, 10].find((m) => m * unit >= rough);
};
const decimals = (a, b) => Math.max(0, -Math.floor(Math.log10(tickStep(a, b))));

export default { render };
