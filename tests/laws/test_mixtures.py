"""Laws of data mixtures."""

from __future__ import annotations

import numpy as np
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.laws.mixtures import additive, exponential, joint


def test_exponential_by_hand() -> None:
    found = exponential(3).predict(h1=0.5, h2=0.2, c=2.0, k=1.5, t1=-2.0, t2=0.3)
    assert float(found) == pytest.approx(2 + 1.5 * np.exp(-1 + 0.06))


def test_joint_is_additive_where_all_domains_weigh_alike() -> None:
    shared = {"E": 1.5, "alpha": 0.3, "beta": 0.25}
    shared |= {"C1": 0.8, "C2": 1.1, "g1": 0.4, "g2": 0.7}
    x = {"N": 1e8, "D": 1e10, "h1": 0.3}
    one = additive(2).predict(**x, **shared, A=400.0, B=900.0)
    amplitudes = {"A1": 20.0, "A2": 20.0, "B1": 30.0, "B2": 30.0}
    two = joint(2).predict(**x, **shared, **amplitudes, gA=2.0, gB=np.log(900) / np.log(30))
    assert float(one) == pytest.approx(float(two), rel=1e-12)


def test_best_mixture_of_the_additive_law_is_the_same_at_every_size() -> None:
    p = {"E": 1.5, "A": 400.0, "B": 900.0, "alpha": 0.3, "beta": 0.25}
    p |= {"C1": 0.8, "C2": 1.1, "g1": 0.4, "g2": 0.7}
    h = np.linspace(0.01, 0.99, 99)
    small, large = (additive(2).predict(N=n, D=1e10, h1=h, **p).argmin() for n in (1e7, 1e10))
    assert small == large


def test_bimix_by_hand() -> None:
    found = laws.get("bimix").predict(h=0.25, D=1e10, alpha=0.5, beta=0.1, B=10.0, C=1.2)
    assert float(found) == pytest.approx((10 / 1e10**0.1 + 1.2) * 2)


def test_more_domains_than_the_registry_has() -> None:
    battery.recovers_truth(exponential(4))
