// A game between two nets, watched: the discriminator's landscape, the generator's samples and what pulls at them, moment by moment.

const CELLS = 64; // of a landscape, each way
const STAY = 280; // milliseconds for each moment, when it plays
const EDGE = { left: 26, right: 6, top: 8, bottom: 24 }; // of a picture, in CSS pixels: for its axes
const REACH = 0.1; // of a picture's width, to which the longest arrow comes near
const FEW = [4.5, [1, 2.5, 5, 10]]; // of the round numbers at an axis: at most four, also multiples of 2.5
const GOOD = 3; // standard deviations from a mode's centre, within which a sample is of high quality
const HINT = "Click or drag in a picture, or use its arrow keys, to move it: one place, in all pictures. " +
  "A longer arrow is a stronger pull, though not in proportion.";

const logistic = (a) => 1 / (1 + Math.exp(-a));
/** A sample is pulled along the slope of the logit a, so many times: minus the derivative of the generator's loss by a. */
const PULLS = { minimax: logistic, "non-saturating": (a) => logistic(-a), hinge: () => 1 };

/** The derivative of an activation, from what goes in and what comes out. A kind of layer that is new here is new in watch_the_game.py. */
const DERIVATIVES = {
  relu: () => (x) => (x > 0 ? 1 : 0),
  leaky_relu: ({ slope }) => (x) => (x > 0 ? 1 : slope),
  elu: ({ alpha }) => (x, y) => (x > 0 ? 1 : y + alpha),
  softplus: ({ beta, threshold }) => (x) => (beta * x > threshold ? 1 : logistic(beta * x)),
  tanh: () => (x, y) => 1 - y * y,
  sigmoid: () => (x, y) => y * (1 - y),
};

/** x -> [a, grad a]: of a net of linear layers and activations that ends in one number, forwards and back. */
function slopeOf({ layers, dtype }, view) {
  const weights = numbers(view, dtype);
  let at = 0;
  const take = (n) => weights.subarray(at, (at += n));
  const steps = layers.map((layer) => layer.type === "linear"
    ? { n: layer.n_in, w: take(layer.n_in * layer.n_out), b: take(layer.n_out) }
    : { run: LAYERS[layer.type](layer), derivative: DERIVATIVES[layer.type](layer) });
  return (x) => {
    const seen = [Float64Array.from(x)];
    for (const { n, w, b, run } of steps) {
      const v = seen.at(-1);
      seen.push(w ? Float64Array.from(b, (bias, i) => bias + dot(w, i * n, v, n)) : run(v.slice()));
    }
    let slope = Float64Array.of(1);
    for (let k = steps.length - 1; k >= 0; k--) {
      const { n, w, derivative } = steps[k], [given, got] = [seen[k], seen[k + 1]];
      slope = w
        ? Float64Array.from({ length: n }, (_, j) => slope.reduce((sum, s, i) => sum + s * w[i * n + j], 0))
        : slope.map((s, i) => s * derivative(given[i], got[i]));
    }
    return [seen.at(-1)[0], slope];
  };
}

/** One recorded moment: { samples, pull(x), landscape(), tally() }, each computed when it is first asked for. */
function momentOf({ generator, discriminator, objective }, [G, D], { latents, extent, modes, sd }) {
  const build = (spec, view) => buildNetwork(spec, view).forward;
  const logit = once(() => build(discriminator, D)), slope = once(() => slopeOf(discriminator, D));
  const samples = once(() => {
    const forward = build(generator, G), K = latents.each, out = new Float32Array((2 * latents.length) / K);
    for (let i = 0; 2 * i < out.length; i++) out.set(forward(latents.subarray(i * K, i * K + generator.n_in)), 2 * i);
    return out;
  });
  return {
    samples,
    /** At a place: [D, the pull there]. */
    pull(x) {
      const [a, gradient] = slope()(x), factor = PULLS[objective](a);
      return [logistic(a), [...gradient].map((s) => factor * s)];
    },
    /** D in the middles of CELLS x CELLS cells, the upper left one first. */
    landscape: once(() => Float32Array.from({ length: CELLS * CELLS }, (_, k) => logistic(logit()(
      [(k % CELLS) + 0.5, CELLS - 0.5 - Math.floor(k / CELLS)].map((cell, axis) => extent[axis][0] + ((extent[axis][1] - extent[axis][0]) * cell) / CELLS))[0]))),
    /** Which modes have a sample of high quality, and what share of the samples is of high quality. */
    tally: once(() => {
      const found = new Uint8Array(modes.length / 2), s = samples();
      let good = 0;
      for (let i = 0; i < s.length; i += 2) {
        let nearest = 0, least = Infinity;
        for (let m = 0; m < found.length; m++) {
          const d = Math.hypot(s[i] - modes[2 * m], s[i + 1] - modes[2 * m + 1]);
          if (d < least) [nearest, least] = [m, d];
        }
        if (least > GOOD * sd) continue;
        good++;
        found[nearest] = 1;
      }
      return { found, modes: found.reduce((sum, f) => sum + f, 0), share: good / (s.length / 2) };
    }),
  };
}

