"""Made-up studies for reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from batteries import studies

from scaling.report import page as page_module
from scaling.report.figures import CAPTIONS, Shown


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Path]:
    """Make a study: `study(name=..., forecast=..., targets=...)`."""
    return lambda name="made-up", **how: studies.small_study(tmp_path / "study", name, **how)


@pytest.fixture
def families_study(tmp_path: Path) -> Path:
    """A study of two families on images: pilots, a forecast, and the target of one trained."""
    return studies.two_families(tmp_path / "families")


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that look at words only need not wait for figures."""
    nothing = {name: Shown(None, "", "not drawn here") for name in CAPTIONS}
    monkeypatch.setattr(page_module, "figures", lambda study, linked: nothing)
