"""Runs that all took the same compute: nothing is said of how the best size grows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.report.given import of_table
from scaling.report.sentences import sentences


def test_runs_of_one_budget_show_no_exponent() -> None:
    N = np.geomspace(1e4, 1e5, 8)
    D = 4e10 / N
    table = pd.DataFrame({"run": [str(i) for i in range(8)], "N": N, "D": D})
    table["loss"] = 0.9 + 37 / N**0.44 + 176 / D**0.44
    told = sentences(of_table(table))["isoflop"]
    assert told.startswith("At 2.40 × 10¹¹ FLOPs, which every run took, the best size is ")
    assert "nan" not in told
