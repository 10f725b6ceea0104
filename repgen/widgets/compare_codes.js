// Maps of the same images side by side: one point, marked in all of them, its reconstructions and who is near it in each.

const SIGNS = ["○", "□", "◇", "△"]; // of the neighbours in the first map, the second, ...
const HINT = "Move over a map; click or drag to stay. Arrow keys go to the nearest point in that direction. " +
  "A neighbour, too, can be chosen. The legend only dims: neighbours are counted among all points.";

/** The k points nearest to point i of (n, 2) numbers, the nearest first. */
function nearestTo(codes, i, k) {
  const d = (j) => (codes[2 * j] - codes[2 * i]) ** 2 + (codes[2 * j + 1] - codes[2 * i + 1]) ** 2;
  return Array.from({ length: codes.length / 2 }, (_, j) => [d(j), j]).filter(([, j]) => j !== i)
    .sort(([a, i], [b, j]) => a - b || i - j).slice(0, k).map(([, j]) => j);
}

/** The nearest point of those allowed that lies from point i within 45 degrees of a direction; i where there is none. */
function nearestTowards(codes, i, [dx, dy], allowed) {
  let best = i, least = Infinity;
  for (let j = 0; j < codes.length / 2; j++) {
    const u = codes[2 * j] - codes[2 * i], v = codes[2 * j + 1] - codes[2 * i + 1], ahead = u * dx + v * dy;
    if (j === i || !allowed(j) || ahead <= 0 || Math.abs(u * dy - v * dx) > ahead) continue;
    if (u * u + v * v < least) [best, least] = [j, u * u + v * v];
  }
  return best;
}

