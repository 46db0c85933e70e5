"""What is kept between runs saves time and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scaling.data import Corpus
from scaling.grid import CHUNK_STEPS, Cell, Recipe
from scaling.train.engine import train_trunk
from scaling.train.kept import OF_RUNS, Kept
from scaling.train.outcome import Outcome


def train(cell: Cell, corpus: Corpus, path: Path, **make: Any) -> Outcome:
    found: list[Outcome] = []
    train_trunk(
        [cell], corpus, checkpoint_path=path, on_cell=lambda _, o: found.append(o), **make
    )  # fmt: skip
    return found[0]


def test_runs_of_one_program_are_the_same_bits_as_each_alone(
    cell: Cell, corpus: Corpus, tmp_path: Path
) -> None:
    short = replace(cell, steps=3 * CHUNK_STEPS)
    others = {"learning_rate": 0.004, "warmup_steps": 9, "cooldown": 0.5, "evaluate_every": 16}
    runs = [
        short,
        replace(short, seed=8, recipe=cell.recipe.model_copy(update=others)),
        replace(short, D_unique=cell.D_unique // 2),
    ]
    kept = Kept()
    for run in runs:
        together = train(
            run, corpus, tmp_path / "a", make_program=kept.program, make_feed=kept.feed
        )
        alone = train(run, corpus, tmp_path / "b")
        assert (together.loss, together.train_loss) == (alone.loss, alone.train_loss)
        assert together.cost is not None
        assert alone.cost is not None
        assert together.cost.flops == alone.cost.flops
        assert together.cost.memory_bytes == alone.cost.memory_bytes
        np.testing.assert_array_equal(together.curve, alone.curve)
    assert len(kept._programs) == 1


def test_programs_differ_by_all_but_what_belongs_to_a_run(cell: Cell) -> None:
    kept, recipe = Kept(), cell.recipe

    def program(**changed: Any) -> Any:
        return kept.program(cell.family, cell.shape, recipe.model_copy(update=changed))

    first = program()
    for name in OF_RUNS:
        assert program(**{name: None}) is first
    others: dict[str, Any] = {
        "transfer": "none", "base_width": 16, "head_rate": 1.0, "batch_tokens": 256,
        "weight_decay": 0.0, "beta1": 0.8, "beta2": 0.9, "clip": 0.0, "precision": "bfloat16",
        "loss_scale": "none", "optimiser": "lion", "z_loss": 1e-4, "microbatch": 2,
        "remat": "blocks", "augment": "shift", "label_smoothing": 0.1, "batch_images": 8,
    }  # fmt: skip
    # A key that a later version adds belongs to the program until somebody says otherwise.
    assert {*others, *OF_RUNS} == set(Recipe.model_fields)
    for name, value in others.items():
        assert program(**{name: value}) is not first


def test_the_oldest_program_goes_first(cell: Cell) -> None:
    kept = Kept(programs=2)

    def program(pieces: int) -> Any:
        return kept.program(cell.family, cell.shape, cell.recipe, pieces=pieces)

    one, two = program(1), program(2)
    assert program(1) is one
    program(4)
    assert program(1) is one
    assert program(2) is not two


def test_data_stay_on_the_device_for_the_next_cell_of_them(cell: Cell, corpus: Corpus) -> None:
    kept = Kept()
    first = kept.feed(cell, corpus)
    second = kept.feed(replace(cell, seed=9), corpus)
    assert second.arrays is first.arrays
    assert second.held_out_arrays is first.held_out_arrays
    assert not np.array_equal(second.picks(0, 16), first.picks(0, 16))
    fewer = kept.feed(replace(cell, D_unique=1000), corpus)
    assert fewer.arrays.shape == (1000,)
    other = kept.feed(cell, replace(corpus, fingerprint="other"))
    assert other.arrays is not first.arrays
