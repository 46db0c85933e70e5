// Figures: what a point is, by pointer, touch and keys; selection by click, Enter or a rectangle.

// pixels from a point, or a line, at which it is meant
const REACH = 12;
const tip = make("div", { class: "tip", hidden: "" });
const aloud = make("div", { class: "aloud", role: "status", "aria-live": "polite" });

/** What the tip stands beside. @type {Element | null} */
let beside = null;

/** Put the tip beside it, inside the window. */
function settle() {
  if (tip.hidden || !beside) return;
  const { right, left, top } = beside.getBoundingClientRect();
  const [width, height] = [tip.offsetWidth, tip.offsetHeight];
  const room = right + 8 + width < innerWidth;
  const x = Math.max(4, room ? right + 8 : left - 8 - width);
  const y = Math.max(4, Math.min(top - height / 2, innerHeight - height - 4));
  tip.style.transform = `translate(${x}px, ${y}px)`;
}

/** Where the law's lines are, inside and beyond the data: never to be confused. */
const LAYERS = { fit: "Fitted law, inside the data", forecast: "Law beyond the data: a forecast" };

function draw(parent, tag, attributes, kin = parent) {
  const element = set(document.createElementNS(kin.namespaceURI, tag), attributes);
  parent.append(element);
  return element;
}

/** All that is known of a series' marker, in lines: [what, value]. */
function account(told, series, i) {
  const run = series.run[i];
  const lines = [];
  if (run >= 0) {
    for (const [name, column] of Object.entries(runs.columns)) {
      if (column[run] !== null && column[run] !== "")
        lines.push([name, written(name, column[run])]);
    }
  } else {
    const axes = told.axes[series.axes];
    lines.push([axes.x || "x", short(series.at[0][i])], [axes.y || "y", short(series.at[1][i])]);
  }
  for (const [name, column] of Object.entries(series.columns)) {
    const value = column[i];
    const end = series.columns[name.replace("q05", "q95")]?.[i];
    const say = (one) => (typeof one === "number" ? short(one) : one);
    if (value === null || name.endsWith("q95")) continue;
    if (!name.endsWith("q05")) lines.push([name, say(value)]);
    else lines.push([`90 % interval ${name.replace(/_?q05/, "")}`, `${say(value)} to ${say(end)}`]);
  }
  return lines;
}

function title(told, series) {
  const own = series.id.slice(told.prefix.length + 1);
  return LAYERS[own.split("-")[0]] ?? (series.name || own.replace(/[-_]+/g, " "));
}

