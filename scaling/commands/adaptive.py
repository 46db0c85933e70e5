"""Options of adaptive runs (`scaling run --adaptive`), and what they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scaling.commands.options import budget_of
from scaling.errors import InputError
from scaling.terminal import number

if TYPE_CHECKING:
    from scaling.adaptive import Asked

AdaptiveOption = Annotated[
    bool,
    typer.Option(
        "--adaptive",
        help="Choose the pilots in rounds, by what those before have shown, until the budget is "
        "spent or the interval at the target is as narrow as asked.",
    ),
]
TargetOption = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="NUMBER",
        help="Adaptive: FLOPs that are forecast; by default the grid's largest target.",
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        metavar="AMOUNT",
        help="Adaptive: of the whole study, as planned: 1e18FLOPs, 40h (device-hours), 200usd.",
    ),
]
WidthOption = Annotated[
    float | None,
    typer.Option(
        help="Adaptive: stop where the 90 % interval of the target's loss is so wide, as a share "
        "of it."
    ),
]
PriceOption = Annotated[
    float | None,
    typer.Option(min=0, help="Adaptive, a budget of dollars: dollars of a device-hour."),
]


def asked_of(
    adaptive: bool,
    compute: float | None,
    budget: str | None,
    width: float | None,
    price: float | None,
) -> Asked | None:
    """What is asked of an adaptive run, if it is one. Raises InputError for its options alone."""
    names = ("--target-compute", "--budget", "--width", "--price")
    given = dict(zip(names, (compute, budget, width, price), strict=True))
    if adaptive:
        from scaling.adaptive import Asked

        return Asked(None if budget is None else budget_of(budget), width, compute, price)
    if alone := [name for name, value in given.items() if value is not None]:
        raise InputError(f"{alone[0]} is of adaptive runs: give --adaptive, too")
    return None
