"""Fits that were saved, read again."""

from __future__ import annotations

from pathlib import Path

from scaling.errors import InputError
from scaling.fit.result import Fit
from scaling.places import beside


def saved_fit(path: Path) -> Fit:
    """A fit that `scaling fit --save` wrote. Raises InputError for anything else."""
    try:
        return Fit.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; {beside(path, ['.json'])}; `scaling fit TABLE --save {path}` "
            "writes one"
        ) from None
    except InputError as error:
        raise InputError(f"{path}: {error}; `scaling fit TABLE --save FILE` writes one") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None
