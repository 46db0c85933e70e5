"""How well the diagnosis names what ails a run: precision and recall by label, on a labelled set.

    python benchmarks/diagnosis.py [--half evaluation] [--workers 1] [--json]

Small runs of five families, well and ill (`ill.py`), trained by the engine's own program and judged
chunk by chunk. Thresholds were chosen on the development half (seeds 0 and 1); what counts is the
evaluation half (seeds 2 and 3), with other seeds, steps and strengths. A label is right where it is
the one expected; a consequence that is as true of the run (a net whose rate is 100 times too high
has dead units, too) counts neither way.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from faults import Run, Setting, Workshop, workshop
from ill import SETTINGS, healthy, ill, in_a_process
from rich.console import Console
from rich.table import Table

from scaling.sweep.crew import Crew
from scaling.sweep.executors.contract import Call
from scaling.sweep.executors.local import Local
from scaling.sweep.work import machine, prepare_jax
from scaling.train.diagnosis import LABELS, Finding, Trend, Watch

HALVES = {"development": (0, 1), "evaluation": (2, 3)}
TREND_SEEDS = (10, 11)  # of the runs that `slow` is measured against, in neither half
HANG_SECONDS = 12.0


@dataclass(frozen=True)
class Judged:
    """One run: what is true of it, and what was told."""

    name: str
    expected: str
    allowed: frozenset[str]
    step: int | None
    block: str
    findings: tuple[Finding, ...]
    chunks: int
    seconds: float  # of the diagnosis

    @property
    def told(self) -> set[str]:
        return {finding.label for finding in self.findings}

    @property
    def wrong(self) -> set[str]:
        return self.told - {self.expected} - self.allowed


def main(
    half: Annotated[str, typer.Option(help="evaluation or development.")] = "evaluation",
    workers: Annotated[int, typer.Option(min=1, help="Processes, each pinned to a core.")] = 1,
    processes: Annotated[bool, typer.Option(help="Also runs that are killed or hang.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train and judge one half of the set."""
    if half not in HALVES:
        raise typer.BadParameter(f"{half!r}; valid: {', '.join(HALVES)}", param_hint="half")
    began, seeds = time.perf_counter(), HALVES[half]
    chosen = dict.fromkeys(run.setting for run in _runs(seeds))
    judged: list[Judged] = []
    with Local(workers, math.inf) as executor:
        crew = Crew(executor)
        crew.add([Call(_judge, (one, seeds)) for one in chosen])
        for ended in crew.ends():
            judged += ended.value
    if processes:
        judged += _ended(seeds)
    report = {
        "half": half,
        "runs": len(judged),
        "well": sum(not j.expected for j in judged),
        "labels": {label: _score(judged, label) for label in LABELS},
        "onset": _onset(judged),
        "confusion": _confusion(judged),
        "mistakes": [_told(j) for j in judged if j.wrong or not _found(j)],
        "microseconds": 1e6 * sum(j.seconds for j in judged) / sum(j.chunks for j in judged),
        "seconds": time.perf_counter() - began,
        "machine": machine(),
    }
    print(json.dumps(report, indent=1)) if as_json else _show(report)


def _trend(chosen: Setting) -> Trend | None:
    curves = []
    for seed in TREND_SEEDS:
        chunks = list(workshop(chosen).chunks(Run(chosen, seed)))
        steps = [float(chunk.first_step + len(chunk.loss)) for chunk in chunks]
        curves.append((steps, [float(chunk.loss.mean()) for chunk in chunks]))
    return Trend.of(curves)


def _runs(seeds: tuple[int, ...]) -> list[Run]:
    return [*healthy(seeds), *ill(seeds)]


def _judge(chosen: Setting, seeds: tuple[int, ...]) -> list[Judged]:
    """Train the runs of one setting, and judge each."""
    prepare_jax()
    trend = _trend(chosen) if chosen in SETTINGS.values() else None
    runs = [run for run in _runs(seeds) if run.setting == chosen]
    return [_judged(run, workshop(chosen), trend) for run in runs]


def _judged(run: Run, shop: Workshop, trend: Trend | None) -> Judged:
    watch = Watch(shop.blocks, shop.uniform, trend, scaled=shop.scaled)
    chunks = list(shop.chunks(run))
    began = time.process_time()
    for chunk in chunks:
        watch.see(chunk)
    watch.end()
    spent, fault = time.process_time() - began, run.fault
    facts = (str(run), fault.expected, fault.allowed, fault.step, fault.block)
    return Judged(*facts, tuple(watch.findings), len(chunks), spent)


