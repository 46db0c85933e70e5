# %% [markdown]
# # When does repetition do harm?
#
# A model reads the same data again: the held-out loss falls, stops falling, and rises. Where it
# turns depends on the size of the model and on how much distinct data there is. Two grids measure
# it: language models on the King James Version (`runs/overfitting-text.toml`) and classifiers of
# Fashion-MNIST (`runs/overfitting-images.toml`): three or six sizes x four training sets x up to 32
# or 64 epochs x two seeds, and the same lengths on fresh data.
#
# **Rule, written before either grid was trained** (it stands in the grids): the law `overfit`,
#
#     L = E + A/N^alpha + B/D^beta + P (D/U - 1)^delta N^kappa / U^lam,    U = min(D, D_unique),
#
# N all parameters, every parameter free, Huber on ln L. Held out and forecast: (a) runs longer than
# 16 epochs (images) or 8 (text); (b) in a fit of its own, the largest size. Beside it stand laws in
# which one more pass does no harm (`muennighoff_tied`, `bounded`), by the same rule.

# %%
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from scaling.fit import fit
from scaling.forecast.further.overfitting import Repetition
from scaling.plot import save
from scaling.plot.of_tables import of_repetition
from scaling.table import read_table

RUNS = Path(__file__).resolve().parents[1] / "runs"
LONGEST = {"overfitting-text": 8, "overfitting-images": 16}  # epochs that fits of rule (a) see
LAWS = ("overfit", "overfit_ratio", "muennighoff_tied", "bounded")
DRAWS = int(os.environ.get("DRAWS", "200"))


def table_of(name: str) -> pd.DataFrame:
    table = read_table(RUNS / name / "table.parquet")
    return table.assign(epochs=table["D"] / table["D_unique"])


# %% [markdown]
# ## Forecast against truth on what was held out

# %%
errors: dict[tuple[str, str, str], pd.Series] = {}
for name, longest in LONGEST.items():
    table = table_of(name)
    held_out = {
        f"over {longest} epochs": table["epochs"] > 1.01 * longest,
        "largest size": table["N_total"] == table["N_total"].max(),
    }
    for what, out in held_out.items():
        for law in LAWS:
            fitted = fit(law, table[~out], N="N_total", draws=0)
            rows = table[out]
            said = fitted.predict(N=rows["N_total"], D=rows["D"], D_unique=rows["D_unique"])
            errors[name, what, law] = 100 * (said / rows["loss"] - 1)
scores = [
    (*k, len(e), e.abs().median(), e.abs().quantile(0.9), e.mean()) for k, e in errors.items()
]
columns = ["grid", "held out", "law", "runs", "median |error| %", "90 % within %", "mean %"]
print(pd.DataFrame(scores, columns=columns).round(1).to_string(index=False))

# %% [markdown]
# ## Where the loss turns
#
# By the runs: the lowest point of a parabola in ln epochs through the best length and its two
# neighbours (a factor of 2 apart, mean of the seeds), where the best is no end. By the law: fitted
# under rule (a), without the longest runs.


# %%
def measured(loss: pd.Series) -> tuple[float, float]:
    """Epochs and loss at the lowest point; NaN where the best length is the first or the last."""
    best = int(loss.to_numpy().argmin())
    if best in (0, len(loss) - 1):
        return float("nan"), float("nan")
    near = loss.iloc[best - 1 : best + 2]
    x = np.log(near.index.to_numpy() / near.index[1])
    a, b, c = np.polyfit(x, near.to_numpy(), 2)
    return float(near.index[1] * np.exp(-b / (2 * a))), float(c - b * b / (4 * a))


def off(law: pd.Series, truth: pd.Series) -> str:
    """How far the law's answers lie from what was measured."""
    share = 100 * (np.array([answer.point for answer in law]) / truth - 1).abs()
    return f"{share.median():.1f} % (median of {len(share)}, worst {share.max():.0f} %)"


means, asked, turns = {}, {}, []
for name, longest in LONGEST.items():
    table = table_of(name)
    seen = table[table["epochs"] <= 1.01 * longest]
    asked[name] = Repetition(fit("overfit", seen, N="N_total", draws=DRAWS))
    means[name] = table.groupby(["N_total", "D_unique", "epochs"])["loss"].mean()
    for (size, unique), loss in means[name].groupby(level=[0, 1]):
        at, least = measured(loss.droplevel([0, 1]))
        said = asked[name].epochs(float(size), float(unique))
        turns.append((name, size, unique, at, said.best, least, said.best_loss))
columns = ["grid", "N", "D_unique", "turn", "by the law", "least loss", "by law"]
found = pd.DataFrame(turns, columns=columns).dropna()
print(found.round(3).to_string(index=False))

# %% [markdown]
# ## What repeated data are worth in fresh ones
#
# By the runs: the length at which fresh data give the loss of some epochs, between the lengths that
# were trained. By the law, as above.

# %%
worths = []
for name, loss in means.items():
    for size, own in loss.groupby(level=0):
        fresh = own[np.isclose(own.index.get_level_values("epochs"), 1, rtol=0.01)]
        seen_fresh = np.log(fresh.index.get_level_values("D_unique"))
        for (_, unique, epochs), value in own.items():
            if epochs in (4, 8) and fresh.min() <= value <= fresh.max():
                D = np.exp(np.interp(-value, -fresh, seen_fresh))
                said = asked[name].epochs(float(size), unique, [epochs]).rows[0]
                worths.append((name, size, unique, epochs, D / unique, said.fresh))
columns = ["grid", "N", "D_unique", "epochs", "worth", "by law"]
worth = pd.DataFrame(worths, columns=columns)
print(worth.round(2).to_string(index=False))

# %% [markdown]
# ## The figures, and the claim
#
# Full points were fitted, hollow ones forecast (rule a).

# %%
for name, longest in LONGEST.items():
    where = f"epochs <= {1.01 * longest}"
    figure = of_repetition(table_of(name), N="N_total", where=where, draws=DRAWS)
    save(figure, Path(os.environ.get("FIGURES", RUNS / name)) / f"{name}.svg")

for name, longest in LONGEST.items():
    own, some = (frame[frame["grid"] == name] for frame in (found, worth))
    same = own[own["D_unique"] == own["D_unique"].min()].set_index("N")["by the law"]
    harm, none = (errors[name, f"over {longest} epochs", law].mean() for law in LAWS[::2])
    print(
        f"Claim: {name}: the least unique data serve N = {same.index[0]:,.0f} for {same.iloc[0]} "
        f"epochs, N = {same.index[-1]:,.0f} for {same.iloc[-1]}. Fitted to at most {longest} "
        f"epochs, the law is off by {off(own['by the law'], own['turn'])} in the turn, "
        f"{off(own['by law'], own['least loss'])} in the least loss, "
        f"{off(some['by law'], some['worth'])} in what 4 or 8 epochs are worth; in the loss of "
        f"longer runs by {harm:+.0f} % on average, a law without harm by {none:+.0f} %."
    )
