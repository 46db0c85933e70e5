# %% [markdown]
# # Does trouble at scale show at small scale?
#
# Wortsman et al. 2023 (arXiv:2309.14322) saw instabilities of large transformers in small ones, at
# high learning rates, and measured them by *sensitivity*: the mean over three decades of learning
# rates of min(loss, loss at initialisation) minus the best loss. Here four widths from 16 to 128
# are trained at seven rates from .001 to 1, as usual (muP, warm-up, clipping) and with one thing
# changed at a time; widths 16 and 32 with two seeds: `scaling run runs/stability.toml`.

# %%
import json
import os
from pathlib import Path

import numpy as np

from scaling.fit.sensitivity import USUAL, interventions, sensitivities, trend
from scaling.plot import save, sensitivity
from scaling.table import read_table

RUNS = Path(__file__).resolve().parents[1] / "runs" / "stability"
table = read_table(RUNS / "table.csv")
table = table.assign(
    intervention=interventions(table), width=[json.loads(c)["width"] for c in table["config"]]
)
found = sensitivities(table)
found = found.merge(table[["N", "width"]].drop_duplicates(), on="N")
names = sorted(found["intervention"].unique(), key=lambda name: (name != USUAL, name))

# %% [markdown]
# ## Sensitivity against size, and what the three smaller widths say of the largest
#
# ln sensitivity is fitted as a line in ln N; intervals hold 90 %, and that of the forecast is for
# one further seed. A model that tolerates any rate has a small sensitivity; a slope above 0 means
# that the same range of rates grows more dangerous with size.

# %%
largest = found["width"].max()
inside, ratios, slopes = [], [], {}
for name in names:
    own = found[found["intervention"] == name]
    small, large = own[own["width"] < largest], own[own["width"] == largest]
    slopes[name] = trend(own["N"], own["sensitivity"])
    told, low, high = trend(small["N"], small["sensitivity"]).at(large["N"].iloc[0])
    truth = large["sensitivity"].to_numpy()
    inside += [bool(low <= value <= high) for value in truth]
    ratios.append(truth.mean() / told)
    print(
        f"{name:18} slope {slopes[name].slope:+.3f} [{slopes[name].low:+.3f}, "
        f"{slopes[name].high:+.3f}]; width {largest}: forecast {told:.3f} [{low:.3f}, {high:.3f}], "
        f"came out {', '.join(f'{v:.3f}' for v in truth)}; "
        f"{own['diverged'].sum()} of {(table['intervention'] == name).sum()} runs diverged"
    )

# %% [markdown]
# ## The largest attention logit
#
# Attention whose logits grow collapses onto single tokens (Zhai et al. 2023, arXiv:2303.06296;
# Dehghani et al. 2023, arXiv:2302.05442). Telemetry keeps the largest logit of every run. At a rate
# of .1, ten times the best one, it is a power of the width; again the smaller widths forecast the
# largest.

# %%
RATE = 0.1
finished = table[np.isfinite(table["loss"]) & (table["learning_rate"] == RATE)]
logits = {}
for name in names:
    own = finished[finished["intervention"] == name]
    small, large = own[own["width"] < largest], own[own["width"] == largest]
    if large.empty:
        print(f"{name:18} every run at {RATE} diverged")
        continue
    logits[name] = trend(own["width"], own["attention_logit"])
    told, low, high = trend(small["width"], small["attention_logit"]).at(largest)
    print(
        f"{name:18} logit ~ width^{logits[name].slope:.2f} [{logits[name].low:.2f}, "
        f"{logits[name].high:.2f}]; width {largest}: forecast {told:,.0f} "
        f"[{low:,.0f}, {high:,.0f}], came out {large['attention_logit'].iloc[0]:,.0f}"
    )

# %% [markdown]
# ## The figure and the claim
#
# With one seed of the largest width each forecast is held against one sweep. Without warm-up the
# forecast misses: its sensitivity is that of three rates of seven that diverge at every width, and
# cannot go on growing. The z-loss changes nothing here: its trouble, logits of the output that
# drift, needs longer runs than these.

# %%
figures = Path(os.environ.get("FIGURES", RUNS))
save(sensitivity(table), figures / "sensitivity.svg")


def interval(line):
    return f"{line.slope:.2f} [{line.low:.2f}, {line.high:.2f}]"


worst = np.exp(np.abs(np.log(ratios))).max()
apart, usual, normed = (interval(slopes[n]) for n in ("transfer = none", USUAL, "qk_norm = True"))
plain, calm = (interval(logits[n]) for n in (USUAL, "qk_norm = True"))
print(
    f"Claim: without transfer of rates sensitivity grows as N^{apart}, with it as N^{usual}, with "
    f"QK-norm as N^{normed}; attention logits at a rate of {RATE} grow as width^{plain}, with "
    f"QK-norm as width^{calm}; widths up to {largest // 2} forecast the sensitivity of width "
    f"{largest} within a factor of {worst:.2f} for all {len(names)} interventions, {sum(inside)} "
    "of them inside the 90 % interval"
)
