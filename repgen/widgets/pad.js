// A pad of pixels that is drawn on, with a mouse, a pen, a finger or the keyboard.

/** The distance of a pixel's centre, (column, row), from the line between two places. */
function distanceFrom([x0, y0], [x1, y1]) {
  const dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
  return (column, row) => {
    const px = column + 0.5 - x0, py = row + 0.5 - y0;
    const along = length2 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length2)) : 0;
    return Math.hypot(px - along * dx, py - along * dy);
  };
}

/**
 * Calls stroke(from, to) for what is drawn on `pad`, in pixels from the upper left corner of [height, width], and
 * onpen(down) when the space bar has set the keyboard's pen down or lifted it. `mark` shows where that pen is; it begins
 * at `pen` and stays `edge` pixels away from the borders.
 */
function drawOn(pad, mark, [height, width], { pen, edge = 0, stroke, onpen }) {
  const place = (event) => {
    const at = pad.getBoundingClientRect();
    return [((event.clientX - at.left) / at.width) * width, ((event.clientY - at.top) / at.height) * height];
  };
  let before = null; // where the pointer was, while it is down
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pad.setPointerCapture(event.pointerId);
    mark.hidden = true;
    stroke((before = place(event)), before);
  });
  pad.addEventListener("pointermove", (event) => {
    if (!before) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const each of passed.length ? passed : [event]) {
      const now = place(each);
      stroke(before, now);
      before = now;
    }
  });
  for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => (before = null));

  let down = false;
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const within = (x, size) => Math.min(size - edge, Math.max(edge, x));
  function show(on) {
    if (!on) down = false;
    mark.hidden = !on;
    mark.classList.toggle("rg-down", down);
    mark.style.left = `${(100 * pen[0]) / width}%`;
    mark.style.top = `${(100 * pen[1]) / height}%`;
  }
  pad.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = steps[event.key], from = pen;
    if (step) pen = [within(pen[0] + step[0], width), within(pen[1] + step[1], height)];
    else if (event.key === " ") down = !down;
    else return;
    event.preventDefault();
    if (down) stroke(from, pen);
    if (!step) onpen(down);
    show(true);
  });
  pad.addEventListener("focus", () => show(pad.matches(":focus-visible")));
  pad.addEventListener("blur", () => show(false));
}
