"""How long each figure takes, and how large it is, for a study of many runs.

    python benchmarks/figures.py                    # every figure, of 1,000 runs
    python benchmarks/figures.py --runs 100000 residuals cost
    python benchmarks/figures.py --json

A made-up study (tests/batteries/studies.py) is written to a temporary folder, read and fitted once;
then each figure that can be drawn of it is drawn and saved as SVG, in one process, in one go. Draw:
from values in memory to a Figure; save: to bytes; in seconds of this process, which other work on
the machine does not stretch. Figures that need another kind of input (learning rates, depths, known
models) are those of their examples, and say so.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from batteries import figures, studies

from scaling.errors import InputError
from scaling.plot import registry, save
from scaling.stored import Stored

SECONDS, BYTES = 1.0, 300_000  # that any figure of 1,000 runs may take


class Fitted(Stored):
    """A study that is fitted once: what is timed is the drawing, not the fit."""

    _fitted: Any = None

    def fit(self) -> Any:
        if self._fitted is None:
            self._fitted = super().fit()
        return self._fitted


def timed(name: str, study: Stored) -> dict[str, Any]:
    """One figure: of the study where it can be, else of its example."""
    entry = registry.get(name)
    of = "study"
    try:
        entry.draw(study)  # reads, fits and imports, once
    except InputError:
        of, study = "example", figures.source(name)
        entry.draw(study)
    start = time.process_time()
    figure = entry.draw(study)
    middle = time.process_time()
    out = io.BytesIO()
    save(figure, out, ".svg")
    end = time.process_time()
    return {"figure": name, "of": of, "draw_s": middle - start, "save_s": end - middle,
            "bytes": len(out.getvalue())}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", default=list(registry.FIGURES))
    parser.add_argument("--runs", type=int, default=1000, help="of the study")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = studies.large_study(Path(folder) / "large", lengths=asked.runs // 40)
        rows = []
        for name in asked.names:
            rows.append(timed(name, Fitted(str(place), settings={"draws": 1000})))
            if not asked.json:
                row = rows[-1]
                over = row["draw_s"] + row["save_s"] > SECONDS or row["bytes"] > BYTES
                print(f"{name:14s} {row['of']:8s} draw {row['draw_s']:5.2f} s  save "
                      f"{row['save_s']:5.2f} s  {row['bytes'] / 1000:6.0f} kB{'  OVER' * over}",
                      flush=True)  # fmt: skip
    if asked.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
