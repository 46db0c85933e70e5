# %% [markdown]
# # Which family of image models, at which compute?
#
# Four families were trained on Fashion-MNIST at 14 x 14 pixels (`runs/vision.toml`): five sizes x
# five training sets x three seeds each, one pass over each set. A law is fitted to each family
# alone; where the frontiers of two cross, the one is to be preferred above, the other below. Then
# one larger model of each was forecast, by a rule committed beforehand, and trained.

# %%
from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from scaling.forecast.decisions.crossing import side_by_side
from scaling.plot import families, save
from scaling.stored import Stored

STUDY = Path(__file__).resolve().parents[1] / "runs" / "vision"
DRAWS = int(os.environ.get("DRAWS", "1000"))
study = Stored(str(STUDY))
table = study.table
views = side_by_side("chinchilla", table, draws=DRAWS)
groups, crossings = views[0].groups, views[0].crossings


def told(value: float, low: float, high: float, digits: str = ".2f") -> str:
    return f"{value:{digits}} [{low:{digits}}, {high:{digits}}]"


parameters = {
    name: {family: told(v.point, v.q05, v.q95) for family, v in own.items()}
    for name, own in groups.parameters().items()
    if name not in ("A", "B")
}
print("Laws of the loss, family by family, with 90 % intervals")
print(pd.DataFrame(parameters).T.to_string())

# %% [markdown]
# ## Where one family passes another
#
# An interval that ends at the limit of the search (a thousand times the largest run) is open there.
# None of the crossings of the fully connected net lies within its own runs: they are extrapolated,
# and hang on the rows. With the smallest training sets left out, as the rule of the forecast does,
# the net's irreducible loss falls to 0, and none passes below it (-) within the range.

# %%
larger = side_by_side("chinchilla", table, where="D > 10000", draws=DRAWS)
without = {(c.first, c.then): c for c in larger[0].crossings}
rows = []
for crossing in crossings:
    other = without.get((crossing.first, crossing.then))
    high = "open" if crossing.open_high else f"{crossing.q95:.1e}"
    low = "open" if crossing.open_low else f"{crossing.q05:.1e}"
    rows.append({
        "passes": f"{crossing.then} below {crossing.first}",
        "at C": "-" if crossing.C is None else f"{crossing.C:.1e}",
        "90 %": f"[{low}, {high}]",
        "of draws": f"{crossing.crosses:.0%}",
        "decades beyond the runs": crossing.decades,
        "with D > 10000": "-" if other is None or other.C is None else f"{other.C:.1e}",
    })  # fmt: skip
print(pd.DataFrame(rows).round(1).to_string(index=False))

# %% [markdown]
# ## Forecast against truth
#
# One larger model of each family: twice the images, some five times the parameters.

# %%
verdicts = study.verdicts
for verdict in verdicts:
    print(verdict)
error = sum(abs(v.error_pct) for v in verdicts) / len(verdicts)
width = sum((v.q95 - v.q05) / v.truth for v in verdicts) / len(verdicts)
inside = sum(v.inside for v in verdicts)

# %% [markdown]
# ## The figure and the claim
#
# Above the loss, below the share of images that are told wrong; rings are crossings of the
# frontiers.

# %%
save(families(views), Path(os.environ.get("FIGURES", STUDY)) / "families.svg")

cnn = next(c for c in crossings if {c.first, c.then} == {"mlp", "cnn"})
high = f"beyond {cnn.within[1]:.0e}" if cnn.open_high else f"{cnn.q95:.1e}"
exponents = groups.parameters()["alpha"]
spread = ", ".join(
    f"{family} {told(v.point, v.q05, v.q95)}" for family, v in sorted(exponents.items())
)
print(
    f"\nClaim: the fully connected net is ahead up to {cnn.C:.1e} FLOPs (90 % interval "
    f"{cnn.q05:.1e} to {high}), where the CNN passes below it, {cnn.decades:.1f} decades beyond "
    f"its runs; exponents in N do not tell the families apart: {spread}. Larger models of each "
    f"were forecast with a mean error of {error:.1f} %, {inside} of {len(verdicts)} inside "
    f"intervals of {100 * width:.0f} % of the loss."
)