async function render({ model, el, signal = new AbortController().signal }) {
  const get = (name) => model.get(name);
  const shape = get("shape"), [height, width] = shape, names = get("names"), k = get("neighbours");
  const labels = numbers(get("labels"), "uint8"), n = labels.length;
  const codes = numbers(get("codes"), "float32"), errors = numbers(get("errors"), "float32"), rebuilt = get("rebuilt");
  const sprite = await createImageBitmap(new Blob([get("sprite")], { type: "image/png" }));
  const shown = names.map(() => true); // classes that the legend has on
  let pin = get("chosen"), hover = null; // the point where the reader stands, the one under the mouse

  const root = frame(model, el, "compare");
  const hint = h("p", { class: "rg-hint", id: uid() }, HINT);
  const maps = get("maps").map((name, m) => {
    const own = codes.subarray(2 * n * m, 2 * n * (m + 1));
    const [cx, cy, span] = middle(own);
    const base = h("canvas", { "aria-hidden": "true" }), cursor = h("canvas", { "aria-hidden": "true" });
    const pad = h("div", {
      class: "rg-pad", tabindex: 0, role: "application", "aria-roledescription": "two-dimensional map",
      "aria-label": `Map of ${name}`, "aria-describedby": hint.id,
    }, base, cursor);
    // Both axes have one scale, so that what looks near is near.
    const place = (i, side) => [side / 2 + ((own[2 * i] - cx) / span) * side, side / 2 - ((own[2 * i + 1] - cy) / span) * side];
    return { name, codes: own, base, cursor, pad, place, sign: SIGNS[m % SIGNS.length] };
  });
  const blank = () => h("canvas", { width, height, role: "img" });
  const original = blank(), originalText = h("span");
  const rows = maps.map((map, m) => {
    const decoded = blank(), error = h("span"), facts = h("div", { class: "rg-caption" });
    const near = Array.from({ length: k }, (_, at) => {
      const canvas = h("canvas", { width, height, "aria-hidden": "true" }), text = h("span");
      const item = button("", () => stay(around(pin)[m][at]));
      item.append(canvas, text);
      return { canvas, text, item };
    });
    const row = h("div", { class: "rg-near", role: "group", "aria-label": map.name }, captioned(decoded, error),
      h("div", {}, facts, h("div", { class: "rg-neighbours" }, ...near.map(({ item }) => item))));
    return { decoded, error, facts, near, row };
  });
  const legend = h("div", { class: "rg-legend", role: "group", "aria-label": "Classes shown" },
    ...names.map((name, c) => {
      const item = button("", () => only((d) => (d === c ? !shown[d] : shown[d])), { "aria-pressed": "true" });
      item.append(h("canvas", { width: 28, height: 28, "aria-hidden": "true" }), name);
      return item;
    }));
  const keys = [...legend.childNodes];
  legend.append(button("All", () => only(() => true), { class: "rg-all" }), button("None", () => only(() => false), { class: "rg-all" }));
  const live = announcer();
  root.append(
    h("div", { class: "rg-maps" }, ...maps.map(({ name, pad, sign }) => h("div", {}, h("div", { class: "rg-caption" }, `${name} (its neighbours: ${sign})`), pad))),
    legend,
    h("div", { class: "rg-result" }, captioned(original, originalText), h("div", {}, ...rows.map(({ row }) => row))),
    hint, live);

  const allowed = (i) => shown[labels[i]];
  const around = (i) => maps.map((map) => nearestTo(map.codes, i, k));
  const className = (i) => names[labels[i]];
  const side = ({ pad }) => pad.clientWidth;
  function only(which) {
    const now = names.map((_, c) => which(c));
    now.forEach((on, c) => keys[c].setAttribute("aria-pressed", String((shown[c] = on))));
    redraw();
  }

  const redraw = onceAFrame(() => { maps.forEach(drawBase); drawChosen(); });
  const move = onceAFrame(drawChosen);

  function drawBase(map) {
    const css = getComputedStyle(root), colour = (name) => css.getPropertyValue(`--rg-${name}`).trim();
    const size = side(map), g = sharp(map.base, size, size);
    g.font = `bold 14px ${css.fontFamily}`;
    for (const on of [false, true]) for (let i = 0; i < n; i++) { // those switched off lie below
      if (allowed(i) !== on) continue;
      g.globalAlpha = on ? 0.75 : 0.1;
      g.fillStyle = colour(`c${labels[i] % 10}`);
      classMark(g, ...map.place(i, size), Math.max(2, size / 150), labels[i]);
    }
    g.globalAlpha = 1;
    [g.lineWidth, g.lineJoin, g.strokeStyle, g.fillStyle, g.textAlign] = [4, "round", colour("paper"), colour("text"), "center"];
    const taken = [];
    names.forEach((name, c) => {
      const mine = [...labels.keys()].filter((i) => labels[i] === c).map((i) => map.place(i, size));
      if (!mine.length || !shown[c]) return;
      const median = (axis) => mine.map((at) => at[axis]).sort((a, b) => a - b)[mine.length >> 1];
      const x = median(0), y = median(1) + 5, wide = g.measureText(name).width;
      const free = (y) => !taken.some((t) => Math.abs(t.x - x) < (t.wide + wide) / 2 + 3 && Math.abs(t.y - y) < 14);
      const at = [0, -4, 4, -8, 8, -12, 12, -16, 16].map((d) => y + d).find(free) ?? y; // off another class's name
      taken.push({ x, y: at, wide });
      g.strokeText(name, x, at);
      g.fillText(name, x, at);
    });
    if (map === maps[0]) keys.forEach((key, c) => {
      const own = key.querySelector("canvas").getContext("2d");
      own.clearRect(0, 0, 28, 28);
      own.globalAlpha = shown[c] ? 1 : 0.3;
      own.fillStyle = colour(`c${c % 10}`);
      classMark(own, 14, 14, 9, c);
    });
  }

  /** The point under the mouse, or the one where the reader stands: in all maps, as a picture, with its neighbours. */
  function drawChosen() {
    const i = hover ?? pin, near = around(i), css = getComputedStyle(root);
    for (const map of maps) {
      const size = side(map), g = sharp(map.cursor, size, size), [x, y] = map.place(i, size);
      for (const [colour, wide] of [["--rg-paper", 4], ["--rg-text", 1.5]]) {
        [g.strokeStyle, g.lineWidth] = [css.getPropertyValue(colour), wide];
        near.forEach((those, m) => {
          const own = maps[m] === map; // near here: small marks; near elsewhere: where they have got to
          g.setLineDash([3, 4]);
          if (!own) for (const j of those) line(g, [x, y], map.place(j, size));
          g.setLineDash([]);
          for (const j of those) neighbourMark(g, ...map.place(j, size), own ? 4 : 6, m);
        });
        g.lineWidth = wide + 1;
        g.beginPath();
        g.arc(x, y, 9, 0, 7);
        g.stroke();
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) line(g, [x + 9 * dx, y + 9 * dy], [x + 15 * dx, y + 15 * dy]);
      }
    }
    paint(original, 0, i);
    originalText.textContent = `original: ${className(i)}`;
    original.setAttribute("aria-label", originalText.textContent);
    rows.forEach(({ decoded, error, facts, near: items }, m) => {
      paint(decoded, rebuilt[m], i);
      decoded.parentNode.classList.toggle("rg-empty", rebuilt[m] < 0);
      error.textContent = rebuilt[m] < 0 ? "no way back" : `error ${show(errors[n * m + i], 1)}`;
      decoded.setAttribute("aria-label", rebuilt[m] < 0 ? `${maps[m].name} has no way back` : `decoded from ${maps[m].name}, ${error.textContent}`);
      facts.replaceChildren(h("b", {}, maps[m].name), ` ${maps[m].sign} ${counts(near, m, i)}`);
      items.forEach(({ canvas, text, item }, at) => {
        const j = near[m][at];
        paint(canvas, 0, j);
        text.textContent = className(j);
        text.className = labels[j] === labels[i] ? "rg-same" : "rg-other";
        item.setAttribute("aria-label", `${className(j)}, neighbour ${at + 1} in ${maps[m].name}`);
      });
    });
  }
  const counts = (near, m, i) => {
    const same = near[m].filter((j) => labels[j] === labels[i]).length;
    const common = near[m].filter((j) => near.every((others) => others.includes(j))).length;
    return `${same} of ${k} neighbours share its class, ${common} near in ${maps.length > 2 ? "every map" : "both maps"}`;
  };
  /** Image i of block b of the sprite; a block of -1 clears. */
  function paint(canvas, b, i) {
    const g = canvas.getContext("2d"), at = b * n + i, across = sprite.width / width;
    g.clearRect(0, 0, width, height);
    if (b >= 0) g.drawImage(sprite, (at % across) * width, Math.floor(at / across) * height, width, height, 0, 0, width, height);
  }

  function stay(i) {
    [pin, hover] = [i, null];
    model.set("chosen", pin);
    model.save_changes();
    move();
    const near = around(i);
    live.say(`${className(i)}. ` + maps.map(({ name }, m) => `${name}: ${rebuilt[m] < 0 ? "" : `error ${show(errors[n * m + i], 1)}, `}${counts(near, m, i)}`).join("; "));
  }

  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  for (const map of maps) {
    const { pad } = map;
    /** The point of those shown that is nearest to the pointer; -1 where none is shown. */
    const under = (event) => {
      const at = pad.getBoundingClientRect(), x = event.clientX - at.left - pad.clientLeft, y = event.clientY - at.top - pad.clientTop;
      let best = -1, least = Infinity;
      for (let i = 0; i < n; i++) {
        const [px, py] = map.place(i, side(map)), d = (px - x) ** 2 + (py - y) ** 2;
        if (allowed(i) && d < least) [best, least] = [i, d];
      }
      return best;
    };
    pad.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      pad.setPointerCapture(event.pointerId);
      const i = under(event);
      if (i >= 0) stay(i);
    });
    pad.addEventListener("pointermove", (event) => {
      const i = under(event);
      if (i < 0) return;
      if (event.buttons) stay(i);
      else if (event.pointerType === "mouse") { hover = i; move(); }
    });
    pad.addEventListener("pointerleave", () => { hover = null; move(); });
    pad.addEventListener("keydown", (event) => {
      if (!STEPS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      stay(nearestTowards(map.codes, pin, STEPS[event.key], allowed));
    });
  }

  const resized = new ResizeObserver(() => side(maps[0]) && redraw());
  for (const { pad } of maps) resized.observe(pad);
  signal.addEventListener("abort", () => resized.disconnect());
  model.on("change:chosen", () => get("chosen") !== pin && stay(get("chosen")));
  live.say(""); // the first view is no news
  followTheme(root, redraw, signal);
}

/** The middle of points (n, 2), x and y, and what their longer side spans, with a margin. */
function middle(codes) {
  const ends = [0, 1].map((axis) => codes.reduce(([low, high], v, i) => (i % 2 === axis ? [Math.min(low, v), Math.max(high, v)] : [low, high]), [Infinity, -Infinity]));
  const [x, y] = ends.map(([low, high]) => (low + high) / 2);
  return [x, y, 1.08 * Math.max(...ends.map(([low, high]) => high - low)) || 1];
}

/** The outline around a neighbour in map m: a circle, a square, a diamond, a triangle. */
function neighbourMark(g, x, y, r, m) {
  const corners = [0, 4, 4, 3][m % 4], turn = m % 4 === 1 ? Math.PI / 4 : 0;
  g.beginPath();
  if (!corners) g.arc(x, y, r, 0, 7);
  for (let s = 0; s < corners; s++) {
    const angle = turn + (2 * Math.PI * s) / corners - Math.PI / 2;
    g.lineTo(x + 1.3 * r * Math.cos(angle), y + 1.3 * r * Math.sin(angle));
  }
  g.closePath();
  g.stroke();
}

export default { render };
