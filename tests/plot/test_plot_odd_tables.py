"""Figures of tables that share no size, and of families with very long names."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

from scaling import plot
from scaling.fit import fit
from scaling.forecast.decisions.crossing import side_by_side
from scaling.plot.style import ramp


def table(lengths: int) -> pd.DataFrame:
    """Runs of eight sizes; lengths: shared by all, or with 0 none is shared."""
    N = np.geomspace(1e4, 1e6, 8)
    per = np.geomspace(5, 80, lengths or 8)
    N, D = (v.ravel() for v in np.meshgrid(N, 1e4 * per)) if lengths else (N, N[::-1] * per)
    loss = 0.9 + 37 / N**0.44 + 176 / D**0.44
    return pd.DataFrame({"run": [str(i) for i in range(len(N))], "N": N, "D": D, "loss": loss})


def test_slices_say_that_nothing_is_shared() -> None:
    figure = plot.slices(fit("chinchilla", table(0), draws=0))
    told = [text.get_text() for ax in figure.axes[:2] for text in ax.texts]
    assert "no D is shared by runs of different N" in told
    assert "no N is shared by runs of different D" in told
    assert ramp(0) == []


def test_long_names_leave_room_for_panels(tmp_path: Path) -> None:
    two = pd.concat([table(4).assign(family=name) for name in ("w" * 500, "vit")])
    two["run"] = [str(i) for i in range(len(two))]
    figure = plot.families(side_by_side("chinchilla", two, draws=20))
    plot.save(figure, io.BytesIO(), ".svg")  # a panel without room is a warning, and so an error
    assert all(ax.get_position().width > 0.1 for ax in figure.axes)
