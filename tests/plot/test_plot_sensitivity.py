"""A stability study drawn: a panel an intervention, then logits, then sensitivity by size."""

from __future__ import annotations

import io

import numpy as np
import pytest
from batteries.sweeps import sensitive
from matplotlib.figure import Figure

from scaling import plot
from scaling.errors import InputError


def svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    plot.save(figure, buffer, ".svg")
    return buffer.getvalue()


def test_panels_and_what_they_say() -> None:
    figure = plot.sensitivity(sensitive())
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["as usual", "qk_norm = True", "Largest logit", "Sensitivity"]
    assert "(nats per token)" in figure.axes[0].get_ylabel()
    usual, calm = figure.axes[:2]
    assert any("diverged\n(4 of 16 runs)" in text.get_text() for text in usual.texts)
    assert not calm.texts
    crosses = [line for line in usual.lines if line.get_marker() == "x"]
    assert all(np.asarray(line.get_xdata(), float).tolist() == [1.0] for line in crosses)
    assert len(crosses) == 2  # one a size


def test_it_needs_no_interventions_and_no_logits_and_is_the_same_bytes_each_time() -> None:
    plain = sensitive().query("transfer == 'mup'").drop(columns="attention_logit")
    only = plain[plain["config"].str.contains("false")]
    figure = plot.sensitivity(only)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["as usual", "Sensitivity"]
    assert svg(plot.sensitivity(only)) == svg(figure)


def test_a_table_that_is_no_sweep_is_refused() -> None:
    with pytest.raises(InputError, match="no column learning_rate"):
        plot.sensitivity(sensitive().drop(columns="learning_rate"))
