"""The commands that train, and prove: run, study, proof. `scaling.cli` takes them in."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.commands.adaptive import (
    AdaptiveOption,
    BudgetOption,
    PriceOption,
    TargetOption,
    WidthOption,
    asked_of,
)
from scaling.commands.options import (
    ExecutorOption,
    GridArgument,
    JsonOption,
    OptionOption,
    ShiftOption,
    WorkersOption,
    place_of,
    planned_study,
    tell_of_calibration,
)
from scaling.commands.report import tell_of_report
from scaling.errors import InputError
from scaling.terminal import console, show, show_json

if TYPE_CHECKING:
    from scaling import files
    from scaling.adaptive import Asked
    from scaling.grid import Place
    from scaling.planned import Planned
    from scaling.sweep.executors.contract import Executor
    from scaling.train.distributed import Place as ProcessPlace

app = typer.Typer()

# As shells have it: 128 and the number of the signal.
SIGINT_CODE, SIGTERM_CODE = 130, 143

Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="The study's folder, or its URL (s3://..., gs://...); by default out/NAME.",
    ),
]


ForceOption = Annotated[
    bool, typer.Option("--force", help="Train cells that are too large for a device, too.")
]
TrackerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tracker",
        metavar="NAME",
        help="Show runs there, too: tensorboard, wandb, mlflow, trackio; repeatable. Options stand "
        "in the grid.",
    ),
]


@app.command("run")
def run_command(
    grid: GridArgument,
    out: Out = None,
    seed: ShiftOption = 0,
    workers: WorkersOption = None,
    executor: ExecutorOption = None,
    option: OptionOption = None,
    tracker: TrackerOption = None,
    force: ForceOption = False,
    adaptive: AdaptiveOption = False,
    target_compute: TargetOption = None,
    budget: BudgetOption = None,
    width: WidthOption = None,
    price: PriceOption = None,
    coordinator: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Several processes train each run together, over the devices of the grid: start "
            "this command once for each; process 0 listens here, and all share the folder --out.",
        ),
    ] = None,
    process: Annotated[int | None, typer.Option(min=0, help="This one's number, from 0.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="How many there are.")] = None,
) -> None:
    """Train what is not yet done: pilots, then the forecast, then its targets."""
    from scaling.train.distributed import place

    where = place(coordinator, process, processes)
    asked = asked_of(adaptive, target_compute, budget, width, price)
    if where is None:
        at = place_of(executor, option, grid)
        _run(grid, out, seed, workers, at, tracker or [], force, asked)
    elif asked is not None:
        raise InputError("--adaptive: one process chooses; leave --coordinator out")
    else:
        _run_together(where, grid, out, seed, tracker or [])


@app.command("study")
def study_command(
    grid: GridArgument,
    out: Out = None,
    seed: ShiftOption = 0,
    workers: WorkersOption = None,
    executor: ExecutorOption = None,
    option: OptionOption = None,
    tracker: TrackerOption = None,
    force: ForceOption = False,
) -> None:
    """The main job: plan, train, fit, forecast, train what was forecast, report."""
    place = place_of(executor, option, grid)
    tell_of_report(str(_run(grid, out, seed, workers, place, tracker or [], force)))


@app.command("proof")
def proof_command(
    folders: Annotated[
        list[str],
        typer.Argument(metavar="DIR...", help="Folders or URLs of a study, or of repetitions."),
    ],
    figure: Annotated[
        Path | None, typer.Option("--plot", help="Draw it too: .svg, .pdf or .png.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print forecast against truth, target by target."""
    from dataclasses import asdict

    from scaling.forecast.proof import told
    from scaling.study import prove

    verdicts = [verdict for folder in folders for verdict in prove(folder)]
    if figure is not None:
        from scaling.plot import proof, save

        save(proof(verdicts, kind=verdicts[0].l_kind), figure)
    if as_json:
        show_json([asdict(verdict) for verdict in verdicts])
    else:
        show(*told(verdicts))


