"""The Python standard library's own source: real text wherever Python is.

It differs between Python releases, so the corpus' fingerprint travels with every record.
"""

from __future__ import annotations

import os
import platform
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from scaling.data.sources import Documents
from scaling.errors import InputError

NAME = "python-stdlib"
LICENCE = "PSF-2.0"

LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
# What a build or a distribution writes for one machine.
LEFT_OUT_PREFIX = ("_sysconfigdata", "_sysconfig_vars", "config-", "sitecustomize")


def documents() -> Documents:
    """A document a `*.py` file, without tests and without what differs between machines."""
    root = Path(sysconfig.get_path("stdlib"))
    texts = {p.relative_to(root).as_posix(): p.read_bytes() for p in _files(root)}
    texts = {name: texts[name] for name in sorted(texts) if texts[name].strip()}
    if not texts:
        raise InputError(f"data {NAME!r}: no Python source under {root}; give a path or glob")
    return Documents(NAME, LICENCE, f"Python {platform.python_version()}", texts)


def _files(root: Path) -> Iterator[Path]:
    # `os.walk` prunes: the packages installed beside the library are never walked through.
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [s for s in subfolders if not _is_left_out(s)]
        yield from (Path(folder, f) for f in files if f.endswith(".py") and not _is_left_out(f))


def _is_left_out(name: str) -> bool:
    return name in LEFT_OUT or name.startswith(LEFT_OUT_PREFIX)
