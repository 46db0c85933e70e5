# %% [markdown]
# # What the field trained, beside what a law would have trained
#
# Published sizes, tokens and errors of known models (`scaling/forecast/landscape/`, each row with
# its source): how the error of image models fell, and how far language models lie from the optimum
# that a law gives for their compute. No model is trained here, and none of these trends is a
# scaling law of one recipe: later models are also better trained, on more data.

# %%
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from scaling.forecast import published_law
from scaling.forecast.landscape import landscape
from scaling.plot import landscape as draw
from scaling.plot import save

FOLDER = Path(__file__).resolve().parents[1] / "runs" / "landscape"
LAWS = ("kaplan2020", "hoffmann2022", "besiroglu2024")
OURS = "besiroglu2024"

# %% [markdown]
# ## Image models: errors against size, compute and time
#
# Slopes are of ln(top-1 error on ImageNet) in ln x, or a year; 90 % intervals from a bootstrap that
# draws families of models.

# %%
image = landscape("image")
for trend in image.trends:
    halving = "" if trend.halving is None else f"; halves in {trend.halving} years"
    print(f"{trend.of:8} slope {trend.slope}{halving}; {len(trend.models)} models")

# %% [markdown]
# ## Language models: tokens over the optimum of the same compute
#
# `D/D_opt` above 1: more tokens, on a smaller model, than the law calls best. Medians by year; 90 %
# intervals from a bootstrap over a year's models. By which law matters more than that.

# %%
random = np.random.default_rng(0)
views = {law: landscape("language", published_law(law)) for law in LAWS}


def median(values: list[float]) -> str:
    drawn = np.median(random.choice(values, (2000, len(values))), axis=1)
    low, high = np.quantile(drawn, [0.05, 0.95])
    return f"{np.median(values):.2g} [{low:.2g}, {high:.2g}]"


by_year: dict[str, dict[str, str]] = {}
for law, view in views.items():
    for year in sorted({one.date[:4] for one in view.placed}):
        own = [one.over.point for one in view.placed if one.date[:4] == year]
        by_year.setdefault(year, {"models": str(len(own))})[law] = median(own)
print(pd.DataFrame(by_year).T.to_string())

# %% [markdown]
# ## What over-training costs, in training compute
#
# The share of its compute that an optimal run of the same loss, by the law, would have saved. It is
# the price of a smaller model, which is cheaper to serve: a choice, not a fault.

# %%
placed = views[OURS].placed
shares = pd.DataFrame(
    [(one.date[:4], one.verdict, 100 * one.saved, one.tokens_per_param) for one in placed],
    columns=["year", "verdict", "saved %", "tokens per parameter"],
)
print(shares.groupby("verdict")[["saved %", "tokens per parameter"]].median().round(0))
print(shares.groupby("year")["verdict"].value_counts().unstack(fill_value=0))

# %% [markdown]
# ## The figures and the claim

# %%
figures = Path(os.environ.get("FIGURES", FOLDER))
save(draw(views[OURS]), figures / "language.svg")
save(draw(image), figures / "image.svg")

size = next(trend for trend in image.trends if trend.of == "size")
by_kaplan = [one.over.point for one in views[LAWS[0]].placed if one.date[:4] >= "2024"]
early = [one.over.point for one in placed if one.date[:4] <= "2022"]
late = [one.over.point for one in placed if one.date[:4] >= "2024"]
drawn = [np.median(random.choice(years, (2000, len(years))), axis=1) for years in (early, late)]
ratio = np.median(late) / np.median(early)
low, high = np.quantile(drawn[1] / drawn[0], [0.05, 0.95])
print(
    f"\nClaim: language models of 2024 and 2025 were given {median(late)} times the tokens that "
    f"{OURS} calls best for their compute, {ratio:.1f} [{low:.1f}, {high:.1f}] times as far beyond "
    f"it as those up to 2022. By {LAWS[0]} it would be {np.median(by_kaplan):.0f} times. "
    f"The top-1 error of image models fell as size^{size.slope.point:.3f} [{size.slope.q05:.3f}, "
    f"{size.slope.q95:.3f}] across the field."
)
