"""The user's own text files, by path or glob; a file is a document."""

from __future__ import annotations

import glob
from pathlib import Path

from scaling.data.sources import Documents
from scaling.errors import InputError


def exists(path: str) -> bool:
    """Is there a file or folder of that name?"""
    return Path(path).expanduser().exists()


def documents(pattern: str) -> Documents:
    """The files that `pattern` matches (`~` and `**` are understood), sorted by path.

    Raises InputError for a folder, no match, an unreadable file, and files that are all empty.
    """
    expanded = Path(pattern).expanduser()
    if expanded.is_dir():
        raise InputError(
            f"data {pattern!r} is a folder; give a glob such as '{pattern.rstrip('/')}/**/*.txt'"
        )
    # A file whose name holds `[` or `*` is itself before it is a glob.
    if expanded.is_file():
        paths = [expanded]
    else:
        # Not `Path.glob`: that knows no absolute patterns.
        found = map(Path, glob.glob(str(expanded), recursive=True))  # noqa: PTH207
        paths = sorted(path for path in found if path.is_file())
    if not paths:
        raise InputError(f"data {pattern!r} matches no file")
    try:
        texts = {path.as_posix(): path.read_bytes() for path in paths}
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from None
    texts = {name: text for name, text in texts.items() if text.strip()}
    if not texts:
        raise InputError(f"data {pattern!r}: empty text in all {len(paths)} files matched")
    return Documents(pattern, "not stated", "", texts)
