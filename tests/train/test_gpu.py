"""What only a GPU shows: its attention kernel is right, runs repeat, bfloat16 learns as well.

Skipped where JAX finds no GPU.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scaling.data import Corpus
from scaling.families import get
from scaling.grid import CHUNK_STEPS, Cell, Recipe
from scaling.models import kernels
from scaling.models.attention import attend
from scaling.train import schedule
from scaling.train.engine import train_trunk
from scaling.train.outcome import Outcome
from scaling.train.step import Program

pytestmark = pytest.mark.skipif(
    jax.default_backend() != "gpu", reason="JAX finds no GPU here: its kernels can't be run"
)
HALF_ERROR = 1e-2  # of bfloat16, relative to the norm
TOKENS, IMAGES, BATCH = 100_000, 512, 32
LM: dict[str, Any] = {"width": 64, "depth": 2, "heads": 2, "context": 128, "vocab": 512}
IMAGE: dict[str, Any] = {"image": 16, "channels": 3, "classes": 10}


@pytest.mark.parametrize(("length", "head"), [(256, 64), (128, 128), (65, 8)])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_the_kernel_gives_the_plain_form_and_its_gradient(
    causal: bool, masked: bool, length: int, head: int
) -> None:
    keys = jax.random.split(jax.random.key(length), 4)
    q, k, v, weight = (jax.random.normal(key, (2, 3, length, head)) for key in keys)
    mask = jnp.ones((2, 1, 1, length), bool).at[1, :, :, -7:].set(False) if masked else None

    def by_kernel(q: Any, k: Any, v: Any) -> Any:
        halves = (a.astype(jnp.bfloat16) for a in (q, k, v))
        return kernels.on_gpu(*halves, mask, causal=causal).astype(jnp.float32)

    def plain(q: Any, k: Any, v: Any) -> Any:
        before = jnp.tril(jnp.ones((length, length), bool)) if causal else jnp.bool_(True)
        seen = before if mask is None else before & mask
        scores = jnp.einsum("bhtd,bhsd->bhts", q, k, precision="highest") * head**-0.5
        weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
        return jnp.einsum("bhts,bhsd->bhtd", weights, v, precision="highest")

    def total(form: Any) -> Any:
        return lambda *qkv: (form(*qkv) * weight).sum()

    assert distance(jax.jit(by_kernel)(q, k, v), plain(q, k, v)) < HALF_ERROR
    ours = jax.jit(jax.grad(total(by_kernel), (0, 1, 2)))(q, k, v)
    for found, right in zip(ours, jax.grad(total(plain), (0, 1, 2))(q, k, v), strict=True):
        assert distance(found, right) < HALF_ERROR


def distance(found: Any, right: Any) -> float:
    return float(jnp.linalg.norm(found - right) / jnp.linalg.norm(right))


@pytest.mark.parametrize(
    ("family", "dials"),
    [
        ("transformer", LM),
        ("transformer", {**LM, "context": 1024}),
        ("transformer", {**LM, "vocab": 20_000}),
        ("transformer", {**LM, "vocab": 20_000, "tied": True}),
        ("transformer", {**LM, "experts": 4, "experts_per_token": 2}),
        ("mlp", {**IMAGE, "width": 64}),
        ("cnn", {**IMAGE, "width": 16}),
        ("resnet", {**IMAGE, "width": 16, "depth": 8}),
        ("vit", {**IMAGE, "width": 64}),
    ],
)
@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_the_same_steps_twice_give_the_same_bits(
    family: str, dials: dict[str, Any], precision: str
) -> None:
    shape = get(family).from_dials(**dials)
    text = family == "transformer"
    batch = {"batch_tokens": BATCH * shape.units} if text else {"batch_images": BATCH}
    recipe = Recipe(precision=precision, **batch)
    first, second = (train(family, shape, recipe) for _ in range(2))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


def train(family: str, shape: Any, recipe: Recipe) -> Any:
    """Losses and weights after four chunks of a program made anew, on data of noise."""
    program, rng = Program(family, shape, recipe), np.random.default_rng(0)
    arrays: Any = rng.integers(0, LM["vocab"], TOKENS).astype(np.uint16)
    if family != "transformer":
        side, channels = shape.image, shape.channels
        arrays = {
            "images": rng.integers(0, 256, (IMAGES, side, side, channels)).astype(np.uint8),
            "mean": np.full(channels, 0.5, np.float32),
            "std": np.full(channels, 0.3, np.float32),
            "labels": rng.integers(0, shape.classes, IMAGES).astype(np.int32),
        }
    arrays = jax.device_put(arrays)
    last = TOKENS - 2048 if family == "transformer" else IMAGES
    state, losses = program.init(jax.random.key(0)), []
    for step in range(0, 4 * CHUNK_STEPS, CHUNK_STEPS):
        picks = rng.integers(0, last, (CHUNK_STEPS, BATCH)).astype(np.int32)
        rates = schedule.rates(
            step, CHUNK_STEPS, peak=3e-3, warmup=16, cool_from=None, cool_steps=0
        )
        noise = schedule.noise(0, step, CHUNK_STEPS)
        state, told = program.chunk(state, arrays, picks, rates, noise)
        losses.append(told.loss)
    return jax.device_get((losses, state.params))


def test_bfloat16_learns_what_float32_learns(cell: Cell, corpus: Corpus, tmp_path: Path) -> None:
    found: dict[str, Outcome] = {}
    for precision in ("float32", "bfloat16"):
        recipe = cell.recipe.model_copy(update={"precision": precision})
        train_trunk(
            [replace(cell, recipe=recipe)],
            corpus,
            checkpoint_path=tmp_path / f"{precision}.npz",
            on_cell=lambda _, outcome, of=precision: found.update({of: outcome}),
        )
    exact, half = (found[name].loss for name in ("float32", "bfloat16"))
    assert half == pytest.approx(exact, rel=0.02)


def test_attention_runs_by_the_kernel_here() -> None:
    q, k, v = (jnp.ones((1, 2, 16, 8), jnp.bfloat16) for _ in range(3))
    text = jax.jit(lambda *qkv: attend(*qkv, None, jnp.bfloat16, causal=True)).lower(q, k, v)
    assert "cudnn" in text.compile().as_text()
