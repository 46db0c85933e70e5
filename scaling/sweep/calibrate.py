"""Times the shapes of a study on this machine, in workers like those that will train them."""

from __future__ import annotations

from collections.abc import Callable, Container
from importlib.util import find_spec

from scaling.errors import InputError
from scaling.grid import Cell, Data, open_data
from scaling.sweep import worker
from scaling.sweep.crew import Crew, Lost
from scaling.sweep.executors.contract import Call, Executor, Needs
from scaling.sweep.work import prepare_jax


def calibrate(
    cells: list[Cell],
    data: Data,
    start: Callable[[], Executor],
    *,
    done: Callable[[], Container[str]] = tuple,
) -> dict[str, dict[str, float]]:
    """Timings of the shapes in `cells`: cached ones, and the missing ones measured now.

    start: the executor to measure on, and done: cells that need no timing; both are asked for only
    where something is missing.
    """
    need_jax()
    from scaling.train import calibrate as stopwatch

    timings = stopwatch.known(cells)
    unknown = [cell for cell in cells if cell.timing_key not in timings]
    not_needed = done() if unknown else ()
    missing = {cell.timing_key: cell for cell in unknown if cell.id not in not_needed}
    if not missing:
        return timings
    with start() as executor:
        crew = Crew(executor)
        crew.add(
            [
                Call(_calibrate_cell, (cell, data), Needs(cell.devices.count))
                for cell in missing.values()
            ]
        )
        for ended in crew.ends():
            if ended.lost is not None:
                raise InputError(_refusal(ended.lost))
            # At once: what an interrupted calibration has measured is not measured again.
            timings.update([ended.value])
            stopwatch.remember(dict([ended.value]))
    return timings


def _refusal(lost: Lost) -> str:
    hint = " (out of memory?)" if lost.label == "killed" else ""
    verb = "was killed" if lost.label == "killed" else "hung"
    return (
        f"a worker process {verb} {lost.attempts} times{hint}; what finished is stored: run the "
        "same command again with fewer --workers"
    )


def need_jax() -> None:
    """Raise InputError on a light install: plans are made there, but nothing is measured."""
    if find_spec("jax") is None:
        raise InputError(
            "to measure and train, JAX is needed: pip install 'scaling-laws[train]' "
            "(without it, `scaling plan` counts FLOPs and memory)"
        )


def _calibrate_cell(cell: Cell, data: Data) -> tuple[str, dict[str, float]]:
    prepare_jax()
    from scaling.train import calibrate as stopwatch
    from scaling.train.measure import peak_flops

    with worker.expendable():
        peak_flops(cell.use().precision)  # kept for the runs, whose time it is not
        return cell.timing_key, stopwatch.measure(cell, open_data(data, cell.unit))
