"""The Python standard library's own source: real text wherever Python is.

It differs between Python releases, so the corpus' fingerprint travels with every record.
"""

from __future__ import annotations

import platform
import sysconfig
from pathlib import Path

from scaling.data.sources import Documents

NAME = "python-stdlib"
LICENCE = "PSF-2.0"
# Tests, installed packages, and what a build writes for one machine.
LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
LEFT_OUT_PREFIX = ("_sysconfigdata", "config-")


def documents() -> Documents:
    root = Path(sysconfig.get_paths()["stdlib"])
    texts = {}
    for path in sorted(root.rglob("*.py"), key=lambda p: p.relative_to(root).as_posix()):
        parts = path.relative_to(root).parts
        if LEFT_OUT & set(parts) or any(p.startswith(LEFT_OUT_PREFIX) for p in parts):
            continue
        if text := path.read_bytes():
            texts["/".join(parts)] = text
    return Documents(NAME, LICENCE, f"Python {platform.python_version()}", texts)
