"""A grid's validation, and the cells that it plans: what they are, and what makes them the same."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batteries.sources import prose

from scaling.data import Corpus, load
from scaling.errors import InputError
from scaling.grid import (
    CHUNK_STEPS,
    Cell,
    Data,
    Grid,
    Recovery,
    canonical_json,
    load_grid,
    open_data,
    parse_grid,
    plan,
)

ROOT = Path(__file__).resolve().parents[1]
TEXT = """\
name = "tiny"

[data]
held_out = 0.2

[model]
context = 16
depth = 1

[train]
batch_tokens = 128

[[pilots]]
widths = [8, 16]
tokens = [1e4, 2e4]

[[pilots]]
widths = [24]
tokens = [1e4]
seeds = [0, 1]

[[targets]]
widths = [32]
tokens = [1e5]
"""

VISION = """\
name = "vision"
[data]
source = "digits"
[model]
family = "mlp"
[[pilots]]
widths = [8, 16]
epochs = [3, 6]
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("text")
    for n in range(20):
        (folder / f"{n}.txt").write_text(prose(n))
    return load(f"{folder}/*.txt", held_out=0.2, cache=folder / "cache")


@pytest.fixture(scope="module")
def cells(corpus: Corpus) -> list[Cell]:
    return plan(parse_grid(TEXT), corpus)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("held_out", "heldout", r"^g\.toml:4: data\.heldout: unknown key; did you mean 'held_out'"),
        ("name =", "nam =", r"g\.toml:1: nam: unknown key; did you mean 'name'"),
        ("[train]", "[trian]", r"g\.toml:10: trian: unknown key; did you mean 'train'"),
        (
            "depth",
            "depht",
            r"g\.toml:8: model\.depht: .*unknown dial 'depht'; did you mean 'depth'",
        ),
        ("depth", "width", r"g\.toml:8: model\.width: .*unknown dial 'width'"),
        (
            "depth = 1",
            'family = "mlpx"',
            r"g\.toml:8: unknown model family 'mlpx', known: .*transformer",
        ),
        ("= 128", '= "many"', r"g\.toml:11: train\.batch_tokens: .*integer.*given 'many'"),
        ("= 128", "= -1", r"g\.toml:11: train\.batch_tokens: .*greater than 0.*given -1"),
        ("[24]", "24", r"g\.toml:18: pilots\.1\.widths: .*list.*given 24"),
        ("[0, 1]", "[0, -1]", r"g\.toml:20: pilots\.1\.seeds\.1: .*given -1"),
        ("[1e5]", "[inf]", r"g\.toml:24: targets\.0\.tokens\.0: .*finite"),
        ("[1e5]", "[]", r"g\.toml:24: targets\.0\.tokens: .*at least 1 item"),
        ("widths = [24]", "", r"g\.toml:17: pilots\.1: give either sizes or widths"),
        ("widths = [32]", "sizes = [1e4]\nwidths = [32]", "either sizes or widths"),
        ("[[targets]]", "[[targets]", r"^g\.toml: not valid TOML"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match=message):
        parse_grid(TEXT.replace(old, new), "g.toml")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(InputError, match=r"name: Field required"):
        parse_grid(TEXT.replace('name = "tiny"', ""), "g.toml")


