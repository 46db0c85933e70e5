"""Row filters such as `D >= 1e6 and N_total < 2e5`: parsed, checked, never executed as Python."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

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
    ast.Pow: operator.pow,
}
_VALID = "columns, numbers, quoted text, + - * / **, comparisons, in [...], and, or, not"


def matches(df: pd.DataFrame, where: str) -> pd.Series:
    """Which rows satisfy the expression: a boolean Series on df's index.

    Raises InputError for syntax that is not a filter, for an unknown column (listing those there
    are) and for a comparison that its values do not allow. An empty value (NaN) satisfies only
    `!=`.
    """
    try:
        tree = ast.parse(where.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise InputError(f"filter {where!r}: not an expression; valid: {_VALID}") from error
    try:
        result = _value(tree, df, where)
    except TypeError as error:
        raise InputError(f"filter {where!r}: {error}") from error
    if isinstance(result, pd.Series) and result.dtype == bool:
        return result
    raise InputError(f"filter {where!r}: gives no true or false for each row; valid: {_VALID}")


def _value(node: ast.expr, df: pd.DataFrame, where: str) -> Any:
    match node:
        case ast.Name(id=name):
            if name not in df.columns:
                known = ", ".join(map(str, df.columns))
                raise InputError(f"filter {where!r}: no column {name}; it has {known}")
            return df[name]
        case ast.Constant(value=bool() | int() | float() | str() as constant):
            return constant
        case ast.BoolOp(op=op, values=values):
            join = operator.and_ if isinstance(op, ast.And) else operator.or_
            result = _truth(values[0], df, where)
            for value in values[1:]:
                result = join(result, _truth(value, df, where))
            return result
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ~_truth(operand, df, where)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, df, where)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](_value(left, df, where), _value(right, df, where))
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _compare(left, ops, comparators, df, where)
    raise InputError(f"filter {where!r}: {ast.unparse(node)!r} is not allowed; valid: {_VALID}")


def _truth(node: ast.expr, df: pd.DataFrame, where: str) -> pd.Series:
    value = _value(node, df, where)
    if not (isinstance(value, pd.Series) and value.dtype == bool):
        raise InputError(f"filter {where!r}: {ast.unparse(node)!r} is neither true nor false")
    return value


def _compare(
    left: ast.expr, ops: list[ast.cmpop], comparators: list[ast.expr], df: pd.DataFrame, where: str
) -> Any:
    """A comparison or a chain of them (`1e6 <= D < 1e7`), each link joined by `and`."""
    result: Any = None
    before = _value(left, df, where)
    for op, node in zip(ops, comparators, strict=True):
        if isinstance(op, ast.In | ast.NotIn) and isinstance(node, ast.List | ast.Tuple):
            after: Any = [_value(item, df, where) for item in node.elts]
            if not isinstance(before, pd.Series):
                raise InputError(f"filter {where!r}: `in` needs a column on its left")
            link: Any = before.isin(after)
            link = ~link if isinstance(op, ast.NotIn) else link
        elif type(op) in _COMPARE:
            after = _value(node, df, where)
            link = _COMPARE[type(op)](before, after)
        else:
            raise InputError(f"filter {where!r}: this comparison is not allowed; valid: {_VALID}")
        result = link if result is None else result & link
        before = after
    return result
