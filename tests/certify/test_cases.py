"""Published fits: our digits, both engines, and grades that follow from numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
import pytest

from scaling.certify import CASES, Case, Certificate, certify, choose
from scaling.certify.case import Printed, Solution, agreement
from scaling.errors import InputError

# What a first reading of the same data had found, by other code: NumPy and SciPy alone.
FIRST_READING = {
    "besiroglu2024_huber": {
        "E": 1.81721809901, "A": 477.825868234, "B": 2143.41736336,
        "alpha": 0.347310498882, "beta": 0.367172432628,
    },
    "besiroglu2024_lad": {
        "E": 1.81686413285, "A": 482.006054751, "B": 2085.43624548,
        "alpha": 0.347813070128, "beta": 0.365854164326,
    },
    "besiroglu2024_se": {
        "A": 124.493639, "B": 1293.169063, "E": 0.025657043,
        "alpha": 0.015397475, "beta": 0.020594169,
    },
    "muennighoff2023": {"RD": 95.3652, "RN": 1.70590},
    "gadre2024_c4": {"E": 1.50826, "a": 141.277, "b": 189.516, "eta": 0.121236},
    "gadre2024_error_redpajama": {"eps": 0.856992, "k": 2.206490, "g": 0.714591},
    "llama3_vpnls": {"E": 0.6046695, "A": 59.14107, "B": 155.11416},
    # a flat direction: what two engines agree on to 14 digits differs in that reading's last
    "tao2024": {"A1": 1.828879, "A2": 0.190668, "B": 2.121973, "beta": 0.445317},
    "parscale2025": {"E": 0.691207042, "Nc": 1.13070732e7, "alpha": 0.189358252},
    "clark2022_sbase": {"a": -0.0825, "b": -0.1119, "c": 0.0095, "d": 1.1067},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, certificate: Callable[[Case], Certificate]) -> None:
    found = certificate(case)
    assert found.grade == case.grade
    engines = found.engines_digits
    assert engines is None or engines >= case.agree
    if found.excess is not None and found.grade in ("B", "C"):
        assert found.excess > 0  # what is printed is nowhere below ours, in all its box
    assert found.grade in ("A", "A-") or case.why  # a difference is explained
    assert case.agree == 10 or case.why


def test_every_printed_number_is_one_that_we_give(
    certificate: Callable[[Case], Certificate],
) -> None:
    for case in CASES:
        assert set(case.published) <= set(certificate(case).solution.ours)


@pytest.mark.parametrize("name", FIRST_READING)
def test_first_reading(name: str, certificate: Callable[[Case], Certificate]) -> None:
    (case,) = (c for c in CASES if c.name == name)
    ours = certificate(case).solution.ours
    for key, value in FIRST_READING[name].items():
        assert Printed(repr(value)).unit * 1.01 >= abs(ours[key] - value), key


def test_there_are_enough() -> None:
    papers = {case.paper.split(",")[0] for case in CASES}
    assert len(CASES) >= 25
    assert len(papers) >= 10
    assert len({case.name for case in CASES}) == len(CASES)


def test_printed_digits_are_a_box() -> None:
    item = Printed("1.130e7")
    assert item.unit == 1e4
    assert item.box == (1.1295e7, 1.1305e7)
    assert Printed("-0.082").box == pytest.approx((-0.0825, -0.0815))
    full = Printed("0.19584238398665638")
    assert full.box[0] < full.value < full.box[1]


def made(ours: float, printed: str, value: float | None, there: float | None) -> Certificate:
    """A case whose solution is known."""

    def solve(table: pd.DataFrame, _: Mapping[str, Printed]) -> Solution:
        return Solution(len(table), {"x": ours}, {"x": ours}, ("one", "two"), value, there)

    case = Case("made", "nobody", "", "", "", "", {"x": printed}, solve, "A")
    return certify(case, pd.DataFrame())


@pytest.mark.parametrize(
    ("ours", "printed", "value", "there", "grade"),
    [
        (1.2349, "1.235", 1.0, 1.0, "A"),
        (1.2357, "1.235", 1.0, 1.0, "A-"),
        (1.2395, "1.235", 1.0, 1.0005, "B"),
        (1.2395, "1.235", 1.0, 1.5, "C"),
        (1.2395, "1.235", -2.0, -1.5, "C"),
        (1.2361, "1.235", None, None, "B"),  # a thousandth off: three digits
        (1.9, "1.235", None, None, "D"),
    ],
)
def test_grades_follow_from_numbers(
    ours: float, printed: str, value: float | None, there: float | None, grade: str
) -> None:
    found = made(ours, printed, value, there)
    assert found.grade == grade
    assert found.holds == (grade == "A")


def test_agreement_counts_digits() -> None:
    assert agreement(1.0, 1.0 + 1e-7) == pytest.approx(7, abs=1e-6)
    assert agreement(2.0, 2.0) == 15
    assert agreement(1.0, -1.0) < 0


def test_choose() -> None:
    assert {case.paper[:5] for case in choose("gadre")} == {"Gadre"}
    assert [case.name for case in choose("llama3_*2")] == ["llama3_approach2"]
    assert choose(None) == CASES
    with pytest.raises(InputError, match="matches no case"):
        choose("nothing-of-the-kind")
