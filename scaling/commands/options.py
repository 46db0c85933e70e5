"""Options that the commands on tables share, and those on grids, and what they stand for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.commands import completion
from scaling.errors import InputError
from scaling.terminal import number, pairs

if TYPE_CHECKING:
    import pandas as pd

    from scaling.devices import Device
    from scaling.fit import Fit
    from scaling.forecast.forecasters import Forecaster
    from scaling.grid import Place
    from scaling.planned import Planned
    from scaling.sweep.planning.budget import Budget, Unit

LawOption = Annotated[
    str,
    typer.Option(
        "--law",
        help='A law by name (`scaling laws` lists them) or "E + A/N**alpha".',
        autocompletion=completion.laws,
    ),
]
LawsOption = Annotated[
    str | None,
    typer.Option(
        "--laws",
        metavar="A,B,...",
        help="Laws of N and D, or vpnls, approach_2, chinchilla_near, isoflop.",
        autocompletion=completion.several_laws,
    ),
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        help="A published way: hoffmann (Huber on log loss), vpnls (least squares on loss by "
        "variable projection) or lad (absolute log residuals)."
    ),
]
ObjectiveOption = Annotated[
    str | None,
    typer.Option(help="squared, huber, huber_scaled, absolute, asymmetric or student_t."),
]
DeltaOption = Annotated[
    float, typer.Option(help="Huber's delta or Student's scale, in units of the residual.")
]
TauOption = Annotated[
    float, typer.Option(help="asymmetric: weight of runs above the law, of 1 in all.")
]
OnOption = Annotated[
    str | None, typer.Option("--on", help="log_loss, loss or log_reducible: what residuals are of.")
]
NOption = Annotated[
    str, typer.Option("--n", help="Column that N stands for: N, N_total or N_active.")
]
WhereOption = Annotated[
    str | None, typer.Option(help='Row filter, e.g. "D >= 1e6 and N_total < 2e5".')
]
WeightOption = Annotated[
    str | None,
    typer.Option(help="Column of row weights, or of the loss's standard errors (ending in _se)."),
]
ColumnsOption = Annotated[
    str | None, typer.Option(help="Our names for the file's columns: N=params,D=tokens,loss=val.")
]
FixedOption = Annotated[
    list[str] | None, typer.Option("--fix", help="Hold a parameter: E=1.7 (repeatable).")
]
BoundOption = Annotated[
    list[str] | None, typer.Option("--bound", help="Keep one in a range: E=1.5:2 (repeatable).")
]
DrawsOption = Annotated[int, typer.Option(min=0, help="Draws around the fit; 0 for none.")]
KindOption = Annotated[
    str,
    typer.Option(
        help="Draws: bootstrap by cluster or row, residual, wild, laplace, or posterior (by NUTS "
        "under published priors; extra bayes)."
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the draws.")]
EngineOption = Annotated[
    str | None, typer.Option(help="newton, varpro, or scipy (the slow reference).")
]
ProfileOption = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        metavar="QUANTITY",
        help="Profile likelihood of alpha, a, N_opt@1e24, loss@N=70B,D=1.4T, ... (repeatable).",
    ),
]
RecoveredOption = Annotated[
    bool, typer.Option("--recovered", help="Fit runs that were rewound and recovered, too.")
]
FolderArgument = Annotated[
    str, typer.Argument(metavar="DIR", help="A study's folder, or its URL (s3://..., gs://...).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def number_option(told: str) -> Any:
    """An option that takes a number, also as 1e21 or 70B; told: its help."""
    return typer.Option(parser=number, metavar="NUMBER", help=told)


GridArgument = Annotated[
    Path, typer.Argument(metavar="GRID", help="The study's grid, a TOML file.")
]
ShiftOption = Annotated[
    int, typer.Option("--seed", min=0, help="Shift every seed: a repetition of the study.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes; by default one a GPU, else one a core."),
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="NAME",
        help="Where cells are trained: local, debug, slurm, ray; by default as the grid says.",
    ),
]
OptionOption = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="An option of the executor; repeatable."),
]

_BUDGETS: dict[str, Unit] = {"flops": "FLOPs", "h": "h", "usd": "usd"}

# What a published way sets: penalty, scale of the residuals, engine.
_METHODS = {
    "hoffmann": ("huber", "log_loss", "newton"),
    "vpnls": ("squared", "loss", "varpro"),
    "lad": ("absolute", "log_loss", "newton"),
}


def fit_settings(
    method: str | None,
    objective: str | None,
    delta: float,
    tau: float,
    on: str | None,
    engine: str | None,
    n: str,
    where: str | None,
    weight: str | None,
    fix: list[str] | None,
    bound: list[str] | None,
    draws: int,
    kind: str,
    seed: int,
) -> dict[str, Any]:
    """The keyword arguments of `scaling.fit.fit`; what is given explicitly outranks `method`."""
    from scaling.fit import Objective

    if method is not None and method not in _METHODS:
        raise InputError(f"--method {method!r}; valid: {', '.join(_METHODS)}")
    penalty, scale, solver = _METHODS[method or "hoffmann"]
    fixed = {name: number(v) for pair in fix or [] for name, v in pairs(pair, "--fix").items()}
    limits = {name: v for pair in bound or [] for name, v in pairs(pair, "--bound").items()}
    return {
        "objective": Objective(objective or penalty, delta, tau),  # type: ignore[arg-type]  # it checks the name
        "on": on or scale,
        "engine": engine or solver,
        "N": n,
        "where": where,
        "weight": weight,
        "fixed": fixed,
        "bounds": {name: _limits(name, text) for name, text in limits.items()},
        "draws": draws,
        "kind": kind,
        "seed": seed,
    }


def _limits(name: str, text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    if not colon:
        raise InputError(f"--bound {name}={text}: write a range, such as {name}=1.5:2 or {name}=0:")
    return number(low) if low else -float("inf"), number(high) if high else float("inf")


def quantity_of(text: str) -> tuple[str, dict[str, float]]:
    """`N_opt@1e24` or `loss@N=70B,D=1.4T` as a name and where it is asked for."""
    name, at, where = text.partition("@")
    if not at:
        return name, {}
    if "=" not in where:
        return name, {"C": number(where)}
    return name, {key: number(value) for key, value in pairs(where, f"--profile {name}@").items()}


def read(table: Path, columns: str | None, recovered: bool = False) -> pd.DataFrame:
    """The run table, its columns renamed as `--columns` says; `recovered`: such runs count as
    finished."""
    from scaling.table import read_table, with_recovered

    df = read_table(table, pairs(columns, "--columns") if columns else None)
    return with_recovered(df) if recovered else df


def forecasters_of(names: str) -> list[Forecaster]:
    """The forecasters of `--laws a,b,c`."""
    from scaling.forecast import forecasters

    return [forecasters.get(name.strip()) for name in dict.fromkeys(names.split(","))]


def saved_fit(path: Path) -> Fit:
    """A fit that `scaling fit --save` wrote."""
    from scaling.fit.saved import saved_fit

    return saved_fit(path)


def planned_study(
    grid: Path,
    seed: int,
    workers: int | None,
    *,
    measure: bool,
    device: Device | None = None,
    place: Place | None = None,
) -> tuple[Planned, int]:
    """The study of a grid with its costs, and its workers; `measure` times shapes new here.

    device: of the catalogue, that it is planned for by its data sheet; place: an executor instead
    of the grid's.
    """
    from scaling.devices import cores, local_gpus
    from scaling.planned import plan_study

    workers = workers or len(local_gpus()) or len(cores())
    if measure:
        tell_of_calibration()
    planned = plan_study(
        grid, seed=seed, workers=workers, measure=measure, device=device, place=place
    )
    return planned, workers


def tell_of_calibration() -> None:
    """Say why shapes are timed anew, where others were timed before."""
    from scaling.train.calibrate import note

    if told := note():
        typer.echo(told, err=True)


def budget_of(text: str) -> Budget:
    """`1e18FLOPs`, `40h` or `200usd`; numbers as everywhere, so `2.5PFLOPs` and `$1.5k`, too."""
    from scaling.sweep.planning.budget import Budget

    found = re.fullmatch(r"\s*(?:(\$)\s*)?(.*?)\s*(flops?|h|usd)?\s*", text, re.IGNORECASE)
    assert found is not None  # whatever it is, it matches
    dollar, amount, unit = found.groups()
    if bool(dollar) == bool(unit):
        raise InputError(f"--budget {text!r}: valid are FLOPs, device-hours and dollars, such as "
                         "1e18FLOPs, 40h, 200usd")  # fmt: skip
    try:
        value = number(amount)
    except typer.BadParameter as error:
        raise InputError(f"--budget {text!r}: {error}") from None
    if not 0 < value < float("inf"):
        raise InputError(f"--budget {text!r}: valid is more than nothing")
    name = "usd" if dollar else "flops" if unit.lower().startswith("flop") else unit.lower()
    return Budget(value, _BUDGETS[name])


def place_of(executor: str | None, options: list[str] | None, grid: Path) -> Place | None:
    """The executor that the command line asks for; None where it leaves that to the grid.

    Options without a name, or of the grid's own executor, are added to the grid's.
    """
    from scaling.grid import Place, load_grid

    if executor is None and not options:
        return None
    given = load_grid(grid).executor
    kept = given.options if executor in (None, given.name) else {}
    return Place(name=executor or given.name, **kept | dict(map(_option, options or ())))


def _option(text: str) -> tuple[str, Any]:
    """`key=value`, the value as TOML has it, or a plain word."""
    import tomllib

    key, equals, value = text.partition("=")
    if not equals or not key.strip() or key.strip() == "name":
        raise InputError(f"--option {text!r}: valid is KEY=VALUE, of the executor's own keys")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
