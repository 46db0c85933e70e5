// The frontier: the least loss that a budget buys, with its band, and a marker at the budget chosen.
const explorerChart = (() => {
  const POINTS = 41; // budgets that the lines go through
  const HEIGHT = 300;
  const MARGIN = { left: 58, right: 14, top: 14, bottom: 46 };
  const LETTER = 7; // pixels of one
  const LONGEST = 14; // letters of a name beside its line
  const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

  function add(parent, tag, attributes, text) {
    const node = document.createElementNS(parent.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  }

  /** Steps of 1, 2 or 5 that divide low to high into some five parts. */
  function ticks(low, high) {
    const rough = (high - low) / 5;
    const size = 10 ** Math.floor(Math.log10(rough));
    const step = size * [1, 2, 5, 10].find((by) => by * size >= rough);
    const found = [];
    for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
    return { found, places: Math.max(0, -Math.floor(Math.log10(step))) };
  }

  /** A chart in the element `svg` of laws {name, answers, c_max, hue}: {mark(C, intervals)}. */
  function chart(svg, laws, { low, high, measure, unit }) {
    const span = Math.log(high / low) / (POINTS - 1);
    const budgets = Array.from({ length: POINTS }, (_, i) => low * Math.exp(i * span));
    const known = laws.map(() => []);
    const short = (name) => (name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);
    const letters = Math.max(...laws.map((law) => short(law.name).length));
    const right = laws.length > 1 ? LETTER * letters + 12 : MARGIN.right;
    let scale = null;
    let marker = null;
    let last = null;

    // One budget at a time, so that a reader who moves the slider meanwhile need not wait.
    function next(i) {
      if (i === POINTS) return draw();
      laws.forEach((law, k) => {
        known[k].push(predictors.interval(law.answers.optimum(budgets[i]).loss));
      });
      setTimeout(next, 0, i + 1);
    }

    function draw() {
      const width = Math.min(Math.max(svg.clientWidth, 300), 736);
      const told = known
        .flat()
        .flatMap((v) => [v.point, v.q05, v.q95])
        .filter(Number.isFinite);
      const [least, most] = [Math.min(...told), Math.max(...told)];
      const pad = 0.04 * (most - least) || 0.1;
      scale = scaleOf(width, least - pad, most + pad);
      svg.replaceChildren();
      svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
      axes(svg, width);
      for (const [k, law] of laws.entries()) curve(svg, law, known[k]);
      if (laws.length > 1) names(svg, width);
      marker = add(svg, "g", {});
      if (last) mark(...last);
    }

    function scaleOf(width, bottom, top) {
      const across = (width - MARGIN.left - right) / Math.log(high / low);
      const up = (HEIGHT - MARGIN.top - MARGIN.bottom) / (top - bottom);
      return {
        bottom,
        top,
        x: (C) => MARGIN.left + across * Math.log(C / low),
        y: (loss) => HEIGHT - MARGIN.bottom - up * (loss - bottom),
      };
    }

    function axes(svg, width) {
      const floor = HEIGHT - MARGIN.bottom;
      const { found, places } = ticks(scale.bottom, scale.top);
      for (const value of found) {
        const y = scale.y(value);
        add(svg, "line", { class: "grid", x1: MARGIN.left, x2: width - right, y1: y, y2: y });
        add(
          svg,
          "text",
          { x: MARGIN.left - 7, y: y + 4, "text-anchor": "end" },
          value.toFixed(places),
        );
      }
      const [first, end] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
      const every = Math.ceil((end - first + 1) / ((width - 80) / 60));
      for (let k = first; k <= end; k++) {
        const x = scale.x(10 ** k);
        add(svg, "line", { class: "axis", x1: x, x2: x, y1: floor, y2: floor + 5 });
        if ((k - first) % every) continue;
        const power = String(k).replace(/\d/g, (d) => RAISED[d]);
        add(svg, "text", { x, y: floor + 19, "text-anchor": "middle" }, `10${power}`);
      }
      const middle = (MARGIN.left + width - right) / 2;
      add(svg, "path", {
        class: "axis",
        d: `M${MARGIN.left} ${MARGIN.top}V${floor}H${width - right}`,
      });
      add(svg, "text", { x: middle, y: HEIGHT - 8, "text-anchor": "middle" }, "Budget C (FLOPs)");
      const height = (MARGIN.top + floor) / 2;
      const turned = { transform: `translate(13 ${height}) rotate(-90)`, "text-anchor": "middle" };
      add(svg, "text", turned, unit ? `${measure} (${unit})` : measure);
    }

    function curve(svg, law, values) {
      const hue = `law${law.hue}`;
      const at = (name) =>
        values.map((v, i) => `${scale.x(budgets[i]).toFixed(1)} ${scale.y(v[name]).toFixed(1)}`);
      const open = values.every((v) => Number.isFinite(v.q05) && Number.isFinite(v.q95));
      if (open && values.some((v) => v.q05 < v.q95)) {
        add(svg, "path", {
          class: `band ${hue}`,
          d: `M${at("q05").join("L")}L${at("q95").reverse().join("L")}Z`,
        });
      }
      const points = at("point");
      const inside = budgets.map((C) => C <= law.c_max);
      const edge = inside.lastIndexOf(true);
      const begun = Math.max(edge, 0);
      if (edge > 0)
        add(svg, "path", { class: `line ${hue}`, d: `M${points.slice(0, edge + 1).join("L")}` });
      if (begun < POINTS - 1) {
        add(svg, "path", { class: `line beyond ${hue}`, d: `M${points.slice(begun).join("L")}` });
      }
      if (law.c_max > 0) {
        const x = scale.x(law.c_max);
        add(svg, "line", {
          class: "edge",
          x1: x,
          x2: x,
          y1: MARGIN.top,
          y2: HEIGHT - MARGIN.bottom,
        });
      }
    }

    /** Each law's name at the end of its line, pushed apart where two would overlap. */
    function names(svg, width) {
      const ends = laws
        .map((law, k) => [known[k][POINTS - 1].point, law])
        .filter(([v]) => Number.isFinite(v));
      let above = -Infinity;
      for (const [value, { name }] of ends.sort(([a], [b]) => b - a)) {
        above = Math.max(scale.y(value) + 4, above + 14);
        add(svg, "text", { x: width - right + 6, y: above }, short(name));
      }
    }

    /** Put the marker at C, with each law's loss there and its interval. */
    function mark(C, losses) {
      last = [C, losses];
      if (!marker) return;
      marker.replaceChildren();
      const x = scale.x(Math.min(Math.max(C, low), high));
      const y = (value) => scale.y(Math.min(Math.max(value, scale.bottom), scale.top));
      add(marker, "line", {
        class: "axis",
        x1: x,
        x2: x,
        y1: MARGIN.top,
        y2: HEIGHT - MARGIN.bottom,
      });
      losses.forEach(({ point, q05, q95 }, k) => {
        const hue = `law${laws[k].hue}`;
        if (!Number.isFinite(point)) return;
        if (Number.isFinite(q05 + q95)) {
          add(marker, "line", { class: `whisker ${hue}`, x1: x, x2: x, y1: y(q05), y2: y(q95) });
        }
        add(marker, "circle", { class: hue, cx: x, cy: y(point), r: 5 });
      });
    }

    let wide = svg.clientWidth;
    new ResizeObserver(() => {
      if (scale && svg.clientWidth !== wide) {
        wide = svg.clientWidth;
        draw();
      }
    }).observe(svg);
    setTimeout(next, 0, 0);
    return { mark };
  }

  return chart;
})();
