"""A study's grid: a validated TOML file, and the cells it plans.

`load_grid(path)` -> `Grid`; `plan(grid, corpus)` -> `Cell`s, each one fully resolved run.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import tomllib
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scaling import families
from scaling.data import Corpus
from scaling.errors import InputError

# Steps in one compiled scan: every run is a whole number of chunks, so that one program serves
# trunk, branches and resumed runs, bit for bit.
CHUNK_STEPS = 16
# Part of every cell's identity: raise it when the same cell would train to another result.
RECIPE_VERSION = 2


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(_Section):
    source: str = "python-stdlib"
    tokenizer: str = "bytes"
    held_out: float = Field(0.1, gt=0, lt=1)
    eval_tokens: int = Field(1_000_000, gt=0)
    unique_tokens: int | None = Field(None, gt=0)


class Recipe(_Section):
    """How a run is trained; the same for the whole ladder."""

    learning_rate: float = Field(0.012, gt=0)
    transfer: Literal["mup", "none"] = "mup"
    base_width: int = Field(32, gt=0)
    head_rate: float = Field(4.0, gt=0)
    batch_tokens: int = Field(1024, gt=0)
    warmup_steps: int = Field(64, ge=0)
    cooldown: float = Field(0.2, ge=0, lt=1)
    weight_decay: float = Field(0.1, ge=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.98, ge=0, lt=1)
    clip: float = Field(1.0, gt=0)
    precision: Literal["float32", "bfloat16"] = "float32"


class Axes(_Section):
    """A block of cells: the product of its axes. Sizes by `sizes` (N) or by `widths`."""

    sizes: list[float] = []
    widths: list[int] = []
    tokens: list[float] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1)
    learning_rates: list[Annotated[float, Field(gt=0)]] = []
    transfers: list[Literal["mup", "none"]] = []

    @model_validator(mode="after")
    def _one_size_axis(self) -> Axes:
        if bool(self.sizes) == bool(self.widths):
            raise ValueError("give either sizes or widths")
        return self


class Model(BaseModel):
    """The family and the dials that the whole ladder shares (depth, mlp, qk_norm, ...)."""

    model_config = ConfigDict(extra="allow", frozen=True)
    family: str = "transformer"
    context: int = Field(64, gt=0)


class Proof(_Section):
    """The rule of the forecast, stated before any target is trained."""

    law: str = "chinchilla"
    N: Literal["N", "N_total"] = "N_total"
    where: str | None = None
    objective: Literal["squared", "huber"] = "huber"
    delta: float = Field(1e-3, gt=0)
    fixed: dict[str, list[float]] = {}
    draws: int = Field(1000, gt=0)
    # Standard deviation of the law's relative error, for each e-fold of compute beyond the pilots.
    discrepancy: float = Field(0.0, ge=0)


class Rival(Proof):
    """Another rule, forecast and stored beside the proof's own: what it would have said."""

    name: str = Field(min_length=1)


class Grid(_Section):
    name: str = Field(min_length=1)
    data: Data = Data()
    model: Model = Model()
    train: Recipe = Recipe()
    pilots: list[Axes] = Field(min_length=1)
    targets: list[Axes] = []
    proof: Proof = Proof()
    rivals: list[Rival] = []

    def with_seed(self, shift: int) -> Grid:
        """The same study with every seed shifted: a repetition."""
        if shift < 0:
            raise InputError(f"a shift of {shift} of the seeds; valid is 0 or more")
        blocks = {
            part: [
                block.model_copy(update={"seeds": [s + shift for s in block.seeds]})
                for block in getattr(self, part)
            ]
            for part in ("pilots", "targets")
        }
        return self.model_copy(update=blocks)


