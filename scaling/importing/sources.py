"""What is to be imported: files, folders, globs and URLs, each with the importer that reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from scaling import importers
from scaling.errors import InputError
from scaling.importers.contract import Importer, LoggedRun
from scaling.importers.evaluations import Evaluations
from scaling.importing.survey import RUNS, first_runs

_MAGIC = set("*?[")
EVALUATING = ("lm-eval",)  # importers of what models were found to do, not of how they trained


@dataclass(frozen=True)
class Source:
    """One of them. options: keyword arguments of the importer's `read`."""

    text: str
    importer: Importer
    options: Mapping[str, str]

    @property
    def sha256(self) -> str | None:
        """Of a file; None for a folder and for what is behind a URL."""
        path = Path(self.text)
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def runs(self) -> Iterator[LoggedRun]:
        return self.importer.read(self.text, **self.options)


def find(
    given: Sequence[str], named: str | None = None, options: Mapping[str, str] | None = None
) -> list[Source]:
    """The sources that these texts stand for. Raises InputError for one that no importer knows,
    and for an option that none of the importers takes."""
    found = [_source(text, named) for each in given for text in _expanded(each, named)]
    for name in options or {}:
        takes = [source for source in found if name in getattr(source.importer, "OPTIONS", ())]
        if not takes:
            used = sorted({source.importer.NAME for source in found})
            raise InputError(f"--{name}: not asked of {', '.join(used)}; it is of tables")
    return [
        Source(
            source.text,
            source.importer,
            {
                k: v
                for k, v in (options or {}).items()
                if k in getattr(source.importer, "OPTIONS", ())
            },
        )
        for source in found
    ]


def parted(sources: Sequence[Source]) -> tuple[list[Source], Evaluations | None]:
    """Those that hold training, and what is to be joined to it from the others. Raises InputError
    where none holds any."""
    trained = [source for source in sources if source.importer.NAME not in EVALUATING]
    others = [source for source in sources if source.importer.NAME in EVALUATING]
    if others and not trained:
        raise InputError(
            f"{others[0].text}: evaluations, which hold no training; give the runs' source, too: "
            f"scaling import RUNS {others[0].text} -o runs.csv"
        )
    if not others:
        return trained, None
    return trained, Evaluations(chain.from_iterable(source.runs() for source in others))


def sampled(sources: Sequence[Source]) -> tuple[list[LoggedRun], Iterator[LoggedRun]]:
    """Some runs of the first sources to look at, and all runs of all, these included."""
    few = sources[:RUNS]
    begun = [first_runs(source.runs(), max(1, RUNS // len(few))) for source in few]
    seen = [run for runs, _ in begun for run in runs]
    rest = chain.from_iterable(source.runs() for source in sources[RUNS:])
    return seen, chain(chain.from_iterable(runs for _, runs in begun), rest)


def _expanded(text: str, named: str | None) -> list[str]:
    """A glob's matches; a folder of tables as its tables; else the text itself."""
    if "://" in text:
        return [text]
    if set(text) & _MAGIC and not Path(text).exists():
        pattern = Path(text).expanduser()
        inside = Path(pattern.anchor or ".").glob(str(pattern.relative_to(pattern.anchor)))
        if not (matches := sorted(map(str, inside))):
            raise InputError(f"{text}: no file matches")
        return matches
    path = Path(text).expanduser()
    if path.is_dir() and (named == importers.LAST or importers.recognised(str(path)) is None):
        table = importers.get(importers.LAST)
        below = [str(p) for p in sorted(path.rglob("*")) if p.is_file()]
        if tables := [each for each in below if table.recognises(each)]:
            return tables
    return [str(path) if path.exists() else text]


def _source(text: str, named: str | None) -> Source:
    name = named or importers.recognised(text)
    if name is None:
        if "://" not in text and ":" not in text and not Path(text).exists():
            raise InputError(f"{text}: no such file or folder")
        raise InputError(
            f"{text}: no importer recognises it; name one with --from: "
            f"{', '.join(importers.names())} (`scaling import` tells what each reads)"
        )
    return Source(text, importers.get(name), {})
