// What the widgets share that start from whole images: their nets, images to choose from, errors, what is spoken.

/** The networks of a widget, in the order of its names. */
const loadNetworks = (model) => Promise.all(model.get("networks").map((reference) => loadNetwork(model, reference)));

function squaredError(x, y) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] - y[i]) ** 2;
  return sum;
}

/** The images (uint8, one after another) to choose from; .original(i) is one in [0, 1], .mark(i) marks one, -1 none. */
function thumbs({ shape, images, labels, onchoose, ...props }) {
  const name = uid(), pixels = shape[0] * shape[1];
  const original = (i) => Float32Array.from(images.subarray(i * pixels, (i + 1) * pixels), (b) => b / 255);
  const radios = labels.map((label, i) => h("input", { type: "radio", name, "aria-label": label, onchange: () => onchoose(i) }));
  const pictures = labels.map((_, i) => picture(shape, { role: null, "aria-hidden": "true" }).show(original(i)));
  const group = h("div", { class: "rg-thumbs", role: "radiogroup", ...props },
    ...labels.map((label, i) => h("label", { class: "rg-thumb", title: label }, radios[i], pictures[i])));
  group.original = original;
  group.mark = (i) => radios.forEach((radio, at) => (radio.checked = at === i));
  return group;
}

/** Thumbs with buttons to the image before and after. */
function imageStrip({ labels, onchoose, ...more }) {
  const group = thumbs({ labels, onchoose, "aria-label": "Image", ...more });
  let last = -1;
  const by = (step) => onchoose((last + step + labels.length) % labels.length);
  const strip = h("div", { class: "rg-start", hidden: !labels.length }, group,
    h("div", { class: "rg-buttons" }, button("Previous", () => by(last < 0 ? 0 : -1)), button("Next image", () => by(1))));
  strip.original = group.original;
  strip.mark = (i) => {
    group.mark(i);
    if (i >= 0) last = i;
  };
  return strip;
}

/** Radio buttons in a column under a heading, each with a place for a number; .notes(texts) fills those. */
function options({ heading, note = "", names, chosen, onchoose }) {
  const name = uid(), id = uid();
  const notes = names.map(() => h("span", { class: "rg-note" }));
  const rows = names.map((text, i) => h("div", { class: "rg-option" },
    h("label", { class: "rg-check" }, h("input", { type: "radio", name, checked: i === chosen, onchange: () => onchoose(i) }), text),
    notes[i]));
  const group = h("div", { class: "rg-options", role: "radiogroup", "aria-labelledby": id },
    h("div", { class: "rg-option rg-caption" }, h("span", { id }, heading), h("span", {}, note)), ...rows);
  group.notes = (texts) => texts.forEach((text, i) => (notes[i].textContent = text));
  return group;
}

/** A paragraph for screen readers; .say(text) speaks it once nothing new was said for a while. The first view is no news. */
function announcer() {
  const live = h("p", { class: "rg-hidden", "aria-live": "polite" });
  let told = false;
  live.say = (text) => {
    clearTimeout(live.timer);
    if (told) live.timer = setTimeout(() => (live.textContent = text), 700);
    told = true;
  };
  return live;
}
