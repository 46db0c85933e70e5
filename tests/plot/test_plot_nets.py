"""Figures of nets: receptive fields, and a run's gradient by block."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from scaling import families, plot
from scaling.errors import InputError
from scaling.plot.marks import marks_of
from scaling.plot.receptive import nets_of

DATA = {"image": 28, "channels": 1, "classes": 10}


def table() -> pd.DataFrame:
    shapes = [(name, families.get(name).from_size(size, **DATA))
              for name in ("cnn", "vgg", "mlp") for size in (2e4, 2e5)]  # fmt: skip
    rows = [{"family": name, "config": json.dumps(shape.to_dict())} for name, shape in shapes]
    return pd.DataFrame([*rows, *rows])  # two seeds


def test_receptive_fields_are_those_of_the_families() -> None:
    nets = nets_of(table())
    assert {name: len(shapes) for name, shapes in nets.items()} == {"cnn": 2, "vgg": 2, "mlp": 2}
    figure = plot.receptive(nets)
    marks = {item.name: item.columns for item in marks_of(figure)}
    for name in ("cnn", "vgg"):
        fields, sizes = marks[f"fields-{name}"]["field"], marks[f"sizes-{name}"]
        assert (np.diff(fields) >= 0).all()
        largest = nets[name][-1]
        assert fields[-1] == largest.receptive_field
        assert list(sizes["N"]) == [shape.N for shape in nets[name]]
        assert list(sizes["field"]) == [shape.receptive_field for shape in nets[name]]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "all of the image at once: mlp" in texts
    assert "image: 28" in texts


def test_receptive_fields_need_shapes_and_windows() -> None:
    with pytest.raises(InputError, match="no column config"):
        nets_of(table().drop(columns="config"))
    for odd in ('{"width": 3}', "{", "3"):
        with pytest.raises(InputError, match="is no shape of cnn"):
            nets_of(pd.DataFrame({"family": ["cnn"], "config": [odd]}))
    with pytest.raises(InputError, match="mlp: no net with receptive fields"):
        plot.receptive({"mlp": nets_of(table())["mlp"]})


def curve(factor: float, blocks: int = 8) -> pd.DataFrame:
    step = np.arange(16, 161, 16)
    place = np.arange(blocks)
    noise = np.random.default_rng(0).normal(0, 0.01, (len(step), blocks))
    norms = factor ** (blocks - 1 - place) * np.exp(noise)
    told = {f"grad_norm/block_{i}": norms[:, i] for i in range(blocks)}
    ends = {"grad_norm/stem": np.full(len(step), 5.0)}, {"grad_norm/head": np.full(len(step), 7.0)}
    return pd.DataFrame({"step": step, "loss": 2.0, **ends[0], **told, **ends[1]})


@pytest.mark.parametrize("factor", [1.3, 0.8])
def test_the_growth_of_a_gradient_is_found(factor: float) -> None:
    figure = plot.gradients(curve(factor))
    (trend,) = (item.columns for item in marks_of(figure) if item.name == "trend")
    assert trend["factor"] == pytest.approx(factor, rel=0.01)
    held = (trend["q05"] <= factor) & (factor <= trend["q95"])
    assert held.mean() >= 0.7  # nominally 90 % of ten steps
    courses = [x for x in figure.axes[0].lines if str(x.get_gid()).startswith("course-")]
    assert {str(x.get_gid()) for x in courses} >= {"course-16", "course-160"}
    assert all(len(x.get_xdata()) == 10 for x in courses)


def test_gradients_need_blocks_and_finite_steps() -> None:
    with pytest.raises(InputError, match="3 blocks with a gradient"):
        plot.gradients(curve(1.0, blocks=1))
    dead = curve(1.0)
    dead["grad_norm/block_3"] = np.nan
    with pytest.raises(InputError, match="at no step"):
        plot.gradients(dead)
