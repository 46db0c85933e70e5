"""The command that sets methods side by side. `scaling.cli` takes it in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands.options import (
    ColumnsOption,
    JsonOption,
    NOption,
    SeedOption,
    WhereOption,
    number_option,
    read,
)
from scaling.errors import InputError
from scaling.terminal import number, show, show_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scaling.fit.bias import Bias
    from scaling.fit.methods import Method
    from scaling.fit.prediction import Draws

app = typer.Typer()


@app.command()
def methods(
    table: Annotated[Path, typer.Argument(help="Run table: .csv, .tsv or .parquet.")],
    compute: Annotated[
        list[float] | None,
        typer.Option(
            parser=number,
            metavar="NUMBER",
            help="Budgets in FLOPs (repeatable); by default the largest run's, and ten times it.",
        ),
    ] = None,
    surface: Annotated[
        str, typer.Option(help="Truth for Approach 2's bias: approach_3 or vpnls.")
    ] = "approach_3",
    price_per_flop: Annotated[
        float | None, number_option("Dollars a FLOP: what Approach 2's bias costs.")
    ] = None,
    dollars_per_gpu_hour: Annotated[
        float | None, number_option("The same by device: with --flops-per-second.")
    ] = None,
    flops_per_second: Annotated[
        float | None, number_option("FLOPs a second that a device sustains.")
    ] = None,
    n: NOption = "N",
    where: WhereOption = None,
    columns: ColumnsOption = None,
    draws: Annotated[int, typer.Option(min=0, help="Draws for each method; 0 for none.")] = 1000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Approaches 1, 2, 3, variable projection and Kaplan's law on one table, and what trusting
    Approach 2 would cost."""
    from scaling.fit import methods as side
    from scaling.fit.bias import approach_2_bias

    price = _price(price_per_flop, dollars_per_gpu_hour, flops_per_second)
    df = read(table, columns)
    found, refused = side.methods(df, compute or (), N=n, draws=draws, seed=seed, where=where)
    truth = side.surface(found, surface)
    costs: list[Bias] = []
    if any(item.name == "approach_2" for item in found):
        costs = approach_2_bias(truth, df, list(found[0].N_opt), N=n, where=where)
    if as_json:
        show_json(_json(found, refused, costs, surface, price))
    else:
        show(*_tables(found, refused, costs, surface, price))


def _price(
    per_flop: float | None, per_hour: float | None, per_second: float | None
) -> float | None:
    """Dollars a FLOP, from what was given."""
    if (per_hour is None) != (per_second is None):
        raise InputError(
            "--dollars-per-gpu-hour and --flops-per-second (of one GPU, as trained) belong "
            "together; one is missing"
        )
    if per_flop is not None and per_hour is not None:
        raise InputError("--price-per-flop and --dollars-per-gpu-hour: choose one")
    given = {
        "--price-per-flop": per_flop,
        "--dollars-per-gpu-hour": per_hour,
        "--flops-per-second": per_second,
    }
    for name, value in given.items():
        if value is not None and not value > 0:
            raise InputError(f"{name} {value:g}: must be above 0")
    if per_hour is not None and per_second is not None:
        return per_hour / 3600 / per_second
    return per_flop


def _json(
    found: Sequence[Method],
    refused: Sequence[str],
    costs: Sequence[Bias],
    surface: str,
    price: float | None,
) -> dict[str, Any]:
    bias = []
    for item in costs:
        data = item.to_dict()
        if price is not None:
            data["dollars"] = item.dollars(price)
            data["dollars_as_fitted"] = item.flops_as_fitted * price
        bias.append(data)
    return {
        "methods": {item.name: item.to_dict() for item in found},
        "refused": list(refused),
        "approach_2_bias": {"surface": surface, "price_per_flop": price, "budgets": bias},
    }


def _tables(
    found: Sequence[Method],
    refused: Sequence[str],
    costs: Sequence[Bias],
    surface: str,
    price: float | None,
) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table

    budgets = list(found[0].N_opt)
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("method", "a: N_opt ~ C^a", "b", *(f"N_opt at C = {C:.3g}" for C in budgets)):
        table.add_column(name)
    for item in found:
        cells = [_spread(item.a, ".4f"), _spread(item.b, ".4f")]
        table.add_row(item.name, *cells, *(_spread(item.N_opt[C], ".4g") for C in budgets))
    yield table
    for item in found:
        yield f"{item.name}: {item.words}; C is {item.c_kind}; {item.status}"
    yield from refused
    if costs:
        yield _bias_table(costs, price)
        yield _bias_words(costs, surface)


def _bias_table(costs: Sequence[Bias], price: float | None) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="Approach 2's bias on this grid, without noise")
    for name in ("C", "N_opt off by", "width", "off centre", "asymmetry", "wasted", "FLOPs"):
        table.add_column(name, justify="right")
    if price is not None:
        table.add_column("dollars", justify="right")
    table.add_column("as fitted, with noise", justify="right")
    for item in costs:
        parts = [f"{100 * item.parts[k].shift:+.2f} %" for k in ("width", "centre", "asymmetry")]
        row = [f"{item.C:.3g}", f"{100 * item.shift:+.2f} %", *parts]
        row += [f"{item.percent:.3g} %", f"{item.flops:.3g}"]
        if price is not None:
            row.append(f"{item.dollars(price):,.0f}")
        fitted = 100 * item.flops_as_fitted / item.C
        noisy = f"{fitted:.3g} %, {item.flops_as_fitted:.3g}"
        if price is not None:
            noisy += f", ${item.flops_as_fitted * price:,.0f}"
        table.add_row(*row, noisy)
    return table


def _bias_words(costs: Sequence[Bias], surface: str) -> str:
    first = costs[0]
    offsets = ", ".join(f"{100 * v:+.0f}" for v in first.offset)
    return (
        f"truth: the {surface} surface; {len(first.width)} budgets, grids "
        f"{min(first.width):.3g}x to {max(first.width):.3g}x wide, middles off the optimum by "
        f"{offsets} % (of ln N); shares are in ln N and add up; wasted: the compute with which "
        "the optimum would have reached the same loss falls short of C by that much"
    )


def _spread(value: Draws, form: str) -> str:
    low, high = value.interval()
    if len(value.draws) == 0:
        return f"{float(value.point):{form}}"
    return f"{float(value.point):{form}} [{float(low):{form}}, {float(high):{form}}]"
