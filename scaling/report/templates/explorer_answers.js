// What each law says of a budget, in words: its numbers in a table, how far it reaches, and what must
// be read before.
const explorerAnswers = (() => {
  const { quantity, scientific, figure, withInterval } = explorerWords;
  const SLACK = 1.05; // a distance that is checked up to rounding is checked
  const FAR = 2; // decades beyond the largest run
  const three = (value) => figure(Number(value.toPrecision(3)));

  /** Whether it is a fit or a forecast, and how far from the runs: in two parts, as a value is. */
  function reach(C, { c_min: least, c_max: most }) {
    if (!most) return { point: "forecast", ends: "how far beyond the runs behind it is not known" };
    if (C < least)
      return { point: "forecast", ends: `${three(least / C)} × smaller than the least run` };
    if (C <= most)
      return { point: "fit", ends: `inside the runs, ${three(C / most)} × the largest` };
    const decades = Math.log10(C / most).toFixed(2);
    return {
      point: "forecast",
      ends: `${three(C / most)} × the largest run, ${decades} decades beyond`,
    };
  }

  /** What must be read before the numbers; empty where nothing must. */
  function warning(C, law) {
    const ratio = law.c_max ? C / law.c_max : 0;
    const far = `${law.name ? `${law.name}: ` : ""}${three(ratio)} × the largest run`;
    if (law.checked !== null && ratio > Math.max(law.checked, 1) * SLACK) {
      return law.checked > 1
        ? `Unchecked: ${far}; forecasts were held against these runs up to ${three(law.checked)} × only.`
        : `Unchecked: ${far}; these runs allowed no check of a forecast.`;
    }
    return ratio > 10 ** FAR ? `Far: ${far}; nothing here has checked a forecast as far.` : "";
  }

  function cell(tag, { point, ends }, attributes) {
    const node = document.createElement(tag);
    Object.assign(node, attributes);
    node.append(point);
    if (ends) {
      const soft = document.createElement("span");
      soft.className = "soft";
      soft.textContent = ends;
      node.append(document.createElement("br"), soft);
    }
    return node;
  }

  function row(title, values) {
    const line = document.createElement("tr");
    line.append(cell("th", { point: title }, { scope: "row", className: "l" }));
    line.append(...values.map((value) => cell("td", value, { className: "now" })));
    return line;
  }

  /** Fill a table with what each law says. asked: C, size; said: what D counts, L measures. */
  function fill(table, { C, size }, laws, found, said) {
    const head = document.createElement("tr");
    const title = `With C = ${scientific(C)} FLOPs`;
    head.append(cell("th", { point: title }, { scope: "col", className: "l" }));
    laws.forEach((law) => {
      head.append(cell("th", { point: law.name || "the law says" }, { scope: "col" }));
    });
    const each = (say) => found.map((one, i) => say(one, laws[i]));
    const loss = (one) => withInterval(one, explorerWords.loss(one));
    const Units = said.units[0].toUpperCase() + said.units.slice(1);
    const unit = said.unit ? `, ${said.unit}` : "";
    const rows = [
      row(
        `Best size ${laws[0].n_column}`,
        each((a) => withInterval(a.best.N, quantity)),
      ),
      row(
        `Best training ${said.units} D`,
        each((a) => withInterval(a.best.D, quantity)),
      ),
      row(
        `${Units} per parameter`,
        each((a) => ({ point: figure(a.best.D.point / a.best.N.point) })),
      ),
      row(
        `${said.measure} there${unit}`,
        each((a) => loss(a.loss)),
      ),
    ];
    if (size !== 1) {
      const share = (a) => (100 * a.givenUp.point) / a.loss.point;
      rows.push(
        row(
          `Size chosen, × ${figure(size)}`,
          each((a) => ({ point: quantity(a.N) })),
        ),
        row(
          `${Units} then`,
          each((a) => ({ point: quantity(a.D) })),
        ),
        row(
          "Given up",
          each((a) => {
            const lost = loss(a.givenUp);
            return { ...lost, point: `${lost.point} (${three(share(a))} %)` };
          }),
        ),
      );
    }
    rows.push(
      row(
        "One run, its noise included",
        each((a) => loss(a.oneRun)),
      ),
      row(
        "Fit or forecast",
        each((_, law) => reach(C, law)),
      ),
    );
    table.tHead.replaceChildren(head);
    table.tBodies[0].replaceChildren(...rows);
  }

  return { fill, reach, warning };
})();
