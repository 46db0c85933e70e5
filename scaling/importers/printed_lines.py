"""Lines that training scripts print of a step, by the script that prints them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

NUMBER = r"[-+]?(?:[\d,]*\.?\d+(?:[eE][-+]?\d+)?|[nN]a[nN]|[iI]nf)"
# OLMo-core shortens from 10^9 on, to three digits or four.
SHORTENED = {"B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
# `val_loss:4.1 train_time:25705ms`, and Megatron's `| lm loss: 8.26E+00 | grad norm: 1.2 |`.
_WORDS = re.compile(rf"([\w-]+):({NUMBER})(?=ms\b|s\b|%|\s|$)")
_PHRASES = re.compile(rf"([^|:]+?):\s*({NUMBER})\s*(?=\||$)")
_EQUALS = re.compile(rf"([^=]+)=({NUMBER}[BTPE]?)$")
_VALUES = re.compile(rf"([^|:]+?) value:\s*({NUMBER})\s*(?=\||$)")


@dataclass(frozen=True)
class Printed:
    """What a line says: names as its script prints them. step is None where the line has none and
    says more of the step before; total: the steps planned."""

    tool: str
    step: int | None
    values: dict[str, float]
    total: int | None = None


@dataclass(frozen=True)
class Line:
    """One print statement. Groups of the pattern are values by their names, but for `step`, `total`
    and `rest`, whose values `pairs` finds, each named with `prefix` before."""

    tool: str
    pattern: re.Pattern[str]
    pairs: re.Pattern[str] = field(default=_WORDS)
    prefix: str = ""

    def read(self, line: str) -> Printed | None:
        found = self.pattern.search(line)
        if found is None:
            return None
        given = {name: text for name, text in found.groupdict().items() if text is not None}
        step, total = given.pop("step", None), given.pop("total", None)
        rest = self.pairs.findall(given.pop("rest", ""))
        given |= {f"{self.prefix}{name.strip()}": text for name, text in rest}
        return Printed(
            self.tool,
            None if step is None else int(step),
            {name: number(text) for name, text in given.items()},
            None if total is None else int(total),
        )


def number(text: str) -> float:
    """With commas, or shortened."""
    try:
        return float(text)
    except ValueError:
        text = text.replace(",", "")
    shortened = SHORTENED.get(text[-1])
    return float(text) if shortened is None else float(text[:-1]) * shortened


def _line(tool: str, pattern: str, pairs: re.Pattern[str] = _WORDS, prefix: str = "") -> Line:
    # `<loss>` is a number of that name, `<step#>` a count.
    pattern = re.sub(r"<(\w+)#>", r"(?P<\1>\\d+)", pattern)
    pattern = re.sub(r"(?<!\?P)<(\w+)>", lambda name: f"(?P<{name[1]}>{NUMBER})", pattern)
    # Whatever a launcher puts before (ranks, times) ends in no letter, digit or point.
    start = "" if pattern.startswith("^") else r"(?<![\w.])"
    return Line(tool, re.compile(start + pattern), pairs, prefix)


LINES = (
    _line("nanoGPT", r"iter <step#>: loss <loss>, time <time>ms(?:, mfu <mfu>%)?"),
    _line("nanoGPT", r"step <step#>: train loss <train_loss>, val loss <val_loss>"),
    # llama2.c, which evaluates as nanoGPT does
    _line("nanoGPT", r"<step#> \| loss <loss> \| lr <lr> \| <time>ms"),
    # a log file of build-nanogpt and its kin
    _line("nanoGPT", r"^<step#> (?:train <train_loss>|val <val_loss>|hella <hella>)\s*$"),
    # The loss is a moving average over some ten steps.
    _line(
        "nanochat",
        r"step <step#>/<total#> \([\d.]+%\) \| loss: <loss_ema> \| lrm: <lrm> \| dt: <dt>ms"
        r"(?: \| tok/sec: <tok_per_sec>)?",
    ),
    _line(
        "nanochat",
        r"Step <step#> \| (?:Validation bpb: <val_bpb>|Validation loss: <val_loss>"
        r"|CORE metric: <core_metric>)",
    ),
    _line("modded-nanogpt", r"step:<step#>/<total#> (?P<rest>\w+:.*)"),
    _line("llm.c", r"s:<step#> (?P<rest>(?:tel|trl|eval):.*)"),
    _line(
        "llm.c",
        r"step +<step#>/<total#> \| (?:train )?loss <loss>(?: \([^)]*\))? *\| norm <norm>"
        r"(?: \([^)]*\))? *\| lr <lr>",
    ),
    # after the line of the step that it is of; the first before all
    _line("llm.c", r"^val loss <val_loss>\s*$"),
    _line("Megatron-LM", r"iteration +<step#>/ *<total#> \|(?P<rest>.*)", _PHRASES),
    _line(
        "Megatron-LM",
        r"(?<!extra )validation loss at iteration <step#>(?: on validation set)? \|(?P<rest>.*)",
        _VALUES,
        "validation ",
    ),
    _line("OLMo-core", r"\[step=<step#>/(?:<total#>|\?\?\?),epoch="),
    _line("OLMo-core", r"^    (?P<rest>[^=|]+=[^=|]+)$", _EQUALS),
)
# What no line of a step is without.
_HINT = re.compile(r"iter|[sS]tep|loss|s:\d|^\d+ (?:train|val|hella) |^    [^=]+=")


def read_line(line: str, likely: Iterable[Line] = ()) -> tuple[Printed, Line] | None:
    """What a line says of a step, by `likely` ones first."""
    for one in likely:
        if (found := one.read(line)) is not None:
            return found, one
    if _HINT.search(line) is None:
        return None
    for one in LINES:
        if (found := one.read(line)) is not None:
            return found, one
    return None
