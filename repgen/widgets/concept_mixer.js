// Sliders along directions of a code that have a name: thicker, more slanted, with glasses.

/** What can be measured on a picture, as in concepts.py: [text before the number, unit, f(values, height, width)]. */
const MEASURES = {
  slant: ["slant", "°", (x, height, width) => {
    let ink = 0, row = 0, column = 0, over = 0, both = 0;
    const each = (f) => x.forEach((v, i) => f(v, Math.floor(i / width), i % width));
    each((v, i, j) => ((ink += v), (row += v * i), (column += v * j)));
    each((v, i, j) => ((over += v * (i - row / ink) ** 2), (both += v * (i - row / ink) * (j - column / ink))));
    return (Math.atan(-both / Math.max(over, 1e-6)) * 180) / Math.PI;
  }],
  thickness: ["stroke", " pixels", (x, height, width) => {
    const at = (i, j) => (i >= 0 && i < height && j >= 0 && j < width ? x[i * width + j] : 0);
    let area = 0, outline = 0;
    for (let i = -1; i < height; i++) {
      for (let j = -1; j < width; j++) {
        const [a, b, c, d] = [at(i, j), at(i, j + 1), at(i + 1, j), at(i + 1, j + 1)];
        outline += Math.hypot((b + d - a - c) / 2, (c + d - a - b) / 2);
        area += a;
      }
    }
    return (2 * area) / Math.max(outline, 1e-6);
  }],
};

async function render({ model, el, signal = new AbortController().signal }) {
  const network = await loadNetwork(model);
  const get = (name) => model.get(name);
  const shape = get("shape"), labels = get("labels"), names = get("names"), limit = get("limit"), measures = get("measures");
  const K = network.n_in;
  const images = numbers(get("images"), "uint8"), codes = numbers(get("codes"), "float32"), vectors = numbers(get("vectors"), "float32");

  let start = get("start"), amounts = [...get("amounts")];
  const stages = [ // each picture: its caption, what is added to its label, its pixels
    ["original", () => "", () => strip.original(start)],
    ["its own code, decoded", () => ", decoded", (own) => network.forward(own).slice()],
    ["with the concepts added", (said) => `, decoded with ${said}`, () => network.forward(mixed())],
  ];
  if (get("generated")) stages[0][0] = "sample", stages.splice(1, 1); // it is what is decoded

  const root = frame(model, el, "mixer");
  const strip = thumbs({ shape, images, labels, onchoose: choose, "aria-label": "Image" });
  const shown = stages.map(() => picture(shape)), texts = stages.map(() => h("div", { class: "rg-measured" }));
  const pair = h("div", { class: "rg-pair" }, ...stages.map(([text], i) =>
    captioned(shown[i], h("span", {}, text, texts[i]))));
  const rows = names.map((name, c) => sliderRow({
    label: name, min: -limit, max: limit, step: 0.05, from: 0, text: (v) => `${v > 0 ? "+" : ""}${show(v)} vectors`,
    onchange: (v) => { amounts[c] = v; tell({ amounts: [...amounts] }); },
  }));
  const live = announcer();
  root.append(
    h("div", { class: "rg-start" }, strip, h("div", { class: "rg-buttons" }, button("Back to zero", reset))),
    h("div", { class: "rg-columns" }, pair, h("div", { class: "rg-sliders", role: "group", "aria-label": "How much of each concept to add" }, ...rows)),
    live);

  const tell = teller(model, () => draw());
  function choose(i) {
    start = i;
    tell({ start });
  }
  function reset() {
    amounts = amounts.map(() => 0);
    rows.forEach((row) => row.set(0));
    tell({ amounts: [...amounts] });
  }
  const mixed = () => Array.from({ length: K }, (_, k) => amounts.reduce((z, a, c) => z + a * vectors[c * K + k], codes[start * K + k]));

  const draw = onceAFrame(() => {
    strip.mark(start);
    const own = codes.subarray(start * K, (start + 1) * K);
    const said = names.map((name, c) => `${name} ${show(amounts[c])}`).join(", ");
    stages.forEach(([, more, pixels], i) => {
      const x = pixels(own);
      shown[i].show(x).setAttribute("aria-label", labels[start] + more(said));
      texts[i].replaceChildren(...measures.map((m) => {
        const [text, unit, f] = MEASURES[m];
        return h("div", {}, `${text} `, h("b", {}, `${show(f(x, ...shape), 1)}${unit}`));
      }));
    });
    live.say(`${said}. ${texts.at(-1).textContent}`);
  });

  followTheme(root, draw, signal);
  rows.forEach((row, c) => row.set(amounts[c]));
  draw();
}

export default { render };
