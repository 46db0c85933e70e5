"""The command `report`: one page of a study, a run table or a fit. `scaling.cli` takes it in."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.commands import completion
from scaling.commands import forecast_options as options
from scaling.commands.options import ColumnsOption, WhereOption, number_option
from scaling.errors import InputError
from scaling.terminal import console, pairs

if TYPE_CHECKING:
    from scaling.forecast.spending import Hardware
    from scaling.report import Asked

app = typer.Typer()


@app.command("report")
def report_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR|TABLE|FIT",
            help="A study's folder or its URL, a run table (.csv, .tsv, .parquet), or a fit saved "
            "as .json.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="By default DIR/report.html, or TABLE.report.html beside the table.",
        ),
    ] = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="html,md,pdf",
            help="One or several; by default as FILE ends. md: and a folder of figures; pdf: needs "
            "the extra pdf.",
        ),
    ] = "",
    compute: Annotated[
        float | None, number_option("Training FLOPs; by default 10 x the largest run.")
    ] = None,
    gpu_hours: options.DeviceHoursOption = None,
    dollars: options.DollarsOption = None,
    days: options.DaysOption = None,
    kwh: options.KwhOption = None,
    device: options.DeviceOption = None,
    devices: options.DevicesOption = 1,
    mfu: options.MfuOption = None,
    mfu_from: options.MfuFromOption = None,
    price: options.PriceOption = None,
    precision: options.PrecisionOption = None,
    pue: options.PueOption = None,
    law: Annotated[
        str | None,
        typer.Option(
            "--law",
            help="Of a table: a law by name or a formula (chinchilla).",
            autocompletion=completion.laws,
        ),
    ] = None,
    n: Annotated[
        str | None, typer.Option("--n", help="Of a table: the column that N stands for.")
    ] = None,
    where: WhereOption = None,
    columns: ColumnsOption = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Show it in a browser instead, anew as cells of DIR finish."),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="Of --live on 127.0.0.1: 8770; 0 is any."),
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page of --live in a browser.")
    ] = False,
) -> None:
    """Write one self-contained page: the answer to a budget, then evidence, then method.

    The budget: FLOPs, or device-hours, dollars, days or kWh on a --device; by default ten times the
    largest run's compute.
    """  # fmt: skip
    amounts = {"gpu-hours": gpu_hours, "dollars": dollars, "days": days, "kwh": kwh}
    hardware = options.hardware_of(device, devices, mfu, mfu_from, price, precision, pue)
    if live:
        if out or law or n or where or columns or formats:
            raise InputError(
                "--live: shows a study alone; no --out, --format, --law, --n, --where, --columns"
            )
        _serve(source, _asked(compute, amounts, hardware), port, open_browser)
        return
    if port is not None or open_browser:
        raise InputError("--port and --open: only with --live")
    how = {
        "law": law, "N": n, "where": where,
        "columns": pairs(columns, "--columns") if columns else None,
    }  # fmt: skip
    forms = [form.strip() for form in formats.split(",") if form.strip()]
    with _uncollected():
        from scaling.report import reports

        for place in reports(source, out, _asked(compute, amounts, hardware), forms, **how):
            _tell(place)


def _serve(folder: str, asked: Asked, port: int | None, open_browser: bool) -> None:
    """Serve the live page until Ctrl-C."""
    import webbrowser

    from scaling.report.live import Live
    from scaling.report.serving import HOST, PORT, server

    # the port first: the first page takes seconds
    with (
        server(lambda: live.page, PORT if port is None else port) as serving,
        suppress(KeyboardInterrupt),
        Live(folder, asked) as live,
    ):
        address = f"http://{HOST}:{serving.server_address[1]}/"
        print(f"live report: {address} (Ctrl-C ends it)", flush=True)
        if open_browser:
            webbrowser.open(address)
        serving.serve_forever()


def tell_of_report(folder: str) -> None:
    """Write the page of a study, and say where it is."""
    with _uncollected():
        from scaling.report import report

        _tell(report(folder))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for garbage, which is a tenth of the time that a report takes: what it leaves
    behind is gone with the process."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _tell(place: object) -> None:
    console().print(f"report: {place}", soft_wrap=True)


def _asked(
    compute: float | None, amounts: dict[str, float | None], hardware: Hardware | None
) -> Asked:
    """The budget that the options set."""
    from scaling.amounts import figure
    from scaling.report import Asked

    unit, bought, ends = options.bought_with(amounts, hardware)
    if compute is not None and bought is not None:
        raise InputError(f"--compute and --{unit}: both set the budget; choose one")
    if compute is not None and not 0 < compute < float("inf"):
        raise InputError(f"--compute {compute:g}: must be a finite number above 0")
    if bought is None:
        return Asked(compute, hardware)
    amount = next(value for value in amounts.values() if value is not None)
    words = f"what {figure(amount)} {unit.replace('gpu-hours', 'device-hours')} buy"
    return Asked(bought, hardware, words, ends)
