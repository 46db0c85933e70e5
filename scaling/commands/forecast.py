"""The command `forecast`. `scaling.cli` takes it in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands import completion
from scaling.commands import forecast_beyond as beyond
from scaling.commands import forecast_options as options
from scaling.commands.forecast_sources import sources_of, table_grounds
from scaling.commands.options import (
    BoundOption,
    ColumnsOption,
    DeltaOption,
    DrawsOption,
    FixedOption,
    JsonOption,
    KindOption,
    LawsOption,
    MethodOption,
    ObjectiveOption,
    OnOption,
    RecoveredOption,
    SeedOption,
    TauOption,
    WeightOption,
    WhereOption,
    fit_settings,
    number_option,
)
from scaling.errors import InputError
from scaling.terminal import show, show_json

if TYPE_CHECKING:
    import pandas as pd

    from scaling.forecast import Forecast
    from scaling.forecast.decisions.stakes import Stakes
    from scaling.forecast.further.asked import Further
    from scaling.forecast.grounds import Grounds
    from scaling.forecast.limits import Cap
    from scaling.forecast.sources import Source
    from scaling.forecast.spending import Hardware

app = typer.Typer()


@app.command()
def forecast(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Run tables, studies' folders, fits saved as .json, or published parameters by "
            "name; several are put side by side.",
            autocompletion=completion.published,
        ),
    ],
    compute: options.ComputeOption = None,
    gpu_hours: options.DeviceHoursOption = None,
    dollars: options.DollarsOption = None,
    days: options.DaysOption = None,
    kwh: options.KwhOption = None,
    tokens: Annotated[
        float | None, number_option("D: the best N for it; with --params the run that they fix.")
    ] = None,
    params: Annotated[float | None, number_option("N: the best D for it.")] = None,
    flops_per_second: Annotated[
        float | None, number_option("FLOPs a second that all devices sustain; with --hours.")
    ] = None,
    hours: Annotated[
        float | None, number_option("Hours of all devices, at --flops-per-second.")
    ] = None,
    frontier: options.FrontierOption = None,
    output: options.OutOption = None,
    device: options.DeviceOption = None,
    devices: options.DevicesOption = 1,
    mfu: options.MfuOption = None,
    mfu_from: options.MfuFromOption = None,
    price: options.PriceOption = None,
    precision: options.PrecisionOption = None,
    pue: options.PueOption = None,
    within_days: options.WithinOption = None,
    max_latency_ms: options.LatencyOption = None,
    max_memory: options.MemoryOption = None,
    serve_precision: options.ServePrecisionOption = "bfloat16",
    serve_device: options.ServeDeviceOption = None,
    serve_devices: options.ServeDevicesOption = 1,
    rates: options.RatesOption = None,
    like: options.LikeOption = None,
    values: beyond.WithOption = None,
    served: beyond.ServedOption = None,
    serve_mfu: beyond.ServeMfuOption = None,
    serve_price: beyond.ServePriceOption = None,
    ratio: beyond.RatioOption = None,
    law: Annotated[
        str | None,
        typer.Option(
            help='A law by name, or "E + A/N**alpha"; by default what the table\'s layout calls '
            "for (chinchilla where options of a fit are given)."
        ),
    ] = None,
    laws: LawsOption = None,
    rollouts: Annotated[
        bool, typer.Option(help="Calibrate intervals by forecasts of the table's own larger runs.")
    ] = True,
    method: MethodOption = None,
    objective: ObjectiveOption = None,
    delta: DeltaOption = 1e-3,
    tau: TauOption = 0.5,
    on: OnOption = None,
    n: Annotated[
        str | None,
        typer.Option("--n", help="Column that N stands for: N (by default), N_total or N_active."),
    ] = None,
    where: WhereOption = None,
    weight: WeightOption = None,
    columns: ColumnsOption = None,
    recovered: RecoveredOption = False,
    fix: FixedOption = None,
    bound: BoundOption = None,
    draws: DrawsOption = 4000,
    kind: KindOption = "cluster",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Forecast what to train with a budget, what it costs, and the loss to expect.

    The budget: FLOPs, device-hours, dollars, days or kWh; or a frontier of budgets. With --laws:
    the average of several, weighted by how they predicted the table's larger runs.
    """
    from scaling.forecast import question
    from scaling.forecast.decisions.stakes import stakes
    from scaling.forecast.sources import comparable

    hardware = options.hardware_of(device, devices, mfu, mfu_from, price, precision, pue)
    caps = options.caps_of(
        hardware, within_days, max_latency_ms, max_memory, serve_precision, serve_device,
        serve_devices,
    )  # fmt: skip
    amounts = {"gpu-hours": gpu_hours, "dollars": dollars, "days": days, "kwh": kwh}
    unit, bought, ends = options.bought_with(amounts, hardware)
    budgets = options.budgets_of(
        compute, flops_per_second, hours, frontier, unit, bought,
        None if tokens or params else next((cap.most for cap in caps if cap.on == "C"), None),
    )  # fmt: skip
    if law is not None and laws is not None:
        raise InputError("--law and --laws: choose one")
    if any((method, objective, on, weight, fix, bound)) or kind != "cluster":
        if laws is not None:
            raise InputError("--laws: each has a way of its own; options of a fit need --law")
        law = law or "chinchilla"
    if not budgets and not (tokens or params):
        question(tokens=tokens, params=params)  # raises what is wrong with asking nothing

    def of_table(df: pd.DataFrame, count: str) -> Grounds:
        settings = fit_settings(
            method, objective, delta, tau, on, None, count, where, weight, fix, bound, draws,
            kind, seed,
        )  # fmt: skip
        return table_grounds(df, law, laws, rollouts, settings)

    sources = sources_of(names, of_table, like, n, where, columns, recovered)
    given, notes = comparable(beyond.held(sources, values, budgets))
    also = beyond.further(served, serve_mfu, serve_price, serve_device, ratio, hardware)
    more = {
        "hardware": hardware,
        "caps": caps,
        "rates": () if rates == ["none"] else rates,
        "compute_range": ends,
    }
    found = [_found(item, budgets, tokens, params, frontier is not None, more) for item in given]
    if output is not None:
        _write(given, found, output)
    risks = [] if frontier is not None else [
        [stakes(item, source.grounds) for item in rows]
        for source, rows in zip(given, found, strict=True)
    ]  # fmt: skip
    if as_json:
        show_json(_facts(given, found, risks, notes, hardware, caps, also))
    else:
        _show(given, found, risks, notes, hardware, also)


