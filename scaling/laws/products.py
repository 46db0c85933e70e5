"""Products of powers, y = k x1^a x2^b: what most rules for hyperparameters and budgets are.

They are straight in the logarithm, so every start finds the one optimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling.laws.law import Law, Param, log


def slope(limit: float = 3.0) -> Param:
    """A power's exponent of either sign."""
    steps = np.geomspace(0.03, limit, 6)
    return Param(-limit, limit, "linear", (*(-steps[::-1]).tolist(), *steps.tolist()))


def product_law(
    name: str,
    response: str,
    exponents: Mapping[str, str],
    reference: str,
    *,
    meaning: Mapping[str, str],
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Law:
    """The law `response = k * product of variable^exponent`; exponents: variable -> its name."""

    def predict(*, k: Any, **values: Any) -> Any:
        exponent = sum(values[power] * np.log(values[v]) for v, power in exponents.items())
        return k * np.exp(exponent)

    return Law(
        name=name,
        formula="k*" + "*".join(f"{v}^{power}" for v, power in exponents.items()),
        predict=predict,
        params={"k": log(), **dict.fromkeys(exponents.values(), slope())},
        variables=tuple(exponents),
        linear=("k",),
        reference=reference,
        meaning={
            "k": f"{response} where every variable is 1",
            **{power: f"power of {variable}" for variable, power in exponents.items()},
            **meaning,
        },
        response=response,
        ranges=ranges or {},
    )
