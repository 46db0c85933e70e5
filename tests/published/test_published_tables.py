"""Published tables: normalisers against our tables, and what every entry says of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling import published
from scaling.errors import InputError
from scaling.published import tables

NORMALISED = [
    "chinchilla_epoch", "isoflops_openathena", "tao_vocab", "steplaw_dense",
    "steplaw_bootstrap_params",
]  # fmt: skip


def assert_same(made: pd.DataFrame, ours: pd.DataFrame) -> None:
    assert len(made) == len(ours)
    for column in made:
        if made[column].dtype.kind in "fi":
            np.testing.assert_allclose(made[column], ours[column], rtol=1e-12, err_msg=str(column))
        else:
            assert made[column].fillna("").tolist() == ours[column].fillna("").tolist(), column


@pytest.mark.parametrize("name", NORMALISED)
def test_normaliser_makes_our_table_of_the_original(name: str, shared_data: Path) -> None:
    made = published.load(name, shared_data / "original")
    ours = published.load(name, shared_data)
    if name == "isoflops_openathena":  # the original is Llama 3's part
        ours = ours[ours["source"] == "llama_3"].reset_index(drop=True)
    assert_same(made, ours)


def test_routing_takes_the_last_step_of_each_run(tmp_path: Path) -> None:
    raw = pd.DataFrame(
        {
            "hyper_id": [1, 1, 2, 3],
            "step": [20, 10, 5, 7],
            "router_type": ["RL-R", "RL-R", "Hash", "Dense"],
            "loss_validation": [2.0, 3.0, 1.0, 4.0],
        }
    )
    raw.to_csv(tmp_path / "clark-routing.csv.gz", index=False)
    found = published.load("clark_routing_final", tmp_path)
    assert found["loss_validation"].tolist() == [2.0, 4.0]


def test_every_table_of_a_case_is_declared() -> None:
    from scaling.certify import CASES

    assert {case.data for case in CASES} - {""} <= {table.stem for table in tables.TABLES.values()}
    for table in tables.TABLES.values():
        for original in table.originals:
            assert len(original.sha256) == 64
            assert len(original.commit) == 40


def test_folders_without_the_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither tao_vocab.csv nor tao-vocab.csv"):
        published.load("tao_vocab", tmp_path)
    with pytest.raises(InputError, match=r"neither parscale.csv; the data are from QwenLM"):
        published.load("parscale", tmp_path)


def test_sets_in_no_plain_table_are_not_downloaded() -> None:
    with pytest.raises(InputError, match=r"not downloaded.*--data"):
        published.load("porian_optima", None)


def test_chinchillas_isoflop_points_are_those_of_our_table(shared_data: Path) -> None:
    made = published.load("isoflops-chinchilla", shared_data / "original")
    ours = published.load("isoflops-openathena", shared_data)
    ours = ours[ours["source"] == "epochai_chinchilla"].reset_index(drop=True)
    assert_same(made[["N", "D", "C", "loss"]], ours)


def test_names_are_found_by_either_form_and_the_nearest_is_named() -> None:
    assert tables.find("gadre") is tables.find("gadre_overtraining")
    with pytest.raises(InputError, match="no published table 'chinchila'; nearest: chinchilla-ep"):
        tables.find("chinchila")


def test_a_file_that_is_no_such_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "chinchilla-epoch.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"chinchilla-epoch\.csv cannot be read as chinchilla-epo"):
        published.load("chinchilla-epoch", tmp_path)