def _found(
    source: Source,
    budgets: Sequence[float],
    tokens: float | None,
    params: float | None,
    along: bool,
    more: dict[str, Any],
) -> list[Forecast]:
    """The forecasts of one source: a frontier in one pass, or one for each question."""
    from scaling.forecast import forecast, forecasts, question
    from scaling.forecast.rates import SOURCES
    from scaling.units import UNSTATED

    for C in budgets:
        question(compute=C, tokens=tokens, params=params)
        source.must_afford(C)
    grounds = source.grounds
    own = {"nearest": source.nearest, "naive": grounds.naive, "kinds": grounds.kinds, **more}
    if more["rates"] is None:  # the published ones are of tokens
        own["rates"] = SOURCES if source.convention("D_kind") in ("tokens", UNSTATED) else ()
    if along:
        if tokens or params:
            raise InputError("--frontier: it has the best N and D at each budget; leave out "
                             "--tokens and --params")  # fmt: skip
        return forecasts(grounds.predictor, budgets, **own)
    asked: Sequence[float | None] = budgets or [None]
    return [
        forecast(grounds.predictor, compute=C, tokens=tokens, params=params, **own) for C in asked
    ]


def _facts(
    sources: Sequence[Source],
    found: Sequence[Sequence[Forecast]],
    risks: Sequence[Sequence[Stakes]],
    notes: Sequence[str],
    hardware: Hardware | None,
    caps: Sequence[Cap],
    also: Further,
) -> dict[str, Any]:
    """All that is printed, as JSON has it: of one source at the top, of several in a list."""
    shared: dict[str, Any] = {} if hardware is None else {"hardware": hardware.to_dict()}
    if caps:
        shared["limits"] = [str(cap) for cap in caps]
    each = [
        {
            **source.grounds.facts,
            "warnings": [*source.grounds.warnings],
            "beyond_checked": any(item.beyond_checked for item in rows),
            "n_column": source.predictor.n_column,
            "c_kind": source.predictor.cost.kind,
            "budgets": [item.budget() for item in rows],
            "forecasts": [item.to_dict() for item in rows],
            "decisions": [item.to_dict() for item in at_stake],
            **also.facts(source.predictor, rows),
        }
        for source, rows, at_stake in zip(sources, found, risks or [[]] * len(found), strict=True)
    ]
    if len(each) == 1:
        return each[0] | shared
    named = [{"source": s.name, **facts} for s, facts in zip(sources, each, strict=True)]
    return {"notes": [*notes], "sources": named, **shared}


def _show(
    sources: Sequence[Source],
    found: Sequence[Sequence[Forecast]],
    risks: Sequence[Sequence[Stakes]],
    notes: Sequence[str],
    hardware: Hardware | None,
    also: Further,
) -> None:
    """Warnings, then forecasts: in words, or a line each of a frontier (which has no `risks`) or of
    several sources."""
    from scaling.forecast.frontier_table import tables_of

    several = len(sources) > 1
    more = beyond.lines(sources, found, also)  # before anything is shown: it may raise
    show(*(warning for source in sources for warning in source.grounds.warnings))
    rows = [item for part in found for item in part]
    if several or not risks:
        names = [s.name for s, part in zip(sources, found, strict=True) for _ in part]
        show(*tables_of(rows, names if several else ()))
        told = dict.fromkeys(str(cap) for item in rows for cap in item.binding)
        show(*(f"limit: {cap}" for cap in told))
    else:
        for item, at_stake in zip(rows, risks[0], strict=True):
            show(str(item), *(f"  {line}" for line in at_stake.lines()))
    show(*more)
    if hardware is not None:
        show(*hardware.lines(rows[0].c_kind))
    for source in sources:
        show(*(f"{source.name}: {line}" if several else line for line in source.grounds.lines))
    show(*notes)


def _write(sources: Sequence[Source], found: Sequence[Sequence[Forecast]], output: Path) -> None:
    from scaling.forecast.frontier_table import row_of, write

    pairs = zip(sources, found, strict=True)
    write([row_of(item, source.name) for source, part in pairs for item in part], output)
