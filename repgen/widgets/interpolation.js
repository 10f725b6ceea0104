// From one image to another through a code: straight or along an arc, by several models side by side.

/** The place at share t of the way from code a to code b: [straight, spherical], as in concepts.py. */
function between(a, b, t) {
  const straight = a.map((value, k) => value + t * (b[k] - value));
  const dot = (x, y) => x.reduce((sum, value, k) => sum + value * y[k], 0);
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  const cosine = lengths ? Math.min(1, Math.max(-1, dot(a, b) / lengths)) : 1;
  if (Math.abs(cosine) > 1 - 1e-6) return [straight, straight]; // no arc, or no shortest one
  const angle = Math.acos(cosine), u = Math.sin((1 - t) * angle) / Math.sin(angle), v = Math.sin(t * angle) / Math.sin(angle);
  return [straight, a.map((value, k) => u * value + v * b[k])];
}
const WAYS = ["straight", "spherical"];

async function render({ model, el, signal = new AbortController().signal }) {
  const get = (name) => model.get(name);
  const nets = await loadNetworks(model);
  const shape = get("shape"), names = get("names"), labels = get("labels"), steps = get("steps");
  const images = numbers(get("images"), "uint8"), codes = numbers(get("codes"), "float32");
  const first = nets.map((_, net) => labels.length * nets.slice(0, net).reduce((sum, { n_in }) => sum + n_in, 0)); // of each net's codes
  const code = (net, i) => Array.from(codes.subarray(first[net] + i * nets[net].n_in, first[net] + (i + 1) * nets[net].n_in));

  let pair = [...get("pair")], place = get("place");

  const root = frame(model, el, "between");
  const ends = ["From", "To"].map((heading, end) => {
    const id = uid(), group = thumbs({ shape, images, labels, onchoose: (i) => choose(end, i), "aria-labelledby": id });
    return { group, row: h("div", { class: "rg-end" }, h("span", { class: "rg-caption", id }, heading), group) };
  });
  const slider = sliderRow({
    label: "share of the way", min: 0, max: 1, step: 0.01, text: (t) => `${Math.round(100 * t)} %`,
    onchange: (t) => { place = t; tell({ place }); },
  });
  const lines = nets.flatMap((_, net) => WAYS.map((way, w) => {
    const live = picture(shape), length = h("b");
    const film = Array.from({ length: steps }, () => picture(shape, { role: null, "aria-hidden": "true" }));
    const row = h("div", { class: "rg-way" },
      h("div", { class: "rg-way-name" }, h("span", {}, `${names[net]}, ${way}`), h("span", { class: "rg-caption" }, "length of the code ", length)),
      h("div", { class: "rg-live" }, live), h("div", { class: "rg-film" }, ...film));
    return { net, w, way, live, film, length, row };
  }));
  const live = announcer();
  root.append(...ends.map(({ row }) => row),
    h("div", { class: "rg-buttons" }, button("Swap", () => choose(0, pair[1], pair[0])), button("Two at random", random)),
    h("div", { class: "rg-ways" }, ...lines.map(({ row }) => row)), slider, live);

  const tell = teller(model, () => draw());
  function choose(end, i, other = pair[1 - end]) {
    pair = end ? [other, i] : [i, other];
    drawFilms();
    tell({ pair: [...pair] });
  }
  function random() {
    const from = Math.floor(Math.random() * labels.length);
    choose(0, from, (from + 1 + Math.floor(Math.random() * (labels.length - 1))) % labels.length);
  }
  const at = ({ net, w }, t) => between(code(net, pair[0]), code(net, pair[1]), t)[w];

  function drawFilms() {
    ends.forEach(({ group }, end) => group.mark(pair[end]));
    for (const line of lines) line.film.forEach((canvas, i) => canvas.show(nets[line.net].forward(at(line, i / (steps - 1)))));
  }
  const draw = onceAFrame(() => {
    const nearest = Math.round(place * (steps - 1));
    for (const line of lines) {
      const z = at(line, place);
      line.live.show(nets[line.net].forward(z)).setAttribute("aria-label",
        `${names[line.net]}, ${line.way}: ${Math.round(100 * place)} % of the way from ${labels[pair[0]]} to ${labels[pair[1]]}`);
      line.length.textContent = show(Math.hypot(...z), 1);
      line.film.forEach((canvas, i) => canvas.classList.toggle("rg-here", i === nearest));
    }
    const lengths = lines.map((l) => `${names[l.net]}, ${l.way}, length ${l.length.textContent}`).join("; ");
    live.say(`from ${labels[pair[0]]} to ${labels[pair[1]]}: ${lengths}`);
  });

  followTheme(root, draw, signal);
  slider.set(place);
  drawFilms();
  draw();
}

export default { render };
