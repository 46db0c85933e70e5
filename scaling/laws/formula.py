"""A law from one formula in text, such as "E + A/N**alpha + B/D**beta".

The text is parsed to a tree and walked: nothing in it is ever executed. Names of the table's
columns are variables, every other name is a parameter. What a parameter is follows from where it
stands:

- in an exponent: a power's exponent, of either sign where a variable is raised to it directly
  (`A*N**b`), above 0 elsewhere (`A/N**alpha`, `(A/N)**alpha`);
- added by itself: an offset of at least 0, such as E;
- elsewhere: an amplitude above 0, or of either sign where it multiplies a logarithm.

Linear parameters are those in which the formula is affine, jointly.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from scaling.errors import InputError
from scaling.laws.law import Array, Law, Param, exponent, free, log, positive

_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "ln": np.log,
    "log10": lambda v: np.log(v) / np.log(10.0),
    "log2": lambda v: np.log(v) / np.log(2.0),
    "sqrt": np.sqrt,
    "tanh": np.tanh,
}
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}
_LONGEST = 1_000  # characters
_DEEPEST = 60  # levels of the tree
_SPAN = np.geomspace(1e-5, 1e4, 19)  # of an amplitude times what it multiplies


def law_of(text: str, columns: Mapping[str, Array]) -> Law:
    """The law that the formula writes; `columns` are the table's, by name, each [rows].

    Raises InputError that says what was read, what is wrong in it, and what is valid.
    """
    tree = _parse(text)
    names = list(dict.fromkeys(_names(tree)))
    variables = tuple(name for name in names if name in columns)
    params = [name for name in names if name not in columns]
    if not variables:
        raise InputError(
            f"formula {text!r}: no column of the table is in it; it has {', '.join(columns)}"
        )
    if not params:
        raise InputError(f"formula {text!r}: no parameter to fit is in it")
    linear = _jointly_linear(tree, params)
    centre = {name: float(np.exp(np.log(columns[name]).mean())) for name in variables}
    return Law(
        name=text,
        formula=text,
        predict=lambda **values: _value(tree, values),
        params={name: _kind(tree, name, name in linear, centre) for name in params},
        variables=variables,
        linear=linear,
        reference="given as a formula",
    )


def _parse(text: str) -> ast.expr:
    _, equals, right = text.partition("=")
    body = (right if equals else text).strip().replace("^", "**")
    if len(body) > _LONGEST:
        raise InputError(f"formula of {len(body)} characters; at most {_LONGEST} are read")
    try:
        tree = ast.parse(body, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        told = error.msg if isinstance(error, SyntaxError) else "it is too deep"
        raise InputError(f"formula {text!r}: cannot be read: {told}") from None
    _check(tree, text, 0)
    return tree


def _check(node: ast.expr, text: str, depth: int) -> None:
    """Raise InputError unless the tree holds numbers, names, + - * / ** and known functions."""
    if depth > _DEEPEST:
        raise InputError(f"formula {text!r}: nested deeper than {_DEEPEST} levels")
    if isinstance(node, ast.Constant):
        if type(node.value) not in (int, float):
            raise InputError(f"formula {text!r}: {node.value!r} is not a number")
    elif isinstance(node, ast.Call):
        if _function(node) not in _FUNCTIONS or len(node.args) != 1 or node.keywords:
            raise InputError(
                f"formula {text!r}: {ast.unparse(node)} is no function of one argument that is "
                f"known here; valid: {', '.join(_FUNCTIONS)}"
            )
    elif isinstance(node, ast.BinOp):
        if type(node.op) not in _OPERATORS:
            raise InputError(f"formula {text!r}: valid operators are + - * / ** and ^ for **")
    elif isinstance(node, ast.UnaryOp):
        if not isinstance(node.op, ast.USub | ast.UAdd):
            raise InputError(f"formula {text!r}: valid signs are + and -")
    elif not isinstance(node, ast.Name):
        raise InputError(
            f"formula {text!r}: {ast.unparse(node)} is neither a number, a name, a sum, a product, "
            "a power nor a function"
        )
    for child in _parts(node):
        _check(child, text, depth + 1)


def _parts(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        yield from node.args
    elif isinstance(node, ast.BinOp):
        yield node.left
        yield node.right
    elif isinstance(node, ast.UnaryOp):
        yield node.operand


def _names(node: ast.expr) -> Iterator[str]:
    """Variables and parameters in the order that they are read; functions are not among them."""
    if isinstance(node, ast.Name):
        yield node.id
    for part in _parts(node):
        yield from _names(part)


def _function(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return float(str(node.value))
    if isinstance(node, ast.Name):
        return values[node.id]
    parts = [_value(part, values) for part in _parts(node)]
    if isinstance(node, ast.Call):
        return _FUNCTIONS[_function(node)](*parts)
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](*parts)
    return -parts[0] if isinstance(getattr(node, "op", None), ast.USub) else parts[0]


def _degree(node: ast.expr, names: set[str]) -> float:
    """The polynomial degree in these names; infinite where it is no polynomial."""
    if isinstance(node, ast.Name):
        return float(node.id in names)
    degrees = [_degree(part, names) for part in _parts(node)]
    if isinstance(node, ast.UnaryOp):
        return degrees[0]
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Add | ast.Sub):
            return max(degrees)
        if isinstance(node.op, ast.Mult):
            return sum(degrees)
        if isinstance(node.op, ast.Div) and degrees[1] == 0:
            return degrees[0]
    return 0.0 if not any(degrees) else float("inf")


def _jointly_linear(tree: ast.expr, params: list[str]) -> tuple[str, ...]:
    """The largest set, in order of appearance, in which the formula is affine."""
    chosen: list[str] = []
    for name in params:
        if _degree(tree, {*chosen, name}) <= 1:
            chosen.append(name)
    return tuple(chosen)


def _kind(tree: ast.expr, name: str, linear: bool, centre: Mapping[str, float]) -> Param:
    way = _way(tree, name)
    parents = [node for node, _ in way]
    for node, side in reversed(way):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and side == 1:
            rises = isinstance(node.left, ast.Name) and not _divides(way, node)
            return _either_sign() if rises else exponent(upper=3.0)
    if linear and all(_adds(node) for node in parents):
        signs = [isinstance(n, ast.UnaryOp) or (s == 1 and _subtracts(n)) for n, s in way]
        return positive() if not any(signs) else free()
    if linear and any(_holds_log(node) for node in parents if not _adds(node)):
        return free()
    if linear:
        return log()
    return log(grid=tuple((_SPAN / _multiplied(way, name, centre)).tolist()))


def _way(tree: ast.expr, name: str) -> list[tuple[ast.expr, int]]:
    """From the root to the name's first place: each node, and which of its parts leads there."""
    for i, part in enumerate(_parts(tree)):
        if isinstance(part, ast.Name) and part.id == name:
            return [(tree, i)]
        below = _way(part, name)
        if below:
            return [(tree, i), *below]
    return []


