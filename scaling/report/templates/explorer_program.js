// A law's list of operations (scaling/laws/program.py), computed for the estimate and all draws at
// once. A value is a number, or a Float64Array: the estimate first, then a draw each.
const lawPrograms = (() => {
  const map1 = (f, a) => (typeof a === "number" ? f(a) : a.map((x) => f(x)));

  /** An operation of two arguments on numbers and arrays. Each has loops of its own, so that the
   * browser can compile each by itself. */
  const binary = (f) => (a, b) => {
    if (typeof a === "number" && typeof b === "number") return f(a, b);
    const out = new Float64Array(typeof a === "number" ? b.length : a.length);
    if (typeof a === "number") for (let i = 0; i < out.length; i++) out[i] = f(a, b[i]);
    else if (typeof b === "number") for (let i = 0; i < out.length; i++) out[i] = f(a[i], b);
    else for (let i = 0; i < out.length; i++) out[i] = f(a[i], b[i]);
    return out;
  };

  const nth = (a, i) => (typeof a === "number" ? a : a[i]);

  /** a where the condition is not 0, else b. */
  function choose(condition, a, b) {
    if (typeof condition === "number") return condition ? a : b;
    return condition.map((c, i) => (c ? nth(a, i) : nth(b, i)));
  }

  const sum = binary((x, y) => x + y);
  const difference = binary((x, y) => x - y);
  const product = binary((x, y) => x * y);
  const over = binary((x, y) => x / y);
  // The same for tangents, most of which are 0; no argument is ever written to, so that what adds
  // nothing is passed on as it is.
  const plus = (a, b) => (a === 0 ? b : b === 0 ? a : sum(a, b));
  const minus = (a, b) => (b === 0 ? a : difference(a, b));
  const times = (a, b) => (a === 0 || b === 0 ? 0 : a === 1 ? b : b === 1 ? a : product(a, b));

  /** ln(e^x + e^y) without overflow. */
  function sumOfExponentials(x, y) {
    return x === y ? x + Math.LN2 : Math.max(x, y) + Math.log1p(Math.exp(-Math.abs(x - y)));
  }

  const OPERATIONS = {
    add: sum,
    subtract: difference,
    multiply: product,
    divide: over,
    power: binary(Math.pow),
    negative: (a) => map1((x) => -x, a),
    exp: (a) => map1(Math.exp, a),
    expm1: (a) => map1(Math.expm1, a),
    log: (a) => map1(Math.log, a),
    log1p: (a) => map1(Math.log1p, a),
    sqrt: (a) => map1(Math.sqrt, a),
    square: (a) => map1((x) => x * x, a),
    tanh: (a) => map1(Math.tanh, a),
    logaddexp: binary(sumOfExponentials),
    maximum: binary(Math.max),
    minimum: binary(Math.min),
    less: binary((x, y) => +(x < y)),
    less_equal: binary((x, y) => +(x <= y)),
    greater: binary((x, y) => +(x > y)),
    greater_equal: binary((x, y) => +(x >= y)),
    where: choose,
  };

  /** What a power gains by its base's tangent; 0 where the base stands still, even at 0. */
  function ofBase(base, exponent, own, tangent) {
    const each = (i) => {
      const [x, y, t] = [nth(base, i), nth(exponent, i), nth(tangent, i)];
      if (t === 0) return 0;
      return t * (x === 0 ? y * Math.pow(x, y - 1) : (nth(own, i) * y) / x);
    };
    return typeof own === "number" ? each(0) : own.map((_, i) => each(i));
  }

  // How an operation's tangent follows from those of its arguments: each gets (argument values,
  // argument tangents, 0 where there is none; its own value). What compares has no tangent.
  const first = binary((x, y) => +(x >= y));
  const TANGENTS = {
    add: (v, t) => plus(t[0], t[1]),
    subtract: (v, t) => minus(t[0], t[1]),
    multiply: (v, t) => plus(times(t[0], v[1]), times(v[0], t[1])),
    divide: (v, t, own) => over(minus(t[0], times(own, t[1])), v[1]),
    power: (v, t, own) => {
      const base = t[0] === 0 ? 0 : ofBase(...v, own, t[0]);
      const exponent = t[1] === 0 ? 0 : times(times(own, map1(Math.log, v[0])), t[1]);
      return plus(base, exponent);
    },
    negative: (v, t) => map1((x) => -x, t[0]),
    exp: (v, t, own) => times(own, t[0]),
    expm1: (v, t, own) => times(plus(own, 1), t[0]),
    log: (v, t) => over(t[0], v[0]),
    log1p: (v, t) => over(t[0], plus(v[0], 1)),
    sqrt: (v, t, own) => over(t[0], times(own, 2)),
    square: (v, t) => times(times(v[0], 2), t[0]),
    tanh: (v, t, own) =>
      times(
        map1((x) => (1 - x) * (1 + x), own),
        t[0],
      ),
    logaddexp: (v, t, own) => {
      const [a, b] = [0, 1].map((i) => times(map1(Math.exp, minus(v[i], own)), t[i]));
      return plus(a, b);
    },
    maximum: (v, t) => choose(first(v[0], v[1]), t[0], t[1]),
    minimum: (v, t) => choose(first(v[1], v[0]), t[0], t[1]),
    where: (v, t) => choose(v[0], t[1], t[2]),
  };

  /**
   * The values of a program that some of its inputs fix, by their numbers; undefined where the others
   * matter. What a law does to its parameters alone is done once, not at every size and budget.
   */
  function fixed({ inputs, steps }, known) {
    const values = inputs.map((name) => known[name]);
    for (const [name, ...args] of steps) {
      const given = args.map((i) => values[i]);
      if (name === "constant") values.push(args[0]);
      else values.push(given.includes(undefined) ? undefined : OPERATIONS[name](...given));
    }
    return values;
  }

  /**
   * The last value of a program. With tangents of some inputs also its own, as [value, tangent].
   * inputs: values by name; tangents: by name; known: from `fixed`, of the inputs that are missing.
   */
  function run({ inputs: names, steps }, inputs, tangents, known) {
    const values = known ? known.slice() : [];
    const slopes = new Array(names.length + steps.length).fill(0);
    names.forEach((name, i) => {
      if (name in inputs) values[i] = inputs[name];
      slopes[i] = tangents?.[name] || 0;
    });
    steps.forEach(([name, ...args], k) => {
      const own = names.length + k;
      if (values[own] !== undefined) return;
      const given = args.map((i) => values[i]);
      values[own] = name === "constant" ? args[0] : OPERATIONS[name](...given);
      const rising = args.map((i) => slopes[i]);
      if (name in TANGENTS && rising.some((t) => t !== 0)) {
        slopes[own] = TANGENTS[name](given, rising, values[own]);
      }
    });
    const value = values[values.length - 1];
    return tangents ? [value, slopes[slopes.length - 1]] : value;
  }

  const STEPS = 100;
  const LAST = 4e-16; // of the root: the last bits

  /**
   * Where a function of arrays turns from below 0 to above it between low and high, to the last bits;
   * an end where it does not turn. The method of scaling/fit/roots.py (Chandrupatla 1997), step by
   * step, for all draws at once; NaN counts as above 0.
   */
  function root(rises, low, high) {
    const n = low.length;
    const signed = (x) => rises(x).map((v) => (Number.isNaN(v) ? 1 : v));
    const a = Float64Array.from(low);
    const b = Float64Array.from(high);
    const atA = signed(a);
    const atB = signed(b);
    const ended = low.map((v, i) => (atA[i] >= 0 ? v : atB[i] < 0 ? high[i] : NaN));
    const t = new Float64Array(n).fill(0.5);
    const x = new Float64Array(n);
    for (let step = 0; step < STEPS; step++) {
      for (let i = 0; i < n; i++) x[i] = a[i] + t[i] * (b[i] - a[i]);
      const atX = signed(x);
      let left = false;
      for (let i = 0; i < n; i++) {
        let c = a[i];
        let atC = atA[i];
        if (atX[i] < 0 !== atA[i] < 0) {
          [c, atC] = [b[i], atB[i]];
          [b[i], atB[i]] = [a[i], atA[i]];
        }
        [a[i], atA[i]] = [x[i], atX[i]];
        const width = Math.abs(b[i] - a[i]);
        const least = LAST * Math.max(Math.abs(a[i]), 1);
        if (width > 2 * least && atA[i] !== 0 && Number.isNaN(ended[i])) left = true;
        t[i] = atA[i] === 0 ? 0 : share(a[i], b[i], c, atA[i], atB[i], atC, least / width);
      }
      if (!left) break;
    }
    return ended.map((e, i) => {
      if (!Number.isNaN(e)) return e;
      return Math.abs(atA[i]) <= Math.abs(atB[i]) ? a[i] : b[i];
    });
  }

  /** How far from a to b to look next: by an inverse quadratic where that will do, else half way. */
  function share(a, b, c, atA, atB, atC, edge) {
    const xi = (a - b) / (c - b);
    const phi = (atA - atB) / (atC - atB);
    if (!(phi ** 2 < xi && (1 - phi) ** 2 < 1 - xi)) return 0.5;
    const near = (atA / (atB - atA)) * (atC / (atB - atC));
    const far = ((c - a) / (b - a)) * (atA / (atC - atA)) * (atB / (atC - atB));
    const least = Math.min(edge, 0.5);
    return Math.min(Math.max(near + far, least), 1 - least);
  }

  return { map1, nth, plus, times, over, fixed, run, root };
})();
