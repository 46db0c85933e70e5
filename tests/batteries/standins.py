"""Commands of the documents that a test can't run as they stand: why, and what runs instead.

`scaling` commands have their options parsed as they stand in any case: a stand-in never hides an
option that there is none of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from batteries.documents import ROOT


@dataclass(frozen=True)
class Standin:
    """pattern: of whole commands; why: what they take; instead: the command that runs, with the
    pattern's groups; None where nothing does, and then proof: the test that runs the like."""

    pattern: str
    why: str
    instead: str | None = None
    proof: str | None = None

    def matches(self, command: str) -> bool:
        return re.fullmatch(self.pattern, command) is not None

    def command(self, command: str) -> str | None:
        return None if self.instead is None else re.sub(self.pattern, self.instead, command)


FILES = ROOT / "tests" / "importers" / "files"  # what other tools wrote

STANDINS = (
    Standin(r"scaling import output/ (.*)", "a Trainer's", rf"scaling import {FILES}/hf \1"),
    Standin(r"scaling import ladder/ (.*)", "OLMo-core's", rf"scaling import {FILES}/olmo \1"),
    Standin(
        r"scaling import checkpoints/ (.*)", "Levanter's", rf"scaling import {FILES}/levanter \1"
    ),
    Standin(
        r"scaling import (?:train\.log|logs/ results/) .*|scaling downstream .*arc_easy/acc .*",
        "logs and results of one's own",
        proof="tests/importers/test_import_logs.py",
    ),
    Standin(r"python3 -m venv .*", "installs all there is", proof="tests/test_packaging.py"),
    Standin(r"pip install .*", "installs", proof="tests/test_packaging.py"),
    Standin(r"python (analysis/\S+)", "a study", proof="tests/test_analysis.py"),
    Standin(r"python (benchmarks/\S+)", "takes minutes", proof="tests/test_benchmarks.py"),
    Standin(
        r"scaling (?:study|run) \S+\.toml.*",
        "trains for minutes, some of it elsewhere; the grid is read, and a small one planned",
        instead="scaling plan grid.toml --device h100-sxm",
    ),
    Standin(
        r"scaling plan \S+\.toml( --budget \S+)?( --save \S+)?( --executor.*)?",
        "times every shape for a minute; the grid is read, and a small one planned",
        instead=r"scaling plan grid.toml --device h100-sxm\1\2",
    ),
    Standin(
        r"scaling plan \S+\.toml( --device .*)",
        "prepares the data first; the grid is read, and a small one planned",
        instead=r"scaling plan grid.toml\1",
    ),
    Standin(
        r"scaling data get \S+( --yes)?( -o \S+)?",
        "downloads",
        proof="tests/published/test_downloads.py",
    ),
    Standin(
        r"scaling plot (\w+) .* -o \1\.svg",
        "drawn already, by the same command: every figure of the gallery",
        proof="tests/plot/test_every_figure.py",
    ),
    Standin(
        r"scaling report \S+(.*) --format html,md,pdf( -o \S+)?",
        "a PDF takes ten seconds; tests/report/test_report_formats.py makes them",
        instead=r"scaling report fit.json\1 --format md",
    ),
    Standin(
        r"scaling report out/text( --dollars .*)?",
        "the page of a whole study takes five seconds, and the line with --compute draws it",
        instead=r"scaling report fit.json\1",
    ),
    Standin(
        r"scaling report .* --live.*",
        "serves its page until it is stopped",
        proof="tests/report/test_live_server.py",
    ),
    Standin(
        r"scaling (?:downstream gadre_overtraining|rates steplaw_dense)\.csv .*",
        "needs a published table that is not shipped",
        proof="tests/certify/test_cases.py",
    ),
    Standin(
        r"scaling import (?:wandb|logs|mlruns|mlflow|trackio)\S* .*",
        "needs a tracker's files, or its server",
        proof="tests/importers/test_every_importer.py",
    ),
    Standin(
        r"scaling certify --data \S+",
        "needs the published tables",
        proof="tests/certify/test_cases.py",
    ),
)


def standin(command: str) -> Standin | None:
    """The stand-in for a command, if there is one."""
    return next((one for one in STANDINS if one.matches(command)), None)
