"""What the figures call things: axis labels with units, and numbers short enough to read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from scaling.amounts import quantity as quantity
from scaling.table import conventions
from scaling.units import UNSTATED, measure, unit_of_d

AXES = {
    "N": "Non-embedding parameters $N$",
    "N_total": r"All parameters $N_\mathrm{total}$",
    "N_active": r"Active parameters $N_\mathrm{active}$",
    "C": "Training compute $C$ (FLOPs, counted)",
    "C_6ND": r"Training compute $C_\mathrm{6ND} = 6ND$ (FLOPs)",
    "learning_rate": "Learning rate",
    "predicted_seconds": "Predicted time (s)",
    "seconds": "Measured time (s)",
}
SYMBOLS = {"N": "$N$", "N_total": r"$N_\mathrm{total}$", "N_active": r"$N_\mathrm{active}$",
           "D": "$D$", "C": "$C$", "C_6ND": r"$C_\mathrm{6ND}$"}  # fmt: skip


def axis_label(column: str, d_kind: str = UNSTATED) -> str:
    """The label of a column's axis, with its unit; of D (`D`, and `seen` of a curve) by what the
    table says it counts."""
    unit = unit_of_d(d_kind)
    by_unit = {"D": f"Training {unit} $D$", "seen": f"{unit.capitalize()} seen"}
    return by_unit.get(column) or AXES[column]


def loss_label(kind: str = "nats_per_token", what: str = "Held-out loss") -> str:
    """The label of a loss axis in the convention `L_kind`, which may be a metric's name."""
    said = measure(kind)
    title = what
    if said.title != "Held-out loss":  # "Fitted loss" becomes "Fitted top-1 error"
        title = said.title if what == "Held-out loss" else what.replace("loss", said.title.lower())
    return replace(said, title=title).label


def table_loss_label(table: pd.DataFrame, what: str = "Held-out loss") -> str:
    """The label of a table's loss; nats per token where the table does not say."""
    kind = conventions(table)["L_kind"]
    return loss_label("nats_per_token" if kind == UNSTATED else kind, what)


def compute_column(cost_kind: str) -> str:
    """The compute that a cost convention means: counted `C`, or the 6ND approximation."""
    return "C" if cost_kind == "counted" else "C_6ND"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(value: float) -> str:
    """A number as a power of ten: 10¹², 3×10¹². Letters, no mathtext: they are laid out in a tenth
    of the time, and can be searched and read aloud."""
    exponent = int(np.floor(np.log10(value) + 1e-9))
    digits = f"{value / 10.0**exponent:.2g}"
    return ("" if digits == "1" else f"{digits}×") + f"10{superscript(exponent)}"


def superscript(number: int) -> str:
    return str(number).translate(_RAISED)


def plain(value: float) -> str:
    """A number as it is read, without an exponent where it is of ordinary size."""
    return f"{value:.4g}"


_LONG = 32  # letters of a name that is written out


def named(name: str) -> str:
    """A name of the user's, as text: not too long, and its dollars no mathematics."""
    short = name if len(name) <= _LONG else f"{name[: _LONG - 1]}…"
    return short.replace("$", r"\$")


def times(value: float) -> str:
    """A factor: 2×."""
    return f"{plain(value)}×"


_GREEK = ("alpha", "beta", "gamma", "delta", "epsilon", "eta", "kappa", "lambda", "tau", "omega")
_SUBSCRIPT = re.compile(r"^([A-Za-z])_?([A-Za-z0-9*]+)$")


def symbol(name: str) -> str:
    """A parameter or quantity in mathtext: alpha, N_opt, RD."""
    if name in _GREEK:
        return rf"$\{name}$"
    if name == "loss":
        return "$L$"
    parts = _SUBSCRIPT.match(name)
    if parts:
        return rf"${parts[1]}_\mathrm{{{parts[2]}}}$"
    return f"${name}$" if len(name) == 1 else name


def asked(name: str, at: Mapping[str, float]) -> str:
    """A quantity and where it is asked for: N_opt at C = 10^24."""
    if not at:
        return symbol(name)
    where = [f"{symbol(k)} = {power(v) if k == 'C' else quantity(v)}" for k, v in at.items()]
    return f"{symbol(name)} at {', '.join(where)}"
