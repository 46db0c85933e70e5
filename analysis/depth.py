# %% [markdown]
# # Does a net get better by being deeper?
#
# More layers can compute whatever fewer can: the ones too many need only pass on what they get. Yet
# He et al. (2015, arXiv:1512.03385, Fig. 1) found that beyond some depth plain convolutional nets
# train to a *higher* loss: not overfitting, since it is the training loss, but nets that gradient
# descent does not find. Shortcuts around pairs of layers cured it.
#
# Here the same in small: nets of 8 to 218 layers, 4, 8 and 16 channels wide, on Fashion-MNIST at
# 14 x 14 pixels, one pass over 15,360 images, two seeds (`runs/depth.toml`). Plain and residual
# nets have the same layers, parameters and FLOPs; only the sums differ.

# %%
from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student

from scaling.families import resnet
from scaling.plot import depth, save
from scaling.plot.depth import by_block, last_loss, nets
from scaling.stored import Stored

STUDY = Path(__file__).resolve().parents[1] / "runs" / "depth"
study = Stored(str(STUDY))
table, curves = study.table, study.curves
runs = nets(table, curves)
print(f"{len(table)} runs, {len(runs)} of them at the best rate of their kind and depth")

# %% [markdown]
# ## Training loss by depth
#
# The mean loss of the last 64 steps. Seeds scatter about their mean by a share that is taken to be
# one for all nets that learn at all (below 2 nats; a guess has ln 10 = 2.30); intervals are
# Student's with the pooled variance's degrees of freedom.

# %%
logs = np.log(runs.set_index(["kind", "depth"])["train_loss"])
groups = logs.groupby(level=["kind", "depth"])
means, counts = groups.mean(), groups.count()
learn = means < np.log(2)
freedom = int((counts[learn] - 1).sum())
scatter = float(np.sqrt(((counts[learn] - 1) * groups.var()[learn]).sum() / freedom))


def ratio(one: tuple[str, int], other: tuple[str, int]) -> tuple[float, float, float]:
    """How much higher one loss is than another: the estimate and its central 90 %."""
    difference = means[one] - means[other]
    half = student.ppf(0.95, freedom) * scatter * np.sqrt(1 / counts[one] + 1 / counts[other])
    low, middle, high = np.exp([difference - half, difference, difference + half])
    return float(middle), float(low), float(high)


depths = sorted(runs["depth"].unique())
rows = []
for number in depths:
    times, low, high = ratio(("plain", number), ("residual", number))
    rows.append(
        {
            "depth": number,
            "plain": np.exp(means["plain", number]),
            "residual": np.exp(means["residual", number]),
            "plain / residual": f"{times:.2f} [{low:.2f}, {high:.2f}]",
        }
    )
print(f"\nSeeds scatter by {100 * scatter:.1f} % ({freedom} degrees of freedom)")
print(pd.DataFrame(rows).round(3).to_string(index=False))

# %% [markdown]
# ## Is it the learning rate?
#
# Both kinds were trained at one rate. Plain nets of 20 and of 56 layers also had a third and three
# times of it: the loss of each, mean of two seeds.

# %%
config = table["config"].map(json.loads)
tried = table.assign(depth=config.str["depth"], train_loss=table["run"].map(
    lambda run: last_loss(curves[run])))[config.str["shortcut"] == "none"]  # fmt: skip
rates = tried.pivot_table(index="depth", columns="learning_rate", values="train_loss").dropna()
print("\nTraining loss of plain nets by learning rate")
print(rates.round(3).to_string())

# %% [markdown]
# ## Why: the gradient on its way back
#
# At the first reading (step 16) a plain net's gradient grows by a constant factor with every layer
# on its way to the input: BatchNorm without shortcuts makes it explode, whatever the weights start
# from (Yang et al. 2019, arXiv:1902.08129). Shortcuts let it pass. The receptive field is no
# reason: it is wider than the image from the shallowest net on.


# %%
def growth(kind: str, number: int) -> float:
    """The factor by which the gradient grows with each layer, geometric mean over the seeds."""
    own = runs[(runs["kind"] == kind) & (runs["depth"] == number)]
    blocks = [np.log(by_block(curves[run])) for run in own["run"]]
    slopes = [-np.polyfit(np.arange(row.size), row, 1)[0] for row in blocks]
    return float(np.exp(np.mean(slopes) / 2))  # two layers a block


print("\nGrowth of the gradient with each layer, at step 16")
grown = {k: [growth(k, number) for number in depths[1:]] for k in ("plain", "residual")}
print(pd.DataFrame(grown, index=depths[1:]).round(3).to_string())
field = resnet.from_dials(**json.loads(runs["config"].iloc[0])).receptive_field
print(f"Receptive field of {runs['depth'].iloc[0]} layers: {field} pixels; an image has 14")

# %%
save(depth(table, curves), Path(os.environ.get("FIGURES", STUDY)) / "depth.svg")

lowest, deepest = int(means["plain"].idxmin()), depths[-1]
beyond = [d for d in depths if d > lowest and ratio(("plain", d), ("plain", lowest))[1] > 1]
guessing = [d for d in depths if not learn["plain", d]]


def told(one: tuple[str, int], other: tuple[str, int]) -> str:
    return "{:.2f} (90 % interval {:.2f} to {:.2f})".format(*ratio(one, other))


risen = told(("plain", beyond[0]), ("plain", lowest))
apart = told(("plain", 56), ("residual", 56))
kept = told(("residual", deepest), ("residual", lowest))
guesses = " and ".join(map(str, guessing))
print(
    f"\nClaim: plain nets of {beyond[0]} layers and more train to a higher loss than those of "
    f"{lowest}: with {beyond[0]} layers {risen} times theirs, and with 56 {apart} times the "
    f"residual net's; with {guesses} they do no better than a guess. Residual nets of {deepest} "
    f"layers reach {kept} times the loss of {lowest}."
)
