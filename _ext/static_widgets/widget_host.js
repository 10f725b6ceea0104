// Brings the anywidgets of a notebook's stored outputs to life in a static page: no kernel, no
// network beyond the page's own site, http or file. It offers the part of anywidget's contract
// that a page without a kernel can keep.
(() => {
  const VIEW = "application/vnd.jupyter.widget-view+json", STATE = "application/vnd.jupyter.widget-state+json";
  const stored = new Map(), models = new Map(), modules = new Map(), styles = new Set();

  function decode(base64) {
    const text = atob(base64), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new DataView(bytes.buffer);
  }

  /** A model's state with its buffers back in their places. */
  function restore({ state, buffers = [] }) {
    for (const { path, data, encoding } of buffers) {
      if (encoding !== "base64") throw new Error(`a buffer is encoded as ${encoding}: the host reads base64`);
      path.slice(0, -1).reduce((at, key) => at[key], state)[path.at(-1)] = decode(data);
    }
    return state;
  }

  class Model {
    listeners = new Set();
    widget_manager = { get_model: getModel };
    constructor(state) { this.state = state; }
    get(name) { return this.state[name]; }
    set(name, value) {
      if (typeof name === "object") return void Object.entries(name).forEach(([k, v]) => this.set(k, v));
      if (this.state[name] === value) return;
      this.state[name] = value;
      this.trigger(`change:${name}`, this, value);
      this.trigger("change", this);
    }
    on(events, f) { for (const event of events.split(" ")) this.listeners.add({ event, f }); }
    off(events, f) {
      for (const l of this.listeners) {
        if ((!events || events.split(" ").includes(l.event)) && (!f || f === l.f)) this.listeners.delete(l);
      }
    }
    trigger(event, ...args) { for (const l of [...this.listeners]) if (l.event === event) l.f(...args); }
    save_changes() {} // there is no kernel to tell
    send() {}
  }

  /** The widget's definition, once for each script: a blob URL can be imported from file:// too. */
  function load(esm) {
    if (!modules.has(esm)) {
      const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
      modules.set(esm, import(url).then(async ({ default: widget }) => (typeof widget === "function" ? widget() : widget)));
    }
    return modules.get(esm);
  }

  function getModel(id) {
    if (!models.has(id)) models.set(id, start(id));
    return models.get(id);
  }
  async function start(id) {
    const entry = stored.get(id);
    if (!entry) throw new Error(`the page holds no state for widget ${id}`);
    if (entry.model_module !== "anywidget") throw new Error(`${entry.model_name} needs a running kernel`);
    const model = new Model(restore(entry)), css = model.get("_css");
    if (css && !styles.has(css)) {
      styles.add(css);
      document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
    }
    model.widget = await load(model.get("_esm"));
    if (!model.widget) throw new Error("its script has no default export");
    await model.widget.initialize?.({ model, signal: new AbortController().signal, experimental: {} });
    return model;
  }

  const idOf = (tag) => JSON.parse(tag.textContent).model_id;
  async function show(tag) {
    const el = document.createElement("div");
    el.className = "widget-host";
    tag.after(el);
    try {
      const model = await getModel(idOf(tag));
      await model.widget.render?.({ model, el, signal: new AbortController().signal, experimental: {} });
      tag.closest(".widget-output")?.querySelector(".widget-still")?.remove();
      el.dataset.ready = "";
    } catch (error) {
      console.error(error);
      el.className = "widget-error";
      el.setAttribute("role", "alert");
      el.textContent = `This widget could not start (${error.message}).`;
    }
  }

  // The state is in the page (a tag) or in a script beside it, which may come before or after this one.
  const waiting = new Set();
  function add({ state }) {
    for (const [id, entry] of Object.entries(state)) stored.set(id, entry);
    for (const tag of waiting) if (stored.has(idOf(tag))) waiting.delete(tag), show(tag);
  }
  function begin() {
    document.querySelectorAll(`script[type="${VIEW}"]`).forEach((tag) => waiting.add(tag));
    const early = window.widgetStates ?? [];
    window.widgetStates = { push: add };
    early.forEach(add);
    document.querySelectorAll(`script[type="${STATE}"]`).forEach((tag) => add(JSON.parse(tag.textContent)));
  }
  // As soon as the page is read: a deferred script, such as a large one that typesets, would have its turn before.
  if (document.readyState === "loading") document.addEventListener("readystatechange", begin, { once: true });
  else begin();
  const giveUp = () => waiting.forEach((tag) => show(tag)); // no state will come any more: each says so
  if (document.readyState === "complete") giveUp();
  else addEventListener("load", giveUp);
})();
