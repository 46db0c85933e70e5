"""The proof: rival rules beside the proof's own, and what is said of them."""

from __future__ import annotations

from types import SimpleNamespace
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


def test_recovered_runs_count_where_the_rule_says_so(forecast: dict[str, Any]) -> None:
    """Both as pilots and as the truth of a target."""
    status = ["recovered" if N == 2e4 else "finished" for N in PILOTS["N"]]
    pilots = PILOTS.assign(status=status)
    include = RULE.model_copy(update={"recovered": "include"})
    made = proof.forecast_targets(pilots, GOALS, include)
    assert made["targets"] == forecast["targets"]
    left_out = proof.forecast_targets(pilots, GOALS, RULE)
    assert left_out["targets"] != forecast["targets"]
    at = {"written_at": "2030-01-01T00:00:00+00:00"}
    came = records(near="recovered", far="finished")
    assert [v.truth is None for v in proof.verdicts({**made, **at}, came)] == [False, False]
    assert [v.truth is None for v in proof.verdicts({**left_out, **at}, came)] == [True, False]


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


# A study of two families: the second of worse laws, cheaper runs and a target of its own.
def other(name: str, N: float, D: float) -> dict[str, Any]:
    row = run(name, N, D)
    return {**row, "family": "mlp", "C": row["C"] / 4, "loss": 1.5 * row["loss"]}


TWO = pd.concat(
    [
        PILOTS.assign(family="cnn"),
        pd.DataFrame([other(f"mlp-{row.run}", row.N, row.D) for row in PILOTS.itertuples()]),
    ],
    ignore_index=True,
).assign(L_kind="nats_per_image", D_kind="images")
TWO_GOALS = [
    {**GOALS[0], "family": "cnn"},
    {**other("mlp-near", GOALS[0]["N"], GOALS[0]["D"])},
]
FREE = Proof(law="chinchilla_tied", draws=40)


def test_each_target_is_forecast_from_the_pilots_of_its_own_family() -> None:
    made = proof.forecast_targets(TWO, TWO_GOALS, FREE)
    assert [target["family"] for target in made["targets"]] == ["cnn", "mlp"]
    for name, target in zip(("cnn", "mlp"), made["targets"], strict=True):
        own = TWO[TWO.family == name].reset_index(drop=True)
        single = proof.forecast_targets(own, [TWO_GOALS[name == "mlp"]], FREE)
        assert single["targets"] == [{k: v for k, v in target.items() if k != "family"}]
        assert made["params"][name] == single["params"]
        assert made["largest_pilot"][name] == single["largest_pilot"]
    assert made["L_kind"] == "nats_per_image"
    goal = TWO_GOALS[1]
    stamped = {**made, "written_at": "2030-01-01T00:00:00+00:00"}
    trained = {goal["run"]: {"loss": goal["loss"], "status": "finished",
                             "trained_at": "2031-01-01T00:00:00+00:00"}}  # fmt: skip
    cnn, mlp = proof.verdicts(stamped, trained)
    assert (cnn.family, cnn.truth) == ("cnn", None)
    assert (mlp.family, mlp.l_kind) == ("mlp", "nats_per_image")
    assert abs(mlp.error_pct or 100) < 2


def test_a_study_of_one_family_keeps_its_format() -> None:
    text = PILOTS.assign(family="transformer", L_kind="nats_per_token", D_kind="tokens")
    goals = [{**goal, "family": "transformer"} for goal in GOALS]
    made, bare = (
        proof.forecast_targets(text, goals, RULE),
        proof.forecast_targets(PILOTS, GOALS, RULE),
    )
    assert list(made) == list(bare)
    assert {**made, "table_sha256": ""} == {**bare, "table_sha256": ""}


def test_a_target_without_pilots_of_its_family_is_refused() -> None:
    vit = {**GOALS[0], "family": "vit"}
    with pytest.raises(InputError, match=r"target near: its family vit has no pilots .*cnn, mlp"):
        proof.forecast_targets(TWO, [vit], FREE)
    with pytest.raises(InputError, match=r"its family vit has no pilots"):
        proof.forecast_targets(PILOTS.assign(family="cnn"), [vit], FREE)


def test_a_target_too_near_its_own_familys_pilots_is_refused() -> None:
    near = {**TWO_GOALS[0], "C": 5 * float(PILOTS.C.max())}
    with pytest.raises(InputError, match="target near: 5 times the compute"):
        proof.forecast_targets(TWO, [near], FREE)
    # the mlp's largest pilot is 4 times cheaper: the same C is 20 times beyond it
    proof.forecast_targets(TWO, [{**near, "family": "mlp"}], FREE)


def test_a_grid_without_pilots_of_a_targets_family_is_refused_before_training() -> None:
    def cell(role: str, family: str, C: float) -> Any:
        return SimpleNamespace(id=f"{family}-{role}", role=role, family=family, C=C)

    pilots = [cell("pilot", "cnn", 1e9), cell("pilot", "mlp", 1e8)]
    proof.check(FREE, [*pilots, cell("target", "mlp", 2e9)])
    with pytest.raises(InputError, match="target vit-target: its family vit has no pilots"):
        proof.check(FREE, [*pilots, cell("target", "vit", 1e12)])
    with pytest.raises(InputError, match="target cnn-target: 2 times the compute"):
        proof.check(FREE, [*pilots, cell("target", "cnn", 2e9)])
