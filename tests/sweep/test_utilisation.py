"""MFU of a study, from its records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scaling.errors import InputError
from scaling.sweep.standing.utilisation import utilisation
from scaling.sweep.storing.records import sealed


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three runs, one of them without an MFU, as the runs of a cohort have none."""
    (tmp_path / "study.json").write_text("{}")
    told: list[dict[str, Any]] = [
        {"mfu": 0.2, "flops_spent": 1e12},
        {"mfu": 0.4, "flops_spent": 6e12},
        {"flops_spent": 9e12},
    ]
    for i, more in enumerate(told):
        folder = tmp_path / "cells" / f"run{i}"
        folder.mkdir(parents=True)
        record = {"run": f"run{i}", "status": "finished", **more}
        (folder / "record.json").write_bytes(sealed(record, {}))
    return tmp_path


def test_flops_over_what_devices_could_have_done_meanwhile(study: Path) -> None:
    before = sorted(study.rglob("*"))
    found = utilisation(str(study))
    # 7e12 FLOPs took as long as 5e12 / peak + 15e12 / peak.
    assert found.point == pytest.approx(7 / 20)
    assert (found.least, found.most, found.runs) == (0.2, 0.4, 2)
    assert sorted(study.rglob("*")) == before  # nothing is written


def test_no_study_and_no_mfu(study: Path, tmp_path: Path) -> None:
    for i in range(2):
        (study / "cells" / f"run{i}" / "record.json").unlink()
    with pytest.raises(InputError, match="no run of this study has an MFU"):
        utilisation(str(study))
    with pytest.raises(InputError, match="no study here"):
        utilisation(str(tmp_path / "nowhere"))
