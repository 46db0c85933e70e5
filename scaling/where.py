"""Expressions over columns: row filters such as `D >= 1e6 and N_total < 2e5`, and what a column is
made of, such as "step * 524288". Parsed, checked, never executed as Python.

A name that Python would not take stands in backticks: `val/loss`.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import InputError

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: lambda base, power: operator.pow(base, _real(power)),  # 9**9**9**9 never ends in ints
}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "exp": np.exp,
    "sqrt": np.sqrt,
}
_VALID = (
    "columns (odd names in `backticks`), numbers, quoted text, + - * / **, comparisons, in [...], "
    f"and, or, not, {', '.join(f'{name}()' for name in _FUNCTIONS)}"
)
_QUOTED = re.compile("`([^`]+)`")
_STAND_IN = "_quoted_{}_"


@dataclass(frozen=True)
class Expression:
    """An expression, checked once and evaluated for any columns.

    columns: those that it names. what: what messages call it.
    """

    text: str
    columns: tuple[str, ...]
    what: str
    _tree: ast.expr
    _names: Mapping[str, str]  # of quoted columns, by what stands for them in the tree

    def __call__(self, columns: Mapping[str, Any]) -> Any:
        """Its value, of columns that are Series, arrays or single values.

        Raises InputError for a column that is not there and for values that it doesn't suit.
        """
        try:
            with np.errstate(all="ignore"):
                return _value(self._tree, _Scope(columns, self))
        except RecursionError as error:
            raise InputError(f"{self.what}: nested too deep: {self.text[:60]!r}...") from error
        except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.what} {self.text!r}: {error}") from error


def expression(text: str, what: str = "expression") -> Expression:
    """Parse an expression. Raises InputError for what is none."""
    quoted = list(dict.fromkeys(_QUOTED.findall(text)))
    names = {_STAND_IN.format(i): name for i, name in enumerate(quoted)}
    stands = {name: stand_in for stand_in, name in names.items()}
    plain = _QUOTED.sub(lambda found: stands[found[1]], text)
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{what} {text!r}: not an expression; valid: {_VALID}") from error
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = [
        names.get(node.id, node.id)
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and id(node) not in called
    ]
    return Expression(text, tuple(dict.fromkeys(found)), what, tree, names)


def matches(df: pd.DataFrame, where: str) -> pd.Series:
    """Which rows satisfy the expression: a boolean Series on df's index.

    Raises InputError for syntax that is not a filter, for an unknown column (listing those there
    are) and for a comparison that its values do not allow. An empty value (NaN) satisfies only
    `!=`.
    """
    result = expression(where, "filter")({str(name): df[name] for name in df.columns})
    if isinstance(result, pd.Series) and result.dtype == bool:
        return result
    raise InputError(f"filter {where!r}: gives no true or false for each row; valid: {_VALID}")


@dataclass(frozen=True)
class _Scope:
    """What an expression's names stand for while it is evaluated."""

    columns: Mapping[str, Any]
    of: Expression

    def __getitem__(self, stand_in: str) -> Any:
        name = self.of._names.get(stand_in, stand_in)
        if name not in self.columns:
            raise self.error(f"no column {name}; it has {', '.join(map(str, self.columns))}")
        return self.columns[name]

    def error(self, told: str) -> InputError:
        return InputError(f"{self.of.what} {self.of.text!r}: {told}")

    def refused(self, node: ast.expr, what: str) -> InputError:
        text = ast.unparse(node)
        for stand_in, name in self.of._names.items():
            text = text.replace(stand_in, f"`{name}`")
        return self.error(f"{text!r} {what}")


def _value(node: ast.expr, scope: _Scope) -> Any:
    match node:
        case ast.Name(id=name):
            return scope[name]
        case ast.Constant(value=bool() | int() | float() | str() as constant):
            return constant
        case ast.BoolOp(op=op, values=values):
            join = operator.and_ if isinstance(op, ast.And) else operator.or_
            result = _truth(values[0], scope)
            for value in values[1:]:
                result = join(result, _truth(value, scope))
            return result
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ~_truth(operand, scope)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, scope)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            parts = _value(left, scope), _value(right, scope)
            if any(isinstance(part, str) for part in parts):
                raise scope.refused(node, "counts with text")
            return _ARITHMETIC[type(op)](*parts)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _compare(left, ops, comparators, scope)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](_value(argument, scope))
    raise scope.refused(node, f"is not allowed; valid: {_VALID}")


def _real(value: Any) -> Any:
    return float(value) if isinstance(value, int) else value


def _truth(node: ast.expr, scope: _Scope) -> pd.Series:
    value = _value(node, scope)
    if not (isinstance(value, pd.Series) and value.dtype == bool):
        raise scope.refused(node, "is neither true nor false")
    return value


def _compare(
    left: ast.expr, ops: list[ast.cmpop], comparators: list[ast.expr], scope: _Scope
) -> Any:
    """A comparison or a chain of them (`1e6 <= D < 1e7`), each link joined by `and`."""
    result: Any = None
    before = _value(left, scope)
    for op, node in zip(ops, comparators, strict=True):
        if isinstance(op, ast.In | ast.NotIn) and isinstance(node, ast.List | ast.Tuple):
            after: Any = [_value(item, scope) for item in node.elts]
            if not isinstance(before, pd.Series):
                raise scope.error("`in` needs a column on its left")
            link: Any = before.isin(after)
            link = ~link if isinstance(op, ast.NotIn) else link
        elif type(op) in _COMPARE:
            after = _value(node, scope)
            link = _COMPARE[type(op)](before, after)
        else:
            raise scope.error(f"this comparison is not allowed; valid: {_VALID}")
        result = link if result is None else result & link
        before = after
    return result
