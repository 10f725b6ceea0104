// Noise of three kinds, what an autoencoder makes of it, and the chain of both.

// (pixel, amount, a uniform number, a normal one) -> pixel, as in repgen/corruption.py.
const KINDS = {
  masking: (x, share, u) => (u >= share ? x : 0),
  Gaussian: (x, sd, u, normal) => x + sd * normal,
  "salt and pepper": (x, share, u) => (u >= share ? x : u < share / 2 ? 1 : 0),
};
const STATES = 10; // of the chain, that are shown
const PACE = 400; // milliseconds a step

async function render({ model, el, signal = new AbortController().signal }) {
  const nets = await loadNetworks(model);
  const get = (name) => model.get(name);
  const shape = get("shape"), names = get("names"), labels = get("labels"), kinds = Object.keys(KINDS);
  const pixels = shape[0] * shape[1];

  let net = get("net"), kind = get("kind"), amount = get("amount"), image = get("start");
  let clean; // the image that was chosen
  let chain; // the last images of the chain, each repaired from the one before; it starts with the clean one
  let taken; // steps of the chain
  let repaired; // what comes next in the chain
  let uniform, normal; // the noise: the same numbers while kind and amount are changed
  let timer = null; // while the chain walks by itself

  const root = frame(model, el, "repair");
  const strip = imageStrip({ shape, images: numbers(get("images"), "uint8"), labels, onchoose: choose });
  const figures = ["clean", "corrupted", "repaired"].map((name) => {
    const canvas = picture(shape), error = h("b");
    return { name, canvas, error, figure: captioned(canvas, h("span", {}, name, h("br"), error)) };
  });
  const amountRow = sliderRow({
    label: "amount of noise", min: 0, max: 1, step: 0.01,
    text: (a) => (kind === "Gaussian" ? `standard deviation ${show(a)}` : `${Math.round(100 * a)} % of the pixels`),
    onchange: (a) => tell({ amount: (amount = a) }),
  });
  const noise = options({
    heading: "Noise", names: kinds.map((name) => name[0].toUpperCase() + name.slice(1)), chosen: kinds.indexOf(kind),
    onchoose: (i) => tell({ kind: (kind = kinds[i]) }),
  });
  const choice = options({
    heading: "Net", note: "squared error after repair", names, chosen: net, onchoose: (i) => tell({ net: (net = i) }),
  });
  choice.hidden = nets.length < 2;
  const walk = button("Walk the chain", () => (timer ? stop() : go()));
  const states = h("div", { class: "rg-chain", role: "list", "aria-label": `The last ${STATES} states of the chain` });
  const live = announcer();
  root.append(
    strip,
    h("div", { class: "rg-columns" },
      h("div", { class: "rg-pair" }, ...figures.map(({ figure }) => figure)),
      h("div", { class: "rg-knobs" }, noise, amountRow, choice,
        h("p", { class: "rg-hint" }, "Squared errors are measured from the clean image and summed over pixels."),
        h("div", { class: "rg-buttons" }, button("Fresh noise", () => (fresh(), draw())))),
      h("div", { class: "rg-walk" },
        h("div", { class: "rg-buttons" }, walk, button("One step", () => (stop(), step())), button("Back to the start", () => choose(image))),
        h("p", { class: "rg-hint" }, "Each step takes the repaired image, corrupts it afresh and repairs that.")),
      states),
    live);

  const tell = teller(model, () => draw());
  function choose(i) {
    stop();
    chain = [(clean = strip.original(i))];
    taken = 0;
    fresh();
    strip.mark((image = i));
    tell({ start: i });
  }
  function fresh() {
    uniform = Float32Array.from({ length: pixels }, Math.random);
    normal = Float32Array.from({ length: pixels }, gaussian);
  }

  // The chain.
  const calm = matchMedia("(prefers-reduced-motion: reduce)"); // then there is no walking, only steps
  function step() {
    work(); // what is on its way to the screen, if anything is
    chain = [...chain, repaired].slice(-STATES);
    taken++;
    fresh();
    draw();
  }
  function go() {
    step();
    timer = setTimeout(go, PACE);
    walk.textContent = "Stop";
  }
  function stop() {
    clearTimeout(timer);
    timer = null;
    walk.textContent = "Walk the chain";
  }
  const heed = () => {
    walk.hidden = calm.matches;
    if (calm.matches) stop();
  };
  calm.addEventListener("change", heed, { signal });
  signal.addEventListener("abort", stop);

  /** Damages the last state of the chain and repairs it: [corrupted, the errors that each net leaves]. */
  function work() {
    const damage = KINDS[kind];
    const corrupted = chain.at(-1).map((x, i) => damage(x, amount, uniform[i], normal[i]));
    const errors = nets.map((each, i) => {
      const y = each.forward(corrupted);
      if (i === net) repaired = y.slice();
      return show(squaredError(clean, y));
    });
    return [corrupted, errors];
  }

  const draw = onceAFrame(() => {
    const [corrupted, errors] = work(), name = labels[image];
    const shown = [clean, corrupted, repaired];
    figures.forEach(({ name: what, canvas, error }, i) => {
      const gap = i ? `error ${i === 2 ? errors[net] : show(squaredError(clean, corrupted))}` : name;
      error.textContent = gap;
      canvas.show(shown[i]).setAttribute("aria-label", `${what}: ${i ? `${name}, ${gap}` : name}`);
    });
    amountRow.set(amount);
    choice.notes(errors);
    drawChain();
    if (!timer) live.say(`${taken ? `step ${taken}, ` : ""}corrupted ${figures[1].error.textContent}, repaired ${figures[2].error.textContent}`);
  });

  function drawChain() {
    const first = taken + 1 - chain.length;
    while (states.childNodes.length < chain.length) {
      states.append(h("div", { class: "rg-figure", role: "listitem" }, picture(shape), h("div", { class: "rg-caption" })));
    }
    while (states.childNodes.length > chain.length) states.lastChild.remove();
    states.childNodes.forEach((item, i) => {
      const gap = `error ${show(squaredError(clean, chain[i]))}`;
      item.firstChild.show(chain[i]).setAttribute("aria-label", first + i ? `after step ${first + i}, ${gap}` : "start");
      item.lastChild.textContent = first + i || "start";
    });
  }

  heed();
  followTheme(root, () => {}, signal);
  choose(image);
}

export default { render };
