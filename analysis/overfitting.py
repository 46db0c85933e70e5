# %% [markdown]
# # When does repetition do harm?
#
# A model reads the same data again: the held-out loss falls, stops falling, and rises. Where it turns
# depends on the size of the model and on how much distinct data there is. Two grids measure it:
# language models on the King James Version (`runs/overfitting-text.toml`) and classifiers of Fashion-MNIST
# (`runs/overfitting-images.toml`), three to six sizes x four training sets x up to 64 epochs x two seeds, and
# the same lengths on fresh data.
#
# **Rule, written before either grid was trained** (it stands in the grids): the law `overfit`,
#
#     L = E + A/N^alpha + B/D^beta + P (D/U - 1)^delta N^kappa / U^lam,    U = min(D, D_unique),
#
# N all parameters, every parameter free, Huber on ln L. Held out and forecast: (a) runs longer than 16
# epochs (images) or 8 (text); (b) in a fit of its own, the largest size. Beside it stand laws in which
# repetition does no harm (`muennighoff_tied`, `bounded`), by the same rule.

# %%
from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from scaling.fit import Fit, fit
from scaling.forecast.overfitting import Repetition
from scaling.plot import save
from scaling.plot.registry import of_repetition
from scaling.table import read_table

RUNS = Path(__file__).resolve().parents[1] / "runs"
LONGEST = {"overfitting-text": 8, "overfitting-images": 16}  # epochs that fits see
RIVALS = ("overfit", "overfit_ratio", "muennighoff_tied", "bounded")
DRAWS = 200


def table_of(name: str) -> pd.DataFrame:
    table = read_table(RUNS / name / "table.parquet")
    return table.assign(epochs=table["D"] / table["D_unique"])


def error(fitted: Fit, rows: pd.DataFrame) -> pd.Series:
    """Forecast over truth, less 1: positive where the law is too pessimistic."""
    said = fitted.predict(N=rows["N_total"], D=rows["D"], D_unique=rows["D_unique"])
    return said / rows["loss"] - 1


# %% [markdown]
# ## Forecast against truth on what was held out

# %%
forecasts = []
for name, longest in LONGEST.items():
    table = table_of(name)
    largest = table["N_total"].max()
    for held_out, out in {
        f"more than {longest} epochs": table["epochs"] > longest * 1.01,
        f"the largest size, N = {largest:,.0f}": table["N_total"] == largest,
    }.items():
        for law in RIVALS:
            fitted = fit(law, table[~out], N="N_total", draws=0)
            off = error(fitted, table[out])
            forecasts.append(
                {
                    "grid": name,
                    "held out": held_out,
                    "law": law,
                    "runs": int(out.sum()),
                    "median |error| %": 100 * off.abs().median(),
                    "mean error %": 100 * off.mean(),
                    "fit rms %": 100 * float(np.sqrt((fitted.residuals**2).mean())),
                }
            )
scores = pd.DataFrame(forecasts).round(1)
print(scores.to_string(index=False))

# %% [markdown]
# ## The answers, from a fit of all runs
#
# Where does the loss turn, what is a repeated token worth, and how much of the data must be distinct?

# %%
claims = {}
for name in LONGEST:
    table = table_of(name)
    whole = fit("overfit", table, N="N_total", draws=DRAWS)
    asked = Repetition(whole)
    sizes = np.sort(table["N_total"].unique())
    unique = float(np.sort(table["D_unique"].unique())[1])
    print(f"\n{name}: {whole.law.formula}")
    print("  " + ", ".join(f"{k} {v:.3g}" for k, v in whole.params.items()))
    for size in (sizes[0], sizes[-1]):
        found = asked.epochs(float(size), unique, [2, 4, 8, 16])
        claims[name, size] = found
        worth = ", ".join(f"{row.epochs:g} worth {row.fresh}" for row in found.rows)
        print(f"  N = {size:,.0f} on {unique:,.0f} distinct: least loss after {found.best} epochs,")
        print(f"    within 1 % of it after {found.enough}, half value after {found.half}; {worth}")
        need = asked.needed(float(size), 8 * unique).D_unique
        print(f"    a run of D = {8 * unique:,.0f} needs {need} distinct to lose no more than 1 %")

# %% [markdown]
# ## The figure
#
# Full points were fitted, hollow ones forecast (rule a).

# %%
for name, longest in LONGEST.items():
    figure = of_repetition(
        table_of(name), N="N_total", where=f"epochs <= {longest * 1.01}", draws=DRAWS
    )
    save(figure, RUNS / name / "overfitting.svg")
