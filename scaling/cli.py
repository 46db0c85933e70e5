"""The command `scaling`: parses, calls one public function, prints.

Heavy imports happen inside the commands, so that `scaling --help` answers at once.
"""

from __future__ import annotations

import sys

import typer

from scaling import (
    cli_certify,
    cli_compare,
    cli_coverage,
    cli_crossing,
    cli_design,
    cli_downstream,
    cli_epochs,
    cli_extrapolate,
    cli_fit,
    cli_forecast,
    cli_gc,
    cli_landscape,
    cli_laws,
    cli_methods,
    cli_models,
    cli_plan,
    cli_plot,
    cli_rates,
    cli_rollout,
    cli_status,
    cli_study,
)
from scaling.errors import InputError

app = typer.Typer(
    help="Train size ladders, fit scaling laws, forecast compute budgets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(cli_fit.app)  # fit
app.add_typer(cli_forecast.app)  # forecast
app.add_typer(cli_extrapolate.app)  # extrapolate
app.add_typer(cli_landscape.app)  # landscape
app.add_typer(cli_laws.app)  # laws
app.add_typer(cli_models.app)  # models
app.add_typer(cli_certify.app)  # certify
app.add_typer(cli_methods.app)  # methods
app.add_typer(cli_compare.app)  # compare
app.add_typer(cli_coverage.app)  # coverage
app.add_typer(cli_crossing.app)  # crossing
app.add_typer(cli_design.app)  # design
app.add_typer(cli_downstream.app)  # downstream
app.add_typer(cli_epochs.app)  # epochs
app.add_typer(cli_plan.app)  # plan
app.add_typer(cli_plot.app)  # plot
app.add_typer(cli_rates.app)  # rates
app.add_typer(cli_rollout.app)  # rollout
app.add_typer(cli_status.app)  # status
app.add_typer(cli_gc.app)  # gc
app.add_typer(cli_study.app)  # run, study, proof, report


def main() -> None:
    """Run the command line. Bad input ends in one line on stderr and exit code 2."""
    try:
        app()
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")


def _fail(message: str) -> None:
    print(f"scaling: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
