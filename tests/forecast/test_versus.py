"""Which of two recipes wins: against their laws, paired and unpaired."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batteries.duels import ONE, duel_table, frontier_of, loss_of
from batteries.vision import vision_table
from scipy.optimize import brentq
from typer.testing import CliRunner

from scaling.cli import app
from scaling.errors import InputError
from scaling.fit import fit
from scaling.forecast.decisions.groups import Groups, fit_by
from scaling.forecast.decisions.pairing import EXACT, RANKS, pairing
from scaling.forecast.decisions.standings import standings
from scaling.forecast.decisions.versus import at_compute, at_place
from scaling.forecast.rows import rows_of
from scaling.table import write_table

TWO = {**ONE, "A": 470.0, "B": 1900.0}  # better by 1 % or so
C = 1e23
BY = "recipe_name"


@pytest.fixture(scope="module")
def found() -> Groups:
    return fit_by("chinchilla", duel_table(TWO, shared=0.002, own=0.0005), BY, draws=200)


def test_the_better_recipe_wins_and_by_how_much(found: Groups) -> None:
    (told,) = at_compute(found, [C])
    truth = frontier_of(ONE, C) - frontier_of(TWO, C)
    assert (told.ahead, told.behind, told.C, told.place) == ("two", "one", C, None)
    assert told.chance > 0.95
    assert told.lower.q05 < truth < told.lower.q95
    needs = brentq(lambda x: frontier_of(TWO, C * x) - frontier_of(ONE, C), 0.1, 1.0)
    assert told.needs.q05 < needs < told.needs.q95
    assert told.needs.point == pytest.approx(needs, rel=0.1)
    assert told.decades["one"] == pytest.approx(np.log10(C / 1.2e20))
    assert "2.9 decades beyond the largest run of two" in str(told)
    one, two = found.fits["one"].optimum(C).loss, found.fits["two"].optimum(C).loss
    assert told.chance == (two.draws < one.draws).mean()
    shares = {item.group: item.best for item in standings(found, [C])}
    assert shares["two"] == pytest.approx(told.chance)


def test_at_one_size_and_length(found: Groups) -> None:
    N, D = 5e8, 1e10
    (told,) = at_place(found, N, D)
    assert told.place == (N, D)
    gap = float(loss_of(ONE, N, D) - loss_of(TWO, N, D))
    assert told.lower.q05 < gap < told.lower.q95
    fits = found.fits
    target = float(fits["one"].loss(N, D).point)
    share = brentq(lambda x: float(fits["two"].loss(N, D * x).point) - target, 0.1, 1.0)
    assert told.needs.point == pytest.approx(share, rel=1e-8)
    assert "within the compute of both" in str(told)
    assert "times one's D" in str(told)


def widths(table: pd.DataFrame) -> tuple[float, float]:
    """Of the 90 % interval of the gap at C: with pairing, without."""
    both = [
        at_compute(fit_by("chinchilla", table, BY, draws=300, pair=pair), [C])[0].lower
        for pair in (True, False)
    ]
    paired, alone = (item.q95 - item.q05 for item in both)
    return paired, alone


def test_pairing_narrows_what_seeds_do_to_both() -> None:
    paired, alone = widths(duel_table(TWO, shared=0.004, own=0.0005))
    assert paired < 0.35 * alone


def test_pairing_changes_nothing_where_noise_is_not_shared() -> None:
    paired, alone = widths(duel_table(TWO, shared=0.0, own=0.004))
    assert paired == pytest.approx(alone, rel=0.2)


def test_without_common_seeds_groups_are_drawn_alone() -> None:
    table = duel_table(TWO, shared=0.004, own=0.0005, seeds=((0, 1), (2, 3)))
    asked = fit_by("chinchilla", table, BY, draws=20)
    alone = fit_by("chinchilla", table, BY, draws=20, pair=False)
    assert asked.pairing is None
    for name in ("one", "two"):
        assert np.array_equal(asked.fits[name].draws, alone.fits[name].draws)


def test_some_runs_have_a_partner() -> None:
    table = duel_table(TWO, shared=0.004, own=0.0005, seeds=((0, 1), (1, 2)))
    some = fit_by("chinchilla", table, BY, draws=20)
    assert some.pairing is not None
    assert (some.pairing.pairs, some.pairing.alike) == (25, EXACT)
    assert [len(np.unique(units)) for units in some.pairing.units.values()] == [50, 50]
    common = set(some.pairing.units["one"]) & set(some.pairing.units["two"])
    assert len(common) == 25


def test_a_pair_is_drawn_as_often_in_either_group() -> None:
    table = duel_table(TWO, shared=0.004, own=0.0, seeds=((0, 1), (1, 2)))
    table = table.assign(run=[f"r{i % 7}-{i}" for i in range(len(table))])  # labels in no order
    parts = {name: rows_of(part).frame for name, part in table.groupby(BY)}
    found = pairing(parts)
    assert found is not None
    drawn = found.drawn(parts, "N", 5, 40, seed=1)
    for name, part in parts.items():
        labels = np.unique(part["run"])  # the order in which fits number clusters
        parts[name] = part.assign(w=list(drawn[name][:, np.searchsorted(labels, part["run"])].T))
    both = parts["one"].merge(parts["two"], on=["seed", "N", "D"])
    assert len(both) == 25
    assert all(np.array_equal(x, y) for x, y in zip(both.w_x, both.w_y, strict=True))


def test_families_of_other_sizes_are_paired_by_rank() -> None:
    table = vision_table(sizes=4)
    bigger = table.assign(N=np.where(table.family == "mlp", 3 * table.N, table.N))
    parts = {str(k): rows_of(v).frame for k, v in bigger.groupby("family") if k != "cnn"}
    found = pairing(parts)
    assert found is not None
    assert found.alike == RANKS
    assert found.pairs == 40
    same = pairing({str(k): rows_of(v).frame for k, v in table.groupby("family")})
    assert same is not None
    assert same.alike == EXACT


def test_a_place_that_two_runs_have_is_no_pair() -> None:
    table = duel_table(TWO, shared=0.004, own=0.0005)
    twice = pd.concat([table, table[table[BY] == "one"].head(3)], ignore_index=True)
    parts = {str(name): part for name, part in twice.groupby(BY)}
    found = pairing(parts)
    assert found is not None
    assert found.pairs == 47
    assert pairing({name: part.drop(columns="seed") for name, part in parts.items()}) is None


def test_draws_of_another_kind_are_not_paired() -> None:
    table = duel_table(TWO, shared=0.004, own=0.0005)
    assert fit_by("chinchilla", table, BY, draws=20, kind="laplace").pairing is None


def test_a_paired_fit_is_the_fit_alone_but_for_its_draws(found: Groups) -> None:
    table = duel_table(TWO, shared=0.002, own=0.0005)
    alone = fit("chinchilla", table, where=f"{BY} == 'two'", draws=0)
    assert found.fits["two"].params == alone.params


def test_bad_scales(found: Groups) -> None:
    with pytest.raises(InputError, match="compute = 0; must be a finite number above 0"):
        at_compute(found, [0.0])
    with pytest.raises(InputError, match="D = -1; must be a finite number above 0"):
        at_place(found, 1e9, -1.0)


def test_the_command_tells_who_wins(tmp_path: Path) -> None:
    path = tmp_path / "duel.csv"
    write_table(duel_table(TWO, shared=0.002, own=0.0005), path)
    ask = ["crossing", str(path), "--by", BY, "--draws", "40", "--compute", "1e23"]
    words = CliRunner().invoke(app, [*ask, "--at", "N=500M,D=10B"])
    assert words.exit_code == 0, words.output
    told = re.sub(r"\s+", " ", words.output)
    assert "at C = 1e+23: two beats one in" in told
    assert "at N = 5e+08, D = 1e+10: two beats one in" in told
    assert "paired: 50 runs or trunks have a partner of the same seed, N and D" in told
    data = json.loads(CliRunner().invoke(app, [*ask, "--no-pair", "--json"]).output)
    assert data["pairing"] is None
    assert (data["versus"][0]["ahead"], data["versus"][0]["joint"]) == ("two", False)
    bad = CliRunner().invoke(app, [*ask, "--at", "N=5e8"])
    assert bad.exit_code != 0
    assert "give N and D, such as N=70B,D=1.4T" in str(bad.exception)