@dataclass(frozen=True)
class Cell:
    """One planned run, fully resolved. `role` isn't part of its identity."""

    role: Literal["pilot", "target"]
    family: str
    shape: families.Shape
    context: int
    recipe: Recipe
    steps: int
    seed: int
    data: str  # fingerprint of the corpus
    D_unique: int
    eval_tokens: int

    @property
    def D(self) -> int:
        return self.steps * self.recipe.batch_tokens

    @property
    def C(self) -> int:
        """Training FLOPs of this run alone, counted from the model."""
        return self.D * self.shape.training_flops()

    @property
    def cool_steps(self) -> int:
        chunks = round(self.recipe.cooldown * self.steps / CHUNK_STEPS)
        return CHUNK_STEPS * max(1 if self.recipe.cooldown else 0, chunks)

    @cached_property
    def id(self) -> str:
        return _digest({**self._trunk_facts(), "steps": self.steps})

    @cached_property
    def trunk(self) -> str:
        """Cells that share everything but their length share a trunk."""
        return _digest(self._trunk_facts())

    @property
    def timing_key(self) -> str:
        """What a step's duration depends on, besides the machine."""
        sizes = " ".join(f"{k}={v}" for k, v in sorted(self.shape.to_dict().items()))
        return (
            f"{self.family} {sizes} batch={self.recipe.batch_tokens} "
            f"precision={self.recipe.precision} eval={self.eval_tokens}"
        )

    def facts(self) -> dict[str, Any]:
        """The planned columns of the run table and of the record."""
        return {
            "run": self.id,
            "trunk": self.trunk,
            "role": self.role,
            "family": self.family,
            "config": canonical_json(self.shape.to_dict()),
            "N": self.shape.N,
            "N_total": self.shape.N_total,
            "D": self.D,
            "D_unique": min(self.D, self.D_unique),
            "C": self.C,
            "C_6ND": 6 * self.shape.N * self.D,
            "seed": self.seed,
            "learning_rate": self.recipe.learning_rate,
            "transfer": self.recipe.transfer,
            "N_kind": "non_embedding",
            "C_kind": "counted",
            "L_kind": "nats_per_token",
        }

    def _trunk_facts(self) -> dict[str, Any]:
        facts = asdict(self, dict_factory=_plain)
        return {k: v for k, v in facts.items() if k not in ("role", "steps")} | {
            "recipe_version": RECIPE_VERSION
        }


