// The table of cells: sorted by a column, filtered by a text, fifty rows at a time.

const ROWS = 50;

function tabulate(table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  let sorted = rows.map((_, i) => i);
  let view = sorted;
  let first = 0;
  let only = false;

  const filter = make("input", { type: "search", id: "cells-filter", size: 16 });
  const selected = make("button", { type: "button", "aria-pressed": "false" }, "Selected only");
  const told = make("span", { role: "status" });
  const back = make("button", { type: "button" }, "Earlier rows");
  const on = make("button", { type: "button" }, "Further rows");
  const bar = make("div", { class: "bar" }, make("label", { for: "cells-filter" }, "Filter "));
  bar.append(filter, selected, back, on, told);
  table.parentElement.before(bar);

  const run = (i) => Number(rows[i].dataset.run);
  /** A row that is looked at has a button, for who has no pointer. */
  function ready(i) {
    const cell = rows[i].cells[0];
    if (cell.firstElementChild) return;
    const button = make("button", { type: "button", class: "pick" }, cell.textContent);
    cell.replaceChildren(button);
  }
  function mark() {
    for (const row of body.rows) {
      const is = chosen.has(Number(row.dataset.run));
      row.classList.toggle("chosen", is);
      row.cells[0].firstElementChild?.setAttribute("aria-pressed", String(is));
    }
  }
  function page(all = false) {
    if (first >= view.length) first = 0;
    const here = all ? view : view.slice(first, first + ROWS);
    here.forEach(ready);
    body.replaceChildren(...here.map((i) => rows[i]));
    mark();
    back.disabled = first === 0;
    on.disabled = first + ROWS >= view.length;
    const last = Math.min(first + ROWS, view.length);
    told.textContent = `Rows ${view.length ? first + 1 : 0} to ${last} of ${view.length}`;
  }
  function look() {
    const wanted = filter.value.trim().toLowerCase();
    view = sorted.filter(
      (i) => texts[i].includes(wanted) && !hidden[run(i)] && (!only || chosen.has(run(i))),
    );
    page();
  }
  listen(filter, "input", () => {
    first = 0;
    look();
  });
  listen(selected, "click", () => {
    only = !only;
    selected.setAttribute("aria-pressed", String(only));
    first = 0;
    look();
  });
  listen(back, "click", () => {
    first = Math.max(0, first - ROWS);
    page();
  });
  listen(on, "click", () => {
    first += ROWS;
    page();
  });

  for (const head of table.tHead.rows[0].cells) {
    const column = runs.columns[head.dataset.sort];
    if (!column) continue;
    const button = make("button", { type: "button" });
    button.append(...head.childNodes);
    head.append(button);
    listen(button, "click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
      sorted = rows
        .map((_, i) => i)
        .sort((i, j) => {
          const [a, b] = [column[run(i)], column[run(j)]];
          // none comes last
          if (a === null || b === null) return (a === null) - (b === null);
          return up ? order(a, b) : order(b, a);
        });
      first = 0;
      look();
    });
  }
  listen(body, "click", (event) => {
    const row = event.target.closest("tr");
    if (row && getSelection().isCollapsed) choose([Number(row.dataset.run)], event.shiftKey);
  });
  // on paper all rows that are asked for stand, not one page of them
  listen(window, "beforeprint", () => page(true));
  listen(window, "afterprint", () => page());
  views.push({ select: () => (only ? look() : mark()), show: look, far: () => isFar(table) });
  look();
}

const cells = document.querySelector("#cells table");
if (cells && runs.count) tabulate(cells);
