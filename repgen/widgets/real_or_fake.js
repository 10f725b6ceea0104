// A quiz: one picture at a time, from the data or made here by a generator; the reader and a discriminator say which.

const Z = 1.959964; // 95 % of N(0, 1) lie between -Z and Z
const LEVEL = 0.05; // a score that guessing reaches with less than this probability beats it
const KEYS = { r: "real", arrowleft: "real", m: "made", arrowright: "made" };

/** Wilson's 95 % interval of a probability, after k of n. */
function wilson(k, n) {
  const p = k / n, wide = 1 + Z ** 2 / n, middle = (p + Z ** 2 / (2 * n)) / wide;
  const half = (Z / wide) * Math.sqrt((p * (1 - p)) / n + Z ** 2 / (4 * n ** 2));
  return [middle - half, middle + half];
}

/** The probability that k or more of n fair coins fall the right way. */
function byGuessing(k, n) {
  let sum = 0;
  for (let i = 0, term = 2 ** -n; i <= n; term *= (n - i) / ++i) if (i >= k) sum += term; // term: of i exactly
  return sum;
}

const percent = (p) => (p < 0.005 ? "under 1 %" : p > 0.995 ? "over 99 %" : `${Math.round(100 * p)} %`);
const chance = (p) => (p < 0.001 ? "less than 0.001" : p.toFixed(p < 0.1 ? 3 : 2));
const kind = (source) => (source === "real" ? "real" : "made");
const origin = (source) => (source === "real" ? "is real" : `was made by ${source}`);
const word = (right) => (right ? "right" : "wrong"), mark = (right) => (right ? "✓" : "✗");
const count = (all, f) => all.filter(f).length;

