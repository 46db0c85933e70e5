"""The command `scaling`: parses, calls one public function, prints.

Heavy imports happen inside the commands, so that `scaling --help` answers at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling import cli_study
from scaling.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from scaling.fit import Fit
    from scaling.fit.approaches import Allocation

app = typer.Typer(
    help="Train size ladders, fit scaling laws, forecast compute budgets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(cli_study.app)  # plan, run, study, proof, report

_UNITS = {"k": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_PLAIN_WIDTH = 120  # columns of output that goes to a file or a pipe


def main() -> None:
    """Run the command line. Bad input ends in one line on stderr and exit code 2."""
    try:
        app()
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")


def _fail(message: str) -> None:
    print(f"scaling: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def number(text: str | float) -> float:
    """A number as people write it: 1e15, 12M, 1.2B (k, M, B or G, T, P, E)."""
    stripped = str(text).strip().replace("_", "").replace(",", "")
    unit = _UNITS.get(stripped[-1:], 1.0)
    digits = stripped[:-1] if stripped[-1:] in _UNITS else stripped
    try:
        return float(digits) * unit
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a number; write 1e15, 12M or 1.2B (k, M, B, G, T, P, E)"
        ) from None


def show(*items: Any) -> None:
    """Print with rich: tables on a terminal, plain text of a fixed width through a pipe."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    for item in items:
        console.print(item, soft_wrap=isinstance(item, str), markup=False)


def show_json(data: Any) -> None:
    print(json.dumps(data, indent=2, allow_nan=False))


# --- fit and forecast ----------------------------------------------------------------------------

