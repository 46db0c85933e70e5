"""From what is asked - a budget, a size, tokens, limits - to the run that answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.errors import InputError
from scaling.forecast.frontier import (
    COMPUTE,
    compute_for_params,
    compute_for_tokens,
    without_draws,
)
from scaling.forecast.limits import Cap
from scaling.forecast.predictor import Predictor

_SAME = 1 + 1e-9  # two ways to the same number


@dataclass(frozen=True)
class Run:
    """The N, D and C that answer. whole: the budget without caps, which the run is held against;
    binding: the caps that decided. optimal: nothing but the budget did."""

    N: float
    D: float
    C: float
    whole: float
    binding: tuple[Cap, ...]
    optimal: bool


def question(
    *, compute: float | None = None, tokens: float | None = None, params: float | None = None
) -> dict[str, float]:
    """The one or two numbers that a forecast is asked for. Raises InputError for none or all three,
    and for one that is no finite number above 0."""
    given = {"compute": compute, "tokens": tokens, "params": params}
    asked = {name: float(value) for name, value in given.items() if value is not None}
    for name, value in asked.items():
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value:g}: must be a finite number above 0")
    if not COMPUTE[0] <= asked.get("compute", COMPUTE[0]) <= COMPUTE[1]:
        raise InputError(f"compute = {compute:g} FLOPs; valid is {COMPUTE[0]:g} to {COMPUTE[1]:g}")
    if not 1 <= len(asked) <= 2:
        raise InputError(
            "give compute, tokens or params, or two of them (--compute 1e21); "
            + ("none is given" if not asked else "the third follows from two")
        )
    return asked


def budget(flops_per_second: float, hours: float) -> float:
    """FLOPs that so many sustained FLOP/s give in so many hours."""
    for name, value in (("flops_per_second", flops_per_second), ("hours", hours)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value:g}: must be a finite number above 0")
    return flops_per_second * hours * 3600.0


def resolve(
    predictor: Predictor,
    *,
    compute: float | None = None,
    tokens: float | None = None,
    params: float | None = None,
    caps: Sequence[Cap] = (),
) -> Run:
    """The best run that has the numbers given and keeps the caps.

    A number that is fixed and a cap that forbids it contradict each other: InputError names both.
    """
    cost = predictor.cost
    time, size = _tightest(caps, "C"), _tightest(caps, "N")
    if params is not None:
        _allowed(size, params, f"params = {params:.4g}")
    if params is not None and tokens is not None:
        C = float(cost.flops_per_token(params)) * tokens
        _allowed(time, C, f"params = {params:.4g} with tokens = {tokens:.4g}", "C")
        return Run(params, tokens, C, C, (), False)
    fixed = params is not None or tokens is not None
    if compute is None and params is not None:
        compute, fixed = compute_for_params(predictor, params), False
    elif compute is None and tokens is not None:
        compute, fixed = compute_for_tokens(predictor, tokens), False
    assert compute is not None  # for the type checker: `question` saw to it
    C, binding = compute, []
    if time is not None and time.most * _SAME < C:
        C, fixed = time.most, fixed or params is not None or tokens is not None
        binding.append(time)
    if params is not None:
        N = params
    elif tokens is not None:
        N = float(cost.params(C / tokens))
    else:
        N = float(without_draws(predictor).optimum(C).N.point)
    if size is not None and size.most * _SAME < N:
        N = size.most
        binding.append(size)
    if tokens is not None and size in binding:
        C = float(cost.flops_per_token(N)) * tokens  # the rest of the budget buys nothing
    D = tokens if tokens is not None else float(cost.tokens(C, N))
    return Run(N, D, C, compute, tuple(binding), not (fixed or binding))


def _tightest(caps: Sequence[Cap], on: str) -> Cap | None:
    """Of the caps on N or C the one that leaves least."""
    return min((cap for cap in caps if cap.on == on), key=lambda cap: cap.most, default=None)


def _allowed(cap: Cap | None, value: float, asked: str, name: str = "N") -> None:
    if cap is not None and value > cap.most * _SAME:
        raise InputError(f"{asked} asks for {name} = {value:.4g}, but {cap}: they contradict")
