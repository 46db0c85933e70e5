"""Findings on made-up runs: each symptom is told once, where it began; a healthy run tells none."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.grid import CHUNK_STEPS
from scaling.train.diagnosis import Finding, Trend, Watch
from scaling.train.telemetry import Chunk

BLOCKS = ("dense_1", "dense_2", "dense_3", "dense_4", "head")
UNIFORM = 4.5


def falling(
    steps: int = 640, noise: float = 0.03, seed: int = 0, slower: float = 1.0
) -> np.ndarray:
    """A loss that begins at a uniform guess and falls as training losses do."""
    t = np.arange(steps) / slower
    clean = 1.5 + (UNIFORM - 1.5) * (1 + t / 20) ** -0.6
    return clean + noise * np.random.default_rng(seed).standard_normal(steps)


def chunks(loss: Sequence[float] | np.ndarray, **fixed: Any) -> list[Chunk]:
    """Chunks of these losses; blocks are well unless told otherwise."""
    loss = np.asarray(loss, np.float32)
    steps = np.arange(len(loss))
    values: dict[str, Any] = {
        "skipped": ~np.isfinite(loss),
        "nonfinite": np.where(np.isfinite(loss), 0, 9).astype(np.int32),
        "grad_norm": np.where(np.isfinite(loss), 1.0, np.nan).astype(np.float32),
        "learning_rate": (0.01 * np.minimum(1, (steps + 1) / 32)).astype(np.float32),
    } | {k: v for k, v in fixed.items() if isinstance(v, np.ndarray) and len(v) == len(loss)}
    ones = np.ones(len(BLOCKS), np.float32)
    blocks: dict[str, Any] = {
        "grad_by_block": ones, "update_by_block": 0.01 * ones, "activation_by_block": ones,
        "attention_logit": float("nan"),
    }  # fmt: skip
    blocks |= {k: v for k, v in fixed.items() if k not in values}
    return [
        Chunk(
            first_step=at,
            loss=loss[at : at + CHUNK_STEPS],
            **{k: v[at : at + CHUNK_STEPS] for k, v in values.items()},
            **blocks,
        )
        for at in range(0, len(loss), CHUNK_STEPS)
    ]


def found(run: Sequence[Chunk], **how: Any) -> list[Finding]:
    watch = Watch(BLOCKS, UNIFORM, **how)
    told = [finding for chunk in run for finding in watch.see(chunk)]
    told += watch.end()
    assert told == watch.findings
    return told


def labels(run: Sequence[Chunk], **how: Any) -> list[str]:
    return [finding.label for finding in found(run, **how)]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    noise=st.floats(0, 0.3),
    scale=st.floats(0.1, 30),
    steps=st.integers(2, 60).map(lambda n: n * CHUNK_STEPS),
)
def test_a_healthy_run_tells_nothing(seed: int, noise: float, scale: float, steps: int) -> None:
    """Whatever its noise, length and speed; behind a head whose first gradients are zero."""
    run = chunks(falling(steps, noise, seed, scale))
    run[0] = replace(run[0], grad_by_block=np.array([0, 0, 0, 0, 1], np.float32))
    assert labels(run) == []


def test_a_spike_is_told_when_it_is_over_with_its_first_step() -> None:
    loss = falling()
    loss[301:306] += 3.0
    (finding,) = found(chunks(loss))
    assert (finding.label, finding.step) == ("spike", 301)
    assert "back after 5 steps" in finding.told
    loss[401] += 3.0
    assert [f.step for f in found(chunks(loss))] == [301, 401]  # each is told


def test_one_hard_example_is_no_spike() -> None:
    loss = falling(noise=0.01)
    loss[300] += 0.6
    assert labels(chunks(loss)) == []


@pytest.mark.parametrize("rise", [1.0, 2.0, 50.0])
def test_a_loss_that_goes_up_and_stays_is_a_divergence(rise: float) -> None:
    loss = falling()
    loss[200:] += rise
    (finding,) = found(chunks(loss))
    assert (finding.label, finding.step) == ("divergence", 200)


def test_a_slow_rise_is_a_divergence_too() -> None:
    loss = falling(960)
    loss[300:] += np.linspace(0, 2.0, 660)
    (finding,) = found(chunks(loss))
    assert finding.label == "divergence"
    assert 240 <= finding.step <= 400


def test_worse_than_a_uniform_guess_is_a_divergence() -> None:
    loss = UNIFORM + 0.15 + 0.05 * np.random.default_rng(0).standard_normal(320)
    loss[0] = UNIFORM
    assert labels(chunks(loss))[0] == "divergence"


def test_a_run_that_begins_high_and_learns_is_well() -> None:
    assert labels(chunks(falling() + 10 * np.exp(-np.arange(640) / 30))) == []


def test_nothing_learned_is_dead_but_not_before_patience() -> None:
    loss = UNIFORM + 0.01 * np.random.default_rng(0).standard_normal(480)
    run = chunks(loss)
    assert labels(run) == ["dead"]
    watch = Watch(BLOCKS, UNIFORM)
    assert [f for chunk in run[:12] for f in watch.see(chunk)] == []
    assert [f.label for f in watch.end()] == ["dead"]  # a short run is judged at its end


def test_a_loss_that_still_falls_is_not_dead() -> None:
    assert labels(chunks(UNIFORM - np.linspace(0, 0.08, 480))) == []


def test_dead_units_are_named_by_their_block() -> None:
    outputs = np.array([1, 1, 0, 0.1, 1], np.float32)
    gradients = np.array([0, 0, 0, 0.1, 1], np.float32)
    run = chunks(falling(), grad_by_block=gradients, activation_by_block=outputs)
    (finding,) = found(run)
    # weights that are not zero make zeros of zeros only: those of the units before
    assert (finding.label, finding.block) == ("dead", "dense_2")
    no_weights = np.array([1, 1, np.nan, 1, 1], np.float32)
    run = [replace(chunk, update_by_block=no_weights) for chunk in run]
    assert found(run)[0].block == "dense_3"
    untold = np.full(5, np.nan, np.float32)
    run = chunks(falling(), grad_by_block=gradients, activation_by_block=untold)
    assert found(run)[0].block == "dense_3"  # the last without a gradient


@pytest.mark.parametrize(("label", "power"), [("vanishing", 1), ("exploding", -1)])
def test_gradients_by_depth(label: str, power: int) -> None:
    gradients = np.array([1e-6, 1e-4, 1e-2, 1, 1], np.float32) ** power
    (finding,) = found(chunks(falling(), grad_by_block=gradients))
    # seen from the end, the orders of magnitude are half gone at the second block
    assert (finding.label, finding.block, finding.step) == (label, "dense_2", 0)


def test_signals_that_fade_hide_behind_equal_weight_gradients() -> None:
    """Weights' gradients are inputs times what comes back: both fade, and the product is level."""
    outputs = np.array([1e-2, 1e-4, 1e-6, 1e-8, 1e-8], np.float32)
    assert labels(chunks(falling(), activation_by_block=outputs)) == ["vanishing"]
    assert labels(chunks(falling(), activation_by_block=1 / outputs)) == ["exploding"]


