# %% [markdown]
# # Why did Kaplan and Chinchilla disagree? Reconciled on runs of our own
#
# Kaplan et al. (2020, arXiv:2001.08361) found that the best size grows as C^0.73, Hoffmann et al.
# (2022, arXiv:2203.15556) as C^0.50. Porian et al. (2024, arXiv:2406.19146) walked from one to the
# other; Pearce & Song (2024, arXiv:2406.12907) derive most of it from N without embeddings. Here
# the same steps on text transformers of 2,186 to 104,688 parameters, most of them in the embedding
# and the head of the smaller ones, up to 2e11 FLOPs, two seeds (`runs/kaplan.toml`).

# %%
from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np

from scaling.forecast import published_law
from scaling.plot import save
from scaling.plot.style import FIT, MUTED, TRUTH, WIDE, canvas, ramp, styled
from scaling.table import read_table

FOLDER = Path(__file__).resolve().parents[1] / "runs" / "kaplan"
DRAWS, KAPLAN, CHINCHILLA = 2000, 0.73, 0.50
table = read_table(FOLDER / "table.parquet")
recipe = table["recipe"].map(json.loads).str
marks = [recipe["batch_tokens"] == 512, recipe["cooldown"] > 0, recipe["warmup_steps"] < 128]
table["way"] = np.select(marks, [4, 3, 2], 1)

# %% [markdown]
# ## N_opt at each budget, and the exponent
#
# Each size's ln loss is interpolated in ln D. At a budget the best size is the lowest point of the
# parabola through the best one and its neighbours in ln N; budgets of fewer than six sizes (five in
# the last column), or whose best is the smallest or the largest, are left out. The exponent is the
# slope of ln N_opt in ln C; 90 % intervals by a wild bootstrap of the sizes' differences of seeds.
# Counting C alone does not help: the small models then pay for a head that their N leaves out.


