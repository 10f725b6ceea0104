// What every widget is made of: elements, slider rows, pictures, the page's theme.

/** An element: h("p", { class: "x", onclick: f }, "text", child, ...). */
function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

let made = 0;
/** An id that no other widget on the page has. */
const uid = () => `rg-${Date.now().toString(36)}-${made++}`;

/** The widget's frame in `el`: its name, then its parts. */
function frame(model, el, kind) {
  const title = model.get("title");
  const root = h("div", { class: `rg rg-${kind}`, role: "group", "aria-label": title });
  root.append(h("p", { class: "rg-title", "aria-hidden": "true" }, title));
  el.append(root);
  return root;
}

/** Keeps root's data-theme right (Jupyter Book, JupyterLab, VS Code, Colab, the system); calls redraw after a change. */
function followTheme(root, redraw, signal) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => {
    const html = document.documentElement.dataset.theme ?? document.documentElement.getAttribute("theme");
    if (html === "dark" || html === "light") return html === "dark";
    const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
    if (jpThemeLight) return jpThemeLight === "false";
    if (vscodeThemeKind) return /dark|contrast$/.test(vscodeThemeKind);
    return system.matches;
  };
  const apply = () => {
    const theme = dark() ? "dark" : "light";
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    redraw();
  };
  apply();
  system.addEventListener("change", apply, { signal });
  const watcher = new MutationObserver(apply);
  for (const node of [document.documentElement, document.body]) watcher.observe(node, { attributes: true });
  signal.addEventListener("abort", () => watcher.disconnect());
}

/** f, at most once a frame. */
function onceAFrame(f) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => ((waiting = false), f()));
  };
}

/** A canvas for one picture of [height, width] pixels; .show(values in [0, 1]) paints it. */
function picture([height, width], props = {}) {
  const canvas = h("canvas", { width, height, role: "img", ...props });
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  image.data.fill(255);
  canvas.show = (values) => {
    for (let i = 0; i < width * height; i++) {
      const grey = Math.round(255 * Math.min(1, Math.max(0, values[i])));
      image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = grey;
    }
    context.putImageData(image, 0, 0);
    return canvas;
  };
  return canvas;
}

/** A labelled native range input with its value as text(value); row.set(value) does not call onchange. */
function sliderRow({ label, min, max, step, from = min, text, onchange }) {
  const id = uid(), readout = h("output", { for: id });
  const input = h("input", { type: "range", id, min, max, step, oninput: () => (update(+input.value), onchange(+input.value)) });
  const row = h("div", { class: "rg-row" }, h("label", { for: id }, label), readout, input);
  let current = min;
  const update = (value) => {
    current = value;
    readout.textContent = input.disabled ? "not used" : text(value);
    input.setAttribute("aria-valuetext", readout.textContent);
    const share = (v) => (Math.min(max, Math.max(min, v)) - min) / (max - min);
    input.style.setProperty("--low", Math.min(share(from), share(value))); // the coloured stretch of the track
    input.style.setProperty("--high", Math.max(share(from), share(value)));
  };
  row.set = (value) => ((input.value = value), update(value));
  row.disable = (off) => ((input.disabled = off), row.classList.toggle("rg-off", off), update(current));
  return row;
}

const button = (text, onclick, props = {}) => h("button", { type: "button", onclick, ...props }, text);
const captioned = (canvas, caption) => h("div", { class: "rg-figure" }, canvas, h("div", { class: "rg-caption" }, caption));

/** The context of a canvas as wide as its place on the page and `height` high, in CSS pixels, cleared. */
function sharp(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  return g;
}

function line(g, ...points) {
  g.beginPath();
  for (const [x, y] of points) g.lineTo(x, y);
  g.stroke();
}

/** A number for people: a real minus, so many decimals. */
const show = (x, decimals = 2) => x.toFixed(decimals).replace(/^-0(\.0*)?$/, (zero) => zero.slice(1)).replace("-", "−");

/** A draw from the standard normal distribution (Box & Muller 1958). */
const gaussian = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

/** tell(changes): Python is told them, and then() follows, a redraw say. */
const teller = (model, then) => (changes) => {
  model.set(changes);
  model.save_changes();
  then?.();
};

/**
 * A button that plays and pauses: step() now and again after wait() milliseconds. It hides, with the `others`, where the
 * reader wants little motion; then there is no playing, only steps. .playing says whether it does, .stop() ends it and,
 * if it did, calls onstop() first.
 */
function playButton({ step, wait, onstop, others = [], signal }) {
  let timer = null;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const play = button("Play", () => (play.playing ? play.stop() : go()));
  play.playing = false;
  function go() {
    play.playing = true;
    timer = setTimeout(go, wait());
    step();
    play.textContent = "Pause";
  }
  play.stop = () => {
    if (play.playing) onstop();
    clearTimeout(timer);
    play.playing = false;
    play.textContent = "Play";
  };
  const heed = () => {
    for (const part of [play, ...others]) part.hidden = calm.matches;
    if (calm.matches) play.stop();
  };
  calm.addEventListener("change", heed, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  heed();
  return play;
}

/** Class c's mark: ten shapes, so that classes differ by more than their colour. */
function classMark(g, x, y, r, c) {
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

/** From one round number to the next, so that about so many lie between a and b: a power of ten, times one of `rounds`. */
function tickStep(a, b, about = 5, rounds = [1, 2, 5, 10]) {
  const rough = (b - a) / about, unit = 10 ** Math.floor(Math.log10(rough));
  return unit * rounds.find((m) => m * unit >= rough);
}
/** The round numbers between a and b. */
function ticks(a, b, ...how) {
  const step = tickStep(a, b, ...how), out = [];
  for (let k = Math.ceil(a / step); k * step <= b; k++) out.push(k * step);
  return out;
}
/** How many decimals they want. */
const tickDecimals = (a, b, ...how) => Math.max(0, -Math.floor(Math.log10(tickStep(a, b, ...how))));
