// A map of a two-dimensional code: move through it and see what each place decodes to.

const CELLS = 15; // the background is CELLS x CELLS decoded images
const FRAMES = 12; // of the film strip along a path
const EDGE = { left: 44, right: 10, top: 10, bottom: 40 };

async function render({ model, el, signal = new AbortController().signal }) {
  const network = await loadNetwork(model);
  const get = (name) => model.get(name);
  const shape = get("shape"), names = get("names"), [xName, yName] = get("axis_labels");
  const [[x0, x1], [y0, y1]] = get("extent"), box = get("box");
  const { warp, unwarp, marks, digits } = SCALES[get("prior")] ?? SCALES[""];
  const quantised = numbers(get("codes"), "uint16"), labels = numbers(get("labels"), "uint8");
  const n = quantised.length / 2;
  const points = Float32Array.from(quantised, (q, i) => box[i % 2][0] + (q / 65535) * (box[i % 2][1] - box[i % 2][0]));
  const sprite = get("sprite").byteLength
    ? await createImageBitmap(new Blob([get("sprite")], { type: "image/png" })) : null;

  let pin = [...get("point")], hover = null; // where the reader stands, where the mouse is
  let chosen = null; // the index of a point whose original is shown
  let only = null; // the class that the legend singles out
  let tiles = null; // the decoded background, once it has been asked for
  let path = get("path") ?? []; // the corners of the reader's path, as codes
  let drawing = false; // whether pointer and keys draw one
  let strip = []; // where on the path the frames of the film stand

  const root = frame(model, el, "map");
  const base = h("canvas", { "aria-hidden": "true" }), cursor = h("canvas", { "aria-hidden": "true" });
  const hint = h("p", { class: "rg-hint", id: uid() }, MOVING);
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
  const pencil = button("Draw a path", () => draws(!drawing), { "aria-pressed": "false" });
  const film = h("div", { class: "rg-film", role: "list", "aria-label": `${FRAMES} images along the path` },
    ...Array.from({ length: FRAMES }, () => h("div", { role: "listitem" }, picture(shape))));
  root.append(
    h("div", { class: "rg-columns" },
      h("div", { class: "rg-main" }, pad),
      h("div", { class: "rg-side" }, pair, readout, legend,
        h("label", { class: "rg-check" }, grid, "decode the whole map"),
        h("label", { class: "rg-check" }, dots, "show the points"),
        h("div", { class: "rg-buttons" }, pencil, button("Clear the path", () => follow([]))), hint)),
    film, live);

  // From code to pixels of the pad, and back.
  let side = 0;
  const plot = () => ({ w: side - EDGE.left - EDGE.right, h: side - EDGE.top - EDGE.bottom });
  // On the scale of a prior, equal lengths of the map are equal probabilities; else the scale is even.
  const share = (v, a, b) => (warp(v) - warp(a)) / (warp(b) - warp(a)), at = (u, a, b) => unwarp(warp(a) + u * (warp(b) - warp(a)));
  const toX = (x) => EDGE.left + share(x, x0, x1) * plot().w;
  const toY = (y) => EDGE.top + (1 - share(y, y0, y1)) * plot().h;
  const clamp = ([x, y]) => [Math.min(x1, Math.max(x0, x)), Math.min(y1, Math.max(y0, y))];
  const toCode = (event) => {
    const here = pad.getBoundingClientRect(), within = (u) => Math.min(1, Math.max(0, u));
    const u = within((event.clientX - here.left - pad.clientLeft - EDGE.left) / plot().w);
    const v = within((event.clientY - here.top - pad.clientTop - EDGE.top) / plot().h);
    return clamp([at(u, x0, x1), at(1 - v, y0, y1)]);
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
    for (const x of marks(x0, x1)) {
      if (!grid.checked) line(g, [toX(x), EDGE.top], [toX(x), EDGE.top + high]);
      g.fillText(show(x, digits(x0, x1)), toX(x), side - EDGE.bottom + 16);
    }
    g.fillText(xName, EDGE.left + w / 2, side - 6);
    g.textAlign = "right";
    for (const y of marks(y0, y1)) {
      if (!grid.checked) line(g, [EDGE.left, toY(y)], [EDGE.left + w, toY(y)]);
      g.fillText(show(y, digits(y0, y1)), EDGE.left - 6, toY(y) + 4);
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
      classMark(g, toX(points[2 * i]), toY(points[2 * i + 1]), side / 160, names.length ? c : 0);
      if (grid.checked) g.stroke(); // the tiles are as dark as some of the colours
    }
    g.restore();
    if (dots.checked && !grid.checked) classLabels(g, colour);
    legend.querySelectorAll("canvas").forEach((canvas, c) => {
      const own = canvas.getContext("2d");
      own.clearRect(0, 0, 28, 28);
      own.fillStyle = colour(`c${c % 10}`);
      classMark(own, 14, 14, 9, c);
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
        const code = [at((column + 0.5) / CELLS, x0, x1), at(1 - (row + 0.5) / CELLS, y0, y1)];
        g.drawImage(tile.show(network.forward(code)), column * width, row * height);
      }
      done();
      if (++row < CELLS) setTimeout(next);
    })();
    return all;
  }

  function drawCursor() {
    const at = hover ?? pin, css = getComputedStyle(root), g = sharp(cursor, side, side);
    for (const [colour, width] of [["--rg-paper", 5], ["--rg-text", 2]]) {
      g.strokeStyle = g.fillStyle = css.getPropertyValue(colour);
      g.lineWidth = width;
      drawPath(g, width);
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

  /** The path and the places of its frames. */
  function drawPath(g, width) {
    g.lineJoin = g.lineCap = "round";
    line(g, ...between(path).map(([x, y]) => [toX(x), toY(y)]));
    for (const [x, y] of strip) {
      g.beginPath();
      g.arc(toX(x), toY(y), 2 + width / 2, 0, 7);
      g.fill();
    }
  }

  /** Takes a new path: its film is decoded, frames at equal distances in the code. */
  function follow(corners, done = true) {
    path = corners;
    strip = along(path, FRAMES);
    film.hidden = !strip.length;
    strip.forEach((code, i) => {
      const name = `frame ${i + 1} of ${FRAMES}, at ${xName} ${show(code[0])}, ${yName} ${show(code[1])}`;
      film.childNodes[i].firstChild.show(network.forward(code)).setAttribute("aria-label", name);
    });
    if (done) {
      model.set("path", path);
      model.save_changes();
      if (drawing) say(path.length ? `path of ${path.length} ${path.length > 1 ? "corners" : "corner"}, ${show(length(path))} long` : "no path");
    }
    move();
  }
  function draws(on) {
    pencil.setAttribute("aria-pressed", String((drawing = on)));
    hint.textContent = on ? DRAWING : MOVING;
  }
  const say = (text) => {
    clearTimeout(stay.timer); // what was about to be said of a place is old news
    clearTimeout(say.timer);
    say.timer = setTimeout(() => (live.textContent = text), 400);
  };

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
    stay.timer = setTimeout(() => say([...readout.children].map((fact) => [...fact.children].map((part) => part.textContent).join(" ")).join(", ")), 50);
  }
  const toNearest = (at, within = Infinity) => {
    const [i, far] = nearest(at);
    if (i >= 0 && far < within) stay([points[2 * i], points[2 * i + 1]], i);
    else stay(at);
  };

  pad.addEventListener("pointermove", (event) => {
    if (event.buttons && drawing && path.length) {
      const code = toCode(event), [x, y] = path.at(-1);
      if (Math.hypot(toX(code[0]) - toX(x), toY(code[1]) - toY(y)) >= 3) follow([...path, code], false);
    }
    if (event.buttons) return stay(toCode(event));
    if (event.pointerType === "mouse") { hover = toCode(event); move(); }
  });
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    if (drawing) {
      follow([toCode(event)], false);
      return stay(toCode(event));
    }
    toNearest(toCode(event), event.pointerType === "mouse" ? 6 : 10);
  });
  pad.addEventListener("pointerup", () => drawing && follow(path));
  pad.addEventListener("pointerleave", () => { hover = null; move(); });
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  pad.addEventListener("keydown", (event) => {
    const step = STEPS[event.key], far = event.shiftKey ? 0.1 : 0.01;
    if (step) stay([at(share(pin[0], x0, x1) + step[0] * far, x0, x1), at(share(pin[1], y0, y1) + step[1] * far, y0, y1)]);
    else if (event.key === "Enter") toNearest(pin);
    else if (drawing && event.key === " ") follow([...path, [...pin]]);
    else if (drawing && event.key === "Backspace") follow(path.slice(0, -1));
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
  model.on("change:path", () => get("path") !== path && follow(get("path")));
  follow(path, false);
  followTheme(root, redraw, signal);
}

const MOVING = "Move over the map; click or drag to stay. Arrow keys move, with Shift further; Enter goes to the nearest point.";
const DRAWING = "Drag to draw a path. With the keyboard: arrow keys move, the space bar sets a corner of the path, Backspace takes the last one back.";

// How the map's axes run: evenly, or so that equal lengths have equal probability under N(0, 1).
const SCALES = {
  "": { warp: (x) => x, unwarp: (u) => u, marks: (a, b) => ticks(a, b), digits: tickDecimals },
  normal: {
    warp: normal, unwarp: normalQuantile, digits: () => 1,
    marks: (a, b) => [-2, -1, -0.5, 0, 0.5, 1, 2].filter((x) => a <= x && x <= b),
  },
};
/** The distribution function of N(0, 1), to 1e-7 (Abramowitz & Stegun, 7.1.26). */
function normal(x) {
  const t = 1 / (1 + (0.3275911 * Math.abs(x)) / Math.SQRT2);
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-x * x / 2) / 2;
  return x < 0 ? tail : 1 - tail;
}
/** The x at which `normal` is u, by halving. */
function normalQuantile(u) {
  let low = -8, high = 8;
  for (let i = 0; i < 50; i++) normal((low + high) / 2) < u ? (low = (low + high) / 2) : (high = (low + high) / 2);
  return (low + high) / 2;
}

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const length = (path) => path.reduce((sum, corner, i) => (i ? sum + distance(corner, path[i - 1]) : 0), 0);
const blend = (a, b, t) => [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])];
/** The path with places between its corners, since a straight line of the code can be bent on the map. */
const between = (path) => path.flatMap((b, i) => (i ? Array.from({ length: 16 }, (_, k) => blend(path[i - 1], b, (k + 1) / 16)) : [b]));
/** n codes at equal distances along a path, its ends among them; none where it has no length. */
function along(path, n) {
  const total = length(path), out = [];
  if (!total) return out;
  for (let k = 0, i = 1, gone = 0; k < n; k++) {
    const want = (total * k) / (n - 1);
    while (i < path.length - 1 && gone + distance(path[i - 1], path[i]) < want) gone += distance(path[i - 1], path[i++]);
    out.push(blend(path[i - 1], path[i], Math.min(1, (want - gone) / (distance(path[i - 1], path[i]) || 1))));
  }
  return out;
}

export default { render };
