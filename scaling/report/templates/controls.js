// Switches that show and hide, in every figure and the table; what is selected, and what is hidden.

function control() {
  const bar = make("div", { class: "switches", role: "region", "aria-label": "What is shown" });
  const state = make("span", { role: "status" });
  const clear = make("button", { type: "button", "aria-label": "Clear selection" }, "Clear");
  const all = make("button", { type: "button" }, "Show all");
  const panel = make("details", {}, make("summary", {}, "Show and hide"));
  const layers = [
    { name: "fitted law", layer: "fit" },
    { name: "forecast", layer: "forecast" },
    { name: "bands", layer: "band" },
  ];
  const buttons = [];
  for (const group of [...runs.groups, { name: "law", values: layers }]) {
    const set = make("fieldset", {}, make("legend", {}, group.name));
    for (const part of group.values) {
      const button = make("button", { type: "button", "aria-pressed": "true" }, part.name);
      listen(button, "click", () => turn(part, off.has(part)));
      buttons.push([button, part]);
      set.append(button);
    }
    panel.append(set);
    for (const part of group.values) part.said = `${group.name} ${part.name}`;
  }
  panel.append(
    make(
      "p",
      { id: "keys", class: "small" },
      "In a figure: arrow keys go between points, up and down between series, Home and End to the " +
        "ends; Enter selects, Shift adds, Escape leaves and then clears. A rectangle selects, too.",
    ),
  );
  listen(clear, "click", () => choose([]));
  listen(all, "click", () => turn(null, true));

  function say() {
    const parts = [...off].map((part) => part.said);
    state.textContent =
      `${chosen.size} of ${runs.count} selected` +
      (parts.length ? `; hidden: ${parts.join(", ")}` : "");
    clear.disabled = chosen.size === 0;
    all.disabled = parts.length === 0;
    bar.classList.toggle("plain", chosen.size + parts.length === 0);
    for (const [button, part] of buttons) set(button, { "aria-pressed": !off.has(part) });
  }
  panel.append(all);
  bar.append(panel, state, clear);
  document.querySelector("main").before(bar);
  listen(window, "keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) choose([]);
  });
  views.push({ select: say, show: say });
  say();
}

if (runs.count) control();
