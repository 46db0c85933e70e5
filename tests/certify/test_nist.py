"""NIST StRD nonlinear regression: 27 problems, two starts, every engine."""

from __future__ import annotations

import numpy as np
import pytest

from scaling.certify import nist
from scaling.fit.rows import ENGINES

# Start 1 of these is meant to be far away, and these engines end elsewhere from it.
FAILED = {("MGH10", "newton", 1), ("MGH09", "varpro", 1), ("MGH10", "varpro", 1)}
EACH = [
    (name, engine, start)
    for name in nist.names()
    for engine in nist.engines_for(name)
    for start in (1, 2)
]


def test_all_27_are_here() -> None:
    assert len(nist.names()) == 27
    assert set(nist.names()) == set(nist.MODELS)


@pytest.mark.parametrize("name", nist.names())
def test_data_give_the_certified_sum_of_squares(name: str) -> None:
    ref = nist.reference(name)
    rss = float((ref.problem.residuals(ref.certified) ** 2).sum())
    if name == "Lanczos1":  # an exact law printed to 12 decimals: certified 1e-25 is all rounding
        exact = np.array([0.0951, 1.0, 0.8607, 3.0, 1.5576, 5.0])
        assert np.abs(ref.problem.residuals(exact)).max() < 5e-13
    else:
        assert rss == pytest.approx(ref.rss, rel=2e-10)


@pytest.mark.parametrize(("name", "engine", "start"), EACH)
def test_engine(name: str, engine: str, start: int) -> None:
    solved = nist.solve(name, engine, start)
    if (name, engine, start) in FAILED:
        assert solved.digits < 6  # the day that it is solved, say so here and on the page
        return
    assert solved.digits >= 6
    assert solved.rss_digits >= 8 or name == "Lanczos1"


@pytest.mark.parametrize("name", nist.names())
def test_each_start_is_solved_by_an_engine_to_all_but_the_last_digits(name: str) -> None:
    for start in (1, 2):
        best = max(nist.solve(name, e, start).digits for e in nist.engines_for(name))
        assert best >= 9


@pytest.mark.parametrize("name", ["Misra1a", "Gauss2", "MGH17", "Thurber", "ENSO"])
def test_engines_stay_at_the_certified_values(name: str) -> None:
    ref = nist.reference(name)
    for engine in nist.engines_for(name):
        found = ENGINES[engine].solve(ref.problem, ref.certified[None])
        assert nist.digits(found.u[0], ref.certified).min() > 7


def test_digits() -> None:
    certified = np.array([100.0, 5.0, 2.0])
    ours = np.array([100.0, 5.0 * (1 + 1e-4), np.nan])
    assert nist.digits(ours, certified) == pytest.approx([11, 4, 0])
