"""What an importer is: a reader of one tool's files, run by run, that converts nothing.

What the columns mean, in which units, which rows stand for a run and what is left out is decided in
one place for all of them, from what the reader hands over here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

Scalar = str | int | float | bool
# How a run ended, as far as its files say; `unstated` where they don't.
Ended = Literal["finished", "running", "crashed", "unstated"]


@dataclass(frozen=True)
class LoggedRun:
    """One run as its tool logged it.

    id: the tool's own, unique within the source; the same for a run that was taken up again.
    origin: the file or URL it was read from. config: nested keys joined by ".". history: by name,
    arrays of one length in the order in which they were logged, NaN where a row has no such value;
    the step under the tool's own name for it. final: values that the tool keeps for the whole run.
    notes: what could not be read, in words (`read up to byte 8123: the file ends in a record`).
    started: seconds since 1970, where known: of two runs of one id the later goes on with it.
    placed: the id only says where the run was read (a file's name, a row): one of the same id that
    was read elsewhere is another run.
    """

    id: str
    origin: str
    name: str = ""
    config: Mapping[str, Scalar] = field(default_factory=dict)
    history: Mapping[str, np.ndarray] = field(default_factory=dict)
    final: Mapping[str, Scalar] = field(default_factory=dict)
    ended: Ended = "unstated"
    started: float | None = None
    notes: tuple[str, ...] = ()
    placed: bool = False


class Importer(Protocol):
    """What an importer's module declares. NAME: as `--from` takes it; ABOUT: one line for the list;
    EXAMPLE: a source as one types it; USUAL: by our name (`loss`, `D`, `N`, `N_total`, `step`,
    `batch_tokens`, `seed`, `learning_rate`, ...) the names under which this tool is known to keep
    it, likeliest first, in history, final or config; `*` stands for anything, and our names are
    those of scaling/importing/names.py. A module may declare OPTIONS, too: the names of keyword
    arguments that its `read` takes (`sheet`, `run`), as the command line asks for them."""

    NAME: str
    ABOUT: str
    EXAMPLE: str
    USUAL: Mapping[str, Sequence[str]]

    def recognises(self, source: str) -> bool:
        """Whether a path or URL looks like this tool's, by names and first bytes alone."""
        ...

    def read(self, source: str) -> Iterator[LoggedRun]:
        """Its runs, one at a time, none kept. Raises InputError where the source is no such thing,
        or holds no run; damage inside a run ends up in its notes, with all that stands before."""
        ...
