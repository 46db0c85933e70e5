"""The run table's schema, said once: every column with its type, unit, range and meaning.

The page docs/run-table.md, `scaling table schema`, the JSON Schema of a row, the metadata of the
Parquet files that we write and what `scaling table check` holds a table against are all made from
`COLUMNS`. A table may have other columns, too: they pass through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from scaling.units import GAINS, METRICS, loss_unit, unit_of_d

VERSION = 1
NEEDED = ("N", "D", "loss")  # what most laws ask of every row
Type = Literal["str", "int", "float"]

# Units that a row's own conventions decide.
BY_D = "what D_kind counts"
BY_L = "the unit of L_kind"
SHARE = "1"  # a pure number, as metadata write it


@dataclass(frozen=True)
class Column:
    """A column of the run table.

    unit: of a number, "1" for a pure one; text has none. above: what every value must exceed;
    least, most: the ends of its range. values: those that text may have; `others`: these are the
    usual ones, and others are allowed.
    """

    name: str
    type: Type
    about: str
    unit: str = ""
    above: float | None = None
    least: float | None = None
    most: float | None = None
    values: tuple[str, ...] = ()
    others: bool = False

    def unit_in(self, kinds: Mapping[str, str]) -> str:
        """The unit in a table of these conventions (`{"D_kind": "tokens", ...}`)."""
        if self.unit == BY_D:
            return unit_of_d(kinds["D_kind"]) if "D_kind" in kinds else BY_D
        if self.unit == BY_L:
            return loss_unit(kinds["L_kind"]) or SHARE if "L_kind" in kinds else BY_L
        return self.unit

    @property
    def range(self) -> str:
        """What values it may have, in words; nothing where any will do."""
        if self.values:
            return ", ".join(self.values) + (", ..." if self.others else "")
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        if self.above is not None:
            return f"above {self.above:g}"
        return f"at least {self.least:g}" if self.least is not None else ""


def _count(name: str, about: str, unit: str) -> Column:
    return Column(name, "float", about, unit, above=0)


def _size(name: str, about: str, unit: str, type_: Type = "int") -> Column:
    return Column(name, type_, about, unit, least=0)


def _share(name: str) -> Column:
    title = METRICS[name].title if name in METRICS else name.replace("_at_", "@").capitalize()
    more = "; more is better: one less it is the L of a law" if name in GAINS else ""
    return Column(name, "float", f"{title} on held-out data{more}", SHARE, least=0, most=1)


def _metric(name: str) -> Column:
    return Column(name, "float", METRICS[name].title, METRICS[name].unit, least=0)


def _kind(name: str, about: str, *values: str, others: bool = False) -> Column:
    return Column(name, "str", about, values=(*values, "unstated"), others=others)


COLUMNS: tuple[Column, ...] = (
    Column("run", "str", "Id of the run; of ours, the hash of the cell"),
    Column("family", "str", "Model family, e.g. transformer; rows of several never enter one fit"),
    _count("N", "Parameters without vocabulary tables (embedding and unembedding left out), unless "
           "N_kind says otherwise; a classifier has none: N = N_total", "parameters"),
    _count("N_total", "All parameters", "parameters"),
    _count("N_active", "Of N, those that a token meets: fewer than N in a mixture of experts only",
           "parameters"),
    _count("D", "Training tokens (or images, pairs: D_kind) seen", BY_D),
    _count("D_unique", "Distinct ones of D; epochs = D / D_unique", BY_D),
    _count("C", "Training FLOPs of one full run of this length, by C_kind", "FLOPs"),
    _count("C_6ND", "The approximation 6 N D, N non-embedding and active; never called C", "FLOPs"),
    _count("loss", "Held-out loss, by L_kind; empty where a run has none", BY_L),
    Column("loss_se", "float", "Standard error of loss over held-out windows", BY_L, least=0),
    _metric("train_loss"),
    *map(_share, ("top1_error", "top5_error", "calibration_error")),
    *map(_metric, ("contrastive_loss", "caption_loss")),
    *map(_share, ("recall_at_1", "recall_at_5", "zero_shot_top1_error", "zero_shot_top5_error")),
    Column("best_loss", "float", "Lowest held-out loss on the way", BY_L, above=0),
    _size("best_step", "Step of best_loss", "steps"),
    _size("skipped_steps", "Steps left out because their gradients were no numbers", "steps"),
    _size("rewinds", "Times that the run went back to a checkpoint", "times"),
    Column("attention_logit", "float", "Largest attention logit of the run", SHARE),
    _size("predicted_memory_bytes", "Peak memory of a step, predicted", "bytes"),
    _size("measured_memory_bytes", "Peak memory of the program that ran", "bytes"),
    _size("predicted_flops", "FLOPs of one full run, predicted", "FLOPs"),
    _size("xla_flops", "FLOPs of one full run by XLA's account of the program", "FLOPs", "float"),
    _size("predicted_bytes_read", "Bytes of training data, predicted", "bytes"),
    _size("bytes_read", "Bytes of training data read", "bytes"),
    Column("seed", "int", "Seed that everything random in the run follows from", SHARE),
    Column("status", "str", "How the run ended: only finished ones enter a fit; recovered ones "
           "were rewound, stopped ones ended early or still run, partway is a point on the way",
           values=("finished", "recovered", "stopped", "partway", "diverged", "failed"),
           others=True),
    Column("reason", "str", "Why, where status is not finished"),
    Column("flag", "str", "What is odd about the row, which stays; outlier: off the others' trend"),
    Column("trunk", "str", "Runs that share a trunk are one cluster: not independent points"),
    Column("role", "str", "A target never enters a fit, nor does a row of tuning",
           values=("pilot", "target", "tuning"), others=True),
    _size("steps", "Steps of the optimiser", "steps"),
    Column("learning_rate", "float", "Peak learning rate", SHARE, least=0),
    Column("batch_tokens", "int", "Batch of a step", "tokens", above=0),
    Column("batch_images", "int", "Batch of a step", "images", above=0),
    Column("batch_pairs", "int", "Batch of a step", "pairs", above=0),
    Column("transfer", "str", "How the learning rate goes from size to size, e.g. mup, none"),
    Column("recipe", "str", "What a sweep varies besides: canonical JSON, or a name"),
    Column("config", "str", "Canonical JSON of the family's configuration"),
    _kind("N_kind", "What N counts", "non_embedding", "total"),
    _kind("D_kind", "What D counts", "tokens", "images", "pairs"),
    _kind("C_kind", "How C was found", "counted", "6ND"),
    _kind("L_kind", "What loss measures: a loss per unit, or a metric's name", "nats_per_token",
          "nats_per_image", "nats_per_pair", "bits_per_byte", others=True),
)  # fmt: skip
_BY_NAME = {column.name: column for column in COLUMNS}


def find(name: str) -> Column | None:
    """The column of this name; None for one that only passes through."""
    return _BY_NAME.get(name)


def names(*types: Type) -> list[str]:
    """The names of all columns, in their order; of some types only, where any are given."""
    return [column.name for column in COLUMNS if not types or column.type in types]


def json_schema(needs: Sequence[str] = NEEDED) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a row: a missing value is null, other columns are allowed."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:scaling-laws:run-table-row:{VERSION}",
        "title": "A row of a run table: one (run, tokens) point",
        "x-schema-version": VERSION,
        "type": "object",
        "properties": {column.name: _property(column) for column in COLUMNS},
        "required": list(needs),
        "additionalProperties": True,
    }


def _property(column: Column) -> dict[str, Any]:
    types = {"str": "string", "int": "integer", "float": "number"}
    said: dict[str, Any] = {"type": [types[column.type], "null"], "description": column.about}
    if column.unit:
        said["x-unit"] = column.unit
    bounds = {"exclusiveMinimum": column.above, "minimum": column.least, "maximum": column.most}
    said |= {key: bound for key, bound in bounds.items() if bound is not None}
    if column.values:
        said |= (
            {"examples": [*column.values]} if column.others else {"enum": [*column.values, None]}
        )
    return said
