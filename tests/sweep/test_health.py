"""The health of a study's cells: counted by status, the ill ones with what was found."""

from __future__ import annotations

from typing import Any

from scaling.sweep.standing.health import line, of_records

SPIKE = {"label": "spike", "step": 1301, "block": "mlp_1", "told": "up and back"}


def record(run: str, status: str = "finished", **more: Any) -> dict[str, Any]:
    return {"run": run, "family": "mlp", "N": 10, "D": 9, "seed": 0, "status": status,
            "reason": "", **more}  # fmt: skip


def test_cells_are_counted_and_the_ill_ones_named() -> None:
    records = [
        record("a"),
        record("b", findings=[SPIKE], skipped_steps=3, rewinds=0),
        record("c", "stopped"),
        record("d", "diverged", reason="the loss is 99"),
    ]
    health = of_records(records, ["a", "b", "c", "d", "e", "f"])
    assert str(health) == "6 cells: 2 finished, 1 stopped, 1 diverged, 2 missing"
    assert [cell["run"] for cell in health.ill] == ["b", "d"]
    assert health.ill[0]["skipped_steps"] == 3
    assert "rewinds" not in health.ill[0]
    assert health.to_dict()["cells"]["missing"] == 2
    assert line(SPIKE) == "spike at step 1,301, mlp_1: up and back"
    assert line({**SPIKE, "block": ""}) == "spike at step 1,301: up and back"


def test_nothing_to_tell() -> None:
    assert str(of_records([])) == "0 cells"
    assert str(of_records([record("a")])) == "1 cell: 1 finished"