def _divides(way: list[tuple[ast.expr, int]], power: ast.expr) -> bool:
    """Whether that node is below a fraction's line, or its exponent has a minus."""
    above = way[: [node for node, _ in way].index(power)]
    below = way[len(above) + 1 :]
    lower = sum(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div) and s for n, s in above)
    minus = sum(isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub) for n, _ in below)
    return (lower + minus) % 2 == 1


def _adds(node: ast.expr) -> bool:
    sums = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    return sums or isinstance(node, ast.UnaryOp)


def _subtracts(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)


def _holds_log(node: ast.expr) -> bool:
    return any(
        isinstance(n, ast.Call) and _function(n).startswith(("log", "ln")) for n in ast.walk(node)
    )


def _either_sign() -> Param:
    steps = np.geomspace(0.03, 2.0, 8)
    return Param(-3.0, 3.0, "linear", (*(-steps[::-1]).tolist(), *steps.tolist()))


def _multiplied(way: list[tuple[ast.expr, int]], name: str, centre: Mapping[str, float]) -> float:
    """The size, at the data's centre, of the product that the parameter is a factor of, at 1."""
    product: ast.expr = ast.Name(name)
    for node, _ in reversed(way):
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div)):
            break
        product = node
    ones = dict.fromkeys(_names(product), 1.0)
    with np.errstate(all="ignore"):
        size = abs(float(_value(product, {**ones, **centre, name: 1.0})))
        inverse = abs(float(_value(product, {**ones, **centre, name: 2.0}))) < size
    if not (np.isfinite(size) and size > 0):
        return 1.0
    return 1.0 / size if inverse else size