LawOption = Annotated[str, typer.Option("--law", help="Name of the law to fit.")]
ObjectiveOption = Annotated[str, typer.Option(help="huber or squared.")]
DeltaOption = Annotated[float, typer.Option(help="Huber's delta, in units of the residual.")]
OnOption = Annotated[str, typer.Option("--on", help="log_loss or loss: what residuals are of.")]
NOption = Annotated[str, typer.Option("--n", help="Column that N stands for: N or N_total.")]
WhereOption = Annotated[
    str | None, typer.Option(help='Row filter, e.g. "D >= 1e6 and N_total < 2e5".')
]
ColumnsOption = Annotated[
    str | None, typer.Option(help="Our names for the file's columns: N=params,D=tokens,loss=val.")
]
FixedOption = Annotated[
    list[str] | None, typer.Option("--fix", help="Hold a parameter: E=1.7 (repeatable).")
]
DrawsOption = Annotated[int, typer.Option(min=0, help="Bootstrap draws; 0 for none.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")]
EngineOption = Annotated[str, typer.Option(help="newton, or scipy (the slow reference).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _pairs(text: str, option: str) -> dict[str, str]:
    """`N=params,D=tokens` as a dict."""
    pairs = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise InputError(f"{option} {text!r}: {part!r} is not NAME=VALUE")
        pairs[name] = value
    return pairs


def _read(table: Path, columns: str | None) -> pd.DataFrame:
    from scaling.table import read_table

    return read_table(table, _pairs(columns, "--columns") if columns else None)


@app.command()
def fit(
    table: Annotated[Path, typer.Argument(help="Run table: .csv, .tsv or .parquet.")],
    law: LawOption = "chinchilla",
    objective: ObjectiveOption = "huber",
    delta: DeltaOption = 1e-3,
    on: OnOption = "log_loss",
    n: NOption = "N",
    where: WhereOption = None,
    columns: ColumnsOption = None,
    fix: FixedOption = None,
    draws: DrawsOption = 1000,
    seed: SeedOption = 0,
    engine: EngineOption = "newton",
    save: Annotated[Path | None, typer.Option(help="Write the fit as JSON.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a scaling law to a run table, with intervals from a bootstrap over runs."""
    from scaling.fit.approaches import side_by_side
    from scaling.fit.show import tables
    from scaling.table import write_text

    df = _read(table, columns)
    fitted = _fit(df, law, objective, delta, on, n, where, fix, draws, seed, engine)
    others: list[Allocation] = []
    refused: list[str] = []
    if fitted.exponents():
        others, refused = side_by_side(df, N=n, draws=draws, seed=seed, where=where)
    if save is not None:
        write_text(fitted.to_json(), save)
    if as_json:
        bulky = ("draws", "points", "residuals")
        data = {k: v for k, v in fitted.to_dict().items() if k not in bulky}
        data["approaches"] = {item.name: item.to_dict() for item in others}
        data["approaches_refused"] = refused
        show_json(data)
    else:
        show(*tables(fitted, others, refused))


def _fit(
    df: pd.DataFrame,
    law: str,
    objective: str,
    delta: float,
    on: str,
    n: str,
    where: str | None,
    fix: list[str] | None,
    draws: int,
    seed: int,
    engine: str,
) -> Fit:
    from scaling.fit import Objective
    from scaling.fit import fit as fit_law

    fixed = {
        name: number(value) for pair in fix or [] for name, value in _pairs(pair, "--fix").items()
    }
    return fit_law(
        law,
        df,
        objective=Objective(objective, delta),  # type: ignore[arg-type]  # it checks the name
        on=on,  # type: ignore[arg-type]  # likewise
        N=n,
        draws=draws,
        seed=seed,
        engine=engine,
        fixed=fixed,
        where=where,
    )


NumberOption = Annotated[float | None, typer.Option(parser=number, metavar="NUMBER")]


@app.command()
def forecast(
    source: Annotated[Path, typer.Argument(help="A run table, or a fit saved as .json.")],
    compute: Annotated[
        list[float] | None,
        typer.Option(parser=number, metavar="NUMBER", help="Training FLOPs (repeatable)."),
    ] = None,
    tokens: NumberOption = None,
    params: NumberOption = None,
    flops_per_second: NumberOption = None,
    hours: NumberOption = None,
    law: LawOption = "chinchilla",
    objective: ObjectiveOption = "huber",
    delta: DeltaOption = 1e-3,
    on: OnOption = "log_loss",
    n: NOption = "N",
    where: WhereOption = None,
    columns: ColumnsOption = None,
    fix: FixedOption = None,
    draws: DrawsOption = 1000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Forecast what to train with a budget, and the loss to expect."""
    from scaling.fit import Fit
    from scaling.forecast import budget
    from scaling.forecast import forecast as forecast_run

    if (flops_per_second is None) != (hours is None):
        raise InputError("--flops-per-second and --hours belong together; one is missing")
    budgets: list[float | None] = [*(compute or [])]
    if flops_per_second is not None and hours is not None:
        budgets.append(budget(flops_per_second, hours))
    if source.suffix == ".json":
        fitted = Fit.from_json(_text(source))
        nearest = None
    else:
        df = _read(source, columns)
        fitted = _fit(df, law, objective, delta, on, n, where, fix, draws, seed, "newton")
        nearest = _buildable(df, n)
    found = [
        forecast_run(fitted, compute=c, tokens=tokens, params=params, nearest=nearest)
        for c in budgets or [None]
    ]
    if as_json:
        show_json(
            {
                "law": fitted.law.name,
                "params": fitted.params,
                "status": fitted.status,
                "n_rows": fitted.n_rows,
                "n_column": fitted.n_column,
                "c_kind": fitted.cost.kind,
                "budgets": [item.budget() for item in found],
                "forecasts": [item.to_dict() for item in found],
            }
        )
    else:
        head = f"law {fitted.law.name} on {fitted.n_rows} rows of {fitted.source}: {fitted.status}"
        show(head, *map(str, found))


def _buildable(df: pd.DataFrame, n: str) -> Callable[[float], dict[str, Any]] | None:
    """From N to the nearest configuration of the table's own ladder, where it names one."""
    if not {"family", "config"} <= set(df.columns) or df["family"].nunique() != 1:
        return None
    from scaling.families import nearest_like

    return nearest_like(str(df["family"].iloc[0]), df["config"].unique(), n)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None


if __name__ == "__main__":
    main()
