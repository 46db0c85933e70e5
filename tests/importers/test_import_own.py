"""Tables in our own words come out as they went in."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from scaling.importing import import_runs

TABLE = Path(__file__).resolve().parents[2] / "runs" / "text" / "seed-0" / "table.csv"


def test_a_run_table_is_imported_as_it_is(tmp_path: Path) -> None:
    given = pd.read_csv(TABLE).astype({"reason": object})
    given.loc[3, ["status", "reason", "loss"]] = ["diverged", "loss is NaN", float("nan")]
    given.loc[5, "role"] = "target"
    given.to_csv(tmp_path / "table.csv", index=False)
    found = import_runs([str(tmp_path / "table.csv")]).df
    same = [name for name in found.columns if name in given.columns and name != "reason"]
    assert set(given.columns) - set(same) <= {"reason", "config"}
    pd.testing.assert_frame_equal(found[same], given[same], check_dtype=False, rtol=1e-12)
    assert found["reason"][3] == "loss is NaN"
