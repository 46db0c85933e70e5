"""Cases of Hoffmann's law: Chinchilla's points as the replication read them, and Llama 3's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scaling.certify.case import Case, Printed, Solution
from scaling.certify.solve import fitted
from scaling.fit import Objective, engine_newton
from scaling.fit.approaches import approach_2
from scaling.fit.build import build
from scaling.fit.objective import huber, squared
from scaling.laws import get, published
from scaling.table import select_rows

_BESIROGLU = "Besiroglu et al. 2024, arXiv:2404.10102"
_NOTEBOOK = "released notebook, epoch-research/analyzing-chinchilla"
_ATHENA = "Open-Athena 2026, scaling-law-analysis"
_EXP0 = "released output, results/experiments/exp0/reproductions.txt"
_EXP11 = "released output, results/experiments/exp11/compute_allocation_errors.txt"
_LAW = "E + A/N^alpha + B/D^beta"
_BOOTSTRAPS = 4000


def used(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["used"] == 1]


def _small(table: pd.DataFrame) -> pd.DataFrame:
    """Below 1e21 FLOPs, in millions of parameters and billions of tokens."""
    rows = used(table)
    rows = rows[rows["C"] < 1e21]
    return rows.assign(N=rows["N"] / 1e6, D=rows["D"] / 1e9)


def llama(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["experiment"] == "llama_3__raw_loss"]


def _standard_errors(table: pd.DataFrame, printed: Mapping[str, Printed]) -> Solution:
    """Standard deviations over the replication's own 4,000 resamples, every refit converged.

    The resamples come from NumPy's old generator at seed 42, as there. The second way starts every
    replicate at Hoffmann's values instead of at the optimum.
    """
    law = get("chinchilla")
    rows = used(table)
    x = {name: rows[name].to_numpy() for name in ("N", "D")}
    problem, coordinates = build(law, x, rows["loss"].to_numpy(), huber(), "log_loss")
    random = np.random.RandomState(42)
    draws = [random.choice(len(rows), len(rows), replace=True) for _ in range(_BOOTSTRAPS)]
    weights = np.stack([np.bincount(d, minlength=len(rows)) for d in draws]).astype(float)
    start = coordinates.encode(published["hoffmann2022_unrounded"].params)
    centre = engine_newton.solve(problem, start[None]).u[0]
    spreads = []
    for first in (centre, start):
        found = engine_newton.solve_many(problem, weights, first)
        params = coordinates.decode(found.u)
        spreads.append({name: float(np.std(params[name], ddof=1)) for name in printed})
    ours, second = spreads
    return Solution(len(rows), ours, second, ("newton from the optimum", "from Hoffmann's values"))


def _approach_2(table: pd.DataFrame, printed: Mapping[str, Printed]) -> Solution:
    """Parabolas of the loss in ln N at each budget; the second way is NumPy's polyfit."""
    rows, _ = select_rows(llama(table), None)
    found = approach_2(rows, draws=0)
    best = []
    for C in np.unique(rows["C"].to_numpy(float)):
        group = rows[rows["C"] == C]
        x = np.log(group["N"])
        q2, q1, _ = np.polyfit(x - x.mean(), group["loss"], 2)
        best.append((np.log(C), x.mean() - q1 / (2 * q2)))
    c, n = np.array(best).T
    a = float(np.polyfit(c, n, 1)[0])
    ours = {"a": float(found.a.point), "b": float(found.b.point)}
    return Solution(len(rows), ours, {"a": a, "b": 1 - a}, ("parabolas", "polyfit"))


