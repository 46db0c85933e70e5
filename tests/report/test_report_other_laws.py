"""A law of something else than a loss answers no budget, though it is of N and D."""

from __future__ import annotations

import pandas as pd
from batteries import studies

from scaling.report import explorer
from scaling.report.answer import Asked, answers
from scaling.report.figures import figures
from scaling.report.given import of_table
from scaling.report.linked import Linked


def test_a_law_of_learning_rates_is_not_taken_for_one_of_losses() -> None:
    rows = [
        studies.record(f"{N:g}-{D:g}", N, D, 0, "pilot")
        | {"learning_rate": 0.5 * N**-0.3 * D**-0.1}
        for N in (1e4, 2e4, 5e4, 1e5)
        for D in (5e5, 1e6, 2e6, 4e6)
    ]
    table = pd.DataFrame(rows).drop(columns=["config", "family"])
    study = of_table(table, "lr_of_size_and_tokens")
    found, silent = answers(study.grounds, Asked(), study.nearest(), False)
    assert found == []
    assert silent == [
        "The law answers no budget: law lr_of_size_and_tokens is of learning_rate, not of a loss."
    ]
    assert explorer.section({"": study.grounds[""].predictor}, study.kinds) is None
    shown = figures(study, Linked.of(study))["isoflop"]
    assert shown.svg is None
    assert shown.reason == "law lr_of_size_and_tokens is of learning_rate, not of a loss"
    assert shown.told == ""
