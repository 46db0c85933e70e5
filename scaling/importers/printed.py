"""Printed logs: what training scripts say on the terminal, kept in a file.

Several runs in one file are told apart by the settings that a script prints before it trains, and
by steps that start over. Carriage returns of progress bars end a line as line feeds do; colours
and what a launcher puts before a line (ranks, times) are passed over.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from typing import IO, TYPE_CHECKING

from scaling import files
from scaling.errors import InputError
from scaling.importers.contract import LoggedRun, Scalar
from scaling.importers.documents import below, stem_of
from scaling.importers.history import History
from scaling.importers.printed_lines import Line, Printed, read_line
from scaling.importers.printed_settings import MILLIONS, Settings

if TYPE_CHECKING:
    from scaling.files import Place

NAME = "log"
TOLD = "nanoGPT, nanochat, modded-nanogpt, llm.c, llama2.c, Megatron-LM or OLMo-core"
ABOUT = f"Printed logs of {TOLD}"
EXAMPLE = "train.log"
USUAL = {
    "step": ("step",),
    "total_steps": ("planned_steps", "max_iters"),
    "loss": ("val_loss", "tel", "val_bpb", "validation lm loss", "eval/lm/*/CE loss"),
    "train_loss": ("train_loss", "loss", "trl", "lm loss", "loss_ema", "train/CE loss"),
    "N": ("parameters.transformer_matrices",),
    "N_total": ("parameters.total", "parameters.all", "num_parameters"),
    "N_unstated": ("number_of_parameters",),
    "D": ("consumed tokens", "throughput/total tokens"),
    "batch_tokens": ("tokens_per_iter", "total_batch_size", "total batch size"),
    "sequences": ("global_batch_size",),
    "context": ("block_size", "sequence_len", "sequence length T", "seq_length"),
    "learning_rate": ("learning_rate", "learning rate (LR)"),
    "seed": ("seed",),
}

PATTERNS = ("*.log", "*.txt", "*.out")
LOOKED_AT = 4_000_000  # bytes of a file: some print the whole script first
FILES_LOOKED_AT = 20
CHUNK = 1 << 20
ENDS = re.compile(r"[\r\n]")
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ENCODINGS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
ALIKE = 100  # lines, among which there is one of each kind
DIGITS = re.compile(r"[\d.+-]+")
DECIMALS = re.compile(r"\.(\d+)\D*$")


def recognises(source: str) -> bool:
    place = files.folder(source)
    if files.is_folder(place):
        return any(map(_speaks, below(source, *PATTERNS)[:FILES_LOOKED_AT]))
    return any(fnmatch(place.name, name) for name in PATTERNS) and _speaks(place)


def _speaks(file: Place) -> bool:
    """Whether a line of a step stands in the first part of a file."""
    if not files.exists(file):
        return False
    with files.reading(file) as opened:
        return any(read_line(line) for line, _ in _lines(opened, LOOKED_AT))


def read(source: str) -> Iterator[LoggedRun]:
    found = False
    for file in below(source, *PATTERNS):
        for run in _runs(file, source):
            found = True
            yield run
    if not found:
        raise InputError(
            f"{source}: no line of a step as {TOLD} print it, such as `iter 100: loss 3.2, time "
            f"12ms` (looked at: {', '.join(PATTERNS)}); of another script's values a table "
            "can be read, with a column for each: --from table"
        )


class _Run:
    """A run as its lines come."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.history = History()
        self.tool = ""
        self.first = self.last = self.planned = 0
        self.notes: list[str] = []

    def goes_on(self, said: Printed, settings: Settings) -> bool:
        """Whether a line is of this run: by the same script, and not back at the run's beginning;
        after settings of another start only where that took this run up again, or is further."""
        if not len(self.history) or settings.resumed:
            return True
        step = self.last if said.step is None else said.step
        begun_anew = step <= self.last if settings else step < self.last and step <= self.first
        return said.tool == self.tool and not begun_anew

    def add(self, said: Printed, settings: Settings) -> None:
        self.settings.updated(settings)
        step = self.last if said.step is None else said.step
        if not len(self.history):
            self.first = step
        self.tool, self.last = said.tool, step
        self.planned = said.total or self.planned
        if said.step is None and len(self.history):
            self.history.add_to_last(said.values)
        else:
            self.history.add({"step": step, **said.values})

    def logged(self, file: Place, id_: str) -> LoggedRun:
        config = {"printed_by": self.tool, **self.settings.config}
        if self.planned:
            config["planned_steps"] = self.planned
        if (counted := _all_parameters(config)) is not None:
            config["parameters.all"] = counted
            config.pop(MILLIONS, None)  # of the same, to two digits
        return LoggedRun(
            id=id_,
            origin=str(file),
            name=id_.rpartition("/")[2],
            config=config,
            history=self.history.arrays(),
            ended="finished" if 0 < self._asked(config) <= self.last else "unstated",
            notes=tuple(self.notes),
            placed=True,
        )

    def _asked(self, config: Mapping[str, Scalar]) -> float:
        """The steps planned, by the script's own words or by its config."""
        asked = config.get("planned_steps", config.get("max_iters", 0))
        return asked if isinstance(asked, int | float) else 0


