"""A study's report that follows the study: built anew as cells finish, served on this machine only.

Built in a thread of its own, never by a request; no request names a file, and nothing is written.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from scaling.errors import InputError
from scaling.report.answer import Asked
from scaling.report.page import render
from scaling.report.read import read_study
from scaling.sweep.standing.looking import Looker, Sight
from scaling.sweep.standing.remembering import Remembering

if TYPE_CHECKING:
    from scaling.files import Place

LOOK_SECONDS = 2.0
# Of a core, at most: building a page takes seconds, and may not slow the training beside it.
BUILD_SHARE = 0.1
LOOK_SHARE = 0.02
NICENESS = 10


@dataclass(frozen=True)
class Page:
    """One state of the report. version: of the page; told: the line at its head."""

    html: bytes
    version: str
    told: str

    @property
    def tag(self) -> str:
        """Another one with every other page or line."""
        return hashlib.sha256(f"{self.version} {self.told}".encode()).hexdigest()[:16]


class Live:
    """Keeps the page of one study new: `page` is the newest. Used as a context, it follows.

    Raises InputError where there is no such folder, or it holds no study.
    """

    def __init__(self, folder: Place | str, asked: Asked | None = None) -> None:
        self._looker = Looker(folder)
        self._store = Remembering(self._looker.folder)
        self._asked = asked
        self._stop = threading.Event()
        self._built = self._next = 0.0
        self._rest = LOOK_SECONDS
        self._page = self._build(self._looker.look())
        self._thread = threading.Thread(target=self._follow, daemon=True, name="report")

    @property
    def page(self) -> Page:
        return self._page

    def __enter__(self) -> Live:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        with suppress(AttributeError, OSError):  # not every system has it for a thread
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while not self._stop.wait(self._rest):
            began = time.thread_time()
            try:
                self._look()
            except Exception as error:
                # whatever a half-written study brings about: the page stays, and tells
                told = f"{self._told_before}; the last look failed: {_line(error)}"
                self._page = Page(self._page.html, self._page.version, told)
                # a build that failed took its time, too, and will most likely fail again
                self._rest = max(LOOK_SECONDS, (time.thread_time() - began) / BUILD_SHARE)

    def _look(self) -> None:
        began = time.thread_time()
        sight = self._looker.look()
        self._rest = max(LOOK_SECONDS, (time.thread_time() - began) / LOOK_SHARE)
        if sight.version != self._page.version and (sight.done or time.monotonic() >= self._next):
            self._page = self._build(sight)
        else:
            self._tell(sight)

    def _build(self, sight: Sight) -> Page:
        began = time.thread_time()
        self._built = time.time()
        self._store.stamps = sight.found.stamps
        study = read_study(self._looker.folder, self._store)
        told = self._told(sight)
        facts = {"version": sight.version, "told": told}
        html = render(study, self._asked, live=facts).encode()
        self._next = time.monotonic() + (time.thread_time() - began) / BUILD_SHARE
        return Page(html, sight.version, told)

    def _tell(self, sight: Sight) -> None:
        self._page = Page(self._page.html, self._page.version, self._told(sight))

    def _told(self, sight: Sight) -> str:
        at = f"refreshed {datetime.fromtimestamp(self._built):%H:%M:%S}"
        if sight.status is None:
            told = f"live: no study has begun here yet, {at}"
        else:
            done = sight.status.planned - sight.status.left.cells
            state = "done" if sight.done else "live"
            told = f"{state}: {done:,} of {sight.status.planned:,} cells, {at}"
        self._told_before = told
        return told


def _line(error: Exception) -> str:
    told = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return " ".join(told.split())[:300]
