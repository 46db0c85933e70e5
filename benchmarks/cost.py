"""Plans small grids of several families, runs them, and sets what was predicted beside what came.

    python benchmarks/cost.py [--families transformer,mlp,cnn,resnet,vit]

Memory is XLA's of the program that trained, FLOPs are XLA's of a full run. Seconds are predicted
from a calibration of a second or two a shape, made just before; measured are those that pass, and
the worker's own on its core, which tell where other processes take part of it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

WITHIN = {"memory": 0.15, "FLOPs": 0.10, "seconds": 0.20}
TEXT = """
name = "cost"
[data]
source = "{source}"
[model]
family = "{family}"
{model}
[train]
{train}
[[pilots]]
widths = {widths}
{unit} = {lengths}
"""
GRIDS = {
    "transformer": {
        "source": "python-stdlib", "model": "depth = 2", "unit": "tokens", "train": "",
        "widths": "[32, 64]", "lengths": "[5e5, 1e6]",
    },
    "mlp": {"widths": "[256, 512]", "lengths": "[1e5, 3e5]"},
    "cnn": {"widths": "[24, 48]", "lengths": "[3e4]"},
    "resnet": {"widths": "[24]", "lengths": "[2e4]", "model": "depth = 8"},
    "vit": {"widths": "[32, 64]", "lengths": "[4e4]"},
}  # fmt: skip
IMAGES = {"source": "digits", "model": "", "unit": "images", "train": ""}


def records(family: str, folder: Path) -> list[dict]:
    """Of every cell of the family's grid, trained one after another on one core."""
    from scaling.planned import plan_study
    from scaling.study import run_study
    from scaling.sweep.storing.store import Store

    path = folder / f"{family}.toml"
    path.write_text(TEXT.format(family=family, **{**IMAGES, **GRIDS[family]}))
    planned = plan_study(path, workers=1)
    run_study(planned, path, folder / family, start=lambda: planned.start(1))
    return list(Store(folder / family).finished(planned.cells).values())


def ratios(record: dict) -> dict[str, float | None]:
    """Predicted over measured."""
    pairs = {
        "memory": ("predicted_memory_bytes", "measured_memory_bytes"),
        "FLOPs": ("predicted_flops", "xla_flops"),
        "seconds": ("predicted_seconds", "cpu_seconds"),
        "wall": ("predicted_seconds", "seconds"),
    }
    return {
        name: record[predicted] / record[measured] if record.get(measured) else None
        for name, (predicted, measured) in pairs.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", default=",".join(GRIDS))
    chosen = parser.parse_args().families.split(",")
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("predicted / measured      N_total      D   memory  FLOPs  own seconds  wall     MFU")
    worst = dict.fromkeys(WITHIN, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for family in chosen:
            for record in records(family, Path(folder)):
                found = ratios(record)
                told = [f"{v:.3f}" if v is not None else "-" for v in found.values()]
                print(
                    f"{family:20} {record['N_total']:12,} {record['D']:9,} {told[0]:>6} "
                    f"{told[1]:>6} {told[2]:>9} {told[3]:>8} {record['mfu']:8.1%}",
                    flush=True,
                )
                for name in WITHIN:
                    if (value := found[name]) is not None:
                        worst[name] = max(worst[name], abs(value - 1))
    for name, limit in WITHIN.items():
        print(f"{name}: furthest off {worst[name]:.1%} (promised {limit:.0%})")


if __name__ == "__main__":
    main()
