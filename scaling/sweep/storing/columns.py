"""The run table of a store: which of a record's keys are its columns, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

# What a record may lack (older ones do, and a run that failed has no metrics) stands in OPTIONAL:
# a table has those that any of its records has.
METRICS = [
    "top1_error", "top5_error", "calibration_error", "contrastive_loss", "caption_loss",
    "recall_at_1", "recall_at_5", "zero_shot_top1_error", "zero_shot_top5_error",
]  # fmt: skip
HEALTH = ["best_loss", "best_step", "skipped_steps", "rewinds", "attention_logit"]
BATCHES = ["batch_tokens", "batch_images", "batch_pairs"]
# What is the same whenever a run is repeated on its machine; times are in the records only.
COST = [
    "predicted_memory_bytes", "measured_memory_bytes", "predicted_flops", "xla_flops",
    "predicted_bytes_read", "bytes_read",
]  # fmt: skip
OPTIONAL = ["N_active", "D_kind", "recipe", *BATCHES, *METRICS, *HEALTH, *COST]
TABLE_COLUMNS = [
    "run", "family", "N", "N_total", "N_active", "D", "D_unique", "C", "C_6ND", "loss", "loss_se",
    "train_loss", *METRICS, *HEALTH, *COST, "seed", "status", "reason", "trunk", "role",
    "learning_rate", *BATCHES, "transfer", "recipe", "config", "N_kind", "D_kind", "C_kind",
    "L_kind",
]  # fmt: skip
COUNTS = ["N", "N_total", "N_active", "D", "D_unique", "C", "C_6ND"]
# Which of OPTIONAL a record has, in one column: a key with no value is not a key that is absent.
HAS = "has"


def rows_of(records: Iterable[Mapping[str, Any]], more: Iterable[str] = ()) -> pa.Table:
    """The columns of some records, in their order, and `more` keys of them."""
    records = list(records)
    columns = {name: array([r.get(name) for r in records]) for name in (*TABLE_COLUMNS, *more)}
    has = [" ".join(name for name in OPTIONAL if name in record) for record in records]
    return pa.table({**columns, HAS: array(has)})


def joined(parts: Iterable[pa.Table]) -> pa.Table:
    """Rows under one another: a column is of the type that it would have had at once."""
    parts = list(parts)
    types: dict[str, set[pa.DataType]] = {}
    for part in parts:
        for field in part.schema:
            types.setdefault(field.name, set()).add(field.type)
    # Counts of several types are floats, as `array` makes them; Arrow alone refuses large ones.
    mixed = {name for name, found in types.items() if len(found - {pa.null()}) > 1}
    alike = [part.cast(_with_floats(part.schema, mixed), safe=False) for part in parts]
    return pa.concat_tables(alike, promote_options="permissive").combine_chunks()


def _with_floats(schema: pa.Schema, names: set[str]) -> pa.Schema:
    fields = (
        field.with_type(pa.float64())
        if field.name in names and pa.types.is_integer(field.type)
        else field
        for field in schema
    )
    return pa.schema(list(fields))


def table_of(rows: pa.Table) -> pd.DataFrame:
    """The run table of some rows: the same whichever others they were taken from."""
    there = {name for has in set(rows[HAS].to_pylist()) for name in has.split()}
    columns = [c for c in TABLE_COLUMNS if c not in OPTIONAL or c in there]
    rows = rows.select(columns)
    for number, column in enumerate(rows.columns):
        if column.null_count == len(rows):
            rows = rows.set_column(number, columns[number], pa.nulls(len(rows)))
    table: pd.DataFrame = rows.to_pandas(use_threads=False)
    return table.astype(dict.fromkeys([c for c in COUNTS if c in columns], "float64"))


def array(values: list[Any]) -> pa.Array:
    """As Arrow reads it; FLOPs beyond 64 bits are floats, as all counts of a table are."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if v is None else float(v) for v in values])
