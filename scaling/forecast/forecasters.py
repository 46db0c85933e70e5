"""Every way from a run table to a predictor, by name, and the one that is taken by default."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import pandas as pd

from scaling import laws
from scaling.errors import InputError
from scaling.fit.fitting import fit
from scaling.fit.methods import LAWS
from scaling.fit.objective import squared
from scaling.fit.result import Fit
from scaling.forecast.isoflop.model import isoflop
from scaling.forecast.isoflop.parabolas import parabolas
from scaling.forecast.predictor import Predictor
from scaling.forecast.rows import WITHIN, Rows, near_optimal, rows_of, too_few


class Make(Protocol):
    """Makes a predictor from a table's rows; N: the column that N stands for."""

    def __call__(
        self, table: pd.DataFrame, *, N: str = "N", draws: int = 500, seed: int = 0
    ) -> Predictor: ...


@dataclass(frozen=True)
class Forecaster:
    """A way from a table to a predictor.

    words: what it does, in one line. loss_rate, n_rate: the stated default of how its errors of ln
    loss and ln N_opt grow for each e-fold of compute beyond the data, where few rollouts can tell.
    sketch: a quicker way that stands for `make` at the cuts of rollouts, where `make` takes long.
    """

    name: str
    words: str
    make: Make
    loss_rate: float = 0.008
    n_rate: float = 0.12
    sketch: Make | None = None


def of_law(name: str, words: str = "", **settings: Any) -> Forecaster:
    """A law fitted by `scaling.fit.fit` under these settings."""

    def make(table: pd.DataFrame, *, N: str = "N", draws: int = 500, seed: int = 0) -> Fit:
        how = {"draws": draws, "seed": seed, **settings}
        return fit(table=rows_of(table, N).frame, N=N, **how)

    return Forecaster(name, words, make)


def _near(table: pd.DataFrame, *, N: str = "N", draws: int = 500, seed: int = 0) -> Fit:
    rows = rows_of(table, N)
    return fit(
        "chinchilla",
        rows.only(near_optimal(rows, WITHIN)),
        objective=squared(),
        N=N,
        draws=draws,
        seed=seed,
    )


@cache
def forecasters() -> Mapping[str, Forecaster]:
    """All of them, by name: every law of N and D, and the methods that are no law alone."""
    of_n_and_d = [
        law
        for law in map(laws.get, laws.names())
        if set(law.variables) == {"N", "D"} and law.response == "loss"
    ]
    found = [
        of_law(law.name, f"{law.formula}: Huber 1e-3 of log loss", law=law.name)
        for law in of_n_and_d
    ]
    words, settings = LAWS["vpnls"]
    found += [
        of_law("vpnls", words, **settings),
        Forecaster(
            "chinchilla_near",
            "chinchilla on rows within 10 % of the best for their compute: squared log loss",
            _near,
        ),
        Forecaster(
            "approach_2",
            "Hoffmann's Approach 2 near each budget's best, with a frontier E + k C^-g through its "
            "minima",
            parabolas,
        ),
    ]
    found.append(
        Forecaster(
            "isoflop",
            "the decoupled isoFLOP model: a shape, a path of N_opt and a frontier, each on its own",
            isoflop,
            loss_rate=0.0005,  # its own draws grow with distance already
            n_rate=0.01,
        )
    )
    return {item.name: item for item in found}


def get(name: str) -> Forecaster:
    """The forecaster of that name. Raises InputError, which lists them all, for any other."""
    known = forecasters()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"unknown forecaster {name!r}; known: {', '.join(known)}{hint}")


def default(rows: Rows) -> tuple[Forecaster, str]:
    """The forecaster for these rows, and why.

    The isoFLOP model leans on what is known of language models, so it is for tables of tokens.
    """
    if not rows.of_tokens:
        return get("chinchilla_tied"), f"D counts {rows.kinds['D_kind']}, not tokens"
    if rows.budgets:
        return get("isoflop"), f"{len(rows.budgets)} isoFLOP budgets"
    return get("chinchilla_tied"), f"no isoFLOP table: {too_few(rows)}"


def sensible(rows: Rows) -> list[Forecaster]:
    """Those that are worth a comparison on these rows: the published ways, and ours."""
    names = ["chinchilla", "chinchilla_near", "chinchilla_tied", "pnorm_tied", "kaplan", "vpnls"]
    if rows.budgets and rows.of_tokens:
        names = ["isoflop", "approach_2", *names]
    return [get(name) for name in names]