def test_a_loss_that_is_no_number_is_numerical_and_the_rest_its_consequence() -> None:
    loss = falling()
    loss[100:] = np.nan
    gradients = np.array([1, np.nan, np.nan, np.nan, 1], np.float32)
    outputs = np.array([1, 1, np.inf, np.nan, np.nan], np.float32)
    run = chunks(loss)
    run[6:] = [replace(c, grad_by_block=gradients, activation_by_block=outputs) for c in run[6:]]
    (finding,) = found(run)
    assert (finding.label, finding.step, finding.block) == ("numerical", 100, "dense_3")


def test_overflows_are_how_a_loss_scale_is_found_until_they_are_all_there_is() -> None:
    few, many = np.zeros(320, np.int32), np.zeros(320, np.int32)
    few[[0, 1, 2, 150, 300]] = 7
    many[160:] = 7
    assert labels(chunks(falling(320), nonfinite=few), scaled=True) == []
    assert labels(chunks(falling(320), nonfinite=few)) == ["numerical"]
    (finding,) = found(chunks(falling(320), nonfinite=many), scaled=True)
    assert finding.label == "numerical"
    assert finding.step >= 160


def test_slow_is_against_the_trend_of_its_like() -> None:
    def curve(seed: int, slower: float = 1.0) -> tuple[list[float], list[float]]:
        run = chunks(falling(seed=seed, slower=slower))
        return [c.first_step + 16.0 for c in run], [float(c.loss.mean()) for c in run]

    trend = Trend.of([curve(seed) for seed in range(3)])
    assert labels(chunks(falling(seed=9)), trend=trend) == []
    assert labels(chunks(falling(seed=9, slower=2)), trend=trend) == []
    (finding,) = found(chunks(falling(seed=9, slower=8)), trend=trend)
    assert finding.label == "slow"
    assert Trend.of([]) is None


@pytest.mark.parametrize(("waited", "told"), [(0.05, []), (0.3, ["stalled"])])
def test_waiting_for_data(waited: float, told: list[str]) -> None:
    run = [replace(c, seconds=0.4, waited=waited) for c in chunks(falling())]
    assert labels(run) == told
    fast = [replace(c, seconds=0.004, waited=0.003) for c in chunks(falling())]
    assert labels(fast) == []  # a tenth of a second in all proves nothing


def test_a_rewound_run_is_judged_anew() -> None:
    loss = falling()
    loss[200:] += 3
    watch, run = Watch(BLOCKS, UNIFORM), chunks(loss)
    for chunk in run[:20]:
        watch.see(chunk)
    for chunk in chunks(falling())[10:]:
        watch.see(chunk)
    assert [f.label for f in watch.findings] == ["divergence"]
    for chunk in run[9:20]:
        watch.see(chunk)
    assert [f.label for f in watch.findings] == ["divergence"] * 2


def test_a_watch_can_be_copied_and_findings_are_json() -> None:
    loss = falling()
    loss[200:] += 3
    run = chunks(loss)
    watch = Watch(BLOCKS, UNIFORM)
    for chunk in run[:14]:
        watch.see(chunk)
    branch = copy.deepcopy(watch)
    for chunk in run[14:]:
        branch.see(chunk)
    assert watch.findings == []
    assert json.loads(json.dumps(branch.findings[0].to_dict()))["label"] == "divergence"
    assert str(branch.findings[0]).startswith("divergence from step 200: the loss went from")


def cpu_seconds(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


def test_a_chunk_costs_less_than_a_fifth_of_a_millisecond() -> None:
    run = chunks(falling(3200))
    trend = Trend((1600, 3200), (2.0, 1.9), 0.1)
    best = min(cpu_seconds(lambda: found(run, trend=trend)) for _ in range(3))
    assert best / len(run) < 2e-4


def test_no_jax() -> None:
    code = "import sys, scaling.train.diagnosis; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
