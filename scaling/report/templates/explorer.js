// The explorer: a budget is moved, and its optimum, loss, intervals and cost follow.
(() => {
  const place = document.getElementById("explorer-data");
  if (!place) return;
  const data = JSON.parse(place.textContent);
  const { quantity, scientific, figure } = explorerWords;
  const { fill, reach, warning } = explorerAnswers;
  const part = (name) => document.getElementById(`explorer-${name}`);
  const laws = data.laws
    .filter((law) => law.predictor)
    .map((law, i) => ({ ...law, hue: i % 4, answers: predictors.predictorOf(law.predictor) }));
  const STEP = 0.02; // decades of a slider's step: 5 %
  const state = { C: data.start, size: 1, device: data.devices[0], price: data.devices[0].price };
  Object.assign(state, { count: data.count, mfu: data.mfu, pue: data.pue });

  /** 1.2e21, as it is typed and read aloud. */
  const plain = (C) => C.toExponential().replace("e+", "e");
  const spoken = (C) => plain(Number(C.toPrecision(3)));

  function machine() {
    const { device, count, mfu, price, pue } = state;
    const kwh = device.watts ? (device.watts / 1000) * pue : null;
    return { name: device.name, peak: device.peak, count, mfu, price, kwh };
  }

  /** Device-hours, days, dollars and kWh of C FLOPs; null where price or power is not known. */
  function costOf(C) {
    const { peak, count, mfu, price, kwh } = machine();
    const hours = C / (3600 * peak) / mfu;
    const of = (each) => (each ? hours * each : null);
    return { hours, days: hours / (24 * count), dollars: of(price), kwh: of(kwh) };
  }

  /** What the law loses by a size that is not the best, draw by draw. */
  function givenUp(loss, best) {
    const draws = loss.draws.map((v, i) => v - best.draws[i]);
    return predictors.interval({ point: loss.point - best.point, draws });
  }

  /** What one law says of the budget and the size chosen. */
  function answer(law) {
    const { C, size } = state;
    const best = law.answers.optimum(C);
    const N = size * best.N.point;
    const D = size === 1 ? best.D.point : law.answers.cost.tokens(C, N);
    return {
      N,
      D,
      best: { N: predictors.interval(best.N), D: predictors.interval(best.D) },
      loss: predictors.interval(best.loss),
      oneRun: predictors.interval(law.answers.loss(N, D, true)),
      givenUp: size === 1 ? null : givenUp(law.answers.loss(N, D, false), best.loss),
    };
  }

  function costLines() {
    const { hours, days, dollars, kwh } = costOf(state.C);
    const { device, count, mfu, pue, price } = state;
    const parts = [
      `${figure(hours)} ${device.name}-hours`,
      `${figure(days)} days on ${figure(count)}`,
    ];
    if (dollars !== null) parts.push(`$${figure(dollars)}`);
    if (kwh !== null) parts.push(`at most ${figure(kwh)} kWh`);
    part("cost").textContent = `Cost: ${parts.join(", ")}.`;
    const counts = { "6ND": "6 N D, attention left out", counted: "FLOPs counted from the models" };
    const of = counts[laws[0].c_kind] || "FLOPs as the law states them";
    const from = mfu === data.mfu ? data.mfu_source : "as chosen";
    const told = [
      `${device.name}: ${figure(device.peak / 1e12)} TFLOP/s in ${device.precision} (${device.source})`,
      `MFU ${figure(mfu)} of ${of} (${from})`,
      price
        ? `$${figure(price)} a device-hour (${price === device.price ? device.price_source : "as chosen"})`
        : `no list price of ${device.name} is known`,
      device.watts
        ? `energy at most ${figure(device.watts)} W throughout, times a PUE of ${figure(pue)}`
        : `the power of ${device.name} is not published`,
    ];
    part("assumed").textContent = `${told.join("; ")}.`;
  }

  /** What prints the same; a size that is not the best is each law's own. */
  function command(found) {
    if (!part("command")) return;
    const { device, count, mfu, price, pue, C, size } = state;
    const machines = [`--device ${device.name} --devices ${count} --mfu ${mfu}`, `--pue ${pue}`];
    if (price) machines.push(`--price ${price}`);
    const sizes = size === 1 ? [""] : found.map(({ N }) => `--params ${N}`);
    part("command").textContent = sizes
      .map((params) =>
        [data.command, `--compute ${plain(C)}`, params, ...machines].filter(Boolean).join(" "),
      )
      .join("\n");
  }

  let found = [];

  function update() {
    found = laws.map(answer);
    const { hours } = costOf(state.C);
    const slider = part("budget");
    slider.value = Math.log10(state.C);
    slider.setAttribute(
      "aria-valuetext",
      `${spoken(state.C)} FLOPs, ${figure(hours)} ${state.device.name}-hours`,
    );
    part("size").setAttribute("aria-valuetext", `${figure(state.size)} times the best size`);
    const warned = laws
      .map((law) => warning(state.C, law))
      .filter(Boolean)
      .map((text) => {
        const note = document.createElement("p");
        note.className = "note";
        note.textContent = text;
        return note;
      });
    part("warnings").replaceChildren(...warned);
    fill(part("answers"), state, laws, found, data);
    costLines();
    command(found);
    chart.mark(
      state.C,
      found.map((one) => one.loss),
    );
  }

  /** Read out what stands there, once a change is done. */
  function tell() {
    part("told").textContent = [
      `${spoken(state.C)} FLOPs.`,
      ...laws.map((law, i) => {
        const { best, loss } = found[i];
        const where = reach(state.C, law);
        const say = explorerWords.loss(loss);
        const ends =
          loss.q05 < loss.q95 ? `, 90 % interval ${say(loss.q05)} to ${say(loss.q95)}` : "";
        return (
          `${law.name} ${quantity(best.N.point)} parameters on ${quantity(best.D.point)} ` +
          `${data.units}, loss ${say(loss.point)}${ends}; ${where.point}, ${where.ends}.`
        );
      }),
      ...laws.map((law) => warning(state.C, law)),
    ].join(" ");
  }

  let asked = false;
  function soon() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      update();
    });
  }

  function fault(text) {
    part("fault").textContent = text;
    if (text) part("amount").setAttribute("aria-invalid", "true");
    else part("amount").removeAttribute("aria-invalid");
  }

  function choose(device) {
    if (device === state.device) return;
    Object.assign(state, { device, price: device.price });
    part("device").value = device.name;
    part("price").value = device.price ? Number(device.price.toFixed(4)) : "";
  }

  function typed() {
    try {
      const said = explorerWords.budget(part("amount").value, machine(), data.devices);
      if (said.device) choose(data.devices.find((one) => one.name === said.device));
      if (said.count) part("count").value = state.count = said.count;
      state.C = said.C;
      fault("");
      update();
      tell();
    } catch (error) {
      fault(error.message);
    }
  }

  /** A number of the machines, kept where it is out of its range. */
  function machineNumber(name) {
    part(name).addEventListener("input", () => {
      const input = part(name);
      const empty = name === "price" && input.value === "";
      if (!empty && !(input.value && input.checkValidity())) {
        input.setAttribute("aria-invalid", "true");
        return;
      }
      input.removeAttribute("aria-invalid");
      state[name] = empty ? null : Number(input.value);
      soon();
    });
    part(name).addEventListener("change", tell);
  }

  const slider = part("budget");
  Object.assign(slider, { min: Math.log10(data.low), max: Math.log10(data.high), step: STEP });
  slider.addEventListener("input", () => {
    state.C = Number((10 ** Number(slider.value)).toPrecision(3));
    part("amount").value = plain(state.C);
    fault("");
    soon();
  });
  part("size").addEventListener("input", () => {
    const power = Number(part("size").value);
    state.size = power === 0 ? 1 : Number((10 ** power).toPrecision(3));
    soon();
  });
  for (const name of ["budget", "size"]) {
    part(name).addEventListener("change", () => requestAnimationFrame(tell));
  }
  part("amount").addEventListener("change", typed);
  part("low").textContent = `${scientific(data.low)} FLOPs`;
  part("high").textContent = `${scientific(data.high)} FLOPs`;
  for (const { name } of data.devices) part("device").add(new Option(name));
  part("device").addEventListener("change", () => {
    choose(data.devices.find((one) => one.name === part("device").value));
    update();
    tell();
  });
  for (const name of ["count", "mfu", "price", "pue"]) {
    part(name).value = state[name] ?? "";
    machineNumber(name);
  }
  part("amount").value = plain(state.C);
  part("copy")?.addEventListener("click", () => {
    const said = (text) => {
      part("copied").textContent = text;
    };
    const marked = () => {
      getSelection().selectAllChildren(part("command"));
      said("selected: copy it with the keyboard");
    };
    if (!navigator.clipboard) return marked();
    navigator.clipboard.writeText(part("command").textContent).then(() => said("copied"), marked);
  });
  part("tool").hidden = false;
  part("table").open = false;
  const chart = explorerChart(part("chart"), laws, data);
  update();
})();