def load_grid(path: Path | str) -> Grid:
    """Read and validate a grid. Errors name the key, its line and the nearest valid key."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot read the grid: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}") from None
    return parse_grid(text, str(path))


def parse_grid(text: str, where: str = "grid") -> Grid:
    try:
        grid = Grid.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML: {error}") from None
    except ValidationError as error:
        raise InputError("; ".join(_explain(e, text, where) for e in error.errors())) from None
    _check_dials(grid.model, text, where)
    return grid


def plan(grid: Grid, corpus: Corpus) -> list[Cell]:
    """Every cell of the grid, targets last. Budgets are rounded to whole chunks of steps."""
    recipe, context = grid.train, grid.model.context
    if recipe.batch_tokens % context:
        raise InputError(
            f"train.batch_tokens = {recipe.batch_tokens} is no multiple of "
            f"model.context = {context}"
        )
    unique = grid.data.unique_tokens or len(corpus.train)
    if unique > len(corpus.train) or unique <= context + recipe.batch_tokens:
        raise InputError(
            f"data: {len(corpus.train):,} training tokens, unique_tokens = {unique:,}; needed are "
            f"more than {context + recipe.batch_tokens:,} and at most what there is"
        )
    if grid.data.eval_tokens < 2 * context or len(corpus.held_out) <= 2 * context:
        raise InputError(
            f"data.eval_tokens = {grid.data.eval_tokens:,} of {len(corpus.held_out):,} held-out "
            f"tokens: an evaluation needs at least two windows of {context} tokens"
        )
    family = families.get(grid.model.family)
    dials = grid.model.model_extra or {}
    cells = []
    parts: list[tuple[Literal["pilot", "target"], list[Axes]]] = [
        ("pilot", grid.pilots),
        ("target", grid.targets),
    ]
    for role, blocks in parts:
        for block in blocks:
            by_width: list[dict[str, Any]] = [{"width": w} for w in block.widths]
            sizes = by_width or [{"size": s} for s in block.sizes]
            for size, tokens, seed, rate, transfer in itertools.product(
                sizes,
                block.tokens,
                block.seeds,
                block.learning_rates or [recipe.learning_rate],
                block.transfers or [recipe.transfer],
            ):
                make = family.from_size if "size" in size else family.from_dials
                shape = make(**size, vocab=corpus.vocab, context=context, **dials)
                cells.append(
                    Cell(
                        role=role,
                        family=grid.model.family,
                        shape=shape,
                        context=context,
                        recipe=recipe.model_copy(
                            update={"learning_rate": rate, "transfer": transfer}
                        ),
                        steps=_steps(tokens, recipe.batch_tokens),
                        seed=seed,
                        data=corpus.fingerprint,
                        D_unique=unique,
                        eval_tokens=grid.data.eval_tokens,
                    )
                )
    return list({cell.id: cell for cell in cells}.values())


def canonical_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _steps(tokens: float, batch_tokens: int) -> int:
    chunk = CHUNK_STEPS * batch_tokens
    if tokens < 2 * chunk:
        raise InputError(
            f"tokens = {tokens:g} is less than two chunks of {CHUNK_STEPS} batches of "
            f"{batch_tokens:,} tokens; the smallest budget is {2 * chunk:,}"
        )
    return CHUNK_STEPS * round(tokens / chunk)


def _plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {k: v.model_dump() if isinstance(v, BaseModel) else v for k, v in items}


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def _explain(error: Any, text: str, where: str) -> str:
    """`file:line: key: what is wrong`, with the nearest valid key for an unknown one."""
    keys = [str(part) for part in error["loc"]]
    # The first number counts the blocks of a table: [[pilots]] comes several times.
    block = next((int(k) for k in keys[1:2] if k.isdigit()), 0)
    line = _line_of([k for k in keys if not k.isdigit()], text, block)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        valid = _valid_keys(keys[:-1])
        near = get_close_matches(keys[-1], valid, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        message = f"unknown key; {hint}valid: {', '.join(valid)}"
    elif "input" in error and error["type"] != "missing":
        message += f" (given {error['input']!r})"
    return f"{where}:{line}: {'.'.join(keys)}: {message}"


def _check_dials(model: Model, text: str, where: str) -> None:
    """The keys of [model] that only the family knows."""
    try:
        dials = families.get(model.family).DIALS
    except InputError as error:
        raise InputError(f"{where}:{_line_of(['model', 'family'], text)}: {error}") from None
    # Widths are an axis of the blocks, and the context is a key of its own.
    valid = [dial for dial in dials if dial not in ("width", "context")]
    for key in model.model_extra or {}:
        if key not in valid:
            near = get_close_matches(key, valid, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(
                f"{where}:{_line_of(['model', key], text)}: model.{key}: {model.family}: "
                f"unknown dial {key!r}; {hint}valid: family, context, {', '.join(valid)}"
            )


def _valid_keys(path: list[str]) -> list[str]:
    sections: dict[str, type[BaseModel]] = {
        "data": Data, "model": Model, "train": Recipe,
        "pilots": Axes, "targets": Axes, "proof": Proof, "rivals": Rival,
    }  # fmt: skip
    return list(sections.get(path[0] if path else "", Grid).model_fields)


def _line_of(keys: list[str], text: str, block: int = 0) -> int:
    """The line of a key: the last of `keys` that is found, within its table's block."""
    line, table, seen = 1, "", -1
    for number, row in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([\w.-]+)", row):
            table = header[1]
            seen += table == keys[0]
            if table == keys[0] and seen == block:
                line = number
        elif re.match(rf"\s*\"?{re.escape(keys[-1])}\"?\s*=", row) and (
            not table if len(keys) == 1 else table == keys[0] and seen == block
        ):
            return number
    return line
