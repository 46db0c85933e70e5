"""The figure of plain and residual nets by depth."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.errors import InputError
from scaling.families import resnet
from scaling.plot import depth, registry, save
from scaling.plot.depth import nets
from scaling.stored import Stored

DEPTHS = (8, 20, 56)
DATA = {"image": 14, "channels": 1, "classes": 10}
Study = tuple[pd.DataFrame, dict[str, pd.DataFrame]]
# Of a plain net's loss by depth; a residual net's is 0.5. Gradients grow by this factor a block.
PLAIN = {8: 0.6, 20: 0.9, 56: 1.9}
GROWTH = 1.3


@pytest.fixture
def study() -> Study:
    """Two seeds and two rates, the second of which is worse."""
    rows, curves = [], {}
    for kind, shortcut in (("plain", "none"), ("residual", "identity")):
        for number in DEPTHS:
            shape = resnet.from_dials(width=2, depth=number, shortcut=shortcut, **DATA)
            for seed in (0, 1):
                for rate in (0.01, 0.1):
                    run = f"{kind}-{number}-{seed}-{rate}"
                    loss = (PLAIN[number] if kind == "plain" else 0.5) + 0.01 * seed + rate
                    rows.append(
                        {
                            "run": run, "family": "resnet", "seed": seed, "learning_rate": rate,
                            "config": json.dumps(shape.to_dict()), "D": 3200.0,
                            "C": 3200.0 * shape.training_flops(), "D_kind": "images",
                            "L_kind": "nats_per_image",
                        }
                    )  # fmt: skip
                    curves[run] = curve(loss, blocks=(number - 2) // 2)
    return pd.DataFrame(rows), curves


def curve(loss: float, blocks: int) -> pd.DataFrame:
    step = np.arange(16, 321, 16)
    course = pd.DataFrame({"step": step, "images": 10 * step, "loss": np.maximum(loss, 3 - step)})
    norms = {"convolution_stem": 50.0, "head": 70.0}
    norms |= {f"stage_1_block_{n}": GROWTH ** (blocks - n) for n in range(1, blocks + 1)}
    return course.assign(**{f"grad_norm/{name}": norm for name, norm in norms.items()})


def test_runs_are_told_by_kind_and_depth_at_their_best_rate(study: Study) -> None:
    runs = nets(*study)
    assert set(runs["learning_rate"]) == {0.01}
    means = runs.groupby(["kind", "depth"])["train_loss"].mean()
    for number in DEPTHS:
        assert means["plain", number] == pytest.approx(PLAIN[number] + 0.015)
        assert means["residual", number] == pytest.approx(0.515)
    assert (runs["flops"] == runs["C"] / 3200).all()


def test_every_panel_shows_what_it_says(study: Study) -> None:
    figure = depth(*study)
    loss, courses, cost, plain, residual, fields = figure.axes
    assert all(panel.get_xlabel() and panel.get_ylabel() for panel in figure.axes)
    assert "(nats per image)" in loss.get_ylabel()
    lines = {line.get_gid(): line for line in loss.lines}
    assert list(lines["runs-plain"].get_xdata()) == [8, 8, 20, 20, 56, 56]
    assert {str(x.get_gid()) for x in courses.lines if x.get_gid()} == {
        f"course-{kind}-{number}" for kind in ("plain", "residual") for number in (20, 56)
    }
    flops = [resnet.from_dials(width=2, depth=d, **DATA).training_flops() for d in DEPTHS]
    assert list(cost.lines[0].get_ydata()) == pytest.approx(flops)
    for panel in (plain, residual):
        named = [line for line in panel.lines if line.get_gid()]  # others tie names to ends
        for number, line in zip(DEPTHS, named, strict=True):
            relative = np.asarray(line.get_ydata(), float)
            # stem and head are left out
            assert relative[0] == pytest.approx(GROWTH ** ((number - 2) // 2 - 1))
            assert relative[-1] == 1
    sides = [resnet.from_dials(width=2, depth=d, **DATA).receptive_field for d in DEPTHS]
    assert list(fields.lines[0].get_ydata()) == sides
    assert 14 in list(fields.lines[1].get_ydata())


def test_equal_figures_have_equal_bytes(study: Study) -> None:
    def svg() -> bytes:
        buffer = io.BytesIO()
        save(depth(*study), buffer, ".svg")
        return buffer.getvalue()

    assert svg() == svg()


def test_gradients_that_were_not_kept_are_said_to_be_missing(study: Study) -> None:
    table, curves = study
    bare = {run: frame[["step", "images", "loss"]] for run, frame in curves.items()}
    panel = depth(table, bare).axes[3]
    assert not panel.lines
    assert "no gradients by block" in panel.texts[0].get_text()


def test_a_study_is_read_from_its_folder(study: Study, tmp_path: Path) -> None:
    table, curves = study
    table.to_parquet(tmp_path / "table.parquet")
    for run, frame in curves.items():
        folder = tmp_path / "cells" / run
        folder.mkdir(parents=True)
        frame.to_parquet(folder / "curve.parquet")
    drawn = registry.get("depth").draw(Stored(str(tmp_path)))
    whole, part = drawn.axes[0].lines, depth(table, curves).axes[0].lines
    assert [list(a.get_ydata()) for a in whole] == [list(b.get_ydata()) for b in part]
    broken = tmp_path / "cells" / "plain-8-0-0.01" / "curve.parquet"
    broken.write_bytes(b"no curve")
    with pytest.raises(InputError, match=r"plain-8-0-0\.01/curve\.parquet: cannot be read"):
        registry.get("depth").draw(Stored(str(tmp_path)))


def test_what_is_no_study_of_resnets_is_refused(study: Study) -> None:
    table, curves = study
    with pytest.raises(InputError, match="no column config, seed"):
        depth(table.drop(columns=["config", "seed"]), curves)
    with pytest.raises(InputError, match="no run of the family resnet"):
        depth(table.assign(family="cnn"), curves)
    with pytest.raises(InputError, match="no run of the family resnet with a curve"):
        depth(table, {})
