"""Rates and batches by law: numbers when cells are planned, told, refused where wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from batteries.sources import prose

from scaling.data import Corpus, load
from scaling.errors import InputError
from scaling.fit import fit
from scaling.fit.optima import optima
from scaling.fit.rate_laws import rate_laws
from scaling.grid import Cell, parse_grid, plan

TEXT = """\
name = "tiny"

[model]
context = 16
depth = 1

[train]
batch_tokens = 128
transfer = "none"
{train}

[[pilots]]
widths = [8, 16]
tokens = [2e4, 8e4]
{block}
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("text")
    for n in range(20):
        (folder / f"{n}.txt").write_text(prose(n))
    return load(f"{folder}/*.txt", held_out=0.2, cache=folder / "cache")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laws of a sweep whose best rate is .02 (N/1e3)^-.5 (D/1e4)^.25, the best batch D^.5."""
    rows = []
    for N in (700.0, 1500.0, 3000.0):
        for D in (2e4, 4e4):
            for batch in D**0.5 * np.array([0.5, 1.0, 2.0]):
                for rate in 0.005 * 2.0 ** np.arange(5):
                    best = 0.02 * (N / 1e3) ** -0.5 * (D / 1e4) ** 0.25
                    log = 1 + 0.05 * np.log(rate / best) ** 2 + 0.1 * np.log(batch / D**0.5) ** 2
                    rows.append((N, D, batch, rate, np.exp(log)))
    table = pd.DataFrame(rows, columns=["N", "D", "batch_tokens", "learning_rate", "loss"])
    found = optima(table.assign(transfer="none", D_kind="tokens"), draws=2)
    path = tmp_path_factory.mktemp("laws") / "law.json"
    path.write_text(rate_laws(found).to_json(found))
    return path


def cells(corpus: Corpus, train: str, block: str = "") -> list[Cell]:
    return plan(parse_grid(TEXT.format(train=train, block=block)), corpus)


def test_a_rate_follows_the_law_and_the_cell_is_that_of_the_number(
    corpus: Corpus, saved: Path
) -> None:
    by_law = cells(corpus, f'learning_rate = "law"\nrate_law = "{saved}"')
    assert len({cell.recipe.learning_rate for cell in by_law}) == 4
    for cell in by_law:
        N, D = cell.shape.N, cell.D
        truth = 0.02 * (N / 1e3) ** -0.5 * (D / 1e4) ** 0.25
        assert cell.recipe.learning_rate == pytest.approx(truth, rel=1e-6)
        assert cell.recipe.rate_law is None
        by_number = cells(corpus, f"learning_rate = {cell.recipe.learning_rate!r}")
        assert cell.id in {other.id for other in by_number}
    (told,) = by_law[-1].told
    assert f"by lr_at_batch ({saved}); " in told
    assert "D is 2x above its data" in told
    assert "beyond" not in told


def test_a_batch_follows_the_law_in_whole_windows(corpus: Corpus, saved: Path) -> None:
    for cell in cells(corpus, f'batch = "law"\nbatch_law = "{saved}"'):
        best = cell.D**0.5
        assert cell.batch % 16 == 0
        assert abs(cell.batch - best) <= 16
        assert (cell.recipe.batch, cell.recipe.batch_law) == (None, None)
        assert f"taken as {cell.batch}" in cell.told[0]


def test_a_file_of_both_laws_serves_both(corpus: Corpus, saved: Path) -> None:
    both = cells(corpus, f'learning_rate = "law"\nbatch = "law"\nrate_law = "{saved}"')
    assert all(len(cell.told) == 2 for cell in both)


def test_a_block_can_set_its_own_rates(corpus: Corpus, saved: Path) -> None:
    law = f'learning_rate = "law"\nrate_law = "{saved}"'
    for block in ("learning_rates = [0.01]", "train = { learning_rate = 0.01 }"):
        assert {c.recipe.learning_rate for c in cells(corpus, law, block)} == {0.01}
    own = f'train = {{ learning_rate = "law", rate_law = "{saved}" }}'
    assert [c.id for c in cells(corpus, "", own)] == [c.id for c in cells(corpus, law)]


def test_published_parameters_serve_and_say_how_far_they_reach(corpus: Corpus) -> None:
    found = cells(corpus, 'learning_rate = "law"\nrate_law = "steplaw2025_lr"')
    cell = found[0]
    truth = 1.79 * cell.shape.N**-0.713 * cell.D**0.307
    assert cell.recipe.learning_rate == pytest.approx(truth, rel=1e-12)
    assert f"N is {2.14663680e8 / cell.shape.N:.3g}x below its data" in cell.told[0]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ('learning_rate = "law"', r"g\.toml:7: train: learning_rate = \"law\" needs rate_law"),
        ('batch = "law"', 'batch = "law" needs batch_law'),
        ('learning_rate = "lw"', r"g\.toml:10: train\.learning_rate: .*given 'lw'"),
        (
            'learning_rate = "law"\nrate_law = "steplaw_lr"',
            r"rate_law = 'steplaw_lr': no law or published.*did you mean steplaw2025_lr",
        ),
        (
            'learning_rate = "law"\nrate_law = "none.json"',
            r"rate_law = 'none\.json': no such file; `scaling rates TABLE --save FILE`",
        ),
        (
            'learning_rate = "law"\nrate_law = "steplaw2025_batch"',
            r"law batch_of_tokens is of batch_tokens, not of learning rates",
        ),
        (
            'learning_rate = "law"\nrate_law = "lr_of_compute"',
            r"lr_of_compute is a law without parameters; .* published for it: deepseek2024_lr",
        ),
    ],
)
def test_what_is_wrong_is_said(corpus: Corpus, train: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(parse_grid(TEXT.format(train=train, block=""), "g.toml"), corpus)


def test_a_law_of_other_runs_is_refused(corpus: Corpus, saved: Path, tmp_path: Path) -> None:
    law = 'learning_rate = "law"\nrate_law = "{}"'
    with pytest.raises(InputError, match="comes from runs of transfer = none, and this one has m"):
        cells(corpus, law.format("steplaw2025_lr"), 'transfers = ["mup"]')
    with pytest.raises(InputError, match="comes from runs of transfer = none"):
        cells(corpus, law.format(saved), 'transfers = ["mup"]')
    data: dict[str, Any] = json.loads(saved.read_text())
    data["fits"] = [item for item in data["fits"] if item["law"] == "batch_of_tokens"]
    (tmp_path / "batch.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"no law of learning rates in it; it has batch_of_tokens"):
        cells(corpus, law.format(tmp_path / "batch.json"))
    (tmp_path / "odd.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="not a saved fit: KeyError"):
        cells(corpus, law.format(tmp_path / "odd.json"))
    table = pd.DataFrame({"K": [2.0, 4, 8], "learning_rate": [0.1, 0.2, 0.4]})
    other = fit("k * K**a", table.assign(loss=table["learning_rate"]), draws=0)
    (tmp_path / "other.json").write_text(other.to_json())
    with pytest.raises(InputError, match=r"rate_law = .*other\.json"):
        cells(corpus, law.format(tmp_path / "other.json"))
