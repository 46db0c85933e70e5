"""Certificates are found once a session: the cases' own tests and the page's share them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from scaling.certify import Case, Certificate, certify
from scaling.published import load


@pytest.fixture(scope="session")
def certificate(shared_data: Path) -> Callable[[Case], Certificate]:
    table = cache(lambda name: load(name, shared_data))
    found: dict[str, Certificate] = {}

    def of(case: Case) -> Certificate:
        if case.name not in found:
            found[case.name] = certify(case, table(case.data))
        return found[case.name]

    return of
