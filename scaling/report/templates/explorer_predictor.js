// What scaling/forecast/carried.py writes, answering as Python's predictors do: optimum(C) and
// loss(N, D), each with an estimate and draws.
const predictors = (() => {
  const { map1, nth, plus, times, over, fixed, run, root } = lawPrograms;

  /** Numbers as they were packed: one, or little-endian float64 in base64. */
  function unpacked(value) {
    if (typeof value === "number") return value;
    const bytes = Uint8Array.from(atob(value.f64), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float64Array.from({ length: bytes.length / 8 }, (_, i) => view.getFloat64(8 * i, true));
  }

  /** A value as an array of so many. */
  const filled = (value, n) =>
    typeof value === "number" ? new Float64Array(n).fill(value) : value;

  /** Rows, the estimate first, as {point, draws}. */
  const split = (rows) => ({ point: rows[0], draws: rows.subarray(1) });

  /** The quantile of sorted values as NumPy takes it, linear between neighbours. */
  function quantile(sorted, share) {
    const place = share * (sorted.length - 1);
    const low = Math.floor(place);
    const [a, b, t] = [sorted[low], sorted[Math.min(low + 1, sorted.length - 1)], place - low];
    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t);
  }

  /** {point, q05, q95}: the central 90 % of the draws; the point where there are none. */
  function interval({ point, draws }) {
    if (draws.length === 0) return { point, q05: point, q95: point };
    const sorted = Float64Array.from(draws).sort(); // NaN comes last
    if (Number.isNaN(sorted[sorted.length - 1])) return { point, q05: NaN, q95: NaN };
    return {
      point,
      q05: quantile(sorted, (1 - 0.9) / 2),
      q95: quantile(sorted, 1 - (1 - 0.9) / 2),
    };
  }

  /** What a token costs: scaling/cost.py, 6ND or a monotone cubic that goes on straight. */
  function costOf(data) {
    const { kind, ln_n: knots } = data;
    const first = knots[0];
    const last = knots[knots.length - 1];

    /** ln FLOPs per token and its slope at x = ln N. */
    function curve(x) {
      if (knots.length === 1) return [data.ln_flops + (x - first), 1];
      const inside = Math.min(Math.max(x, first), last);
      let [low, high] = [0, knots.length - 1];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (knots[middle] <= inside) low = middle;
        else high = middle;
      }
      const [c3, c2, c1, c0] = data.cubics[low];
      const s = inside - knots[low];
      let slope = (3 * c3 * s + 2 * c2) * s + c1;
      if (x < first) slope = data.slopes[0];
      if (x > last) slope = data.slopes[1];
      return [((c3 * s + c2) * s + c1) * s + c0 + slope * (x - inside), slope];
    }

    const six = kind === "6ND";
    const flops = (N) => map1(six ? (n) => 6 * n : (n) => Math.exp(curve(Math.log(n))[0]), N);

    /** FLOPs per token at ln N = x [...], and how they rise with N: d ln FLOPs / d ln N. */
    function along(x) {
      if (six) return { flops: map1((v) => 6 * Math.exp(v), x), elasticity: 1 };
      const found = { flops: new Float64Array(x.length), elasticity: new Float64Array(x.length) };
      for (let i = 0; i < x.length; i++) {
        const [value, slope] = curve(x[i]);
        found.flops[i] = Math.exp(value);
        found.elasticity[i] = slope;
      }
      return found;
    }

    /** The N whose token costs so much. */
    function params(perToken) {
      const target = Math.log(perToken);
      if (six) return Math.exp(target) / 6;
      let x = target - Math.log(6);
      for (let i = 0; i < 60; i++) {
        const [value, slope] = curve(x);
        x -= (value - target) / Math.max(slope, 0.1);
      }
      return Math.exp(x);
    }

    return { flops, along, params, tokens: (C, N) => over(C, flops(N)) };
  }

  const GRID = 128; // steps in which a law that may turn twice is looked over first

  function lawOf(data) {
    const cost = costOf(data.cost);
    const size = data.draws + 1;
    const params = Object.fromEntries(
      Object.entries(data.params).map(([k, v]) => [k, unpacked(v)]),
    );
    const noise = unpacked(data.noise);
    const known = fixed(data.program, params);
    const rows = (N, D) => filled(run(data.program, { N, D }, null, known), size);

    /** How steeply ln L rises along the budget at ln N = x, where D falls by the elasticity. */
    function risesAlong(C) {
      return (x) => {
        const N = map1(Math.exp, x);
        const { flops, elasticity } = cost.along(x);
        const D = over(C, flops);
        const falls = times(times(D, elasticity), -1);
        const [loss, slope] = run(data.program, { N, D }, { N, D: falls }, known);
        return filled(over(slope, loss), x.length);
      };
    }

    /** The grid's places on either side of the best one. */
    function bracket(C, high) {
      const step = high / GRID;
      const best = new Float64Array(size).fill(Infinity);
      const where = new Float64Array(size);
      for (let i = 0; i <= GRID; i++) {
        const N = Math.exp(i * step);
        rows(N, cost.tokens(C, N)).forEach((loss, k) => {
          if (loss < best[k]) [best[k], where[k]] = [loss, i];
        });
      }
      const ends = [where.map((i) => Math.max(i - 1, 0)), where.map((i) => Math.min(i + 1, GRID))];
      return ends.map((places) => places.map((i) => i * step));
    }

    function bestN(C) {
      if (data.optimum) return filled(run(data.optimum, { ...params, C }), size);
      const end = Math.log(cost.params(C));
      const [low, high] = data.turns_twice
        ? bracket(C, end)
        : [new Float64Array(size), new Float64Array(size).fill(end)];
      return map1(Math.exp, root(risesAlong(C), low, high));
    }

    return {
      cost,
      optimum(C) {
        const N = bestN(C);
        const D = cost.tokens(C, N);
        return { N: split(N), D: split(D), loss: split(rows(N, D)) };
      },
      loss(N, D, oneRun) {
        const { point, draws } = split(rows(N, D));
        if (!oneRun) return { point, draws };
        return {
          point,
          draws: data.noise_of_log ? times(draws, map1(Math.exp, noise)) : plus(draws, noise),
        };
      },
    };
  }

  /** Approach 2: a line of optima, a frontier, one relative curvature (scaling/forecast/parabolas.py). */
  function parabolasOf(data) {
    const cost = costOf(data.cost);
    const size = data.draws + 1;
    const [slope, height, E, k, g, q] = ["slope", "height", "E", "k", "g", "q"].map((name) =>
      filled(unpacked(data[name]), size),
    );
    const noise = unpacked(data.noise);
    const bestAt = (x) => height.map((h, i) => h + slope[i] * x);
    const frontierAt = (x) => E.map((e, i) => e + k[i] * Math.exp(-g[i] * x));
    return {
      cost,
      optimum(C) {
        const x = Math.log(C) - data.centre;
        const N = map1(Math.exp, bestAt(x));
        return { N: split(N), D: split(cost.tokens(C, N)), loss: split(frontierAt(x)) };
      },
      loss(N, D, oneRun) {
        const x = Math.log(cost.flops(N) * D) - data.centre;
        const best = bestAt(x);
        const up = frontierAt(x).map((l, i) => l * (1 + q[i] * (Math.log(N) - best[i]) ** 2));
        const { point, draws } = split(up);
        return { point, draws: oneRun ? times(draws, map1(Math.exp, noise)) : draws };
      },
    };
  }

  /** A mixture: the members' weighted mean (of sizes the geometric one), and all their draws. */
  function averagedOf(data) {
    const members = data.members.map(predictorOf);
    const sum = (values) => values.reduce((total, v, i) => total + data.weights[i] * v, 0);

    function mixed(parts, geometric) {
      const points = parts.map((part) => part.point);
      const draws = new Float64Array(parts.reduce((n, part) => n + part.draws.length, 0));
      let first = 0;
      for (const part of parts) {
        draws.set(part.draws, first);
        first += part.draws.length;
      }
      return { point: geometric ? Math.exp(sum(points.map(Math.log))) : sum(points), draws };
    }

    return {
      cost: members[0].cost,
      optimum(C) {
        const best = members.map((member) => member.optimum(C));
        const of = (name) =>
          mixed(
            best.map((one) => one[name]),
            name !== "loss",
          );
        return { N: of("N"), D: of("D"), loss: of("loss") };
      },
      loss: (N, D, oneRun) => mixed(members.map((member) => member.loss(N, D, oneRun))),
    };
  }

  /** A predictor whose draws widen with distance as its past errors did (scaling/forecast/growth.py). */
  function calibratedOf(data) {
    const inner = predictorOf(data.of);
    const cost = costOf(data.cost);
    const errors = Object.fromEntries(
      ["loss", "N"].map((name) => [
        name,
        {
          rate: unpacked(data[name].rate),
          stretch: unpacked(data[name].stretch),
        },
      ]),
    );

    function widened({ point, draws }, C, { rate, stretch }) {
      const beyond = data.c_max > 0 ? Math.max(Math.log(C / data.c_max), 0) : 0;
      const part = Math.min(beyond / data.full, 1);
      const wider = (v, i) => point * Math.pow(v / point, Math.pow(nth(stretch, i), part));
      return { point, draws: draws.map((v, i) => wider(v, i) * Math.exp(nth(rate, i) * beyond)) };
    }

    return {
      cost,
      optimum(C) {
        const best = inner.optimum(C);
        const N = widened(best.N, C, errors.N);
        const D = { point: best.D.point, draws: cost.tokens(C, N.draws) };
        return { N, D, loss: widened(best.loss, C, errors.loss) };
      },
      loss(N, D, oneRun) {
        return widened(inner.loss(N, D, oneRun), cost.flops(N) * D, errors.loss);
      },
    };
  }

  const PREDICTORS = {
    law: lawOf,
    averaged: averagedOf,
    calibrated: calibratedOf,
    parabolas: parabolasOf,
  };

  function predictorOf(data) {
    return PREDICTORS[data.kind](data);
  }

  return { predictorOf, interval };
})();