def _all_parameters(config: Mapping[str, Scalar]) -> float | None:
    """What two lines come to: nanoGPT counts its tensors by their decay, Megatron-LM those of a
    rank, which are all where no model parallelism splits them."""
    parts = [config.get(f"parameters.{kind}") for kind in ("decayed", "not_decayed")]
    if None not in parts:
        return sum(float(part) for part in parts if part is not None)
    split = [config.get(f"{kind}_model_parallel_size") for kind in ("tensor", "pipeline")]
    of_rank = config.get("parameters_on_rank_0")
    return float(of_rank) if of_rank is not None and split == [1, 1] else None


def _runs(file: Place, source: str) -> Iterator[LoggedRun]:
    """The runs of a file, each handed over when the next begins; the second is FILE#2."""
    stem = stem_of(file, source)
    for number, run in enumerate(_told_apart(file), 1):
        yield run.logged(file, stem if number == 1 else f"{stem}#{number}")


def _told_apart(file: Place) -> Iterator[_Run]:
    run, settings = _Run(Settings()), Settings()
    likely: tuple[Line, ...] = ()
    before: deque[str] = deque(maxlen=ALIKE)
    with files.reading(file) as opened:
        for line, whole in _lines(opened):
            found = read_line(line, likely)
            if not whole and (found is None or not _like(line, before)):
                run.notes.append(f"{file}: cut short in its last line, left out: {line.strip()!r}")
                break
            if found is None:
                settings.take(line)
                continue
            said, by = found
            if not run.goes_on(said, settings):
                yield run
                run = _Run(Settings())
            run.add(said, settings)
            before.append(line)
            likely = (by,)
            if settings:
                settings = Settings()
    if len(run.history):
        yield run


def _like(line: str, before: Iterable[str]) -> bool:
    """Whether the last number of a line has as many decimals as in a line of the same words."""
    words = DIGITS.sub("", line)
    return any(DIGITS.sub("", one) == words and _decimals(one) == _decimals(line) for one in before)


def _decimals(line: str) -> int:
    found = DECIMALS.search(line)
    return len(found[1]) if found else 0


def _lines(opened: IO[bytes], limit: int | None = None) -> Iterator[tuple[str, bool]]:
    """Lines without colours, and whether each has its end. What is not text reads as �."""
    decoder, rest, taken = None, "", 0
    while (limit is None or taken < limit) and (chunk := opened.read(CHUNK)):
        taken += len(chunk)
        if decoder is None:
            decoder = codecs.getincrementaldecoder(ENCODINGS.get(chunk[:2], "utf-8-sig"))("replace")
        # What goes on for longer than a chunk is no line.
        rest = rest if len(rest) <= CHUNK else ""
        *whole, rest = ENDS.split(rest + decoder.decode(chunk))
        for line in whole:
            yield (COLOURS.sub("", line) if "\x1b" in line else line), True
    if rest:
        yield COLOURS.sub("", rest), False
