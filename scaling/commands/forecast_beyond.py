"""Options of `forecast` beyond the plain optimum: variables held, tokens served, a fixed ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.errors import InputError
from scaling.terminal import number, pairs

if TYPE_CHECKING:
    from scaling.forecast import Forecast
    from scaling.forecast.further.asked import Further
    from scaling.forecast.further.serving import Rates, Serving
    from scaling.forecast.sources import Source
    from scaling.forecast.spending import Hardware

WithOption = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAME=VALUE",
        help="Hold a further variable of the law: D_unique=10B, S=0.9, P=8; S=best or "
        "S=best:0:0.98 chooses it (repeatable).",
    ),
]
ServedOption = Annotated[
    str | None,
    typer.Option(
        metavar="TOKENS",
        help="Tokens served over the model's life, or PROMPT:GENERATED: what to train instead.",
    ),
]
ServeMfuOption = Annotated[
    str | None,
    typer.Option(
        metavar="PROMPT:GENERATED",
        help="MFU when served, .5:.01; with it --served counts dollars, of --device and "
        "--serve-price.",
    ),
]
ServePriceOption = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="DOLLARS",
        help="Of an hour of the device served on; by default the one trained on.",
    ),
]
RatioOption = Annotated[
    float | None,
    typer.Option(
        "--tokens-per-param",
        parser=number,
        metavar="NUMBER",
        help="Also: what so many tokens for each parameter cost, and save.",
    ),
]


def held(sources: list[Source], values: list[str] | None, budgets: Sequence[float]) -> list[Source]:
    """The sources with what `--with` gives held. Raises InputError where a law needs more."""
    from scaling.forecast.further.asked import hold

    given = {name: text for pair in values or [] for name, text in pairs(pair, "--with").items()}
    best = {name: _range(name, text) for name, text in given.items() if text.startswith("best")}
    fixed = {name: number(text) for name, text in given.items() if name not in best}
    held_by = hold([item.grounds for item in sources], fixed, best, budgets)
    return [replace(item, grounds=own) for item, own in zip(sources, held_by, strict=True)]


def further(
    served: str | None,
    serve_mfu: str | None,
    serve_price: float | None,
    serve_device: str | None,
    ratio: float | None,
    hardware: Hardware | None,
) -> Further:
    """What else is asked of each forecast."""
    from scaling.forecast.further.asked import Further

    if served is None and (serve_mfu is not None or serve_price is not None):
        raise InputError("--serve-mfu and --serve-price say what --served costs: give it too")
    serving = None if served is None else _serving(served, serve_mfu, serve_price, serve_device,
                                                   hardware)  # fmt: skip
    return Further(serving, ratio)


def lines(
    sources: Sequence[Source], found: Sequence[Sequence[Forecast]], also: Further
) -> list[str]:
    """What else is said of each forecast; of several sources, by name."""
    told = []
    for source, part in zip(sources, found, strict=True):
        name = f"{source.name}: " if len(sources) > 1 else ""
        told += [name + line for line in also.lines(source.predictor, part)]
    return told


def _serving(
    served: str,
    mfu: str | None,
    price: float | None,
    device: str | None,
    hardware: Hardware | None,
) -> Serving:
    from scaling.forecast.further.serving import Rates, Serving

    prompt, generated = _two(served, "--served", 0.0)
    if mfu is None and price is None:
        return Serving(prompt, generated, Rates())
    if mfu is None or hardware is None:
        raise InputError("--served in dollars needs --device and --serve-mfu, such as .5:.01")
    return Serving(prompt, generated, _rates(mfu, price, device, hardware))


def _rates(mfu: str, price: float | None, device: str | None, hardware: Hardware) -> Rates:
    """Dollars of a FLOP in training and in serving."""
    from scaling.devices import device as known
    from scaling.forecast.further.serving import Rates, rate
    from scaling.forecast.spending import Hardware

    used = Hardware.of(known(device), price=price) if device is not None else hardware
    cost = used.dollars if price is None else price
    prompt, generated = _two(mfu, "--serve-mfu", None)
    return Rates(
        rate(hardware.dollars, hardware.peak, hardware.mfu.point),
        rate(cost, used.peak, prompt),
        rate(cost, used.peak, generated),
        "dollars",
    )


def _two(text: str, option: str, default: float | None) -> tuple[float, float]:
    first, colon, second = text.partition(":")
    if not colon:
        return number(first), number(first) if default is None else default
    if not first or not second:
        raise InputError(f"{option} {text}: write one number, or two with a colon between")
    return number(first), number(second)


def _range(name: str, text: str) -> tuple[float, float] | None:
    if text == "best":
        return None
    word, *ends = text.split(":")
    if word != "best" or len(ends) != 2:
        raise InputError(f"--with {name}={text}: write {name}=best or {name}=best:LOW:HIGH")
    return number(ends[0]), number(ends[1])