def _run_together(
    where: ProcessPlace, grid: Path, out: str | None, seed: int, trackers: list[str]
) -> None:
    """One of several processes: process 0 does what a run does, the others train with it."""
    from scaling.sweep import hosts
    from scaling.sweep.work import prepare_jax

    prepare_jax()
    planned, _ = planned_study(grid, seed, 1, measure=False)
    folder = _folder(out, planned)
    console().print(f"process {where.process} of {where.processes}, at {where.coordinator}")
    planned = planned.at_rates(folder)
    if planned.rungs:
        raise InputError(
            f'{grid}: learning_rate = "tune": several processes train a study whose rate is known; '
            "tune it with one first, in the same --out"
        )
    hosts.join(where, planned.cells)
    if where.process:
        with _stoppable():
            hosts.follow(planned.cells, planned.data, folder)
    else:
        try:
            with _stoppable():
                _train(planned.shown_by(trackers), grid, folder, hosts.Together)
        except typer.Exit:  # stopped, and the others with it: they wait for more
            hosts.dismiss()
            raise
        hosts.dismiss()


def _run(
    grid: Path,
    out: str | None,
    seed: int,
    workers: int | None,
    place: Place | None,
    trackers: list[str],
    force: bool,
    adapt: Asked | None = None,
) -> files.Place:
    from scaling.sweep.live import clock
    from scaling.sweep.storing.store import Store

    screen = console()
    screen.print(f"planning {grid}: shapes new to this machine are timed first")
    planned, slots = planned_study(grid, seed, workers, measure=False, place=place)
    folder = _folder(out, planned)
    planned = planned.at_rates(folder)
    if not force:
        _refuse_too_large(planned)
    tell_of_calibration()
    planned = planned.timed(slots, lambda: Store(folder).done(planned.cells))
    cells = f"{len(planned.cells)} cells"
    if planned.rungs:
        cells += f" and {sum(map(len, planned.tuning))} or so to tune their learning rate"
    where = f"{slots} workers"
    if (wall := planned.wall_seconds(slots)) is not None:
        where += f", predicted training time {clock(wall)}"
    if planned.settings.elsewhere:
        where = f"executor {planned.grid.executor.name}"
    with _stoppable():
        screen.print(f"{cells}, {where}, folder {folder}", soft_wrap=True)
        _train(planned.shown_by(trackers), grid, folder, lambda: planned.start(workers), adapt)
    return folder


def _refuse_too_large(planned: Planned) -> None:
    from scaling.sweep.planning.notes import of_large

    if planned.large and planned.room is not None:
        told = of_large(planned.large, planned.known, planned.room)
        raise InputError(f"{told}; --force trains them all the same")


def _train(
    planned: Planned,
    grid: Path,
    folder: files.Place,
    start: Callable[[], Executor],
    adapt: Asked | None = None,
) -> None:
    from scaling.forecast.proof import told
    from scaling.study import prove, run_study
    from scaling.sweep import tuning
    from scaling.sweep.live import display

    screen = console()
    run_study(
        planned,
        grid,
        folder,
        start=start,
        show=lambda title, cells, known: display(screen, title, cells, known),
        adapt=adapt,
        tell=lambda told: screen.print(told, soft_wrap=True, markup=False),
    )
    for found in tuning.kept(folder) or () if planned.tuning else ():
        screen.print(f"{found.family}: {found.told()}", soft_wrap=True)
    screen.print(f"run table: {folder / 'table.parquet'} and table.csv", soft_wrap=True)
    if planned.part("target"):
        show(*told(prove(folder)))


@contextmanager
def _stoppable() -> Iterator[None]:
    """What is stopped as asked is no error; it has a shell's exit code all the same.

    While nothing trains, SIGTERM stops at once: all that is finished is stored.
    """
    from scaling.train.stopping import Stopped, ended_by

    try:
        with ended_by(signal.SIGTERM):
            yield
    except Stopped as stopped:
        typer.echo(
            f"scaling: {stopped}: stopped; what finished is stored, what was on its way is "
            "checkpointed: the same command goes on from there",
            err=True,
        )
        raise typer.Exit(SIGTERM_CODE if "SIGTERM" in str(stopped) else SIGINT_CODE) from None


def _folder(out: str | None, planned: Planned) -> files.Place:
    """Where the study lies. Raises InputError for a URL that can't be reached from here."""
    from scaling import files

    return files.folder(out or f"out/{planned.grid.name}")
