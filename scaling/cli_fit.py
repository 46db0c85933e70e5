"""The commands on a table: fit and forecast. `scaling.cli` takes them in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.errors import InputError
from scaling.terminal import number, pairs, show, show_json

if TYPE_CHECKING:
    import pandas as pd

    from scaling.fit import Fit
    from scaling.fit.approaches import Allocation
    from scaling.fit.profile import Profile
    from scaling.forecast import PublishedLaw

app = typer.Typer()

LawOption = Annotated[
    str,
    typer.Option("--law", help='A law by name (`scaling laws` lists them) or "E + A/N**alpha".'),
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
NOption = Annotated[str, typer.Option("--n", help="Column that N stands for: N or N_total.")]
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
    typer.Option(help="Draws: bootstrap by cluster or row, residual, wild, or laplace."),
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
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NumberOption = Annotated[float | None, typer.Option(parser=number, metavar="NUMBER")]

_BULKY = ("draws", "points", "weights", "clusters", "residuals")  # in a saved fit, not on a screen

# What a published way sets: penalty, scale of the residuals, engine.
_METHODS = {
    "hoffmann": ("huber", "log_loss", "newton"),
    "vpnls": ("squared", "loss", "varpro"),
    "lad": ("absolute", "log_loss", "newton"),
}


@app.command()
def fit(
    table: Annotated[Path, typer.Argument(help="Run table: .csv, .tsv or .parquet.")],
    law: LawOption = "chinchilla",
    method: MethodOption = None,
    objective: ObjectiveOption = None,
    delta: DeltaOption = 1e-3,
    tau: TauOption = 0.5,
    on: OnOption = None,
    n: NOption = "N",
    where: WhereOption = None,
    weight: WeightOption = None,
    columns: ColumnsOption = None,
    fix: FixedOption = None,
    bound: BoundOption = None,
    by: Annotated[str | None, typer.Option(help="Column of groups fitted together.")] = None,
    share: Annotated[
        str | None, typer.Option(help="Parameters that the groups share: alpha,beta.")
    ] = None,
    draws: DrawsOption = 4000,
    kind: KindOption = "cluster",
    seed: SeedOption = 0,
    engine: EngineOption = None,
    profile: ProfileOption = None,
    save: Annotated[Path | None, typer.Option(help="Write the fit as JSON.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a scaling law to a run table, with intervals from a bootstrap over runs."""
    from scaling.fit.show import profile_table, tables
    from scaling.table import write_text

    settings = fit_settings(
        method, objective, delta, tau, on, engine, n, where, weight, fix, bound, draws, kind, seed
    )
    df = _read(table, columns)
    asked = [quantity_of(text) for text in profile or []]
    if by is not None or share is not None:
        if asked:
            raise InputError("--profile: a fit over groups has none; fit one group with --where")
        _fit_groups(df, law, by, share, settings, save, as_json)
        return
    fitted = _fit(df, law, settings)
    others, refused = _side_by_side(fitted, df, settings)
    profiles = _profiles(fitted, asked)
    if save is not None:
        write_text(fitted.to_json(), save)
    if as_json:
        data = _brief(fitted.to_dict())
        data["approaches"] = {item.name: item.to_dict() for item in others}
        data["approaches_refused"] = refused
        if profiles:
            data["profiles"] = {item.label: item.to_dict() for item in profiles}
        show_json(data)
    else:
        show(*tables(fitted, others, refused), *profile_table(profiles))


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


def _read(table: Path, columns: str | None) -> pd.DataFrame:
    from scaling.table import read_table

    return read_table(table, pairs(columns, "--columns") if columns else None)


def _fit(df: pd.DataFrame, law: str, settings: dict[str, Any]) -> Fit:
    from scaling.fit import fit as fit_law

    return fit_law(law, df, **settings)


def quantity_of(text: str) -> tuple[str, dict[str, float]]:
    """`N_opt@1e24` or `loss@N=70B,D=1.4T` as a name and where it is asked for."""
    name, at, where = text.partition("@")
    if not at:
        return name, {}
    if "=" not in where:
        return name, {"C": number(where)}
    return name, {key: number(value) for key, value in pairs(where, f"--profile {name}@").items()}


def _profiles(fitted: Fit, asked: list[tuple[str, dict[str, float]]]) -> list[Profile]:
    if not asked:
        return []
    from scaling.fit.profile import profile  # only here: a plain fit need not load it

    return [profile(fitted, name, at) for name, at in asked]