def test_every_wrong_key_is_told_at_once() -> None:
    with pytest.raises(InputError, match=r"heldout.*; .*many"):
        parse_grid(TEXT.replace("held_out", "heldout").replace("= 128", '= "many"'), "g.toml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot read the grid: No such file"):
        load_grid(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes('name = "é"'.encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.toml: not UTF-8 at byte 8"):
        load_grid(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[1e5]", "[4095]", r"tokens = 4095 is less than two chunks .* budget is 4,096"),
        ("[32]", "[3]", "rotary positions need an even width"),
        ("[32]", "[0]", "width = 0"),
        ("widths = [32]", "sizes = [10]", r"no shape near N = 10; the nearest has"),
        ("widths = [32]", "sizes = [1e18]", r"no shape near N = 1e\+18"),
        ("widths = [32]", "sizes = [-5]", "size = -5, must be a positive number"),
        ("depth = 1", 'depth = "two"', "depth = 'two', must be a whole number"),
        ("depth = 1", "depth = 2.0", r"depth = 2\.0, must be a whole number"),
        ("depth = 1", 'tied = "no"', "tied = 'no', valid: true, false"),
        ("depth = 1", "mlp = 'relu'", "valid: swiglu, gelu"),
        ("depth = 1", "heads = 3", "rotary positions need an even whole number"),
        ("= 128", "= 100", r"batch_tokens = 100 is no multiple of model\.context = 16"),
        ("= 0.2", "= 0.2\nunique_tokens = 10_000_000", "unique_tokens = 10,000,000"),
        ("= 0.2", "= 0.2\nunique_tokens = 100", "needed are more than 144"),
        ("= 0.2", "= 0.2\neval_tokens = 16", "eval_tokens = 16"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_the_plan(
    old: str, new: str, message: str, corpus: Corpus
) -> None:
    with pytest.raises(InputError, match=message):
        plan(parse_grid(TEXT.replace(old, new)), corpus)


def test_the_plan_is_the_product_of_each_blocks_axes_targets_last(cells: list[Cell]) -> None:
    found = [(c.role, c.shape.to_dict()["width"], round(c.D, -4), c.seed) for c in cells]
    assert found == [
        ("pilot", 8, 10_000, 0),
        ("pilot", 8, 20_000, 0),
        ("pilot", 16, 10_000, 0),
        ("pilot", 16, 20_000, 0),
        ("pilot", 24, 10_000, 0),
        ("pilot", 24, 10_000, 1),
        ("target", 32, 100_000, 0),
    ]
    assert len({c.id for c in cells}) == 7
    assert len({c.trunk for c in cells}) == 5


def test_budgets_are_whole_chunks_near_what_was_asked(corpus: Corpus) -> None:
    asked = [4096, 6000, 12_345, 99_999]
    text = TEXT.replace("tokens = [1e5]", f"tokens = {asked}")
    targets = [c for c in plan(parse_grid(text), corpus) if c.role == "target"]
    for tokens, cell in zip(asked, targets, strict=True):
        assert cell.steps % CHUNK_STEPS == cell.cool_steps % CHUNK_STEPS == 0
        assert abs(cell.D - tokens) <= CHUNK_STEPS * 128 / 2
        assert cell.steps * 128 == cell.D
        assert CHUNK_STEPS <= cell.cool_steps < cell.steps
        assert cell.D * cell.shape.training_flops() == cell.C


def test_a_cell_planned_twice_is_one_cell(corpus: Corpus, cells: list[Cell]) -> None:
    again = TEXT.replace("tokens = [1e5]", "tokens = [1e5, 100_001]")
    assert [c.id for c in plan(parse_grid(again), corpus)] == [c.id for c in cells]


def test_identity_is_everything_but_the_role(cells: list[Cell]) -> None:
    cell = cells[0]
    assert replace(cell, role="target").id == cell.id
    others = [
        replace(cell, steps=2 * cell.steps),
        replace(cell, seed=7),
        replace(cell, data="other"),
        replace(cell, D_unique=5000),
        replace(cell, evaluate=64),
        replace(cell, shape=cells[2].shape),
        *(
            replace(cell, recipe=cell.recipe.model_copy(update=change))
            for change in (
                {"learning_rate": 0.1}, {"transfer": "none"}, {"weight_decay": 0.0},
                {"precision": "bfloat16"}, {"cooldown": 0.3}, {"head_rate": 1.0},
            )
        ),
    ]  # fmt: skip
    assert len({c.id for c in [cell, *others]}) == 1 + len(others)
    # Only the length is left out of a trunk's identity.
    assert others[0].trunk == cell.trunk
    assert len({c.trunk for c in [cell, *others]}) == len(others)


def test_identity_is_the_same_for_ever(cells: list[Cell]) -> None:
    # A change here means that finished cells of every study are trained again: if that is meant
    # (the same cell would train to another result), raise RECIPE_VERSION too.
    cell = replace(cells[0], data="fingerprint", D_unique=40_000)
    shape = replace(cell.shape, vocab=100)
    assert replace(cell, shape=shape).id == "a73362bc93e60419"


def test_identity_is_the_hash_of_all_facts_in_canonical_json(corpus: Corpus) -> None:
    # However it is put together from the parts that cells share.
    def digest(facts: dict[str, Any]) -> str:
        return hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:16]

    vision = plan(parse_grid(VISION), open_data(Data(source="digits"), "image"))
    recovery = "[recovery]\nrewinds = 2\nlower_rate = 0.5\n[[pilots]]"
    recovering = plan(parse_grid(TEXT.replace("[[pilots]]", recovery, 1)), corpus)
    for cell in [*plan(parse_grid(TEXT), corpus), *vision, *recovering]:
        facts = cell.trunk_facts()
        assert facts["shape"] == cell.shape.to_dict()
        assert ("recovery" in facts) == (cell in recovering)
        assert max(facts) < "steps"
        assert cell.trunk == digest(facts)
        assert cell.id == digest({**facts, "steps": cell.steps})


def test_with_seed_shifts_every_seed_and_nothing_else(corpus: Corpus, cells: list[Cell]) -> None:
    grid = parse_grid(TEXT)
    shifted = plan(grid.with_seed(10), corpus)
    assert [c.seed for c in shifted] == [c.seed + 10 for c in cells]
    assert not {c.id for c in shifted} & {c.id for c in cells}
    assert [replace(c, seed=c.seed - 10).id for c in shifted] == [c.id for c in cells]
    assert grid.with_seed(0) == grid
    with pytest.raises(InputError, match="-1"):
        grid.with_seed(-1)


def test_facts_hold_the_declared_columns(cells: list[Cell]) -> None:
    cell = cells[0]
    facts = cell.facts()
    assert facts["C_6ND"] == 6 * facts["N"] * facts["D"]
    assert facts["N"] < facts["N_total"]
    assert facts["D_unique"] == min(facts["D"], cell.D_unique)
    assert (facts["N_kind"], facts["C_kind"]) == ("non_embedding", "counted")


@pytest.mark.parametrize("path", sorted((ROOT / "runs").glob("*.toml")), ids=lambda p: p.name)
def test_shipped_grids_are_valid(path: Path) -> None:
    grid = load_grid(path)
    assert isinstance(grid, Grid)
    assert grid.name == path.stem


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("evaluate_every = 100", r"evaluate_every = 100: .*multiples of 16"),
        ("early_stop = 2", r"early_stop needs train\.evaluate_every"),
        ("\n[recovery]\nlower_rate = 0.5", r"recovery\.lower_rate acts at a rewind"),
        (
            'optimiser = "sgd"\n[recovery]\nrewinds = 1\nreset_moments = true',
            r"sgd keeps no moments; valid with adamw and lion",
        ),
    ],
)
def test_what_could_never_act_is_refused(corpus: Corpus, added: str, told: str) -> None:
    text = TEXT.replace("[train]\n", f"[train]\n{added}\n", 1)
    if "[recovery]" in added:
        head, recovery = added.split("[recovery]")
        text = TEXT.replace("[train]\n", f"[train]\n{head}\n", 1) + f"\n[recovery]{recovery}\n"
    with pytest.raises(InputError, match=told):
        plan(parse_grid(text), corpus)


def test_a_block_sets_keys_of_the_recipe_itself(corpus: Corpus) -> None:
    text = TEXT.replace("[[pilots]]", "[[pilots]]\ntrain = { clip = 0, warmup_steps = 7 }", 1)
    cells = plan(parse_grid(text), corpus)
    assert (cells[0].recipe.clip, cells[0].recipe.warmup_steps) == (0, 7)
    assert cells[-1].recipe.clip == 1.0
    wrong = text.replace("clip = 0", "clipp = 0")
    with pytest.raises(
        InputError, match=r"pilots\.train\.clipp: unknown key; valid: learning_rate"
    ):
        parse_grid(wrong)


def test_batches_are_an_axis(corpus: Corpus) -> None:
    text = TEXT.replace("[[pilots]]", "[[pilots]]\nbatches = [128, 256]", 1)
    cells = [c for c in plan(parse_grid(text), corpus) if c.role == "pilot"]
    assert {c.batch for c in cells} == {128, 256}
    assert len({c.id for c in cells}) == len(cells)


def test_a_policy_is_part_of_a_cells_identity_only_where_it_could_act(cells: list[Cell]) -> None:
    cell = cells[0]
    assert replace(cell, recovery=Recovery(retries=5, hang_seconds=9)).id == cell.id
    assert replace(cell, recovery=Recovery(rewinds=2)).id != cell.id
