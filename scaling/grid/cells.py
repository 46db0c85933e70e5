"""A cell: one planned run, fully resolved, and what makes it the same run as another."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

from pydantic import BaseModel

from scaling import families
from scaling.devices import Platform, platform, usual_precision
from scaling.families import Unit
from scaling.families.memory import Use
from scaling.grid.spec import Devices, Recipe, Recovery

# Steps in one compiled chunk: every run is a whole number of chunks, so that one program serves
# trunk, branches and resumed runs, bit for bit.
CHUNK_STEPS = 16
# Part of every cell's identity: raise it when the same cell would train to another result.
RECIPE_VERSION = 2
USUAL_BATCH_IMAGES = 128
# Of a recipe, what a step's duration hangs on.
COST_KEYS = (
    "precision", "optimiser", "microbatch", "remat", "clip", "z_loss", "augment", "label_smoothing",
)  # fmt: skip
DIGITS = 16  # of an id, hexadecimal
SHARED = 4096  # shapes and recipes whose text is kept
USUAL_RECOVERY, ONE_DEVICE = Recovery(), Devices()

# tuning: trained to find a rate; in no table, and in no fit.
Role = Literal["pilot", "target", "tuning"]


@dataclass(frozen=True)
class Cell:
    """One planned run, fully resolved. `role`, `devices` and `told` aren't part of its identity.

    told: where rate or batch follow a law, which, and how far outside its data it was used. D,
    D_unique and `evaluate` (what is read to measure the held-out loss) count the family's unit:
    tokens, images or pairs.
    """

    role: Role
    family: str
    shape: families.Shape
    recipe: Recipe
    steps: int
    seed: int
    data: str  # fingerprint of the data
    D_unique: int
    evaluate: int
    recovery: Recovery = USUAL_RECOVERY
    devices: Devices = ONE_DEVICE
    told: tuple[str, ...] = ()

    @property
    def unit(self) -> Unit:
        return families.get(self.family).UNIT

    @property
    def context(self) -> int | None:
        """Tokens of a window; None where D counts no tokens."""
        return _context(self.shape) if self.unit == "token" else None

    @property
    def batch(self) -> int:
        """Units of D in a step."""
        return batch_of(self.recipe, self.unit)

    @property
    def D(self) -> int:
        return self.steps * self.batch

    @property
    def C(self) -> int:
        """Training FLOPs of this run alone, counted from the model."""
        return self.D * self.shape.training_flops()

    @property
    def cool_steps(self) -> int:
        chunks = round(self.recipe.cooldown * self.steps / CHUNK_STEPS)
        return CHUNK_STEPS * max(1 if self.recipe.cooldown else 0, chunks)

    @property
    def id(self) -> str:
        return self._digests[0]

    @property
    def trunk(self) -> str:
        """Cells that share everything but their length share a trunk."""
        return self._digests[1]

    @cached_property
    def _digests(self) -> tuple[str, str]:
        """Of the canonical JSON of `trunk_facts`, with `steps` and without."""
        # `steps` is the last key in alphabetical order: most of the text is digested once.
        run = hashlib.sha256(_object(self._trunk_json())[:-1].encode())
        trunk = run.copy()
        run.update(f',"steps":{self.steps}}}'.encode())
        trunk.update(b"}")
        return run.hexdigest()[:DIGITS], trunk.hexdigest()[:DIGITS]

    def use(self, on: Platform | None = None) -> Use:
        """How it is trained, as far as its memory hangs on it; on this machine's kind of device."""
        return use_of(self.recipe, self.devices, on)

    @property
    def timing_key(self) -> str:
        """What a step's duration depends on, besides the machine and the program."""
        mesh = f"mesh={self.devices.data}x{self.devices.fsdp}"
        return (
            f"{self.family} {_sizes(self.shape)} batch={self.batch} {_dials(self.recipe)} {mesh} "
            f"eval={self.evaluate}"
        )

    def facts(self) -> dict[str, Any]:
        """The planned columns of the run table and of the record."""
        return {
            "run": self.id,
            "trunk": self.trunk,
            "role": self.role,
            "family": self.family,
            "config": _shape_json(self.shape),
            "N": self.shape.N,
            "N_total": self.shape.N_total,
            "N_active": self.shape.N_active,
            **self.counts(),
            "seed": self.seed,
            "learning_rate": self.recipe.learning_rate,
            "transfer": self.recipe.transfer,
            "recipe": _recipe_json(self.recipe),
            "N_kind": "non_embedding",
            "D_kind": f"{self.unit}s",
            "C_kind": "counted",
            "L_kind": f"nats_per_{self.unit}",
        }

    def at(self, steps: int) -> Cell:
        """The same run, ended after so many steps."""
        return replace(self, steps=steps)

    def counts(self) -> dict[str, int]:
        """The columns that follow from the run's length."""
        return {
            "D": self.D,
            "D_unique": min(self.D, self.D_unique),
            "C": self.C,
            "C_6ND": 6 * self.shape.N_active * self.D,
        }

    def trunk_facts(self) -> dict[str, Any]:
        """What a trunk's result depends on. What is None is left out: a key that a later version
        adds changes no cell that doesn't use it."""
        return {name: json.loads(text) for name, text in self._trunk_json().items()}

    def _trunk_json(self) -> dict[str, str]:
        """Each of `trunk_facts` as canonical JSON, in alphabetical order. What many cells share is
        written once."""
        tokens = self.unit == "token"
        changed = _recovery_json(self.recovery)
        return {
            "D_unique": str(self.D_unique),
            **({"context": str(self.context)} if tokens else {}),
            "data": json.dumps(self.data),
            "eval_tokens" if tokens else "evaluate": str(self.evaluate),
            "family": json.dumps(self.family),
            "recipe": _recipe_json(self.recipe),
            "recipe_version": str(RECIPE_VERSION),
            **({"recovery": changed} if changed else {}),
            "seed": str(self.seed),
            "shape": _shape_json(self.shape),
        }


