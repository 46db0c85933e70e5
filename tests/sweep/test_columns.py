"""A table by way of the index is the table of the records, whatever they hold."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.sweep.storing.columns import COUNTS, OPTIONAL, TABLE_COLUMNS, joined, rows_of, table_of

NUMBERS = ("loss", "loss_se", "train_loss", "learning_rate")
finite = st.floats(allow_nan=False, width=32) | st.just(float("nan"))
FLOATS = {"attention_logit", "best_loss", "top1_error", "xla_flops"}


@st.composite
def record(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {name: "word" for name in TABLE_COLUMNS if name not in OPTIONAL}
    made |= {name: draw(finite) for name in NUMBERS}
    made |= {name: draw(st.integers(1, 2**80)) for name in COUNTS if name not in OPTIONAL}
    made["reason"] = draw(st.text())
    for name in draw(st.sets(st.sampled_from(OPTIONAL))):
        text, number = st.sampled_from(["{}", "tokens"]), st.integers(0, 2**62)
        kind = text if name in ("D_kind", "recipe") else finite if name in FLOATS else number
        made[name] = draw(kind)
    return made


def by_pandas(records: list[dict[str, Any]]) -> pd.DataFrame:
    """As it was before there was an index."""
    there = set().union(*records)
    columns = [c for c in TABLE_COLUMNS if c not in OPTIONAL or c in there]
    rows = [{c: r.get(c) if c in OPTIONAL else r[c] for c in columns} for r in records]
    counts = [c for c in COUNTS if c in columns]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(counts, "float64"))


@settings(max_examples=25, deadline=None)
@given(st.lists(record(), min_size=1, max_size=6), st.integers(0, 6))
def test_parts_make_the_same_table(records: list[dict[str, Any]], cut: int) -> None:
    stored = [json.loads(json.dumps(one)) for one in records]
    whole = table_of(rows_of(stored))
    parts = joined([rows_of(stored[:cut]), rows_of(stored[cut:])])
    kept = io.BytesIO()
    pq.write_table(parts, kept)
    pd.testing.assert_frame_equal(table_of(pq.read_table(kept)), whole, check_exact=True)
    assert whole.to_csv() == by_pandas(records).to_csv()


def test_counts_of_any_size_come_together() -> None:
    large = [rows_of([{"C": C}]).select(["C"]) for C in (1, 2**53 + 1, 2**63, 2.0**80, None)]
    together = joined(large)["C"].to_pylist()
    assert together == [1.0, 2.0**53, 2.0**63, 2.0**80, None]
    assert joined(large[:2])["C"].to_pylist() == [1, 2**53 + 1]


@settings(max_examples=15, deadline=None)
@given(st.lists(record(), min_size=2, max_size=6), st.integers(0, 5))
def test_the_rows_of_some_are_the_same_beside_others(
    records: list[dict[str, Any]], first: int
) -> None:
    some = records[first % len(records) :][:2]
    beside = rows_of(records).slice(first % len(records), 2)
    assert table_of(beside).to_csv() == table_of(rows_of(some)).to_csv()