function enliven(figure, told) {
  const paper = figure.querySelector(".paper");
  const svg = paper.querySelector("svg");
  const points = [];
  // runs before lines, else as drawn
  told.series.sort((a, b) => a.line - b.line);
  for (const series of told.series) {
    series.element = document.getElementById(series.id);
    series.own = [];
    const uses = series.element?.querySelectorAll("use") ?? [];
    let next = 0;
    series.x.forEach((x, i) => {
      const point = { x, y: series.y[i], run: series.run[i], size: series.size?.[i] ?? -1 };
      Object.assign(point, { series, i, hidden: false, use: null });
      // markers are drawn in order; those that are out of sight have no mark here
      for (let k = next; k < uses.length && !point.use; k++) {
        const [ux, uy] = [Number(uses[k].getAttribute("x")), Number(uses[k].getAttribute("y"))];
        if (Math.abs(ux - x) < 0.3 && Math.abs(uy - point.y) < 0.3) {
          point.use = uses[k];
          next = k + 1;
        }
      }
      series.own.push(point);
      points.push(point);
    });
    series.own.sort((a, b) => a.x - b.x || a.y - b.y);
    series.parts = [...svg.querySelectorAll(`[id^="${series.id}-"]`)];
  }
  const whole = Object.entries(told.whole).map(([id, run]) => [document.getElementById(id), run]);
  const layers = ["fit", "forecast", "band"].map((name) => [
    name,
    [...svg.querySelectorAll(`[id^="${told.prefix}-${name}-"]`)],
  ]);
  // a drawing of its own: what is drawn over the figure does not have it painted again
  const over = draw(svg.parentNode, "svg", { class: "over", "aria-hidden": "true" }, svg);
  over.setAttribute("viewBox", svg.getAttribute("viewBox"));
  const rings = draw(over, "path", { class: "rings" });
  const ring = draw(over, "circle", { class: "ring", r: 4.5, visibility: "hidden" });
  let at = null;

  const scale = () => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  const place = (event) => {
    const { left, top } = svg.getBoundingClientRect();
    return [(event.clientX - left) / scale(), (event.clientY - top) / scale()];
  };
  const seen = (point) => !(point.hidden || point.series.gone);

  function nearest(x, y) {
    const reach = REACH / scale();
    let best = null;
    let least = reach * reach;
    for (const point of points) {
      if (point.series.line || !seen(point)) continue;
      const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
      if (distance < least) [best, least] = [point, distance];
    }
    return best ?? onLine(x, y, reach);
  }

  /** The vertex nearest in x of the line nearest in y. */
  function onLine(x, y, reach) {
    let best = null;
    let least = reach;
    for (const series of told.series) {
      const own = series.own;
      if (!series.line || series.gone || own.length < 2) continue;
      if (x < own[0].x - reach || x > own[own.length - 1].x + reach) continue;
      const after = Math.max(
        own.findIndex((point) => point.x >= x),
        1,
      );
      const [a, b] = [own[after - 1], own[after]];
      const share = Math.min(Math.max((x - a.x) / (b.x - a.x || 1), 0), 1);
      const distance = Math.abs(a.y + share * (b.y - a.y) - y);
      if (distance < least) [best, least] = [share < 0.5 ? a : b, distance];
    }
    return best;
  }

  function tell(point, byKey) {
    if (point === at && !byKey) return;
    at = point;
    set(ring, { visibility: point ? "visible" : "hidden" });
    tip.hidden = !point;
    if (!point) return;
    set(ring, { cx: point.x, cy: point.y });
    const lines = account(told, point.series, point.i);
    const name = title(told, point.series);
    const list = make("dl");
    for (const [what, value] of lines) list.append(make("dt", {}, what), make("dd", {}, value));
    tip.replaceChildren(make("strong", {}, name), list);
    beside = ring;
    settle();
    if (byKey) {
      const state = chosen.has(point.run) ? ", selected" : "";
      aloud.textContent = `${name}${state}: ${lines.map((line) => line.join(" ")).join(", ")}`;
    }
  }

  const shown = () => told.series.filter((one) => !one.gone && one.own.some(seen));
  function step(series, from, by) {
    for (let k = from; k >= 0 && k < series.own.length; k += by) {
      if (seen(series.own[k])) return series.own[k];
    }
    return null;
  }
  const keys = {
    ArrowRight: () => step(at.series, at.series.own.indexOf(at) + 1, 1),
    ArrowLeft: () => step(at.series, at.series.own.indexOf(at) - 1, -1),
    ArrowUp: () => across(-1),
    ArrowDown: () => across(1),
    Home: () => step(at.series, 0, 1),
    End: () => step(at.series, at.series.own.length - 1, -1),
  };
  /** The point nearest in x of the series before or after. */
  function across(by) {
    const all = shown();
    const series = all[all.indexOf(at.series) + by];
    if (!series) return null;
    const near = (best, point) =>
      Math.abs(point.x - at.x) < Math.abs(best.x - at.x) ? point : best;
    return series.own.filter(seen).reduce(near);
  }

  listen(paper, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (at) tell(null);
      else choose([]);
    } else if (event.key in keys) {
      const first = shown()[0];
      const point = at && seen(at) ? keys[event.key]() : first && step(first, 0, 1);
      if (point) tell(point, true);
    } else if ((event.key === "Enter" || event.key === " ") && at) {
      if (at.run >= 0) choose([at.run], event.shiftKey);
      tell(at, true);
    } else return;
    event.preventDefault();
  });
  listen(paper, "blur", () => tell(null));

  let start = null;
  let frame = null;
  // a click ends a drag, too
  let dragged = false;
  listen(svg, "pointerdown", (event) => {
    dragged = false;
    if (event.button === 0 && event.pointerType !== "touch") start = place(event);
  });
  listen(svg, "pointermove", (event) => {
    const [x, y] = place(event);
    if (start && !frame && Math.hypot(x - start[0], y - start[1]) * scale() > 5) {
      frame = draw(over, "rect", { class: "brush" });
      svg.setPointerCapture(event.pointerId);
      tell(null);
    }
    if (!frame) return tell(nearest(x, y));
    const [width, height] = [Math.abs(x - start[0]), Math.abs(y - start[1])];
    set(frame, { x: Math.min(x, start[0]), y: Math.min(y, start[1]), width, height });
  });
  listen(svg, "pointerup", (event) => {
    const [x, y] = place(event);
    const within = (a, b, value) => value >= Math.min(a, b) && value <= Math.max(a, b);
    if (frame) {
      const inside = points.filter(
        (one) => seen(one) && within(start[0], x, one.x) && within(start[1], y, one.y),
      );
      choose(
        inside.map((one) => one.run),
        event.shiftKey,
      );
      frame.remove();
      dragged = true;
    }
    start = frame = null;
  });
  listen(svg, "click", (event) => {
    if (dragged) return;
    const point = nearest(...place(event));
    if (point) tell(point);
    if (point?.run >= 0) choose([point.run], event.shiftKey);
  });
  listen(svg, "pointercancel", () => {
    frame?.remove();
    start = frame = null;
  });
  listen(svg, "pointerleave", (event) => {
    // a finger leaves when it is lifted
    if (!frame && event.pointerType !== "touch") tell(null);
  });

  function select() {
    const circle = (one) => `M${one.x - 4} ${one.y}a4 4 0 1 0 8 0a4 4 0 1 0-8 0`;
    const own = chosen.size ? points.filter((one) => chosen.has(one.run) && seen(one)) : [];
    rings.setAttribute("d", own.map(circle).join(""));
    for (const [element, run] of whole) element?.classList.toggle("chosen", chosen.has(run));
  }
  function show() {
    const sizes = runs.groups.find((group) => group.size)?.values ?? [];
    const without = new Set([...off].map((part) => sizes.indexOf(part)).filter((i) => i >= 0));
    for (const one of points) {
      const gone = one.run >= 0 ? hidden[one.run] === 1 : without.has(one.size);
      if (gone !== one.hidden) one.use?.classList.toggle("off", gone);
      one.hidden = gone;
    }
    for (const series of told.series) {
      const gone = series.own.length > 0 && series.own.every((one) => one.hidden);
      for (const part of gone === series.gone ? [] : [series.element, ...series.parts]) {
        part?.classList.toggle("off", gone);
      }
      series.gone = gone;
    }
    for (const [element, run] of whole) element?.classList.toggle("off", hidden[run] === 1);
    for (const [name, elements] of layers) {
      const gone = [...off].some((part) => part.layer === name);
      for (const element of elements) element.classList.toggle("off", gone);
      for (const series of told.series) if (elements.includes(series.element)) series.gone = gone;
    }
    select();
  }
  views.push({ select, show, far: () => isFar(figure) });
  set(paper, {
    role: "application",
    "aria-label": `${svg.getAttribute("aria-label")} Arrow keys go between points.`,
    "aria-describedby": "keys",
  });
}

for (const figure of document.querySelectorAll("figure")) {
  const told = figure.querySelector('script[id^="points-"]');
  if (told) enliven(figure, JSON.parse(told.textContent));
}
document.body.append(tip, aloud);
listen(window, "scroll", settle, { passive: true });