def _ended(seeds: Sequence[int]) -> list[Judged]:
    """Runs in processes that are killed or hang, and some that are left alone."""
    chosen = SETTINGS["mlp"]
    ends = [(end, seed) for seed in seeds for end in ("killed", "hung", "", "killed", "hung")]
    steps = [64 + 16 * n for n in range(len(ends))]
    calls = [
        Call(in_a_process, (chosen, seed, end, at))
        for (end, seed), at in zip(ends, steps, strict=True)
    ]
    with Local(1, HANG_SECONDS) as executor:
        crew = Crew(executor, retries=0)
        crew.add(calls)
        lost = [ended for ended in crew.ends() if ended.lost is not None]
    seen = {calls.index(one.call): one.lost.label for one in lost if one.lost is not None}
    return [
        Judged(
            f"{end or 'well'}, in a process: seed {seed}", end, frozenset(), None, "",
            (Finding(seen[n], 0),) if n in seen else (), 0, 0.0,
        )
        for n, (end, seed) in enumerate(ends)
    ]  # fmt: skip


def _found(j: Judged) -> bool:
    return not j.expected or j.expected in j.told


def _score(judged: Sequence[Judged], label: str) -> dict[str, Any]:
    """Precision over runs of which the label was told, recall over those that have it."""
    have = [j for j in judged if j.expected == label]
    right = sum(label in j.told for j in have)
    wrong = sum(label in j.wrong for j in judged)
    return {
        "have": len(have),
        "right": right,
        "wrong": wrong,
        "precision": right / (right + wrong) if right + wrong else None,
        "recall": right / len(have) if have else None,
    }


def _onset(judged: Sequence[Judged]) -> dict[str, int]:
    """Of runs whose fault begins at a known step or in a known block: how often that was told."""
    counts: Counter[str] = Counter()
    for j in judged:
        for finding in [f for f in j.findings if f.label == j.expected][:1]:
            if j.step is not None:
                counts["steps"] += 1
                counts["right step"] += abs(finding.step - j.step) <= 1
            if j.block:
                counts["blocks"] += 1
                counts["right block"] += finding.block.split("/")[0] == j.block
    return dict(counts)


def _confusion(judged: Sequence[Judged]) -> dict[str, dict[str, int]]:
    """By what a run has: how often each label was told. Allowed ones are counted, too."""
    table: dict[str, Counter[str]] = {}
    for j in judged:
        row = table.setdefault(j.expected or "well", Counter())
        row["runs"] += 1
        row.update(j.told)
    return {name: dict(row) for name, row in table.items()}


def _told(j: Judged) -> str:
    told = "; ".join(str(f) for f in j.findings) or "nothing"
    return f"{j.name} [expected {j.expected or 'nothing'}]: {told}"


def _show(report: dict[str, Any]) -> None:
    console = Console(highlight=False, width=120)
    table = Table(box=None, pad_edge=False)
    for name in ("label", "have it", "told of them", "told wrongly", "precision", "recall"):
        table.add_column(name, justify="left" if name == "label" else "right")
    for label, row in report["labels"].items():
        shares = [f"{row[k]:.2f}" if row[k] is not None else "-" for k in ("precision", "recall")]
        table.add_row(label, *(str(row[k]) for k in ("have", "right", "wrong")), *shares)
    console.print(table)
    console.print()
    confusion = Table(box=None, pad_edge=False, title="told (across) of runs that have (down)")
    for name in ("", "runs", *LABELS):
        confusion.add_column(name, justify="right" if name else "left")
    for name, row in report["confusion"].items():
        cells = [str(row.get(k, "")) for k in ("runs", *LABELS)]
        confusion.add_row(name, *cells)
    console.print(confusion)
    console.print()
    for mistake in report["mistakes"]:
        console.print(f"mistaken: {mistake}", soft_wrap=True, markup=False)
    onset = report["onset"]
    console.print(
        f"{report['half']} half: {report['runs']} runs, {report['well']} of them well; the step "
        f"of onset was right within 1 for {onset.get('right step', 0)} of {onset.get('steps', 0)}, "
        f"the block for {onset.get('right block', 0)} of {onset.get('blocks', 0)}; "
        f"{report['microseconds']:.0f} microseconds a chunk; {report['seconds']:.0f} s in all on "
        f"{report['machine']}.",
        soft_wrap=True,
    )


if __name__ == "__main__":
    typer.run(main)
