"""Units and conventions: what is sure is converted and told, what is not is said."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.errors import InputError
from scaling.importing import Asked, Imported, import_runs
from scaling.importing.conventions import kinds_given
from scaling.importing.shapes import counts
from scaling.table import check_table


def table(tmp_path: Path, **columns: object) -> str:
    """A grid of 4 x 3 runs on a law, with these columns instead, or besides."""
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e6, 1e9, 4), np.geomspace(1e8, 1e10, 3)))
    loss = 1.7 + 400 / N**0.34 + 410 / D**0.28
    data = {"params": N, "tokens": D, "val_loss": loss}
    for name, value in columns.items():
        data[name] = value(N, D, loss) if callable(value) else value
    path = tmp_path / "runs.csv"
    pd.DataFrame({k: v for k, v in data.items() if v is not None}).to_csv(path, index=False)
    return str(path)


def imported(source: str, **asked: Any) -> Imported:
    found = import_runs([source], Asked(**asked))
    check_table(found.df)
    return found


@pytest.mark.parametrize(
    ("name", "scale"),
    [("tokens_B", 1e9), ("tokens (millions)", 1e6), ("tokensM", 1e6), ("train_tokens_in_k", 1e3)],
)
def test_a_unit_in_a_name_is_undone(tmp_path: Path, name: str, scale: float) -> None:
    source = table(tmp_path, tokens=None, **{name: lambda N, D, loss: D / scale})
    found = imported(source)
    assert found.df["D"].max() == pytest.approx(1e10)
    assert any(line.startswith("D = ") for line in found.account.conversions)


@settings(max_examples=8, deadline=None)
@given(column=st.sampled_from(["params", "tokens"]), power=st.sampled_from([6, 9]))
def test_a_unit_that_no_name_tells_is_found_by_6nd(
    tmp_path_factory: pytest.TempPathFactory, column: str, power: int
) -> None:
    at = 0 if column == "params" else 1
    source = table(
        tmp_path_factory.mktemp("units"),
        **{column: lambda *v: v[at] / 10**power, "flops": lambda N, D, loss: 6 * N * D},
    )
    found = imported(source)
    assert found.df["C_6ND"].to_numpy() == pytest.approx(found.df["C"].to_numpy())
    assert found.account.conventions["C_kind"] == "6ND"
    assert any("was in" in line for line in found.account.conversions)


def test_a_unit_that_nothing_tells_is_refused(tmp_path: Path) -> None:
    source = table(tmp_path, tokens=lambda N, D, loss: D / 1e9)
    with pytest.raises(InputError, match="say in which unit, such as --map D="):
        import_runs([source])


def test_compute_in_another_unit_is_found_by_6nd(tmp_path: Path) -> None:
    found = imported(table(tmp_path, compute=lambda N, D, loss: 6.6 * N * D * N**0.01 / 8.64e19))
    assert any("petaFLOP/s-days" in line for line in found.account.conversions)
    assert found.account.conventions["C_kind"] == "counted"


def test_tokens_are_steps_times_a_batch_of_sequences(tmp_path: Path) -> None:
    source = table(tmp_path, tokens=None, steps=lambda N, D, loss: np.round(D / 8192), seq_len=512,
                   batch_size=16)  # fmt: skip
    found = imported(source)
    assert found.df["D"].to_numpy() == pytest.approx(found.df["steps"].to_numpy() * 8192)
    assert found.account.columns["D"]["made_of"] == "steps * batch_size * seq_len"
    assert found.account.columns["D"]["doubts"]


@pytest.mark.parametrize(
    ("name", "of_nats", "kind"),
    [
        ("val_ppl", math.exp, "nats_per_token"),
        ("val_loss_bits_per_token", lambda nats: nats / math.log(2), "nats_per_token"),
        ("eval_bpb", lambda nats: nats, "bits_per_byte"),
        ("val_loss_per_word", lambda nats: nats, "nats_per_word"),
    ],
)
def test_a_loss_is_taken_by_its_unit(tmp_path: Path, name: str, of_nats: object, kind: str) -> None:
    plain = imported(table(tmp_path)).df["loss"].to_numpy()
    source = table(tmp_path, val_loss=None, **{name: lambda N, D, loss: [*map(of_nats, loss)]})
    found = imported(source)
    assert found.df["loss"].to_numpy() == pytest.approx(plain)
    assert found.account.conventions["L_kind"] == kind


def test_a_plain_loss_of_a_table_has_no_unit_until_it_is_told(tmp_path: Path) -> None:
    assert imported(table(tmp_path)).account.conventions["L_kind"] == "unstated"
    told = imported(table(tmp_path), kinds={"L_kind": "nats_per_token"})
    assert set(told.df["L_kind"]) == {"nats_per_token"}


@pytest.mark.parametrize("which", ["N", "N_total"])
def test_a_logged_size_is_known_by_its_configuration(tmp_path: Path, which: str) -> None:
    shape = {"model_type": "llama", "hidden_size": 512, "intermediate_size": 1376,
             "num_hidden_layers": 8, "num_attention_heads": 8, "vocab_size": 32000,
             "tie_word_embeddings": False}  # fmt: skip
    exact = counts(shape)
    assert exact is not None
    found = imported(table(tmp_path, params=getattr(exact, which), **shape))
    assert set(found.df["N"]) == {exact.N}
    assert set(found.df["N_total"]) == {exact.N_total}
    assert found.account.conventions["N_kind"] == "non_embedding"
    name = "non-embedding" if which == "N" else "total"
    assert any(f"logged is {name}" in line for line in found.account.found)


def test_a_size_that_is_neither_count_is_said_to_be(tmp_path: Path) -> None:
    shape = {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 2, "vocab_size": 1000}
    found = imported(table(tmp_path, params=1e6, **shape))
    assert set(found.df["N"]) == {1e6}
    assert any("neither count" in line for line in found.account.found)


def test_two_losses_are_told_and_none_is_refused(tmp_path: Path) -> None:
    source = table(tmp_path, eval_loss=lambda N, D, loss: loss + 0.1)
    found = imported(source)
    assert found.account.columns["loss"]["doubts"] == ["could be eval_loss as well"]
    only = table(tmp_path, val_loss=None, train_loss=lambda N, D, loss: loss)
    with pytest.raises(InputError, match="only the training loss train_loss was found"):
        import_runs([only])
    assert imported(only, training=True).account.conventions["L_kind"] == "train_loss"
    given = imported(only, maps={"loss": "train_loss"})
    assert given.account.conventions["L_kind"] == "train_loss"


def test_two_conventions_in_one_column_are_refused_by_both_names(tmp_path: Path) -> None:
    source = table(tmp_path, N_kind=["total"] * 6 + ["non_embedding"] * 6)
    with pytest.raises(InputError, match="N_kind is stated as non_embedding and as total"):
        import_runs([source])
    told = imported(source, kinds={"N_kind": "total"})
    assert set(told.df["N_kind"]) == {"total"}


@pytest.mark.parametrize("compute", [False, True])
def test_two_columns_of_few_are_refused(tmp_path: Path, compute: bool) -> None:
    """6ND tells one unit, not two: millions x millions is also thousands x billions."""
    N, D = np.geomspace(125, 13_000, 12), np.geomspace(2500, 90_000, 12)
    source = table(tmp_path, params=N, tokens=D, flops=6e12 * N * D if compute else None)
    with pytest.raises(InputError, match=r"N runs from .* few for a count of parameters"):
        import_runs([source])
    told = imported(source, maps={"N": "params * 1e6", "D": "tokens * 1e6"})
    assert told.df["D"].max() == pytest.approx(9e10)


@pytest.mark.parametrize(
    ("ours", "name", "of"),
    [("loss", "val_ppl", math.exp), ("D", "tokens_M", lambda D: D / 1e6)],
)
def test_a_column_that_is_given_keeps_the_unit_of_its_name(
    tmp_path: Path, ours: str, name: str, of: object
) -> None:
    plain = imported(table(tmp_path)).df[ours].to_numpy()
    at = {"D": 1, "loss": 2}[ours]
    source = table(tmp_path, **{name: lambda *v: [*map(of, v[at])]})
    assert imported(source, maps={ours: name}).df[ours].to_numpy() == pytest.approx(plain)


@pytest.mark.parametrize(
    ("columns", "batch"),
    [
        ({"total_batch_size": 512}, 512 * 1024),
        ({"total_batch_size": 524_288}, 524_288),
        ({"global_batch_size": 512, "gradient_accumulation_steps": 4, "world_size": 8}, 512 * 1024),
        ({"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4, "world_size": 8},
         128 * 1024),
    ],
)  # fmt: skip
def test_what_a_batch_holds(tmp_path: Path, columns: dict[str, int], batch: int) -> None:
    source = table(tmp_path, tokens=None, steps=100, seq_len=1024, eval_batch_size=7, **columns)
    found = imported(source)
    assert set(found.df["D"]) == {100 * batch}


def test_a_batch_of_evaluations_is_none_of_training(tmp_path: Path) -> None:
    source = table(tmp_path, tokens=None, steps=100, seq_len=1024, eval_batch_size=7)
    with pytest.raises(InputError, match="nothing is D"):
        import_runs([source])


def test_a_kind_that_is_told_is_that_of_the_log(tmp_path: Path) -> None:
    """N in the table is counted without tables: it must not be called total."""
    shape = {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 2, "vocab_size": 1000}
    exact = counts(shape)
    assert exact is not None
    source = table(tmp_path, params=exact.N_total, **shape)
    found = imported(source, kinds={"N_kind": "total"})
    assert (set(found.df["N"]), set(found.df["N_kind"])) == ({exact.N}, {"non_embedding"})


def test_steps_that_tokens_are_made_of_still_tell_how_a_run_ended(tmp_path: Path) -> None:
    source = table(tmp_path, tokens=None, step=500, max_steps=1000)
    found = imported(source, maps={"D": "step * 524288"})
    assert set(found.df["status"]) == {"stopped"}


def test_counted_and_logged_sizes_mix_only_where_the_kind_is_known(tmp_path: Path) -> None:
    shape = {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 2, "vocab_size": 1000}
    exact = counts(shape)
    assert exact is not None
    half = {name: [value] * 6 + [None] * 6 for name, value in shape.items()}
    source = table(tmp_path, params=[None] * 6 + [200_000] * 6, **half)
    with pytest.raises(InputError, match="--kind N=total or --kind N=non_embedding"):
        import_runs([source])
    found = imported(source, kinds={"N_kind": "total"})
    assert sorted(set(found.df["N"])) == [exact.N_total, 200_000]


def test_names_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--keep nope: no field of that name"):
        imported(table(tmp_path), keep=("nope",))
    with pytest.raises(InputError, match="--kind N=all: valid are non_embedding, total"):
        kinds_given({"N": "all"})


def test_commas_before_points_divide_thousands(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params;tokens;val_loss\n124,000;2,000,000;3.5\n350,000;4,000,000;3.4\n")
    assert imported(str(path)).df["N"].tolist() == [124_000, 350_000]


def test_quantities_in_a_column_of_millions_are_refused(tmp_path: Path) -> None:
    source = table(tmp_path, params=None, params_M=["5M"] * 6 + ["70M"] * 6)
    with pytest.raises(InputError, match=r"params_M runs from 5e\+06 to 7e\+07"):
        import_runs([source])


def test_a_row_in_another_unit_than_the_rest_is_told(tmp_path: Path) -> None:
    found = imported(table(tmp_path, params=lambda N, D, loss: np.where(D > 9e9, N / 2e3, N)))
    assert any("below 1e5 in 3 of 12 rows" in line for line in found.account.found)
