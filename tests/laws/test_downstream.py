"""Laws of downstream tasks, vision, filtered data, distillation and Farseer: values by hand."""

from __future__ import annotations

import numpy as np
import pytest

from scaling import laws
from scaling.laws import published
from scaling.laws.vision import best_shape


def value(law: str, **values: float) -> float:
    return float(laws.get(law).predict(**values))


def test_accuracy_rises_from_chance_to_its_top() -> None:
    p = {"a": 0.6, "b": 0.25, "k": 8.0, "l0": 0.9}
    assert value("task_accuracy", task_loss=0.9, **p) == pytest.approx(0.55)
    assert value("task_accuracy", task_loss=9.0, **p) == pytest.approx(0.25)
    assert value("task_accuracy", task_loss=0.0, **p) == pytest.approx(0.85, abs=1e-3)
    assert value("task_loss_of_compute", C=np.e**50, a=3.0, b=0.02) == pytest.approx(2.0)


def test_half_the_errors_are_left_at_the_middle() -> None:
    assert value("observational", C=1e22, h=0.75, C_mid=1e22, beta=0.4) == pytest.approx(0.375)
    odds = value("observational", C=1e23, h=1.0, C_mid=1e22, beta=0.4)
    assert np.log(1 / odds - 1) == pytest.approx(0.4 * np.log(10))  # the logit is straight in ln C


def test_an_untrained_model_stands_for_some_compute() -> None:
    p = {"a": 0.6, "b": 0.4, "c": 0.09, "d": 2.0}
    assert value("vit", C=6.0, **p) == pytest.approx(0.6 * 8**-0.4 + 0.09)


def test_best_shape_is_the_minimum() -> None:
    p = {"alpha": 3.0, "beta": 1e-3, "xi": 1.0, "eps": 0.1, "a": 0.6, "b": 0.9, "c": 0.3}
    x = np.geomspace(10, 1e5, 200_001)
    least = x[laws.get("vit_shape").predict(x=x, C=500.0, **p).argmin()]
    assert best_shape(500.0, p) == pytest.approx(least, rel=1e-4)
    grows = np.log(best_shape(1e4, p) / best_shape(1e3, p)) / np.log(10)
    assert grows == pytest.approx(p["c"] / (p["a"] + p["b"]))


def test_repetition_halves_the_utility_every_tau() -> None:
    p = {"a": 40.0, "b": 0.2, "d": 0.1, "tau": 2.0}
    once = value("repeated_pool", D=1e7, D_unique=1e7, **p)
    assert once == pytest.approx(40 * 1e7**-0.2 + 0.1)
    half = value("repeated_pool", D=2.5e7, D_unique=1e7, **p)
    factor = 2 ** (-0.2 * 2**-0.5) * 1.25 ** (-0.2 * 2**-1)
    assert half == pytest.approx(40 * 1e7**-0.2 * factor + 0.1)


def test_released_pools_as_the_released_code_has_them() -> None:
    p = published["goyal2024_top10"].params
    assert value("repeated_pool", D=1e7, D_unique=1.28e7, **p) == pytest.approx(
        (0.025 * 1e7 / 1e5) ** -0.16 + 0.1
    )


def test_a_student_meets_its_teacher_with_endless_capacity() -> None:
    p = {"A": 2243.0, "B": 24181.0, "alpha": 0.32, "beta": 0.64, "gamma": 0.76}
    p |= {"c0": 2.5, "c1": 500.0, "d1": 1.3, "f1": 0.09}
    assert value("distillation", N=1e30, D=1e30, L_T=2.1, L_S=2.3, **p) == pytest.approx(2.1)
    distance = 2.1**-2.5 * (1 + (2.1 / (2.3 * 1.3)) ** (1 / 0.09)) ** (-500 * 0.09)
    capacity = (2243 / 1e9**0.32 + 24181 / 1e11**0.64) ** 0.76
    found = value("distillation", N=1e9, D=1e11, L_T=2.1, L_S=2.3, **p)
    assert found == pytest.approx(2.1 + distance * capacity, rel=1e-12)


def test_farseer_is_hoffmanns_law_at_one_size() -> None:
    p = {"a1": -0.02, "b1": -1.0, "alpha": 0.1, "a2": 0.3, "b2": 3.0, "beta": 0.1}
    p |= {"a3": -0.1, "b3": 1.2, "gamma": 0.1}
    curve = 1e9**0.1
    floor, height = np.exp(-0.1 * curve + 1.2), np.exp(0.3 * curve + 3.0)
    fall = np.exp(-0.02 * curve - 1.0)
    found = value("farseer", N=1e9, D=1e11, **p)
    assert found == pytest.approx(floor + height * 1e11**-fall, rel=1e-12)
