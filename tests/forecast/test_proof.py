"""The proof: rival rules beside the proof's own, and what is said of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from scaling.errors import InputError
from scaling.forecast import proof
from scaling.grid import Proof, Rival

RULE = Proof(law="chinchilla_tied", draws=40, fixed={"E": [0.9]}, discrepancy=0.004)
NO_E = Rival(name="no E", law="kaplan", draws=40)


def law(N: float, D: float) -> float:
    return 0.9 + 37 / N**0.44 + 176 / D**0.44


def run(name: str, N: float, D: float) -> dict[str, Any]:
    noise = np.random.default_rng([int(N), int(D)]).normal(0, 0.003)
    return {"run": name, "N": N, "N_total": N, "D": D, "C": 6 * N * D, "C_kind": "counted",
            "loss": law(N, D) * np.exp(noise)}  # fmt: skip


PILOTS = pd.DataFrame(
    [run(f"{N:g}-{D:g}", N, D) for N in (1e4, 2e4, 5e4, 1e5) for D in (5e5, 1e6, 2e6, 4e6)]
)
GOALS = [run("near", 3e5, 1.6e7), run("far", 1e6, 4e7)]


def records(**trained: str) -> dict[str, dict[str, Any]]:
    return {
        goal["run"]: {"loss": law(goal["N"], goal["D"]), "status": trained[goal["run"]],
                      "trained_at": "2031-01-01T00:00:00+00:00"}
        for goal in GOALS if goal["run"] in trained
    }  # fmt: skip


@pytest.fixture(scope="module")
def forecast() -> dict[str, Any]:
    made = proof.forecast_targets(PILOTS, GOALS, RULE, [NO_E])
    return {**made, "written_at": "2030-01-01T00:00:00+00:00"}


def test_rivals_are_forecast_beside_the_rule_and_scored_against_the_same_truth(
    forecast: dict[str, Any],
) -> None:
    verdicts = proof.verdicts(forecast, records(near="finished", far="finished"))
    assert [list(v.rivals) for v in verdicts] == [["no E"], ["no E"]]
    scores = proof.scores(verdicts)
    assert scores[""].trained == scores["no E"].trained == 2
    # the truth has an E of .9: a law without one must fall below it, ever farther
    assert scores[""].error_pct < 1 < scores["no E"].error_pct
    errors = [v.rivals["no E"].error_pct or 0 for v in verdicts]
    assert errors[1] < errors[0] < 0


def test_only_trained_targets_are_scored(forecast: dict[str, Any]) -> None:
    assert proof.scores(proof.verdicts(forecast, {})) == {}
    one = proof.scores(proof.verdicts(forecast, records(near="finished", far="failed")))
    assert {score.trained for score in one.values()} == {1}


def test_a_forecast_stored_without_rivals_is_still_read(forecast: dict[str, Any]) -> None:
    old = {key: value for key, value in forecast.items() if key != "rivals"}
    assert [v.rivals for v in proof.verdicts(old, records(near="finished"))] == [{}, {}]


def test_a_rival_changes_nothing_of_the_rules_own_forecast(forecast: dict[str, Any]) -> None:
    alone = proof.forecast_targets(PILOTS, GOALS, RULE)
    assert alone["targets"] == forecast["targets"]
    assert alone["rule_sha256"] == forecast["rule_sha256"]


@pytest.mark.parametrize(
    ("rivals", "message"),
    [
        ([NO_E, NO_E], "two rules are named 'no E'"),
        ([Rival(name="odd", law="kaplan", fixed={"gamma": [1.0]})], r"rivals \(odd\).*'gamma'"),
        ([Rival(name="odd", law="nosuch")], "nosuch"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused_before_training(
    rivals: list[Rival], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        proof.check(RULE, [], rivals)
