"""Members of a registry by name, and their options, checked: what executors and trackers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from scaling.errors import InputError

Member = TypeVar("Member")


def member(known: Mapping[str, Member], name: str, what: str) -> Member:
    """The one of that name. Raises InputError with the valid ones; `what`: what they are."""
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"no {what} called {name!r}; valid: {', '.join(sorted(known))}{hint}")
    return known[name]


def checked(
    model: type[BaseModel], options: Mapping[str, Any], where: str, beside: Sequence[str] = ()
) -> Any:
    """The options as `model` has them, with its defaults. Raises InputError for the first that is
    wrong. where: whose they are; beside: keys that stand among them in a grid."""
    try:
        return model.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        valid = [*beside, *model.model_fields]
        if first["type"] == "extra_forbidden":
            near = get_close_matches(key, valid, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            told = f"unknown option; {hint}valid: {', '.join(valid)}"
        else:
            told = f"{first['msg'].removeprefix('Value error, ')} (given {first['input']!r})"
        raise InputError(f"{where}: {key}: {told}") from None
