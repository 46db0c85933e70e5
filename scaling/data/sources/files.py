"""The user's own text files, by path or glob; a file is a document."""

from __future__ import annotations

import glob
from pathlib import Path

from scaling.data.sources import Documents
from scaling.errors import InputError


def documents(pattern: str) -> Documents:
    expanded = str(Path(pattern).expanduser())
    if Path(expanded).is_dir():
        raise InputError(f"data {pattern!r} is a folder; give a glob such as '{pattern}/*.txt'")
    paths = sorted(Path(p) for p in glob.iglob(expanded, recursive=True) if Path(p).is_file())
    if not paths:
        raise InputError(f"data {pattern!r} matches no file")
    texts = {}
    for path in paths:
        text = path.read_bytes()
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 at byte {error.start}") from None
        if text:
            texts[path.as_posix()] = text
    if not texts:
        raise InputError(f"data {pattern!r}: all {len(paths)} files are empty")
    return Documents(pattern, "the user's own", "", texts)
