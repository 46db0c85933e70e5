"""Costs before anything is trained: each segment of a trunk is paid once."""

from __future__ import annotations

import subprocess
import sys

from scaling.grid import Cell
from scaling.sweep.planning.plan import by_length, costs, trunks


def test_trunks_hold_their_cells_shortest_first(cells: list[Cell]) -> None:
    groups = trunks(reversed(cells))
    assert len(groups) == 4
    for group in groups.values():
        assert [c.steps for c in group] == sorted(c.steps for c in group)
        assert len({(c.shape, c.seed) for c in group}) == 1


def test_marginal_steps_add_up_to_what_is_trained(cells: list[Cell]) -> None:
    known = costs(cells, {})
    for group in trunks(cells).values():
        trunk_steps = max(c.steps - c.cool_steps for c in group)
        assert sum(known[c.id].own_steps for c in group) == trunk_steps + sum(
            c.cool_steps for c in group
        )
        for c in group:
            per_step = c.recipe.batch_tokens * c.shape.training_flops()
            assert known[c.id].flops == known[c.id].own_steps * per_step
            assert known[c.id].memory_bytes == c.shape.memory_bytes(c.recipe.batch_tokens)
    assert sum(cost.flops for cost in known.values()) < sum(c.C for c in cells)


def test_seconds_come_from_the_timings_and_a_start_is_paid_once_a_trunk(cells: list[Cell]) -> None:
    timing = {"step": 0.5, "evaluation": 2.0, "start": 7.0}
    known = costs(cells, {c.timing_key: timing for c in cells})
    for group in trunks(cells).values():
        first, second = (known[c.id] for c in group)
        assert first.seconds == first.own_steps * 0.5 + 2.0 + 7.0
        assert second.seconds == second.own_steps * 0.5 + 2.0
    one = {cells[0].timing_key: timing}
    seconds = [costs(cells, one)[c.id].seconds for c in cells]
    assert [s is None for s in seconds] == [c.timing_key not in one for c in cells]


def test_longest_trunks_come_first_and_fill_the_workers(cells: list[Cell]) -> None:
    groups, weights = by_length(cells, costs(cells, {}))
    assert weights == sorted(weights, reverse=True)
    assert sum(map(len, groups)) == len(cells)
    assert [g[0].shape.to_dict()["width"] for g in groups] == [16, 16, 8, 8]


def test_planning_imports_no_jax() -> None:
    code = "import sys, scaling.sweep.planning.plan, scaling.families.transformer as t; \
t.from_size(1e6, vocab=100, context=64); sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