async function render({ model, el, signal = new AbortController().signal }) {
  const get = (name) => model.get(name), tell = teller(model);
  const forgers = await Promise.all(get("networks").map((reference) => loadNetwork(model, reference)));
  const judge = get("discriminator") && (await loadNetwork(model, get("discriminator")));
  const shape = get("shape"), names = get("names"), rounds = get("rounds"), pixels = shape[0] * shape[1], real = numbers(get("real"), "uint8");
  const random = get("seed") === null ? Math.random : randomFrom(get("seed"));
  const normal = normalFrom(random);

  let forger = get("forger"); // null: all of them
  let current, seen, left = []; // the picture asked about; those of this game that were answered; real ones not shown yet

  const root = frame(model, el, "quiz");
  root.dataset.lmSuppressShortcuts = "true"; // in JupyterLab M and R would turn the cell into text
  const radioName = uid(), choices = [null, ...names];
  const radios = choices.map((name) => h("input", { type: "radio", name: radioName, onchange: () => (tell({ forger: (forger = name) }), start()) }));
  const against = h("div", { class: "rg-thumbs", role: "radiogroup", "aria-label": "Who makes the pictures" },
    ...choices.map((name, i) => h("label", { class: "rg-thumb rg-forger" }, radios[i], h("span", {}, name ?? "all mixed"))));
  const large = picture(shape), progress = h("span"), actions = h("div", { class: "rg-actions" });
  const stage = h("div", { class: "rg-stage", role: "group", "aria-label": "Real or made?", tabindex: -1 },
    h("div", { class: "rg-figure" }, large), actions);
  const say = (text, key, arrow) => button(text, () => answer(text.toLowerCase()), { "aria-keyshortcuts": `${key} ${arrow}` });
  const options = [say("Real", "R", "ArrowLeft"), say("Made", "M", "ArrowRight")];
  // the second click of a double click is no wish to go on
  const onwards = button("", (event) => event.detail > 1 || next(), { class: "rg-onwards", "aria-keyshortcuts": "Enter Space" });
  const verdict = h("div", { class: "rg-verdict" });
  const hint = h("div", { class: "rg-hint" },
    h("p", {}, `A fair coin has said where this picture comes from: the data, or ${names.length > 1 ? "a generator" : names[0]} at work in this page.`),
    h("p", { class: "rg-by-key" }, "Keys: R or ← for real, M or → for made; Enter goes on."));
  const players = [["You", (a) => a.right], ...(judge ? [["Discriminator", (a) => a.judgeRight]] : [])];
  const scores = players.map(([name, right]) => score(name, right));
  const board = h("div", { class: "rg-board", role: "group", "aria-label": "Score" }, ...scores,
    h("div", { class: "rg-hint rg-scale", "aria-hidden": "true" }, "line: guessing, 50 %"));
  const side = h("div", { class: "rg-side" }), columns = h("div", { class: "rg-columns" });
  const summary = h("div", { class: "rg-summary", role: "group", "aria-label": "Summary", tabindex: -1 });
  const strip = h("div", { class: "rg-past", role: "list", "aria-label": "Pictures so far" });
  const past = h("div", {}, h("p", { class: "rg-hint" }, `All pictures of this game: what each was, and whether you${judge ? " and the discriminator (D)" : ""} were right.`), strip);
  const live = h("p", { class: "rg-hidden", "aria-live": "polite" });
  root.append(names.length > 1 ? h("div", { class: "rg-against" }, h("span", { class: "rg-hint", "aria-hidden": "true" }, "Against"), against) : "",
    columns, past, live);

  /** One player's row of the score; .update() after an answer. */
  function score(name, right) {
    const text = h("b"), range = h("span", { class: "rg-hint" }), band = h("i", { class: "rg-band" }), at = h("i", { class: "rg-at" });
    const row = h("div", { class: "rg-score" }, h("div", {}, h("span", {}, name), text),
      h("div", { class: "rg-track", "aria-hidden": "true" }, band, at, h("i", { class: "rg-half" })), range);
    row.update = () => {
      const k = count(seen, right), n = seen.length;
      text.textContent = n ? `${k} of ${n}` : "–";
      band.hidden = at.hidden = !n;
      if (!n) return void (range.textContent = "no picture yet");
      const [low, high] = wilson(k, n);
      Object.assign(band.style, { left: `${100 * low}%`, width: `${100 * (high - low)}%` });
      at.style.left = `${(100 * k) / n}%`;
      range.textContent = `95 % interval: ${Math.round(100 * low)} to ${Math.round(100 * high)} %`;
    };
    return row;
  }

  /** A fair coin says whether the picture is real. Then chance takes one of the real ones not shown yet, or one forger and its latents. */
  function drawn() {
    if (random() < 0.5) {
      if (!left.length) left = [...Array(real.length / pixels).keys()];
      const [i] = left.splice(Math.floor(random() * left.length), 1);
      return { source: "real", values: Float32Array.from(real.subarray(i * pixels, (i + 1) * pixels), (b) => b / 255) };
    }
    const source = forger ?? names[Math.floor(random() * names.length)], network = forgers[names.indexOf(source)];
    return { source, values: network.forward(Float32Array.from({ length: network.n_in }, normal)).slice() };
  }

  // A game.
  function start() {
    seen = [];
    strip.replaceChildren();
    past.hidden = true;
    tell({ answers: [] });
    radios[choices.indexOf(forger)].checked = true;
    columns.replaceChildren(h("div", { class: "rg-main" }, h("div", { class: "rg-progress" }, progress, button("Start anew", again)), stage), side);
    side.replaceChildren(verdict, board);
    ask();
    live.textContent = `New game${forger === null ? "" : ` against ${forger}`}. ${live.textContent}`;
  }
  function again() {
    start();
    stage.focus({ preventScroll: true });
  }
  function ask() {
    current = drawn();
    if (judge) {
      current.p = 1 / (1 + Math.exp(-judge.forward(current.values)[0]));
      current.judgeRight = (current.p > 0.5) === (current.source === "real");
    }
    progress.textContent = `Picture ${seen.length + 1} of ${rounds}`;
    large.show(current.values).setAttribute("aria-label", progress.textContent.toLowerCase());
    actions.replaceChildren(...options);
    verdict.replaceChildren(hint);
    scores.forEach((row) => row.update());
    live.textContent = `${progress.textContent}: real or made?`;
  }
  function answer(said) {
    if (current.said) return;
    Object.assign(current, { said, right: said === kind(current.source) });
    const { source, right, p, judgeRight } = current;
    seen.push(current);
    tell({ answers: seen.map((a) => ({ source: a.source, said: a.said, right: a.right, discriminator: a.p ?? null })) });
    onwards.textContent = seen.length < rounds ? "Next picture" : "Summary";
    actions.replaceChildren(onwards);
    const opinion = judge && `The discriminator says ${percent(p)} real`;
    verdict.replaceChildren(
      card(right, h("p", {}, h("b", {}, right ? "Right." : "Wrong."), ` This picture ${origin(source)}.`)),
      judge ? card(judgeRight, h("p", {}, `${opinion}: `, h("b", {}, `${word(judgeRight)}.`)),
        h("div", { class: "rg-track", "aria-hidden": "true" }, h("i", { class: "rg-p", style: `width: ${100 * p}%` }), h("i", { class: "rg-half" })),
        h("div", { class: "rg-hint rg-ends", "aria-hidden": "true" }, h("span", {}, "made"), h("span", {}, "real"))) : "");
    scores.forEach((row) => row.update());
    strip.append(item(current, seen.length));
    past.hidden = false;
    live.textContent = `${right ? "Right" : "Wrong"}: the picture ${origin(source)}. ${judge ? `${opinion}: ${word(judgeRight)}. ` : ""}${standing()}.`;
    onwards.focus({ preventScroll: true });
  }
  function next() {
    if (seen.length < rounds) {
      ask();
      stage.focus({ preventScroll: true });
    } else {
      sumUp();
      summary.focus({ preventScroll: true });
    }
  }
  const standing = () => players.map(([name, right]) => `${name} ${count(seen, right)} of ${seen.length}`).join(", ");

  // What was answered.
  function card(right, ...parts) {
    return h("div", { class: `rg-card rg-${word(right)}` }, h("span", { class: "rg-mark", "aria-hidden": "true" }, mark(right)), h("div", {}, ...parts));
  }
  function item({ source, values, right, judgeRight }, i) {
    const canvas = picture(shape).show(values);
    canvas.setAttribute("aria-label", `picture ${i} ${origin(source)}; you were ${word(right)}${judge ? `, the discriminator ${word(judgeRight)}` : ""}`);
    const answers = [["you", right], ...(judge ? [["D", judgeRight]] : [])];
    return h("div", { class: "rg-seen", role: "listitem" }, canvas, h("div", { "aria-hidden": "true" }, h("b", {}, kind(source)),
      ...answers.map(([who, ok]) => h("span", { class: `rg-${word(ok)}` }, `${who} ${mark(ok)}`))));
  }
  function sumUp() {
    const n = seen.length, k = count(seen, (a) => a.right), made = count(seen, (a) => a.source !== "real");
    const wrong = (all) => all.filter((a) => !a.right), of = (source) => seen.filter((a) => a.source === source);
    const atLeast = byGuessing(k, n), atMost = byGuessing(n - k, n), enough = [...Array(n + 1).keys()].find((k) => byGuessing(k, n) < LEVEL);
    const beaten = atLeast < LEVEL, worse = atMost < LEVEL;
    const headline = `${k} of ${n} right. ${beaten ? "You beat guessing" : worse ? "Guessing would have done better" : "This could have been guessing"}.`;
    const needed = beaten || worse ? "" : enough ? `; ${enough} would beat guessing` : `; ${n} pictures are too few to beat guessing`;
    const guessed = `Whoever guesses gets ${k} or ${worse ? "fewer" : "more"} right with probability ${chance(worse ? atMost : atLeast)}${needed}.`;
    const judgeK = count(seen, (a) => a.judgeRight);
    const judged = judge ? ` The discriminator got ${judgeK}, which guessing reaches with probability ${chance(byGuessing(judgeK, n))}.` : "";
    const missed = wrong(of("real")).length; // the other mistakes were made pictures
    const confused = `You took ${n - k - missed} of ${made} made pictures for real, and ${missed} of ${n - made} real ones for made.`;
    const row = (props, role, first, cells) => h("div", { role: "row", ...props }, h("div", { role: role ?? "columnheader" }, first),
      ...cells.map((parts) => h("div", { role: role ? "cell" : "columnheader" }, ...parts)));
    const table = h("div", { class: "rg-table", role: "table", "aria-label": "By where the pictures came from", style: `--players: ${players.length}` },
      row({ class: "rg-hint" }, null, "pictures", [...players.map(([name]) => [name.toLowerCase()]), ["your mistakes"]]),
      ...["real", ...names].filter((source) => of(source).length).map((source) =>
        row({}, "rowheader", source === "real" ? "real ones" : source, [
          ...players.map(([, right]) => [`${count(of(source), right)} of ${of(source).length}`]),
          wrong(of(source)).map((a) => picture(shape, { "aria-label": `picture ${seen.indexOf(a) + 1}` }).show(a.values)),
        ])));
    summary.replaceChildren(h("p", { class: "rg-headline" }, headline), h("p", {}, guessed, judged), h("p", {}, confused), table,
      h("div", { class: "rg-buttons" }, button("Play again", again)));
    columns.replaceChildren(summary, side);
    side.replaceChildren(board);
    live.textContent = `${headline} ${guessed}${judged} ${confused}`;
  }

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.type === "radio") return; // arrows move between radio buttons
    const said = KEYS[event.key.toLowerCase()];
    const on = (event.key === "Enter" || event.key === " ") && onwards.isConnected && !event.target.closest("button"); // which do it themselves
    if (!said && !on) return;
    event.preventDefault();
    event.stopPropagation(); // arrows turn the pages of some books
    if (event.repeat) return;
    if (on) next();
    else answer(said);
  });
  model.on("change:forger", () => {
    if (get("forger") === forger) return;
    forger = get("forger");
    start();
  });
  followTheme(root, () => {}, signal);
  start();
  live.textContent = ""; // the first view is no news
}

export default { render };
