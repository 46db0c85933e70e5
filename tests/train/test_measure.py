"""What a run is said to have cost, against XLA's own account and simple sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import pytest
from batteries.programs import held_bytes

from scaling.data import Corpus
from scaling.devices import device
from scaling.grid import Cell
from scaling.train import calibrate, measure
from scaling.train.engine import train_trunk
from scaling.train.outcome import Outcome

PEAK = 1e10


@pytest.fixture
def outcome(cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    monkeypatch.setattr(measure, "peak_flops", lambda precision: PEAK)
    found: list[Outcome] = []
    train_trunk(
        [cell], corpus, checkpoint_path=tmp_path / "trunk.npz", on_cell=lambda _, o: found.append(o)
    )
    return found[0]


def test_a_run_tells_its_memory_its_flops_and_what_it_read(cell: Cell, outcome: Outcome) -> None:
    cost = outcome.cost
    assert cost is not None
    recipe = {"warmup_steps": 4, "base_width": 8}
    assert cost.memory_bytes == pytest.approx(
        held_bytes("transformer", cell.shape, cell.batch, **recipe), rel=0.02
    )
    # A net this small is elementwise work to a good part.
    assert 1 < cost.flops / (cell.batch * cell.shape.training_flops()) < 2
    assert cost.bytes_read == cell.batch  # one byte a token
    # A CPU keeps no account.
    assert (cost.device_memory_bytes is None) == (jax.default_backend() == "cpu")
    seconds = sorted(chunk.seconds for chunk in outcome.chunks)
    rate = 16 * cell.batch * cell.shape.training_flops() / PEAK
    assert rate / seconds[-1] <= cost.mfu <= rate / seconds[0]
    assert outcome.cpu_seconds is not None
    assert outcome.cpu_seconds > 0


def test_nothing_is_compiled_to_be_measured(
    cell: Cell, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    compiled: list[str] = []

    def count(event: str, seconds: float, **facts: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    real = measure._executable

    def watched(*arguments: Any) -> Any:
        before = len(compiled)
        found = real(*arguments)
        assert len(compiled) == before
        return found

    monkeypatch.setattr(measure, "peak_flops", lambda precision: PEAK)
    monkeypatch.setattr(measure, "_executable", watched)
    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        train_trunk([cell], corpus, checkpoint_path=tmp_path / "trunk.npz", on_cell=lambda *_: None)
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
    assert compiled


def test_a_peak_is_the_makers_or_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path))
    monkeypatch.setattr(measure, "PEAK_SECONDS", 0.01)
    monkeypatch.setattr(measure, "of_kind", lambda kind: None)
    found = measure.peak_flops("float32")
    assert 1e9 < found < 1e16
    monkeypatch.setattr(measure, "_product_rate", lambda side, precision: 1.0)
    assert measure.peak_flops("float32") == found
    assert calibrate.read() == {"peak float32": {"flops": found}}
    monkeypatch.setattr(measure, "of_kind", lambda kind: device("H100-SXM"))
    assert measure.peak_flops("bfloat16") == 989.4e12
