"""A law as a list of elementary operations, for whoever computes it elsewhere, such as a page.

Every law is NumPy's functions on its arguments. Called with symbols, it writes down what it does to
them: the list that follows does the same, in the same order, and nothing of the law's text or code
goes along. A law that asks for a value on its way (an `if`, a length, a table) cannot be written
down, and is named as such.

>>> from scaling import laws
>>> print(program_of(laws.get("finetune")))
0 N
1 D
2 A
3 alpha
4 beta
5 E
6 power 0 3
7 power 1 4
8 multiply 6 7
9 divide 2 8
10 add 9 5
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from scaling.errors import InputError
from scaling.laws.law import Law

# What a list may hold, by NumPy's names. Those that compare give 1 or 0 where they hold or do not.
OPERATIONS = (
    "add", "subtract", "multiply", "divide", "power", "negative", "exp", "expm1", "log", "log1p",
    "sqrt", "square", "tanh", "logaddexp", "maximum", "minimum", "less", "less_equal", "greater",
    "greater_equal", "where",
)  # fmt: skip
CONSTANT = "constant"
Step = tuple[str, *tuple[float, ...]]


@dataclass(frozen=True)
class Program:
    """inputs: names of the first values. steps: each makes the next value from earlier ones, by
    their numbers; a constant says its own. The last value is the result."""

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        told = [*self.inputs, *(" ".join(f"{part}" for part in step) for step in self.steps)]
        return "\n".join(f"{i} {line}" for i, line in enumerate(told))

    def to_dict(self) -> dict[str, Any]:
        return {"inputs": list(self.inputs), "steps": [list(step) for step in self.steps]}


def program_of(law: Law, held: Mapping[str, float] | None = None) -> Program:
    """The law's loss from its variables and parameters; variables held are constants in it.

    Raises InputError that names the law, where it cannot be written down.
    """
    held = held or {}
    inputs = (*(name for name in law.variables if name not in held), *law.params)
    return _written(law, inputs, lambda x: law.predict(**{**x, **held}))


def optimum_program(law: Law) -> Program | None:
    """The law's closed form of N_opt from C and its parameters; None where it has none."""
    optimum = law.optimum
    if optimum is None:
        return None
    return _written(
        law, ("C", *law.params), lambda x: optimum(x["C"], {k: x[k] for k in law.params})
    )


def _written(law: Law, inputs: tuple[str, ...], do: Callable[[dict[str, Any]], Any]) -> Program:
    tape = _Tape(len(inputs))
    try:
        result = do({name: _Symbol(tape, i) for i, name in enumerate(inputs)})
        tape.end_with(tape.number(result))
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            f"law {law.name} cannot be written down as a list of operations: {error}"
        ) from None
    return Program(inputs, tuple(tape.steps))


class _Tape:
    """Steps as they are done; equal ones are one."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.steps: list[Step] = []
        self._known: dict[Step, int] = {}

    def do(self, name: str, *arguments: Any) -> _Symbol:
        step: Step = (name, *map(self.number, arguments))
        return _Symbol(self, self._add(step))

    def number(self, value: Any) -> int:
        """The number of a value, which may be a constant."""
        if isinstance(value, _Symbol):
            return value.number
        if np.ndim(value):
            raise TypeError(f"an array of shape {np.shape(value)} is no number")
        return self._add((CONSTANT, float(value)))

    def end_with(self, number: int) -> None:
        """The result is the last value."""
        if number != self.inputs + len(self.steps) - 1:
            zero = self.number(0.0)
            self.steps.append(("add", number, zero))

    def _add(self, step: Step) -> int:
        if step not in self._known:
            self.steps.append(step)
            self._known[step] = self.inputs + len(self.steps) - 1
        return self._known[step]


class _Symbol(NDArrayOperatorsMixin):
    """A number that is not known yet."""

    def __init__(self, tape: _Tape, number: int) -> None:
        self.tape, self.number = tape, number

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    def __bool__(self) -> bool:
        raise TypeError("it asks for a value on its way")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__
        if method != "__call__" or kwargs or name not in OPERATIONS:
            raise TypeError(f"numpy.{name} is not among its operations")
        return self.tape.do(name, *inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in (np.real, np.shape) and not kwargs:  # symbols stand for real numbers
            return self if func is np.real else ()
        if func is not np.where or kwargs:
            raise TypeError(f"numpy.{func.__name__} is not among its operations")
        return self.tape.do("where", *args)