/** The colour [r, g, b] of D between those of 0, 1/2 and 1; it leaves the middle steeply, since a good game ends near 1/2. */
function tint(d, [made, even, data]) {
  const end = d < 0.5 ? made : data, way = Math.abs(2 * d - 1) ** 0.6;
  return even.map((from, c) => from + way * (end[c] - from));
}

/** f without arguments, computed once. */
function once(f) {
  let known;
  return () => (known ??= f());
}

/** Calls segment(x0, y0, x1, y1) along the line where n x n values cross 1/2; places in cells from the upper left corner. */
function halfWay(values, n, segment) {
  const above = (i, j) => values[i * n + j] - 0.5;
  for (let i = 0; i + 1 < n; i++) for (let j = 0; j + 1 < n; j++) {
    const corners = [[i, j], [i, j + 1], [i + 1, j + 1], [i + 1, j]], crossings = [];
    corners.forEach(([p, q], c) => {
      const [r, s] = corners[(c + 1) % 4], [a, b] = [above(p, q), above(r, s)];
      if (a > 0 === b > 0) return;
      const way = a / (a - b);
      crossings.push([q + 0.5 + way * (s - q), p + 0.5 + way * (r - p)]);
    });
    for (let c = 0; c + 1 < crossings.length; c += 2) segment(...crossings[c], ...crossings[c + 1]);
  }
}

