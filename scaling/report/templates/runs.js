// What is selected and what is hidden: figures, table and controls are views of it.

/** The value that Python embedded under an id; null where there is none.
 * @param {string} id */
const embedded = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "null");

const runs = embedded("runs") ?? { count: 0, columns: {}, forms: {}, groups: [] };
/** @type {Set<number>} */
const chosen = new Set();
// milliseconds: by then what is in sight is painted
const AFTER = 30;
const hidden = new Uint8Array(runs.count);
/** Switches that are off. @type {Set<{name: string, runs?: number[], layer?: string}>} */
const off = new Set();
/** `far`: whether none of it is in the window.
 * @type {{select: () => void, show: () => void, far?: () => boolean}[]} */
const views = [];

/** Tell the views: those in sight before the next paint, the others after it, one a frame. */
function tellAll(what) {
  const later = views.filter((view) => view.far?.());
  for (const view of views) if (!later.includes(view)) view[what]();
  requestAnimationFrame(() => {
    for (const [i, view] of later.entries()) setTimeout(() => view[what](), AFTER * (i + 1));
  });
}

/** Whether an element is out of sight. */
function isFar(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom < 0 || top > innerHeight;
}

/** Select runs; with `extend` beside those selected, or no longer where all of them were.
 * @param {number[]} found @param {boolean} [extend] */
function choose(found, extend) {
  const known = found.filter((run) => run >= 0);
  const drop = extend && known.length > 0 && known.every((run) => chosen.has(run));
  if (!extend) chosen.clear();
  for (const run of known) {
    if (drop) chosen.delete(run);
    else chosen.add(run);
  }
  tellAll("select");
}

/** Show or hide what a switch stands for; without one show all. */
function turn(part, on) {
  if (!part) off.clear();
  else if (on) off.delete(part);
  else off.add(part);
  hidden.fill(0);
  for (const one of off) for (const run of one.runs ?? []) hidden[run] = 1;
  tellAll("show");
}

const listen = (target, type, act, how) => target.addEventListener(type, act, how);

/** The element, with attributes set. */
function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** An element with attributes and children; texts become text, never markup. */
function make(tag, attributes = {}, ...children) {
  const element = set(document.createElement(tag), attributes);
  element.append(...children);
  return element;
}

const short = (value) =>
  value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-3)
    ? value.toExponential(3)
    : String(Number(value.toPrecision(5)));

/** A run's value as it is read. */
function written(name, value) {
  if (typeof value !== "number") return String(value);
  const form = runs.forms[name];
  if (form === "count") return Math.round(value).toLocaleString("en");
  if (form === "power") return value.toExponential(3);
  return form === "loss" ? value.toFixed(4) : short(value);
}