# %%
def optima(way: int, N: str, C: str, least: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """ln C of the budgets [b], and ln N_opt [1 + draws, b]; the estimate first."""
    own = table[table["way"] == way]
    sizes = own.assign(c=np.log(own[C])).groupby(N)
    budgets = np.arange(sizes["c"].min().min(), sizes["c"].max().max(), 0.2)
    middle, moved = np.full((2, len(sizes), len(budgets)), np.inf)
    for i, (_, rows) in enumerate(sizes):
        seeds = np.log(rows.pivot_table(index="c", columns="seed", values="loss"))
        inside = (budgets >= seeds.index[0]) & (budgets <= seeds.index[-1])
        middle[i, inside] = np.interp(budgets[inside], seeds.index, seeds.mean(axis=1))
        moved[i, inside] = np.interp(budgets[inside], seeds.index, (seeds[0] - seeds[1]) / 2)
    seen, best = np.isfinite(middle), middle.argmin(axis=0)
    inner = (best > seen.argmax(axis=0)) & (best < len(seen) - 1 - seen[::-1].argmax(axis=0))
    kept = inner & (seen.sum(axis=0) >= least)
    random = np.random.default_rng(way)  # one draw of the runs, however they are accounted
    times = np.vstack([np.zeros(len(seen)), random.normal(size=(DRAWS, len(seen)))])
    losses = middle + times[:, :, None] * np.where(seen, moved, 0)
    return budgets[kept], lowest(np.log(list(sizes.groups)), losses[:, :, kept])


def lowest(n: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Vertices [draws, b] of parabolas through the best of [draws, sizes, b] and its neighbours."""
    at = losses.argmin(axis=1).clip(1, len(n) - 2)
    below, best, above = (np.take_along_axis(losses, at[:, None] + k, 1)[:, 0] for k in (-1, 0, 1))
    before, after = n[at] - n[at - 1], n[at + 1] - n[at]
    with np.errstate(invalid="ignore", divide="ignore"):  # a neighbour that was not trained so far
        down, up = (best - below) / before, (above - best) / after
        off = -(down * after + up * before) / (2 * (up - down))
    return n[at] + np.clip(np.where(np.isfinite(off), off, 0), -before, after)


# What each step switches on; way, N and C; the exponent of Porian et al.'s stage, RefinedWeb.
STEPS = {
    "Kaplan's account and training": (1, "N", "C_6ND", 0.835),
    "C counted, with the head": (1, "N", "C", np.nan),
    "N with embedding and head": (1, "N_total", "C", 0.706),
    "warm-up of one token a parameter": (2, "N_total", "C", 0.602),
    "cooldown at every length": (3, "N_total", "C", 0.571),
    "rate and batch tuned by size": (4, "N_total", "C", 0.497),
}


def told(values: np.ndarray, sign: str = "") -> str:
    low, high = np.quantile(values[1:], [0.05, 0.95])
    return f"{values[0]:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


names = list(STEPS)
found = {name: optima(*how) for name, (*how, _) in STEPS.items()}
slopes = {name: np.polyfit(c, n.T, 1)[0] for name, (c, n) in found.items()}
changes = {b: slopes[b] - slopes[a] for a, b in pairwise(slopes)}
print(f"{'':34}a, 90 % interval     change               Porian   five sizes")
for name, (*how, theirs) in STEPS.items():
    change = told(changes[name], "+") if name in changes else ""
    five = np.polyfit(*(v.T for v in optima(*how, least=5)), 1)[0, 0]
    beside = "-" if np.isnan(theirs) else str(theirs)
    print(f"{name:33} {told(slopes[name]):20} {change:20} {beside:8} {five:.2f}")
accounted = np.polyfit(*(v.T for v in optima(4, "N", "C_6ND")), 1)[0]

# %% [markdown]
# ## The analytic account
#
# Pearce & Song: Chinchilla's law of N_total = N + 47491 N^(1/3), and the exponent of the best N at
# C = 6ND over Kaplan's sizes, 768 to 1.5e9.

# %%
C = np.geomspace(1e11, 1e21, 400)
best = published_law("pearce2024").optimum(C).N.point
within = (best >= 768) & (best <= 1.5e9)
analytic = np.polyfit(np.log(C[within]), np.log(best[within]), 1)[0]
print(f"with published constants: N_opt ~ C^{analytic:.2f}; Kaplan found C^{KAPLAN}")

# %% [markdown]
# ## The figure and the claim
#
# Left: optima after the first, third, fifth and last step. Right: the exponent after each step,
# Porian et al.'s beside it (hollow), and what Kaplan and Hoffmann published (dotted).


# %%
@styled
def figure():
    shown, (left, right) = canvas(None, 2, width=WIDE, height=2.7)
    for at, marker in zip((0, 2, 4, 5), "os^D", strict=True):
        c, n = found[names[at]]
        left.plot(np.exp(c), np.exp(n[0]), marker, color=ramp(6)[at], label=names[at])
        left.plot(np.exp(c), np.exp(np.poly1d(np.polyfit(c, n[0], 1))(c)), color=ramp(6)[at])
    left.set(xscale="log", yscale="log", xlabel="C, as accounted", ylabel="Best N, as accounted")
    for y, (name, (*_, theirs)) in enumerate(STEPS.items()):
        right.plot(np.quantile(slopes[name][1:], [0.05, 0.95]), [y, y], color=FIT, linewidth=1.2)
        right.plot(slopes[name][0], y, "o", color=FIT, label="" if y else "ours")
        right.plot(theirs, y, "D", color=TRUTH, mfc="none", label="" if y else "Porian et al.")
    right.vlines([KAPLAN, CHINCHILLA], -0.5, len(STEPS), color=MUTED, linewidth=0.8, linestyle=":")
    right.set_yticks(range(6), names)
    right.set(ylim=(5.5, -0.5), xlabel="a, of $N_{opt}$ ~ $C^a$")
    for axes in (left, right):
        axes.legend(loc="lower right", fontsize=6)
    return shown


save(figure(), Path(os.environ.get("FIGURES", FOLDER)) / "exponents.svg")
start, end, account = (told(v) for v in (slopes[names[0]], slopes[names[-1]], accounted))
clear = {k: np.prod(np.quantile(v[1:], [0.05, 0.95])) > 0 for k, v in changes.items()}
steps = [f"{k} {told(v, '+')}{'' if clear[k] else ' (not clear)'}" for k, v in changes.items()]
print(
    f"\nClaim: accounted and trained as Kaplan did, the best size grows as C^{start} (90 %), as "
    f"Chinchilla as C^{end}: {'; '.join(steps)}. The tuned runs by Kaplan's account: C^{account}."
)
