// Numbers as people write them, both ways: what the explorer says, and what is typed into it.
const explorerWords = (() => {
  const SIZES = [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ];
  const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

  /** A number in so many digits, without an exponent and without zeros at its end. */
  const digits = (value, count) => String(Number(value.toPrecision(count)));

  /** A count in three digits at most: 950, 12.3k, 2M, 1.5B. */
  function quantity(value) {
    const unit = SIZES.find(([size]) => Math.abs(value) >= 0.9995 * size);
    if (!Number.isFinite(value)) return "unknown";
    if (Math.abs(value) >= 1e15) return scientific(value);
    return unit ? digits(value / unit[0], 3) + unit[1] : digits(value, 3);
  }

  /** As in print: 1.75 × 10¹². */
  function scientific(value) {
    const [head, exponent] = value.toExponential(2).split("e");
    const raised = String(Number(exponent))
      .replace("-", "⁻")
      .replace(/\d/g, (d) => RAISED[d]);
    return `${Number(head)} × 10${raised}`;
  }

  /** Four digits, with separators where that is how people write it. */
  function figure(value) {
    if (!Number.isFinite(value)) return "unknown";
    const rounded = Number(value.toPrecision(4));
    if (rounded >= 1e15 || (rounded < 1e-4 && rounded > 0)) return scientific(value);
    return rounded.toLocaleString("en", { maximumSignificantDigits: rounded < 1e3 ? 4 : 15 });
  }

  /** A loss: digits enough to tell its interval's ends apart, four at least. */
  function loss({ point, q05, q95 }) {
    const width = q95 - q05;
    const places = width > 0 ? Math.min(Math.max(4, 1 - Math.floor(Math.log10(width))), 6) : 4;
    return (value) => (Number.isFinite(value) ? value.toFixed(places) : "unknown");
  }

  /** A point with its 90 % interval, where there is one. */
  function withInterval({ point, q05, q95 }, say) {
    return {
      point: say(point),
      ends: q05 < q95 || Number.isNaN(q05) ? `${say(q05)} to ${say(q95)}` : "",
    };
  }

  const LETTERS = { k: 1e3, K: 1e3, M: 1e6, B: 1e9, G: 1e9, T: 1e12, P: 1e15, E: 1e18 };
  const NUMBER =
    /^\s*(\$?)\s*([0-9][0-9,_]*\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?\s*([kKMBGTPE](?![A-Za-z]))?\s*(.*?)\s*$/i;
  const HOUR = 3600;
  const WAYS = "1e21, 3e5 H100-hours, $2M, 10 days on 64, or 5e4 kWh";

  /**
   * What was typed, as {C} and what it sets of the machine besides: {device}, {count}. machine:
   * {name, peak, mfu, count, price, kwh}, the last two perhaps null. Throws an Error that says what
   * is wrong and what is valid.
   */
  function budget(text, machine, devices) {
    const parts = NUMBER.exec(text);
    if (!parts) throw new Error(`“${text}” is no budget; write ${WAYS}`);
    const [, dollar, head, exponent, letter, unit] = parts;
    const amount =
      Number(head.replace(/[,_]/g, "") + (exponent || "")) * (letter ? LETTERS[letter] : 1);
    const found = bought(dollar ? "dollars" : unit.toLowerCase(), amount, machine, devices);
    if (!found) throw new Error(`“${unit}” is no unit of a budget; write ${WAYS}`);
    if (!(found.C >= 1e3 && found.C <= 1e40)) {
      throw new Error(`${scientific(found.C)} FLOPs: a budget lies between 10³ and 10⁴⁰`);
    }
    return found;
  }

  function bought(unit, amount, machine, devices) {
    const flops = (hours, on = machine) => hours * HOUR * on.peak * machine.mfu;
    if (/^(flops?)?$/.test(unit)) return { C: amount };
    const hours = /^(?:(.*?)[- ]?)hours?$/.exec(unit);
    if (hours) {
      const named = /^(gpu|tpu|device|)$/.test(hours[1]) ? machine : deviceOf(hours[1], devices);
      return { C: flops(amount, named), device: named.name };
    }
    const days = /^days?(?: on ([0-9,]+))?$/.exec(unit);
    if (days) {
      const count = days[1] ? Number(days[1].replace(/,/g, "")) : machine.count;
      if (!(count >= 1)) throw new Error("the number of devices must be 1 or more");
      return { C: flops(24 * count * amount), count };
    }
    if (/^(dollars?|usd|\$)$/.test(unit)) {
      if (!machine.price) throw new Error(`give a price: none is known of ${machine.name}`);
      return { C: flops(amount / machine.price) };
    }
    const energy = /^([kmg])wh$/.exec(unit);
    if (energy) {
      if (!machine.kwh) throw new Error(`the power of ${machine.name} is not published`);
      return { C: flops((amount * { k: 1, m: 1e3, g: 1e6 }[energy[1]]) / machine.kwh) };
    }
    return null;
  }

  /** The first device of the list whose name begins so. */
  function deviceOf(name, devices) {
    const plain = (text) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
    const found = devices.find((one) => plain(one.name).startsWith(plain(name)));
    if (!found) {
      throw new Error(
        `“${name}” is no device here; valid: ${devices.map((one) => one.name).join(", ")}`,
      );
    }
    return found;
  }

  return { quantity, scientific, figure, loss, withInterval, budget };
})();
