"""Known language models against the compute-optimal frontier of a law.

What a law says of a model's N and D is the loss that the law's own data and recipe would have
reached there, not the model's loss: models differ in data, tokeniser and architecture. What is
compared is how a budget was divided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from scaling.errors import InputError
from scaling.fit.prediction import Draws
from scaling.forecast.further.answers import Answer, answer_of, to_json
from scaling.forecast.further.reach import ranges_of
from scaling.forecast.landscape.table import met_by_a_token
from scaling.forecast.predictor import Predictor

Array = NDArray[np.float64]

OPTIMAL = 2.0  # D within this factor of D_opt is compute-optimal for any practical purpose
_PER_DECADE = 16  # budgets at which the frontier is computed; between them it is nearly straight
_BELOW = 1e6  # how many times below the least model's compute an equal loss is looked for
_HALVINGS = 50
STAND_IN = "total for non-embedding"


@dataclass(frozen=True)
class Placed:
    """A model beside the optimum of its own compute.

    N: the parameters that the law is asked about; counted: which those are ("total",
    "non-embedding", "active" of a mixture of experts, or "total for non-embedding" where the law
    counts without embeddings and the paper with them). C: the law's own FLOPs of N and D. loss: at
    N, D by the law. N_opt, D_opt, loss_opt: at C. over: D over D_opt, above 1 where more tokens
    were spent than was optimal. same_loss: the least compute that reaches the model's loss.
    smaller: the smaller N that reaches the same loss with the same compute, for models above N_opt.
    decades: how far N or D, whichever is farther, lies beyond the largest behind the law, as log10;
    0 inside, None where the law's runs are not known.
    """

    name: str
    date: str
    N: float
    counted: str
    D: float
    C: float
    loss: Answer
    N_opt: Answer
    D_opt: Answer
    loss_opt: Answer
    over: Answer
    same_loss: Answer
    smaller: float | None
    decades: float | None

    @property
    def tokens_per_param(self) -> float:
        return self.D / self.N

    @property
    def saved(self) -> float:
        """The share of its compute that an optimal run of the same loss would have saved."""
        return 1 - self.same_loss.point / self.C

    @property
    def verdict(self) -> str:
        """over-trained, optimal or under-trained: D within a factor of 2 of D_opt is optimal."""
        if 1 / OPTIMAL <= self.over.point <= OPTIMAL:
            return "optimal"
        return "over-trained" if self.over.point > OPTIMAL else "under-trained"

    def to_dict(self) -> dict[str, Any]:
        more = {"tokens_per_param": self.tokens_per_param, "saved": self.saved}
        return {**to_json(self), **more, "verdict": self.verdict}


def place(table: pd.DataFrame, predictor: Predictor) -> tuple[list[Placed], dict[str, str]]:
    """Every model of the table that the law can be asked about, and why the others cannot.

    Raises InputError for a law that predicts no loss, or has no optimum.
    """
    law = getattr(predictor, "law", None)
    if law is not None and law.response != "loss":
        raise InputError(f"law {law.name} predicts {law.response}, not a loss: it has no frontier")
    left_out = {str(row["name"]): why for _, row in table.iterrows() if (why := _unfit(row))}
    rows = table[~table["name"].isin(left_out)]
    if rows.empty:
        raise InputError("no model with known parameters and tokens to set against a law")
    N, counted = _sizes(rows, predictor.n_column)
    D = rows["D"].to_numpy(dtype=float)
    C = np.asarray(predictor.cost.flops_per_token(N) * D, dtype=float)
    here, best = predictor.loss(N, D), predictor.optimum(C)
    over = Draws(D / best.D.point, D / best.D.draws)
    least = _least_compute(predictor, here, C)
    smaller = _smaller(predictor, here.point, N, C, best.N.point)
    beyond = _beyond(predictor, N, D)
    found = [
        Placed(
            name=name,
            date=date,
            N=float(N[i]),
            counted=counted[i],
            D=float(D[i]),
            C=float(C[i]),
            loss=_answer(here, i),
            N_opt=_answer(best.N, i),
            D_opt=_answer(best.D, i),
            loss_opt=_answer(best.loss, i),
            over=_answer(over, i),
            same_loss=_answer(least, i),
            smaller=float(smaller[i]) if smaller[i] < N[i] else None,
            decades=None if beyond is None else float(beyond[i]),
        )
        for i, (name, date) in enumerate(zip(rows["name"], rows["date"], strict=True))
    ]
    return found, left_out


def _unfit(row: pd.Series[Any]) -> str:
    """Why a law of N and D cannot be asked about a model; empty where it can."""
    if row["known"] != "published":
        return "an estimate, not published"
    if row["type"] not in ("decoder", "moe"):
        return "an encoder-decoder: 6ND and the laws are of decoders"
    if np.isnan(row["D"]):
        return "tokens not published"
    if np.isnan(row["N_active" if row["type"] == "moe" else "N_total"]):
        return "parameters that meet a token not published"
    return ""


def _sizes(rows: pd.DataFrame, n_column: str) -> tuple[Array, list[str]]:
    """N as the law counts it, as near as the table has it, and what was counted."""
    sparse = (rows["type"] == "moe").to_numpy()
    met = np.asarray(met_by_a_token(rows), dtype=np.float64)
    if n_column != "N":
        return met, ["active" if one else "total" for one in sparse]
    bare = np.asarray(rows["N"], dtype=np.float64)
    known = ~np.isnan(bare) & ~sparse  # a mixture's N is not its active part
    words = np.where(sparse, "active", np.where(known, "non-embedding", STAND_IN))
    return np.where(known, bare, met), [str(word) for word in words]


def _beyond(predictor: Predictor, N: Array, D: Array) -> Array | None:
    """Decades by which N or D lie beyond the largest behind the law [n]; None without runs."""
    known = ranges_of(predictor)[0]
    far = [np.log10(x / known[name][1]) for name, x in (("N", N), ("D", D)) if name in known]
    return np.maximum(0.0, np.max(far, axis=0)) if far else None


def _least_compute(predictor: Predictor, loss: Draws, C: Array) -> Draws:
    """The least compute whose optimum has the loss of each model [n], draw by draw.

    The frontier's ln loss is inverted between budgets of one grid, to about 1e-7 of C.
    """
    low, high = np.log(C.min() / _BELOW), np.log(C.max()) + 1e-6
    ln_c = np.linspace(low, high, int(_PER_DECADE * (high - low) / np.log(10)) + 2)
    best = predictor.optimum(np.exp(ln_c)).loss
    falls = CubicSpline(-np.log(best.point), ln_c)
    point = np.clip(falls(-np.log(loss.point)), low, np.log(C))
    rows = [
        np.interp(-np.log(one), -np.log(frontier), ln_c)
        for one, frontier in zip(loss.draws, best.draws, strict=True)
    ]
    return Draws(np.exp(point), np.exp(np.reshape(rows, loss.draws.shape)))


def _smaller(predictor: Predictor, loss: Array, N: Array, C: Array, N_opt: Array) -> Array:
    """The N below N_opt with each model's loss at its compute; for models at or below N_opt, N."""
    low, high = np.log(N_opt) - np.log(_BELOW), np.log(N_opt)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        size = np.exp(middle)
        above = predictor.loss(size, predictor.cost.tokens(C, size)).point > loss
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(np.where(N_opt < N, np.exp(0.5 * (low + high)), N))


def _answer(values: Draws, i: int) -> Answer:
    return answer_of(np.concatenate([values.point[i : i + 1], values.draws[:, i]]))


def flat(placed: list[Placed]) -> pd.DataFrame:
    """One row a model, intervals as columns of their ends: for a CSV file, or a figure."""
    rows = []
    for one in placed:
        row: dict[str, Any] = {}
        for name, value in one.to_dict().items():
            if isinstance(value, dict):
                row |= {name: value["point"], f"{name}_q05": value["q05"]}
                row |= {f"{name}_q95": value["q95"]}
            else:
                row[name] = value
        rows.append(row)
    return pd.DataFrame(rows)
