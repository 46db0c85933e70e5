# %% [markdown]
# # Predict, then train: did the forecast come true?
#
# `runs/text-proof.toml` trained 200 pilots, wrote down a forecast, and only then trained 14 targets
# of 10 to 20 times the largest pilot's compute. The rule (law, rows, objective, prior on the
# irreducible loss E) was committed before any target; five rival rules were stored beside it.
# `runs/text.toml` is the short form that anyone can repeat: three repetitions are in the
# repository.

# %%
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from scaling.fit import fit
from scaling.plot import save
from scaling.plot.style import BAND, FIT, INK, MUTED, TRUTH, WIDE, canvas, styled
from scaling.stored import Stored

RUNS = Path(__file__).resolve().parents[1] / "runs"
OURS = "the rule that was committed"


def outcomes(study: str) -> pd.DataFrame:
    """One row a target and rule: forecast, interval and truth, all in nats a token."""
    rows = []
    for target in Stored(str(RUNS / study)).verdicts:
        for name, told in {OURS: target, **target.rivals}.items():
            rows.append((study, target.cell, name, told.forecast, told.q05, told.q95, told.truth))
    columns = ["study", "run", "rule", "forecast", "low", "high", "truth"]
    found = pd.DataFrame(rows, columns=columns)
    found["error %"] = 100 * (found["forecast"] / found["truth"] - 1)
    found["inside"] = found["truth"].between(found["low"], found["high"])
    found["width %"] = 100 * (found["high"] - found["low"]) / found["truth"]
    return found


STUDIES = ("text-proof", "text/seed-0", "text/seed-30", "text/seed-60")
told = pd.concat([outcomes(study) for study in STUDIES], ignore_index=True)
own = told[told["rule"] == OURS]
per_study = own.groupby("study", sort=False).agg(
    targets=("run", "size"), mean_error=("error %", "mean"), inside=("inside", "sum"),
    width=("width %", "mean"),
)  # fmt: skip
print("The rule of each study against what came out (errors and widths in % of the loss)")
print(per_study.round(2).to_string())

# %% [markdown]
# ## By rule
#
# The 14 targets are five widths; targets of one width share a recipe and partly a trunk, so they
# are one experiment. Intervals are 90 % of a bootstrap that draws widths, given these pilots.

# %%
table = Stored(str(RUNS / "text-proof")).table
proof = told[told["study"] == "text-proof"].merge(table[["run", "N_total", "D"]], on="run")
random = np.random.default_rng(0)


def by_width(values: pd.Series, widths: pd.Series) -> tuple[float, float, float]:
    """The mean of the widths' means, and its central 90 %."""
    means = values.groupby(widths).mean().to_numpy()
    drawn = random.choice(means, (4000, len(means))).mean(axis=1)
    return float(means.mean()), *map(float, np.quantile(drawn, [0.05, 0.95]))


rules = {}
for name, rows in proof.groupby("rule", sort=False):
    error = by_width(rows["error %"].abs(), rows["N_total"])
    rules[name] = (*error, rows["inside"].sum(), rows["width %"].mean())
    print(
        f"{name:45} |error| {error[0]:.2f} % [{error[1]:.2f}, {error[2]:.2f}], {rules[name][3]} of "
        f"{len(rows)} inside an interval of {rules[name][4]:.1f} %"
    )

# %% [markdown]
# ## What the prior on E is worth
#
# The same law on the same rows, with E held at values from 0 to 1.15, and with E free. Pilots this
# small prefer an E that is too high for the targets, by a residual that hardly changes.

# %%
RULE = {"N": "N_total", "where": "N_total > 2e4 and D >= 9e5"}
PRIOR = (0.7, 1.0)
truth = proof[proof["rule"] == OURS]


def errors(**fixed: float) -> tuple[float, pd.Series]:
    """The pilots' rms residual, and the error at each target; all in % of the loss."""
    fitted = fit("chinchilla_tied", table, fixed=fixed, draws=0, **RULE)
    said = fitted.predict(N=truth["N_total"], D=truth["D"])
    return 100 * float(np.sqrt((fitted.residuals**2).mean())), 100 * (said / truth["truth"] - 1)


values = np.linspace(0.0, 1.15, 24)
misfit, missed = zip(*(errors(E=E) for E in values), strict=True)
off = [by_width(error, truth["N_total"]) for error in missed]
rows = {"E": values, "rms of pilots %": misfit, "error at targets %": [o[0] for o in off]}
print(pd.DataFrame(rows)[::3].round(2).to_string(index=False))
free = fit("chinchilla_tied", table, draws=400, **RULE)
low, high = free.interval("E")
_, without = errors()
gain = by_width(without.abs() - truth["error %"].abs(), truth["N_total"])
print(f"E free on the rule's rows: {free.params['E']:.3f} [{low:.3f}, {high:.3f}]")

# %% [markdown]
# ## The figure and the claim
#
# Left: the targets' mean error by rule; bars are the mean width of its 90 % intervals. Right: the
# error at the targets against the E that is assumed, with its 90 % band, and the pilots' residual.


# %%
@styled
def figure():
    drawn, (left, right) = canvas(None, 2, width=WIDE, height=2.6)
    for y, (name, rows) in enumerate(proof.groupby("rule", sort=False)):
        middle, half = rows["error %"].mean(), rows["width %"].mean() / 2
        left.plot([middle - half, middle + half], [y, y], color=BAND, linewidth=6, alpha=0.5)
        left.plot(rows["error %"], [y] * len(rows), "D", color=TRUTH, markersize=3, alpha=0.7)
        left.text(0.0, y - 0.36, name, fontsize=6.3, transform=left.get_yaxis_transform())
    left.axvline(0, color=INK, linewidth=0.7)
    left.set(
        ylim=(len(rules) - 0.5, -0.75), yticks=[], xlabel="Forecast over truth (% of the loss)"
    )
    middle, low, high = np.transpose(off)
    right.axvspan(*PRIOR, color=MUTED, alpha=0.15, linewidth=0)
    right.text(np.mean(PRIOR), -5.4, "prior", ha="center", color=MUTED, fontsize=6.5)
    right.fill_between(values, low, high, color=TRUTH, alpha=0.2, linewidth=0)
    right.plot(values, middle, color=TRUTH, label="mean error at the targets")
    right.plot(values, misfit, color=FIT, linestyle="--", label="rms residual of the pilots")
    right.axhline(0, color=INK, linewidth=0.7)
    right.set(xlabel="E assumed (nats per token)", ylabel="% of the loss", ylim=(-6, 6))
    right.legend(loc="upper left")
    return drawn


save(figure(), Path(os.environ.get("FIGURES", RUNS / "text-proof")) / "rules.svg")
error, inside, width = rules[OURS][:3], rules[OURS][3], rules[OURS][4]
print(
    f"\nClaim: written before they were trained, the forecasts of 14 models of 10 to 20 times the "
    f"pilots' compute were off by {error[0]:.2f} % of the loss (90 % interval {error[1]:.2f} to "
    f"{error[2]:.2f}), {inside} of 14 inside intervals of {width:.1f} %. The prior on E was "
    f"worth {gain[0]:.1f} [{gain[1]:.1f}, {gain[2]:.1f}] points of error: E free, the same rule "
    f"on the same rows finds E = {free.params['E']:.2f} and errs by {without.abs().mean():.1f} %."
)
