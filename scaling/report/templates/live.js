// A page that follows its study: when there is a newer one it is loaded, and what the reader has
// chosen, moved and opened is as it was. Loaded whole, so that all scripts begin as they always do.
(() => {
  const KEPT = "scaling-live";
  const ASK = 2000; // ms between questions
  const QUIET = 1500; // ms since the reader last did anything
  const mine = embedded("live-data");
  const line = document.getElementById("live");
  const all = (selector) => [...document.querySelectorAll(selector)];

  const fields = () => all("input[id], select[id], textarea[id]");
  const switches = () => all("button[aria-pressed]:not(.pick)");
  const switchName = (one) =>
    `${one.closest("fieldset")?.querySelector("legend")?.textContent ?? ""}/${one.textContent}`;
  const panels = () => all("details");
  const panelName = (one, i) => one.id || `${one.querySelector("summary")?.textContent}/${i}`;
  const heads = () => all("th[aria-sort]");
  const runNames = () => runs.columns.run ?? [];

  /** What was not touched follows the study: only what differs from the start is kept. */
  const start = {
    fields: new Map(fields().map((one) => [one.id, one.value])),
    switches: new Map(switches().map((one) => [switchName(one), one.ariaPressed])),
    panels: new Map(panels().map((one, i) => [panelName(one, i), one.open])),
  };

  function keep() {
    const changed = (ones, name, value, before) =>
      ones.map((one, i) => [name(one, i), value(one)]).filter(([k, v]) => before.get(k) !== v);
    const anchor = all("section[id], h2[id]")
      .filter((one) => one.getBoundingClientRect().top <= 80)
      .pop();
    const state = {
      fields: changed(
        fields(),
        (one) => one.id,
        (one) => one.value,
        start.fields,
      ),
      switches: changed(switches(), switchName, (one) => one.ariaPressed, start.switches),
      panels: changed(panels(), panelName, (one) => one.open, start.panels),
      sorts: heads().map((one) => [one.textContent, one.ariaSort]),
      chosen: [...chosen].map((run) => runNames()[run]),
      focus: document.activeElement?.id ?? "",
      anchor: anchor ? [anchor.id, anchor.getBoundingClientRect().top] : ["", -scrollY],
    };
    sessionStorage.setItem(KEPT, JSON.stringify(state));
  }

  function restore() {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    sessionStorage.removeItem(KEPT);
    if (!kept) return;
    const panelsNow = new Map(panels().map((one, i) => [panelName(one, i), one]));
    for (const [name, open] of kept.panels)
      if (panelsNow.has(name)) panelsNow.get(name).open = open;
    for (const [id, value] of kept.fields) {
      const field = document.getElementById(id);
      if (!field) continue;
      field.value = value;
      for (const type of ["input", "change"])
        field.dispatchEvent(new Event(type, { bubbles: true }));
    }
    for (const [name, pressed] of kept.switches) {
      const own = switches().find((one) => switchName(one) === name);
      if (own && own.ariaPressed !== pressed) own.click();
    }
    for (const [text, order] of kept.sorts) {
      const head = all("th").find((one) => one.textContent === text);
      for (let i = 0; i < 2 && head && head.ariaSort !== order; i++)
        head.querySelector("button").click();
    }
    const there = new Map(runNames().map((name, run) => [name, run]));
    choose(kept.chosen.filter((name) => there.has(name)).map((name) => there.get(name)));
    document.getElementById(kept.focus)?.focus({ preventScroll: true });
    const [id, top] = kept.anchor;
    const anchor = id && document.getElementById(id);
    scrollTo(0, anchor ? scrollY + anchor.getBoundingClientRect().top - top : -top);
  }

  let busy = -QUIET;
  let held = false;
  const touched = () => {
    busy = performance.now();
  };
  const hold = (event) => {
    held = event.type === "pointerdown";
    touched();
  };
  for (const type of ["input", "keydown", "wheel", "scroll", "pointermove"])
    addEventListener(type, touched, { passive: true, capture: true });
  for (const type of ["pointerdown", "pointerup", "pointercancel"])
    addEventListener(type, hold, true);
  /** Nobody is in the middle of something. */
  const quiet = () => !held && performance.now() - busy > QUIET && getSelection().isCollapsed;

  async function ask() {
    try {
      const answer = await fetch("/version", { cache: "no-cache" });
      const { version, told } = await answer.json();
      if (line.textContent !== told) line.textContent = told;
      if (version !== mine.version && quiet()) {
        keep();
        location.reload();
        return;
      }
    } catch {
      line.textContent = `${mine.told}; no longer live: its server does not answer`;
    }
    setTimeout(ask, ASK);
  }

  history.scrollRestoration = "manual";
  restore();
  setTimeout(ask, ASK);
})();
