// A plane through a latent space of many dimensions: three samples span it, every place of it decodes live.

const CELLS = 15; // the background is CELLS x CELLS decoded images
const EDGE = { left: 44, right: 10, top: 10, bottom: 40 };
const LETTERS = ["A", "B", "C"], PLACES = [[0, 0], [1, 0], [0, 1]]; // the corners
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

async function render({ model, el, signal = new AbortController().signal }) {
  const network = await loadNetwork(model);
  const get = (name) => model.get(name), tell = teller(model);
  const shape = get("shape"), [[x0, x1], [y0, y1]] = get("extent"), [short, long] = get("usual");
  const n = network.n_in, typical = Math.sqrt(n), all = numbers(get("latents"), "float32");
  const latents = Array.from({ length: all.length / n }, (_, i) => all.subarray(i * n, (i + 1) * n));

  let corners = [...get("corners")], order = [0, 1, 2]; // the samples that are A, B, C; these by age, the oldest first
  let pin = [...get("point")], hover = null; // where the reader stands, where the mouse is
  let tiles = null; // the decoded background, once it has been asked for

  const root = frame(model, el, "corners");
  const pictures = latents.map((z) => picture(shape, { role: null, "aria-hidden": "true" }).show(network.forward(z)));
  const letters = latents.map(() => h("span", { class: "rg-letter", "aria-hidden": "true" }));
  const samples = pictures.map((canvas, i) => button("", () => choose(i), { class: "rg-sample" }));
  samples.forEach((sample, i) => sample.append(pictures[i], letters[i]));
  const next = h("p", { class: "rg-hint rg-next" });
  const base = h("canvas", { "aria-hidden": "true" }), cursor = h("canvas", { "aria-hidden": "true" });
  const hint = h("p", { class: "rg-hint", id: uid() },
    "Move over the map; click or drag to stay. Arrow keys move, with Shift further; Enter goes to the nearest corner.");
  const pad = h("div", {
    class: "rg-pad", tabindex: 0, role: "application", "aria-roledescription": "two-dimensional map",
    "aria-label": "Map of the plane through A, B and C", "aria-describedby": hint.id,
  }, base, cursor);
  const decoded = picture(shape), readout = h("div", { class: "rg-readout" }), now = h("i", { class: "rg-now" });
  const percent = (length) => `${(100 * Math.min(1, length / (2 * typical))).toFixed(2)}%`; // of the bar, which ends at 2 roots of n
  const usual = h("i", { class: "rg-usual", style: `left: ${percent(short)}; right: calc(100% - ${percent(long)})` });
  const checkbox = (onchange, checked = false) => h("input", { type: "checkbox", checked, onchange });
  const whole = checkbox(() => redraw()), shell = checkbox(() => { tell({ shell: shell.checked }); renew(); report(); }, get("shell"));
  const live = h("p", { class: "rg-hidden", "aria-live": "polite" });
  root.append(
    h("div", { class: "rg-samples", role: "group", "aria-label": "Samples to choose corners from" }, ...samples), next,
    h("div", { class: "rg-columns" },
      h("div", { class: "rg-main" }, pad),
      h("div", { class: "rg-side" },
        h("div", { class: "rg-stand" }, captioned(decoded, "decoded here"),
          h("div", { class: "rg-facts" }, readout, h("div", { class: "rg-length", "aria-hidden": "true" }, usual, now),
            h("div", { class: "rg-hint" }, `band: 95 % of all draws, ${show(short, 1)} to ${show(long, 1)}`))),
        h("label", { class: "rg-check" }, whole, "decode the whole map"),
        h("label", { class: "rg-check" }, shell, "keep the length of a draw"), hint)),
    live);

  /** z at a place, and its length. */
  function latent([x, y]) {
    const [a, b, c] = corners.map((i) => latents[i]), w = [1 - x - y, x, y];
    const z = Float64Array.from(a, (_, k) => w[0] * a[k] + w[1] * b[k] + w[2] * c[k]), length = Math.sqrt(dot(z, 0, z, n));
    if (!shell.checked) return [z, length];
    const over = (f) => w.reduce((sum, v, i) => sum + v * v * f(latents[corners[i]]), 0);
    const wanted = Math.sqrt(over((v) => dot(v, 0, v, n)) / over(() => 1));
    return [z.map((v) => (v * wanted) / Math.max(length, 1e-9)), wanted];
  }

  // From the plane to pixels of the pad, and back.
  let side = 0;
  const wide = () => side - EDGE.left - EDGE.right, high = () => side - EDGE.top - EDGE.bottom;
  const toX = (x) => EDGE.left + ((x - x0) / (x1 - x0)) * wide(), toY = (y) => EDGE.top + ((y1 - y) / (y1 - y0)) * high();
  const clamp = ([x, y]) => [Math.min(x1, Math.max(x0, x)), Math.min(y1, Math.max(y0, y))];
  const toPlane = (event) => {
    const here = pad.getBoundingClientRect();
    return clamp([x0 + ((event.clientX - here.left - EDGE.left) / wide()) * (x1 - x0), y1 - ((event.clientY - here.top - EDGE.top) / high()) * (y1 - y0)]);
  };
  const away = ([x, y], corner) => Math.hypot(toX(x) - toX(corner[0]), toY(y) - toY(corner[1])); // in pixels
  const nearest = (at) => PLACES.reduce((best, corner) => (away(at, corner) < away(at, best) ? corner : best));

  const redraw = onceAFrame(() => { drawBase(); drawCursor(); });
  const paint = onceAFrame(drawBase), move = onceAFrame(drawCursor);

  function drawBase() {
    const css = getComputedStyle(root), colour = (name) => css.getPropertyValue(`--rg-${name}`).trim();
    const g = sharp(base, side, side), full = whole.checked, [left, right, top, bottom] = [toX(x0), toX(x1), toY(y1), toY(y0)];
    const triangle = [...PLACES, PLACES[0]].map(([x, y]) => [toX(x), toY(y)]);
    g.imageSmoothingQuality = "high";
    [g.strokeStyle, g.fillStyle, g.lineJoin] = [colour("line"), colour("soft"), "round"];
    if (full) g.drawImage((tiles ??= decodeTiles()), left, top, wide(), high());
    else {
      line(g, ...triangle);
      g.fill();
    }
    g.fillStyle = colour("quiet");
    g.font = `12px ${css.fontFamily}`;
    g.textAlign = "center";
    for (const x of ticks(x0, x1, 4)) {
      if (!full) line(g, [toX(x), top], [toX(x), bottom]);
      g.fillText(show(x, tickDecimals(x0, x1, 4)), toX(x), side - EDGE.bottom + 16);
    }
    g.fillText("towards B →", (left + right) / 2, side - 6);
    g.textAlign = "right";
    for (const y of ticks(y0, y1, 4)) {
      if (!full) line(g, [left, toY(y)], [right, toY(y)]);
      g.fillText(show(y, tickDecimals(y0, y1, 4)), EDGE.left - 6, toY(y) + 4);
    }
    g.save();
    g.translate(12, (top + bottom) / 2);
    g.rotate(-Math.PI / 2);
    g.textAlign = "center";
    g.fillText("towards C →", 0, 0);
    g.restore();

    for (const [ink, width] of full ? [["paper", 3.5], ["accent", 1.5]] : [["accent", 1.5]]) {
      [g.strokeStyle, g.lineWidth] = [colour(ink), width];
      line(g, ...triangle);
    }
    // the corners: their pictures, and letters outside the triangle
    const size = full ? Math.min(wide(), high()) / CELLS : Math.min(44, Math.min(wide(), high()) / 9), font = `bold 11px ${css.fontFamily}`;
    [g.textAlign, g.textBaseline, g.font] = ["center", "middle", font];
    PLACES.forEach(([x, y], i) => {
      const [cx, cy] = [toX(x), toY(y)], [dx, dy] = [x ? 1 : -1, y ? -1 : 1];
      if (!full) {
        const [rows, columns] = shape, scale = size / Math.max(rows, columns), [w, d] = [columns * scale, rows * scale];
        [g.strokeStyle, g.lineWidth] = [colour("accent"), 2];
        g.drawImage(pictures[corners[i]], cx - w / 2, cy - d / 2, w, d);
        g.strokeRect(cx - w / 2 - 1, cy - d / 2 - 1, w + 2, d + 2);
      }
      [g.fillStyle, g.strokeStyle, g.lineWidth] = [colour("accent"), colour("paper"), 4];
      g.beginPath();
      g.arc(cx + dx * (size / 2 + 3), cy + dy * (size / 2 + 3), 9, 0, 7);
      g.stroke();
      g.fill();
      g.fillStyle = colour("paper");
      g.fillText(LETTERS[i], cx + dx * (size / 2 + 3), cy + dy * (size / 2 + 3) + 0.5);
    });
  }

  /** Decodes the whole map into what was there before, a row of cells at a time and no longer than the page can wait. */
  function decodeTiles(sheet = h("canvas", { width: CELLS * shape[1], height: CELLS * shape[0] })) {
    const g = sheet.getContext("2d"), tile = picture(shape);
    let k = 0;
    (function some() {
      const until = performance.now() + 30;
      do {
        const row = Math.floor(k / CELLS), column = k % CELLS;
        const [z] = latent([x0 + ((column + 0.5) / CELLS) * (x1 - x0), y1 - ((row + 0.5) / CELLS) * (y1 - y0)]);
        g.drawImage(tile.show(network.forward(z)), column * shape[1], row * shape[0]);
      } while (++k % CELLS && performance.now() < until);
      paint();
      if (k < CELLS * CELLS) decodeTiles.timer = setTimeout(some);
    })();
    return sheet;
  }

  function drawCursor() {
    const at = hover ?? pin, css = getComputedStyle(root), g = sharp(cursor, side, side), [x, y] = [toX(at[0]), toY(at[1])];
    for (const [colour, width] of [["--rg-paper", 5], ["--rg-text", 2]]) {
      [g.strokeStyle, g.lineWidth] = [css.getPropertyValue(colour), width];
      g.beginPath();
      g.arc(x, y, 9, 0, 7);
      g.stroke();
      for (const [dx, dy] of Object.values(STEPS)) line(g, [x + 9 * dx, y + 9 * dy], [x + 15 * dx, y + 15 * dy]);
    }
    const [z, length] = latent(at), texts = at.map((v) => show(v));
    decoded.show(network.forward(z)).setAttribute("aria-label", `picture decoded at x ${texts[0]}, y ${texts[1]}`);
    const facts = [["x, towards B", texts[0]], ["y, towards C", texts[1]], ["length |z|", show(length)], [`of a draw, √${n}`, show(typical)]];
    readout.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("span", {}, name), h("b", {}, value))));
    now.style.left = percent(length);
  }

  /** After a change of what the map shows. */
  function renew() {
    samples.forEach((sample, i) => {
      const p = corners.indexOf(i);
      letters[i].textContent = LETTERS[p] ?? "";
      sample.setAttribute("aria-pressed", String(p >= 0));
      sample.setAttribute("aria-label", `sample ${i + 1}${p < 0 ? "" : `, corner ${LETTERS[p]}`}`);
    });
    next.textContent = `Three samples are the corners of the map. Choose another one: it takes the place of ${LETTERS[order[0]]}.`;
    clearTimeout(decodeTiles.timer);
    if (tiles && whole.checked) decodeTiles(tiles);
    else tiles = null;
    redraw();
  }
  function choose(i) {
    const had = corners.indexOf(i), p = had < 0 ? order[0] : had;
    order = [...order.filter((q) => q !== p), p];
    corners = corners.map((j, q) => (q === p ? i : j));
    tell({ corners });
    renew();
    say(`sample ${i + 1} is corner ${LETTERS[p]}. ${LETTERS[order[0]]} is replaced next.`);
  }
  const say = (text) => {
    clearTimeout(say.timer); // what was about to be said is old news
    say.timer = setTimeout(() => (live.textContent = text), 400);
  };
  function stay(at) {
    [pin, hover] = [clamp(at), null];
    tell({ point: pin });
    move();
    report();
  }
  function report() {
    const letter = LETTERS[PLACES.findIndex((corner) => away(pin, corner) < 0.01)];
    say(`x ${show(pin[0])}, y ${show(pin[1])}${letter ? `, corner ${letter}` : ""}, length ${show(latent(pin)[1])}, a draw's ${show(typical)}`);
  }

  pad.addEventListener("pointermove", (event) => {
    if (event.buttons) return stay(toPlane(event));
    if (event.pointerType === "mouse") { hover = toPlane(event); move(); }
  });
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    const at = toPlane(event), corner = nearest(at);
    stay(away(at, corner) < 10 ? corner : at);
  });
  pad.addEventListener("pointerleave", () => { hover = null; move(); });
  pad.addEventListener("keydown", (event) => {
    const step = STEPS[event.key], far = event.shiftKey ? 1 / CELLS : 0.2 / CELLS; // with Shift a cell of the map
    if (step) stay([pin[0] + step[0] * far * (x1 - x0), pin[1] + step[1] * far * (y1 - y0)]);
    else if (event.key === "Enter") stay(nearest(pin));
    else return;
    event.preventDefault();
  });

  const resized = new ResizeObserver(() => {
    side = pad.clientWidth;
    if (side) redraw();
  });
  resized.observe(pad);
  signal.addEventListener("abort", () => { resized.disconnect(); clearTimeout(decodeTiles.timer); });
  model.on("change:point", () => get("point").some((v, i) => v !== pin[i]) && ((pin = [...get("point")]), move()));
  model.on("change:shell", () => get("shell") !== shell.checked && ((shell.checked = get("shell")), renew()));
  model.on("change:corners", () => {
    const changed = order.filter((p) => get("corners")[p] !== corners[p]);
    if (!changed.length) return;
    order = [...order.filter((p) => !changed.includes(p)), ...changed];
    corners = [...get("corners")];
    renew();
  });
  renew();
  followTheme(root, redraw, signal);
}

export default { render };