def use_of(recipe: Recipe, devices: Devices, on: Platform | None = None) -> Use:
    """What of a recipe decides on memory."""
    here = on or platform()
    return Use(
        precision=usual_precision(here) if recipe.precision == "auto" else recipe.precision,
        microbatch=recipe.microbatch,
        remat=recipe.remat is not None,
        optimiser=recipe.optimiser or "adamw",
        clip=recipe.clip > 0,
        data=devices.data,
        fsdp=devices.fsdp,
        on=here,
    )


def batch_of(recipe: Recipe, unit: Unit) -> int:
    """Units of D in a step."""
    if unit == "token":
        return recipe.batch_tokens
    return recipe.batch_images or USUAL_BATCH_IMAGES


def resolved(recipe: Recipe, on: Platform | None = None) -> Recipe:
    """The recipe with the precision of this machine where it leaves it open."""
    if recipe.precision != "auto":
        return recipe
    return recipe.model_copy(update={"precision": usual_precision(on or platform())})


def canonical_json(value: Any) -> str:
    """One text for equal values: keys sorted, no blanks, no NaN; what hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


# Plans are of thousands of cells, of few shapes and recipes.


@lru_cache(maxsize=SHARED)
def _shape_json(shape: families.Shape) -> str:
    return canonical_json(shape.to_dict())


@lru_cache(maxsize=SHARED)
def _context(shape: families.Shape) -> int:
    context: int = shape.to_dict()["context"]
    return context


@lru_cache(maxsize=SHARED)
def _sizes(shape: families.Shape) -> str:
    return " ".join(f"{k}={v}" for k, v in sorted(shape.to_dict().items()))


@lru_cache(maxsize=SHARED)
def _recipe_json(recipe: Recipe) -> str:
    return canonical_json(_given(recipe))


@lru_cache(maxsize=SHARED)
def _dials(recipe: Recipe) -> str:
    given = _given(recipe)
    return " ".join(f"{key}={given[key]}" for key in COST_KEYS if key in given)


@lru_cache(maxsize=SHARED)
def _recovery_json(recovery: Recovery) -> str:
    changed = recovery.identity()
    return canonical_json(changed) if changed else ""


def _given(section: BaseModel) -> dict[str, Any]:
    return {k: v for k, v in section.model_dump().items() if v is not None}


def _object(members: dict[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"
