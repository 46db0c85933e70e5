"""The baselines of `benchmarks/` train the very model that our engine trains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_the_labelled_set_of_the_diagnosis_is_large_enough() -> None:
    """What docs/benchmarks.md says of it: runs, healthy ones, and some of each label."""
    pytest.importorskip("jax", reason="needs scaling-laws[train]")
    count = (
        "from collections import Counter; from ill import healthy, ill; seeds = (2, 3); "
        "told = Counter(run.fault.expected for run in ill(seeds)); well = list(healthy(seeds)); "
        "families = {run.setting.family for run in ill(seeds)}; "
        "assert not any(run.fault.expected for run in well); "
        "print(len(well), sum(told.values()), len(told), min(told.values()), len(families))"
    )
    done = subprocess.run(
        [sys.executable, "-c", count], cwd=BENCHMARKS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    well, sick, labels, fewest, families = map(int, done.stdout.split())
    assert well >= 20
    assert well + sick >= 60
    assert (labels, families) == (8, 5)  # killed and hung are told of processes
    assert fewest >= 4


@pytest.mark.parametrize(
    "setting",
    [
        "text_setting(32)",
        *(
            f"image_setting({name!r}, {size})"
            for name, size in [
                ("mlp", 1e4), ("cnn", 7e3), ("vgg", 1e5), ("alexnet", 1e5), ("resnet", 2e4),
                ("vit", 2.5e4), ("coca", 6e4),
            ]
        ),
    ],
)  # fmt: skip
def test_baselines_are_the_same_model(setting: str) -> None:
    """In a process of its own: `benchmarks/` on the path, the libraries' warnings left alone."""
    pytest.importorskip("jax", reason="needs scaling-laws[train]")
    pytest.importorskip("flax", reason="needs scaling-laws[train]")
    pytest.importorskip("torch", reason="needs scaling-laws[bench]")
    check = "from workloads import same_model; from setting import image_setting, text_setting; "
    done = subprocess.run(
        [sys.executable, "-c", check + f"same_model({setting})"],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
