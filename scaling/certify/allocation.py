"""Cases of power laws of compute: Porian's stages, and Step Law's learning rate and batch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from scaling.certify.case import Case, Printed, Solution, Solve
from scaling.certify.solve import line

_PORIAN = "Porian et al. 2024, arXiv:2406.19146"
_STEPLAW = "Li et al. 2025, arXiv:2503.04715"
_NOTES = "public notes on the paper; the paper itself was not read"
_WITHIN = 0.0025  # of a cell's least loss: the released filter

# The exponent a of N_opt ~ C^a at each stage of the paper: data set, hyperparameters, warmup,
# decay, which parameters count and which loss; digits as in the released fit results.
_STAGES = {
    "rw/base/long/kaplan/kaplan/train": "0.8353000424914",
    "rw/base/long/kaplan/standard/val": "0.7064699122201",
    "rw/base/short/kaplan/standard/val": "0.6020375267310",
    "rw/base/short/chinchilla/standard/val": "0.5714947855747",
    "rw/tuned/short/const/standard/val": "0.4968950781789",
    "owt2/base/long/kaplan/kaplan/train": "0.8635108173346",
    "owt2/base/long/kaplan/standard/val": "0.6985006958186",
    "owt2/base/short/kaplan/standard/val": "0.6031958731092",
    "owt2/base/short/chinchilla/standard/val": "0.5742951391128",
    "owt2/tuned/short/const/standard/val": "0.5184542057238",
    "rw/base/long/kaplan/attention/train": "0.7170576329099",
    "rw/base/short/kaplan/attention/train": "0.6222511037455",
    "rw/base/short/chinchilla/attention/train": "0.5771931451327",
    "rw/tuned/short/const/attention/train": "0.5052660845202",
    "rw/tuned/long/const/kaplan/train": "0.7114881417021",
}


def _stage(name: str) -> Solve:
    """The weighted line through the released optima of one stage; budgets without one left out."""

    def solve(table: pd.DataFrame, printed: Mapping[str, Printed]) -> Solution:
        rows = table[table["stage"] == name].dropna(subset=["N_star"])
        return line("C", "N_star", "log_N_star_std")(rows, printed)

    return solve


def _means(*, intercept: str, slopes: Mapping[str, str]) -> Solve:
    """Means over the released bootstrap replicates; the second way sums exactly."""

    def solve(table: pd.DataFrame, printed: Mapping[str, Printed]) -> Solution:
        def mean(column: str) -> tuple[float, float]:
            values = table[column].to_numpy()
            return float(values.mean()), math.fsum(values) / len(values)

        found = {"k": mean(intercept), **{name: mean(c) for name, c in slopes.items()}}
        ours, second = ({name: pair[i] for name, pair in found.items()} for i in (0, 1))
        for each in (ours, second):
            each["k"] = math.exp(each["k"])
        return Solution(len(table), ours, second, ("mean", "exact sum"))

    return solve


def _from_losses(table: pd.DataFrame, printed: Mapping[str, Printed]) -> Solution:
    """ln lr = ln k + a ln N + b ln D through all runs within 0.25 % of their cell's least loss."""
    least = table.groupby(["N", "D"])["smooth_loss"].transform("min")
    rows = table[table["smooth_loss"] <= (1 + _WITHIN) * least]
    u = np.log(rows[["N", "D", "lr"]].to_numpy(dtype=float))
    basis = np.column_stack([np.ones(len(u)), u[:, :2]])
    by_svd, *_ = np.linalg.lstsq(basis, u[:, 2])
    q, r = np.linalg.qr(basis)
    by_qr = np.linalg.solve(r, q.T @ u[:, 2])
    ours, second = (
        {"k": math.exp(c[0]), "a": float(c[1]), "b": float(c[2])} for c in (by_svd, by_qr)
    )
    return Solution(len(rows), ours, second, ("SVD", "QR"))


def _porian(stage: str, digits: str) -> Case:
    return Case(
        f"porian2024_{stage.replace('/', '_')}",
        _PORIAN,
        "released fit results, formll/resolving-scaling-law-discrepancies; RefinedWeb's main five "
        "also in notes on the paper",
        "porian_optima",
        "N_opt = k C^a",
        "weighted least squares of ln N_opt at the released optima",
        {"a": digits},
        _stage(stage),
        "A",
    )


CASES = (
    *(_porian(stage, digits) for stage, digits in _STAGES.items()),
    Case(
        "steplaw2025_lr",
        _STEPLAW,
        _NOTES,
        "steplaw_bootstrap_params",
        "lr = k N^a D^b",
        "mean of the 1,000 released bootstrap fits",
        {"k": "1.79", "a": "-0.713", "b": "0.307"},
        _means(intercept="lr_intercept", slopes={"a": "lr_coefN", "b": "lr_coefD"}),
        "A-",
        "k is 1.797: cut off, not rounded",
    ),
    Case(
        "steplaw2025_batch",
        _STEPLAW,
        _NOTES,
        "steplaw_bootstrap_params",
        "batch tokens = k D^a",
        "mean of the 1,000 released bootstrap fits",
        {"k": "0.58", "a": "0.571"},
        _means(intercept="bs_intercept", slopes={"a": "bs_coefD"}),
        "A",
    ),
    Case(
        "steplaw2025_from_losses",
        _STEPLAW,
        _NOTES,
        "steplaw_dense",
        "lr = k N^a D^b",
        "least squares of ln lr over runs within .25 % of their cell's least smoothed loss",
        {"k": "1.79", "a": "-0.713", "b": "0.307"},
        _from_losses,
        "D",
        "the released losses and the released filter do not lead to the printed law; whatever else "
        "was selected is not in the repository",
    ),
)