def _fit_groups(
    df: pd.DataFrame,
    law: str,
    by: str | None,
    share: str | None,
    settings: dict[str, Any],
    save: Path | None,
    as_json: bool,
) -> None:
    import json

    from scaling.fit import fit_groups
    from scaling.fit.show import group_tables
    from scaling.table import write_text

    if by is None or share is None:
        raise InputError("--by and --share belong together; one is missing")
    found = fit_groups(law, df, by, [name.strip() for name in share.split(",")], **settings)
    if save is not None:
        write_text(json.dumps(found.to_dict(), allow_nan=False), save)
    if as_json:
        data = found.to_dict()
        show_json({**data, "groups": {k: _brief(v) for k, v in data["groups"].items()}})
    else:
        show(*group_tables(found))


def _brief(fit: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in fit.items() if k not in _BULKY}


def _side_by_side(
    fitted: Fit, df: pd.DataFrame, settings: dict[str, Any]
) -> tuple[list[Allocation], list[str]]:
    """Approaches 1 and 2 beside a law that has an optimum."""
    from scaling.fit.approaches import side_by_side

    if not fitted.exponents():
        return [], []
    draws = min(settings["draws"], 1000)  # for comparison beside the fit
    return side_by_side(
        df, N=settings["N"], draws=draws, seed=settings["seed"], where=settings["where"]
    )


@app.command()
def forecast(
    source: Annotated[
        str,
        typer.Argument(help="A run table, a fit saved as .json, or published parameters by name."),
    ],
    compute: Annotated[
        list[float] | None,
        typer.Option(parser=number, metavar="NUMBER", help="Training FLOPs (repeatable)."),
    ] = None,
    tokens: NumberOption = None,
    params: NumberOption = None,
    flops_per_second: NumberOption = None,
    hours: NumberOption = None,
    law: LawOption = "chinchilla",
    method: MethodOption = None,
    objective: ObjectiveOption = None,
    delta: DeltaOption = 1e-3,
    tau: TauOption = 0.5,
    on: OnOption = None,
    n: NOption = "N",
    where: WhereOption = None,
    weight: WeightOption = None,
    columns: ColumnsOption = None,
    fix: FixedOption = None,
    bound: BoundOption = None,
    draws: DrawsOption = 4000,
    kind: KindOption = "cluster",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Forecast what to train with a budget, and the loss to expect."""
    from scaling.fit import Fit
    from scaling.forecast import budget, published_law
    from scaling.forecast import forecast as forecast_run

    if (flops_per_second is None) != (hours is None):
        raise InputError("--flops-per-second and --hours belong together; one is missing")
    budgets: list[float | None] = [*(compute or [])]
    if flops_per_second is not None and hours is not None:
        budgets.append(budget(flops_per_second, hours))
    path, nearest = Path(source), None
    predictor: Fit | PublishedLaw
    if path.suffix == ".json":
        predictor = Fit.from_json(text_of(path))
    elif path.suffix or path.exists():
        settings = fit_settings(
            method, objective, delta, tau, on, None, n, where, weight, fix, bound, draws, kind, seed
        )
        df = _read(path, columns)
        predictor = _fit(df, law, settings)
        nearest = _buildable(df, n)
    else:
        predictor = published_law(source)
    found = [
        forecast_run(predictor, compute=c, tokens=tokens, params=params, nearest=nearest)
        for c in budgets or [None]
    ]
    head, facts = _behind(predictor)
    if as_json:
        show_json(
            {
                "law": predictor.law.name,
                **facts,
                "n_column": predictor.n_column,
                "c_kind": predictor.cost.kind,
                "budgets": [item.budget() for item in found],
                "forecasts": [item.to_dict() for item in found],
            }
        )
    else:
        show(head, *map(str, found))


def _behind(predictor: Fit | PublishedLaw) -> tuple[str, dict[str, Any]]:
    """What a forecast rests on: one line, and the same for JSON."""
    from scaling.fit import Fit

    if isinstance(predictor, Fit):
        rows = f"{predictor.n_rows} rows of {predictor.source}"
        return f"law {predictor.law.name} on {rows}: {predictor.status}", {
            "params": predictor.params,
            "status": predictor.status,
            "n_rows": predictor.n_rows,
        }
    return str(predictor), {
        "params": dict(predictor.published.params),
        "status": "published parameters: no intervals",
        "n_rows": 0,
        "reference": predictor.published.reference,
        "note": predictor.published.note,
    }


def _buildable(df: pd.DataFrame, n: str) -> Callable[[float], dict[str, Any]] | None:
    """From N to the nearest configuration of the table's own ladder, where it names one."""
    if not {"family", "config"} <= set(df.columns) or df["family"].nunique() != 1:
        return None
    from scaling.families import nearest_like

    return nearest_like(str(df["family"].iloc[0]), df["config"].unique(), n)


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None