async function render({ model, el, signal = new AbortController().signal }) {
  const get = (name) => model.get(name);
  const steps = get("steps"), T = steps.length, extent = get("extent"), sd = get("sd"), scale = get("scale"), arrows = get("arrows");
  const latents = numbers(get("latents"), "float32"), modes = numbers(get("modes"), "float32"), data = numbers(get("data"), "float32");
  latents.each = get("latent_dim");
  const many = latents.length / latents.each, M = modes.length / 2, last = steps[T - 1].toLocaleString("en");
  const whole = get("weights");
  let read = whole.byteOffset;
  const games = get("games").map((game) => ({
    ...game,
    moments: steps.map(() => momentOf(game, game.bytes.map((size) => new DataView(whole.buffer, (read += size) - size, size)), { latents, extent, modes, sd })),
  }));
  let now = get("moment"), probe = get("probe"), hover = null, timer = null; // probe: where the reader has set it, hover: the mouse

  const root = frame(model, el, "watch");
  const where = h("span", { class: "rg-probe" }), hint = h("p", { class: "rg-hint", id: uid() }, where, HINT);
  const scrubber = sliderRow({ label: "step of the generator", min: 0, max: T - 1, step: 1, text: (t) => `${steps[t].toLocaleString("en")} of ${last}`, onchange: (t) => (stop(), go(t)) });
  const play = button("Play", () => (timer ? stop() : start()));
  const panels = games.map((game) => {
    const base = h("canvas", { "aria-hidden": "true" }), cursor = h("canvas", { "aria-hidden": "true" });
    const pad = h("div", {
      class: "rg-pad", tabindex: 0, role: "application", "aria-roledescription": "two-dimensional map",
      "aria-label": `The game of ${game.name}`, "aria-describedby": hint.id,
    }, base, cursor);
    const facts = h("div", { class: "rg-facts" });
    const strips = M ? [["modes found", M, (t) => t.modes, (v) => `${v} of ${M}`], ["high quality", 1, (t) => t.share, (v) => `${Math.round(100 * v)} %`]].map(
      ([name, top, value, text], k) => ({ name, top, value: (t) => value(game.moments[t].tally()), text, end: k === 1,
        said: h("b"), canvas: h("canvas", { class: k ? "rg-strip rg-last" : "rg-strip", role: "img" }) })) : [];
    const panel = h("div", { class: "rg-game", role: "group", "aria-label": game.name },
      h("div", { class: "rg-caption" }, h("b", {}, game.name), game.name.includes(game.objective) ? "" : ` · ${game.objective} loss`), pad, facts,
      ...strips.map(({ name, said, canvas }) => h("div", {}, h("div", { class: "rg-facts" }, h("span", {}, name), said), canvas)));
    return { game, base, cursor, pad, facts, strips, panel };
  });
  const keys = [["half", "D = 1/2"], ["sample", "sample"], ["pull", "its pull"], ...(M ? [["found", "mode, found"], ["missed", "mode, missed"]] : [["data", "data"]])].map(
    ([kind, text]) => ({ kind, canvas: h("canvas", { "aria-hidden": "true" }), text }));
  const bar = h("canvas", { class: "rg-bar", "aria-hidden": "true" });
  const live = announcer();
  root.append(
    h("div", { class: "rg-controls" }, scrubber,
      h("div", { class: "rg-buttons" }, play, button("Previous", () => (stop(), go(now - 1))), button("Next", () => (stop(), go(now + 1))))),
    h("div", { class: "rg-games" }, ...panels.map(({ panel }) => panel)),
    h("div", { class: "rg-keys" },
      h("span", {}, "D(x): 0, made", bar, "1, data"),
      ...keys.map(({ canvas, text }) => h("span", {}, canvas, text))),
    hint, live);

  // Time.
  const calm = matchMedia("(prefers-reduced-motion: reduce)"); // then there is no playing, only steps
  function go(t) {
    now = Math.min(T - 1, Math.max(0, t));
    model.set({ moment: now });
    model.save_changes();
    draw();
    if (!timer) live.say(`Step ${steps[now]}. ` + panels.map(({ game, strips }) =>
      `${game.name}: ${strips.map((strip) => `${strip.name} ${strip.text(strip.value(now))}`).join(", ") || `D ${show(at(game)[0])}`}`).join("; "));
  }
  function start() {
    play.textContent = "Pause";
    const next = () => {
      if (now === T - 1) return stop();
      timer = setTimeout(next, STAY);
      go(now + 1);
    };
    timer = setTimeout(next, STAY);
    go(now === T - 1 ? 0 : now);
  }
  function stop() {
    clearTimeout(timer);
    const played = timer;
    timer = null;
    play.textContent = "Play";
    if (played) go(now);
  }
  const heed = () => {
    play.hidden = calm.matches;
    if (calm.matches) stop();
  };
  calm.addEventListener("change", heed, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));

  // What is seen.
  const css = (name) => getComputedStyle(root).getPropertyValue(`--rg-${name}`).trim();
  const rgb = (name) => css(name).match(/[0-9a-f]{2}/gi).map((two) => parseInt(two, 16));
  const width = ({ pad }) => pad.clientWidth - EDGE.left - EDGE.right;
  const toPixel = (size) => ([x, y]) => [
    EDGE.left + (size * (x - extent[0][0])) / (extent[0][1] - extent[0][0]), EDGE.top + size - (size * (y - extent[1][0])) / (extent[1][1] - extent[1][0])];
  const inside = ([x, y]) => x >= extent[0][0] && x <= extent[0][1] && y >= extent[1][0] && y <= extent[1][1];
  const pairs = (flat, n = flat.length / 2) => Array.from({ length: n }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
  const at = (game) => game.moments[now].pull(hover ?? probe);

  const draw = onceAFrame(() => {
    scrubber.set(now);
    const colours = ["made", "even", "data"].map(rgb);
    for (const panel of panels) {
      drawGame(panel, colours);
      for (const strip of panel.strips) drawStrip(strip);
    }
    drawProbe();
    for (const { kind, canvas } of keys) drawKey(sharp(canvas, 26, 18), kind);
    drawKey(sharp(bar, 90, 18), "bar");
  });
  const move = onceAFrame(drawProbe);

  function drawGame({ game, base, pad }, colours) {
    const size = width({ pad }), place = toPixel(size), g = sharp(base, pad.clientWidth, pad.clientHeight), moment = game.moments[now];
    const picture = h("canvas", { width: CELLS, height: CELLS }), small = picture.getContext("2d"), image = small.createImageData(CELLS, CELLS);
    const values = moment.landscape();
    values.forEach((d, k) => image.data.set([...tint(d, colours), 255], 4 * k));
    small.putImageData(image, 0, 0);
    g.imageSmoothingEnabled = true;
    g.imageSmoothingQuality = "high";
    g.drawImage(picture, EDGE.left, EDGE.top, size, size);
    g.save();
    g.beginPath();
    g.rect(EDGE.left, EDGE.top, size, size);
    g.clip();
    [g.strokeStyle, g.lineWidth] = [css("quiet"), 1];
    halfWay(values, CELLS, (x0, y0, x1, y1) => line(g, ...[[x0, y0], [x1, y1]].map(([x, y]) => [EDGE.left + (x / CELLS) * size, EDGE.top + (y / CELLS) * size])));
    if (M) pairs(modes).forEach((mode, m) => modeMark(g, ...place(mode), moment.tally().found[m]));
    else for (const x of pairs(data)) dataMark(g, ...place(x));
    const samples = pairs(moment.samples());
    for (const x of samples) sampleMark(g, ...place(x));
    for (const x of samples.slice(0, arrows)) arrow(g, place(x), moment.pull(x)[1], REACH * size);
    g.restore();
    g.font = `11px ${getComputedStyle(root).fontFamily}`;
    const out = samples.filter((x) => !inside(x)).length;
    [g.fillStyle, g.strokeStyle, g.lineWidth, g.lineJoin, g.textAlign, g.textBaseline] = [css("text"), css("even"), 3, "round", "right", "top"];
    if (out) for (const paint of ["strokeText", "fillText"]) g[paint](`${out} of ${many} samples outside`, EDGE.left + size - 5, EDGE.top + 5);
    [g.strokeStyle, g.lineWidth, g.fillStyle] = [css("edge"), 1, css("quiet")];
    g.strokeRect(EDGE.left, EDGE.top, size, size);
    const low = EDGE.top + size, mid = (axis) => (extent[axis][0] + extent[axis][1]) / 2;
    for (const v of ticks(...extent[0], ...FEW)) {
      const [x] = place([v, mid(1)]);
      line(g, [x, low], [x, low + 4]);
      [g.textAlign, g.textBaseline] = ["center", "top"];
      g.fillText(show(v, Number.isInteger(v) ? 0 : 1), x, low + 7);
    }
    for (const v of ticks(...extent[1], ...FEW)) {
      const [, y] = place([mid(0), v]);
      line(g, [EDGE.left - 4, y], [EDGE.left, y]);
      [g.textAlign, g.textBaseline] = ["right", "middle"];
      g.fillText(show(v, Number.isInteger(v) ? 0 : 1), EDGE.left - 7, y);
    }
    g.font = `italic ${g.font}`;
    [g.textAlign, g.textBaseline] = ["right", "top"];
    g.fillText("x₁", EDGE.left + size, low + 6);
    [g.textAlign, g.textBaseline] = ["right", "top"];
    g.fillText("x₂", EDGE.left - 5, EDGE.top - 3);
  }

  function sampleMark(g, x, y) {
    g.beginPath();
    g.arc(x, y, 2.2, 0, 7);
    [g.fillStyle, g.strokeStyle, g.lineWidth] = [css("sample"), css("even"), 0.8];
    g.fill();
    g.stroke();
  }
  function dataMark(g, x, y) {
    g.beginPath();
    g.arc(x, y, 1.3, 0, 7);
    g.fillStyle = css("text");
    g.globalAlpha = 0.5;
    g.fill();
    g.globalAlpha = 1;
  }
  function modeMark(g, x, y, found) {
    for (const [colour, wide] of [["even", found ? 4.5 : 3], ["text", found ? 2 : 1.2]]) {
      [g.strokeStyle, g.lineWidth] = [css(colour), wide];
      g.setLineDash(found || colour === "even" ? [] : [3, 2.5]);
      g.beginPath();
      g.arc(x, y, 7, 0, 7);
      g.stroke();
    }
    g.setLineDash([]);
  }
  /** From a place in pixels along a pull, with a head; a pull that is hardly there has none. */
  function arrow(g, [x, y], [fx, fy], reach, colour = "text", wide = 1.3) {
    const size = Math.hypot(fx, fy), far = (reach * size) / (size + scale);
    if (!(far > 1.5)) return;
    const [ux, uy] = [fx / size, -fy / size], head = Math.min(5.5, 0.6 * far + 1), tip = [x + far * ux, y + far * uy], neck = [tip[0] - head * ux, tip[1] - head * uy];
    for (const [name, more] of [["even", 1.5], [colour, 0]]) {
      [g.strokeStyle, g.fillStyle, g.lineWidth] = [css(name), css(name), wide + more];
      line(g, [x, y], neck);
      g.beginPath();
      for (const [along, across] of [[0, 0], [-head, 0.5 * head], [-head, -0.5 * head]]) g.lineTo(tip[0] + along * ux - across * uy, tip[1] + along * uy + across * ux);
      g.closePath();
      if (more) g.stroke();
      g.fill();
    }
  }

  function drawProbe() {
    const x = hover ?? probe, pulls = panels.map(({ game }) => at(game));
    where.textContent = `The probe is at (${x.map((v) => show(v)).join(", ")}). `;
    panels.forEach(({ cursor, pad, facts }, p) => {
      const g = sharp(cursor, pad.clientWidth, pad.clientHeight), [px, py] = toPixel(width({ pad }))(x), [d, pull] = pulls[p], size = Math.hypot(...pull);
      for (const [colour, wide] of [["even", 4.5], ["accent", 2]]) {
        [g.strokeStyle, g.lineWidth] = [css(colour), wide];
        g.beginPath();
        g.arc(px, py, 8, 0, 7);
        g.stroke();
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) line(g, [px + 8 * dx, py + 8 * dy], [px + 13 * dx, py + 13 * dy]);
      }
      arrow(g, [px, py], pull, 1.5 * REACH * width({ pad }), "accent", 2.4);
      facts.replaceChildren(h("span", {}, "at the probe"), h("b", {}, `D = ${show(d)}, pull ${size >= 100 ? size.toExponential(0) : size < 0.005 ? "< 0.01" : show(size)}`));
    });
  }

  function drawStrip({ canvas, name, top, value, text, end, said }) {
    const size = canvas.clientWidth - EDGE.left - EDGE.right, high = 30, g = sharp(canvas, canvas.clientWidth, canvas.clientHeight);
    const place = (t) => [EDGE.left + (size * steps[t]) / steps[T - 1], 6 + high * (1 - value(t) / top)];
    const trace = Array.from({ length: T }, (_, t) => place(t));
    said.textContent = text(value(now));
    canvas.setAttribute("aria-label", `${name}: ${text(value(now))} at step ${steps[now]}; at the end ${text(value(T - 1))}`);
    [g.strokeStyle, g.lineWidth] = [css("line"), 1];
    for (const y of [6, 6 + high]) line(g, [EDGE.left, y], [EDGE.left + size, y]);
    [g.strokeStyle, g.lineWidth, g.lineJoin] = [css("edge"), 1.5, "round"];
    line(g, ...trace);
    [g.strokeStyle, g.lineWidth] = [css("accent"), 2.5];
    line(g, ...trace.slice(0, now + 1));
    const [x, y] = trace[now];
    [g.lineWidth, g.fillStyle] = [1, css("accent")];
    line(g, [x, 2], [x, 10 + high]);
    g.beginPath();
    g.arc(x, y, 3.5, 0, 7);
    g.fill();
    [g.fillStyle, g.font, g.textAlign, g.textBaseline] = [css("quiet"), `11px ${getComputedStyle(root).fontFamily}`, "right", "middle"];
    g.fillText(end ? "100" : top, EDGE.left - 5, 7);
    g.fillText("0", EDGE.left - 5, 6 + high);
    if (!end) return;
    g.textBaseline = "top";
    g.fillText(`${last} steps`, EDGE.left + size, 14 + high);
    g.textAlign = "left";
    g.fillText("0", EDGE.left, 14 + high);
  }

  function drawKey(g, kind) {
    if (kind === "sample") sampleMark(g, 13, 9);
    else if (kind === "data") dataMark(g, 13, 9);
    else if (kind === "pull") arrow(g, [2, 9], [9 * scale, 0], 24);
    else if (kind === "half") {
      [g.strokeStyle, g.lineWidth] = [css("quiet"), 1];
      line(g, [1, 9], [25, 9]);
    } else if (kind === "bar") {
      const colours = ["made", "even", "data"].map(rgb);
      for (let x = 0; x < 90; x++) {
        g.fillStyle = `rgb(${tint((x + 0.5) / 90, colours).join(" ")})`;
        g.fillRect(x, 0, 1, 18);
      }
      [g.strokeStyle, g.lineWidth] = [css("edge"), 1];
      g.strokeRect(0.5, 3.5, 89, 11);
      for (const y of [0, 15]) g.clearRect(0, y, 90, 3);
    }
    else modeMark(g, 13, 9, kind === "found");
  }

  // The probe.
  function put(x) {
    [probe, hover] = [x.map((v, axis) => Math.min(extent[axis][1], Math.max(extent[axis][0], v))), null];
    model.set({ probe });
    model.save_changes();
    move();
    live.say(`Probe at ${probe.map((v) => show(v)).join(", ")}. ` + panels.map(({ game }) => {
      const [d, pull] = at(game);
      return `${game.name}: D ${show(d)}, pull ${show(pull[0])}, ${show(pull[1])}`;
    }).join("; "));
  }
  const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  for (const { pad } of panels) {
    const under = (event) => {
      const box = pad.getBoundingClientRect(), size = width({ pad });
      const way = [(event.clientX - box.left - pad.clientLeft - EDGE.left) / size, 1 - (event.clientY - box.top - pad.clientTop - EDGE.top) / size];
      return way.map((share, axis) => extent[axis][0] + share * (extent[axis][1] - extent[axis][0]));
    };
    pad.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      pad.setPointerCapture(event.pointerId);
      put(under(event));
    });
    pad.addEventListener("pointermove", (event) => {
      const x = under(event);
      if (event.buttons) put(x);
      else if (event.pointerType === "mouse") { hover = inside(x) ? x : null; move(); }
    });
    pad.addEventListener("pointerleave", () => { hover = null; move(); });
    pad.addEventListener("keydown", (event) => {
      if (!WAYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      put(probe.map((v, axis) => v + (WAYS[event.key][axis] * (extent[axis][1] - extent[axis][0])) / 64));
    });
  }
  // A strip is an axis of time: a click goes there.
  for (const { strips } of panels) for (const { canvas } of strips) canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect(), step = (steps[T - 1] * (event.clientX - box.left - EDGE.left)) / (box.width - EDGE.left - EDGE.right);
    stop();
    go(steps.reduce((best, s, t) => (Math.abs(s - step) < Math.abs(steps[best] - step) ? t : best), 0));
  });

  const resized = new ResizeObserver(() => panels[0].pad.clientWidth && draw());
  for (const { pad } of panels) resized.observe(pad);
  signal.addEventListener("abort", () => resized.disconnect());
  model.on("change:moment", () => get("moment") !== now && go(get("moment")));
  model.on("change:probe", () => get("probe").join() !== probe.join() && put(get("probe")));
  heed();
  live.say(""); // the first view is no news
  followTheme(root, draw, signal);
}

export default { render };