CASES = (
    Case(
        "hoffmann2022",
        "Hoffmann et al. 2022, arXiv:2203.15556",
        "eq. 10, as the replication quotes it",
        "chinchilla_epoch",
        _LAW,
        "Huber 1e-3 on ln L",
        {"E": "1.69", "A": "406.4", "B": "410.7", "alpha": "0.34", "beta": "0.28"},
        fitted("chinchilla", huber(), prepare=used),
        "C",
        "points read off their figure 4, not their data: the printed values lie far above the "
        "optimum of the printed objective, which is what the replication found",
    ),
    Case(
        "besiroglu2024_huber",
        _BESIROGLU,
        f"{_NOTEBOOK}, cell 18",
        "chinchilla_epoch",
        _LAW,
        "Huber 1e-3 on ln L",
        {
            "E": "1.817235504",
            "A": "477.841713",
            "B": "2143.86379",
            "alpha": "0.347312658",
            "beta": "0.367182617",
            "F": "0.00101827403462",
        },
        fitted("chinchilla", huber(), prepare=used),
        "B",
        "the best of 4,500 L-BFGS-B runs with numeric gradients stops 1.6e-8 above the optimum",
    ),
    Case(
        "besiroglu2024_lad",
        _BESIROGLU,
        f"{_NOTEBOOK}, cell 24",
        "chinchilla_epoch",
        _LAW,
        "absolute residuals of ln L (the notebook's fitted scale makes Huber's zone 5e-9 wide)",
        {
            "E": "1.81686",
            "A": "482.00572",
            "B": "2085.43420",
            "alpha": "0.34781",
            "beta": "0.36585",
        },
        fitted("chinchilla", Objective("absolute"), prepare=used),
        "B",
        "the optimum is a kink, the point at which five residuals vanish; the notebook's smooth "
        "stand-in is a few 1e-6 beside it",
    ),
    Case(
        "besiroglu2024_paper",
        _BESIROGLU,
        "table 1, as the released notebook and notes on the paper give it",
        "chinchilla_epoch",
        _LAW,
        "absolute residuals of ln L",
        {"E": "1.8172", "A": "482.01", "B": "2085.43", "alpha": "0.3478", "beta": "0.3658"},
        fitted("chinchilla", Objective("absolute"), prepare=used),
        "B",
        "A, B and alpha are this optimum's, beta is .36585 cut off; E = 1.8172 is that of the "
        "Huber fit: the row mixes two fits (our inference)",
    ),
    Case(
        "besiroglu2024_se",
        _BESIROGLU,
        f"{_NOTEBOOK}, bootstrap of 4,000 at seed 42",
        "chinchilla_epoch",
        _LAW,
        "standard deviation over bootstrap refits, Huber 1e-3 on ln L",
        {
            "A": "124.52232",
            "B": "1293.28410",
            "E": "0.02566",
            "alpha": "0.01540",
            "beta": "0.02060",
        },
        _standard_errors,
        "B",
        "16 % of the published refits stop short of their optimum; converged ones agree to 3 to 4 "
        "digits. The point estimate printed beside these is of another objective. Our second "
        "way is the same engine from other starts, so that a replicate or two may end elsewhere",
        agree=6.0,
    ),
    Case(
        "besiroglu2024_all",
        _BESIROGLU,
        "table 3, as notes on the paper quote it (yigitokar/scaling-laws-as-production-functions)",
        "chinchilla_epoch",
        _LAW,
        "absolute residuals of ln L, the five outliers not left out",
        {"E": "1.89", "A": "463.3", "B": "12530", "alpha": "0.345", "beta": "0.452"},
        fitted("chinchilla", Objective("absolute")),
        "A",
        "again the optimum of absolute residuals; Huber 1e-3, which the paper names, has "
        "A = 495.7 and B = 12846",
    ),
    Case(
        "openathena_vpnls",
        _ATHENA,
        _EXP0,
        "chinchilla_epoch",
        _LAW,
        "squared residuals of L, C < 1e21, N/1e6 and D/1e9",
        {
            "E": "1.9051", "A": "4.0005", "B": "1.0509", "alpha": "0.3511", "beta": "0.4587",
            "a": "0.5665", "b": "0.4335", "RSS": "0.062414",
        },
        fitted("chinchilla", squared(), "loss", prepare=_small, engines=("varpro", "newton")),
        "A",
    ),
    Case(
        "openathena_log",
        _ATHENA,
        _EXP0,
        "chinchilla_epoch",
        _LAW,
        "squared residuals of ln L, C < 1e21, N/1e6 and D/1e9",
        {
            "E": "1.8926", "A": "4.0146", "B": "1.0571", "alpha": "0.3522", "beta": "0.4430",
            "a": "0.5571", "b": "0.4429",
        },
        fitted("chinchilla", squared(), prepare=_small),
        "A",
    ),
    Case(
        "scalefit_mse",
        "Shukor et al. 2025, arXiv:2507.09404 (ml-scalefit)",
        _EXP0,
        "chinchilla_epoch",
        _LAW,
        "squared residuals of L, C < 1e21, N/1e6 and D/1e9; 100 starts of L-BFGS",
        {"E": "1.9051", "A": "4.0001", "B": "1.0509", "alpha": "0.3510", "beta": "0.4588"},
        fitted("chinchilla", squared(), "loss", prepare=_small, engines=("varpro", "newton")),
        "B",
        "their L-BFGS stops a little short",
    ),
    Case(
        "scalefit_huber",
        "Shukor et al. 2025, arXiv:2507.09404 (ml-scalefit)",
        _EXP0,
        "chinchilla_epoch",
        _LAW,
        "Huber 1e-3 on L, C < 1e21, N/1e6 and D/1e9; basin hopping",
        {"E": "1.8250", "A": "3.6984", "B": "1.0396", "alpha": "0.3239", "beta": "0.4058"},
        fitted("chinchilla", huber(), "loss", prepare=_small),
        "B",
        "delta 1e-3 on L is inferred: the output names no delta. Basin hopping stops 2e-4 short in "
        "A; the same output's L-BFGS is further away",
    ),
    Case(
        "llama3_vpnls",
        f"{_ATHENA}, on the isoFLOPs of arXiv:2407.21783",
        _EXP11,
        "isoflops_openathena",
        _LAW,
        "squared residuals of L",
        {
            "E": "0.6047", "A": "59.1", "B": "155.1", "alpha": "0.3100", "beta": "0.3136",
            "a": "0.5029", "b": "0.4971",
        },
        fitted("chinchilla", squared(), "loss", prepare=llama, engines=("varpro", "newton")),
        "A",
    ),
    Case(
        "llama3_approach3",
        f"{_ATHENA}, on the isoFLOPs of arXiv:2407.21783",
        _EXP11,
        "isoflops_openathena",
        _LAW,
        "squared residuals of ln L",
        {
            "E": "0.6021", "A": "56.2", "B": "147.3", "alpha": "0.3068", "beta": "0.3110",
            "a": "0.5034", "b": "0.4966",
        },
        fitted("chinchilla", squared(), prepare=llama),
        "A",
    ),
    Case(
        "llama3_approach2",
        f"{_ATHENA}, on the isoFLOPs of arXiv:2407.21783",
        _EXP11,
        "isoflops_openathena",
        "Approach 2: N_opt ~ C^a, D_opt ~ C^b",
        "parabolas of L in ln N, then a line",
        {"a": "0.4632", "b": "0.5368"},
        _approach_2,
        "A",
        "Llama 3's own D_opt exponent, .537, is this one. Without the rows that the collection "
        "flags as outliers a is .500",
    ),
)  # fmt: skip
