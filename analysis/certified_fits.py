# %% [markdown]
# # How many published fits come out again?
#
# 53 published results of scaling-law papers (parameters, exponents, objective values) were fitted
# again from the data that their authors released, by two engines that must agree with each other.
# The tables themselves are not in the repository; what the fits gave is:
#
#     scaling certify --data FOLDER --json > runs/certified/fits.json
#
# Grades: A, ours rounded are the printed digits; A-, within one unit of the last; B, the same
# optimum, printed from a search that stopped early; C, what is printed is not the optimum of its
# own objective; D, the released data do not lead to what is printed. Every case by itself:
# docs/certified.md.

# %%
from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from scaling.plot import save
from scaling.plot.style import GROUPS, MUTED, WIDE, canvas, styled

CERTIFIED = Path(__file__).resolve().parents[1] / "runs" / "certified"
GRADES = ("A", "A-", "B", "C", "D")
found = json.loads((CERTIFIED / "fits.json").read_text(encoding="utf-8"))
cases = pd.DataFrame(found)[["case", "paper", "data", "grade", "engines_digits", "digits"]]
cases["source"] = cases["paper"].str.extract(r"^(.*?\d{4})", expand=False)
assert not cases["source"].isna().any()
print(cases.groupby("source")["grade"].value_counts().unstack(fill_value=0)[list(GRADES)])
print(f"\nTwo engines: {cases['engines_digits'].notna().sum()} of {len(cases)} results")

# %% [markdown]
# ## Shares, and how sure they are
#
# Results of one paper share data and habits, so the 90 % intervals draw papers, not results. They
# say what another set of such papers might give, if it were chosen as these were: papers whose data
# could be had.

# %%
random = np.random.default_rng(0)
counts = cases.groupby("source")["grade"].value_counts().unstack(fill_value=0)[list(GRADES)]
drawn = counts.to_numpy()[random.integers(len(counts), size=(4000, len(counts)))].sum(axis=1)


def share(*grades: str) -> tuple[float, float, float]:
    """Per cent of the results with one of these grades, and its central 90 %."""
    at = [GRADES.index(grade) for grade in grades]
    low, high = np.quantile(drawn[:, at].sum(axis=1) / drawn.sum(axis=1), [0.05, 0.95])
    return 100 * float(cases["grade"].isin(grades).mean()), 100 * float(low), 100 * float(high)


for grade in GRADES:
    print("{}: {:.0f} % [{:.0f}, {:.0f}]".format(grade, *share(grade)))
numbers = pd.DataFrame(
    [
        (row.source, row.grade, digits)
        for row in cases.itertuples()
        for digits in row.digits.values()
    ],
    columns=["source", "grade", "digits"],
)
print("\nDigits that published numbers share with ours, by grade of the result")
print(numbers.groupby("grade")["digits"].describe()[["count", "min", "50%", "max"]].round(1))

# %% [markdown]
# ## The figure and the claim
#
# A mark is one published number: how many digits it shares with ours. Those of grade A share as
# many as were printed.


# %%
@styled
def figure():
    order = numbers.groupby("source")["digits"].median().sort_values().index
    drawn, (axes,) = canvas(None, width=WIDE, height=0.8 + 0.24 * len(order))
    jitter = np.random.default_rng(1).uniform(-0.28, 0.28, len(numbers))
    rows = order.get_indexer(numbers["source"]) + jitter
    for grade, colour, marker in zip(GRADES, GROUPS, "osv^D", strict=False):
        own = (numbers["grade"] == grade).to_numpy()
        axes.plot(numbers["digits"][own], rows[own], marker, color=colour, markersize=3.2,
                  alpha=0.8, markeredgewidth=0, label=grade)  # fmt: skip
    axes.set_yticks(range(len(order)), order)
    axes.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.5)
    axes.set(xlabel="Digits that a published number shares with ours", xlim=(-0.3, 15.5))
    axes.tick_params(axis="y", length=0)
    drawn.legend(loc="outside upper center", ncols=len(GRADES), title="grade of the result")
    return drawn


save(figure(), Path(os.environ.get("FIGURES", CERTIFIED)) / "certified.svg")
same, off = share("A", "A-"), share("C", "D")
print(
    f"\nClaim: of {len(cases)} published results of {len(counts)} papers "
    f"{same[0]:.0f} % (90 % interval {same[1]:.0f} to {same[2]:.0f}) come out as printed, to a "
    f"unit of the last digit; {off[0]:.0f} % [{off[1]:.0f}, {off[2]:.0f}] are not the optimum of "
    "their own objective, or do not follow from the data that were released."
)
