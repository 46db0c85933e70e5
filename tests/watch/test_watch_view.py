"""What a watched study shows at each stage of its life."""

from __future__ import annotations

import math
from io import StringIO
from pathlib import Path

import pytest
from batteries.running import Running, files_of
from batteries.studies import two_families
from rich.console import Console

from scaling import files
from scaling.errors import InputError
from scaling.watch import study as study_module
from scaling.watch.screen import page
from scaling.watch.study import View, Watch


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits wait for no turn, but where a test asks that of them."""
    monkeypatch.setattr(study_module, "SHARE", math.inf)


def shown(view: View, width: int = 80, *, ascii: bool = False) -> str:  # noqa: A002
    out = StringIO()
    if ascii:
        out = _Ascii()
    console = Console(file=out, width=width, color_system=None)
    console.print(page(view, console))
    lines = out.getvalue().splitlines()
    assert all(len(line.rstrip()) <= width for line in lines)
    return "\n".join(lines)


class _Ascii(StringIO):
    encoding = "ascii"


def test_no_such_folder_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such folder; a study's folder or URL"):
        Watch(tmp_path / "nowhere")


def test_a_folder_of_something_else_is_no_study(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("Dear reader")
    with pytest.raises(InputError, match=r"no study here \(study.json is missing\)"):
        Watch(tmp_path).look()


def test_a_study_that_has_not_begun_is_waited_for(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    view = watch.look()
    assert view.state == "not begun"
    assert "no study has begun here yet" in shown(view, 200)
    assert view.to_dict()["study"] is None
    Running(tmp_path)
    assert watch.look().state == "idle"


def test_a_study_of_no_cells(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text('{"name": "nothing", "cells": []}')
    view = Watch(tmp_path).look()
    assert view.state == "empty"
    assert "no cells are planned" in shown(view)


def test_nothing_is_trained_yet(tmp_path: Path) -> None:
    Running(tmp_path / "study")
    text = shown(Watch(tmp_path / "study").look())
    assert "0 of 33 cells done" in text
    assert "33 cells: 33 planned" in text
    assert "nothing runs now" in text
    assert "none: no cell is finished" in text


def test_running_trunks_with_their_losses_rates_and_what_is_left(tmp_path: Path) -> None:
    study = Running(tmp_path / "study")
    study.finish(2)
    lost = study.finish(1, status="diverged", reason="loss nan at step 7", loss=float("nan"))
    trunk, other = (str(study.rows[n]["trunk"]) for n in (0, 2))
    watch = Watch(study.folder, price=2.0)
    for step, loss in ((100, 4.0), (200, 3.0), (300, 2.5), (400, 2.4)):
        study.claim(trunk, step, loss)
        study.claim(other, 10, 5.0, alive=False)
        view = watch.look()
    assert view.state == "running"
    # 50 steps/s of 4e6 tokens in 1,000 steps: the trunk's longest cell
    assert view.rates == (50.0, pytest.approx(50.0 * 4e6 / 1000))
    text = shown(view)
    for line in (
        "3 of 33 cells done",
        "2 finished, 1 diverged, 1 running, 1 stale, 28 planned",
        "by 1 worker at work",
        "cost left: ",
        "device-hours at 2 each",
        "50 steps/s, 200k tokens/s in all",
        "its holder is gone, or silent",
        f"{lost[0]['run']} transformer N 20,000 D 500,000 seed 0",
        "diverged: loss nan at step 7",
    ):
        assert line in " ".join(text.split())
    row = next(line for line in text.splitlines() if "400/1,000" in line)
    assert row.startswith("transformer N 10k seed 0")
    assert row.split()[-1] == "█▄▁▁"
    assert (
        next(r for r in shown(view, ascii=True).splitlines() if "400/1," in r)
        .rstrip()
        .endswith("#~__")
    )
    assert shown(view, ascii=True).isascii()
    # beside one another where there is room: fewer lines, the same words
    wide = shown(view, 200)
    assert len(wide.splitlines()) < len(text.splitlines())
    assert "50 steps/s, 200k tokens/s in all" in wide


def test_the_law_so_far_and_how_its_forecast_moved(tmp_path: Path) -> None:
    study = Running(tmp_path / "study")
    study.finish(4)
    watch = Watch(study.folder)
    first = watch.look()
    assert first.learnt.rule_from == "grid.toml"
    study.finish(20)
    before = watch.look().learnt.so_far
    study.finish(8)
    now = watch.look().learnt.so_far
    (law,), (trail,) = now.laws, now.trails
    assert law.runs == 32
    assert law.members[0].fixed == {"E": 0.9}
    assert pytest.approx(1.2 * 3e5) == trail.aim.goal.N  # the rule's N is N_total
    assert [one.runs for one in trail.forecasts][-2:] == [24, 32]
    assert trail.forecasts[:-1] == before.trails[0].forecasts
    last = trail.forecasts[-1]
    assert last.seen.q05 < last.seen.loss < last.seen.q95
    assert last.ratio == pytest.approx(12.0)
    text = shown(watch.look())
    joined = " ".join(text.split())
    assert "L = E + A/N^alpha + B/D^alpha (N is N_total; 32 runs, 40 draws): E 0.9 fixed" in joined
    assert "target N_total 360k, 16M tokens" in joined
    assert "12x the largest run fitted" in joined
    assert f"{last.seen.q05:.4f} to {last.seen.q95:.4f}" in text
    assert "last changed by a run trained at 2031-01-01" in joined


def test_nothing_is_fitted_anew_while_no_run_enters_the_fit(tmp_path: Path) -> None:
    study = Running(tmp_path / "study")
    study.finish(24)
    watch = Watch(study.folder)
    known = watch.look().learnt.so_far
    fitted = watch._law.fitted
    assert fitted == 4  # now, and at a quarter, half and three quarters of the runs
    study.claim(str(study.rows[0]["trunk"]), 5, 2.0)
    assert watch.look().learnt.so_far is known
    study.finish(1, status="diverged", reason="loss nan", loss=float("nan"))
    watch.look()  # it does not enter
    assert watch._law.fitted == fitted
    study.finish(1)
    watch.look()
    assert watch._law.fitted == fitted + 1


def test_looks_and_fits_take_no_more_than_their_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_module, "SHARE", 1e-6)
    study = Running(tmp_path / "study", targets=False)
    study.finish(8)
    watch = Watch(study.folder)
    assert watch.look().learnt.so_far.laws[0].runs == 8
    assert watch.rest == 0  # what it loads is no measure
    study.finish(8)
    assert watch.look().learnt.so_far.laws[0].runs == 16
    assert watch.rest > 100
    study.finish(8)
    view = watch.look()
    assert view.status.counts["finished"] == 24
    assert view.learnt.so_far.laws[0].runs == 16  # its turn is yet to come
    study.finish(8)
    assert watch.look().learnt.so_far.laws[0].runs == 32  # at the end nothing else is to come


def test_without_targets_the_forecast_is_of_ten_times_the_largest_pilot(tmp_path: Path) -> None:
    study = Running(tmp_path / "study", targets=False)
    study.finish(31)
    watch = Watch(study.folder)
    view = watch.look()
    assert pytest.approx(10 * 7 * 1e5 * 4e6) == view.learnt.so_far.trails[0].aim.goal.C
    joined = " ".join(shown(view).split())
    assert "10x the compute of the largest planned pilot" in joined
    assert "best N and D" in joined
    study.finish(1)
    view = watch.look()
    assert view.state == "done"
    assert "done: nothing is left to train" in shown(view)


def test_an_adaptive_study_is_done_with_its_targets(tmp_path: Path) -> None:
    study = Running(tmp_path / "study")
    study.finish(8)
    watch = Watch(study.folder)
    for name in ("adaptive.json", "forecast.json"):
        (study.folder / name).write_text("{}")
    assert watch.look().state == "idle"
    study.reach()
    view = watch.look()
    assert (view.state, view.status.counts["planned"]) == ("done", 24)


def test_too_few_runs_for_a_law_are_said_to_be(tmp_path: Path) -> None:
    study = Running(tmp_path / "study")
    study.finish(2)
    joined = " ".join(shown(Watch(study.folder).look()).split())
    assert "none by 2 runs: " in joined
    assert "too few" in joined


def test_each_family_has_its_own_law_and_forecast(tmp_path: Path) -> None:
    view = Watch(two_families(tmp_path / "families")).look()
    assert [law.family for law in view.learnt.so_far.laws] == ["cnn", "resnet"]
    joined = " ".join(shown(view).split())
    assert "cnn: L = E + A/N^alpha + B/D^beta" in joined
    assert "resnet, target N 4M, " in joined
    assert "target cnn-target of cnn, 16x the compute" in joined
    assert "inside the interval" in joined


def test_a_forecast_that_was_changed_is_told_and_not_used(tmp_path: Path) -> None:
    study = Running(tmp_path / "study")
    study.finish(32)
    (study.folder / "forecast.json").write_text('{"targets": []}')
    view = Watch(study.folder).look()
    assert view.learnt.verdicts == ()
    assert "the forecast cannot be used: " in " ".join(shown(view).split())


def test_nothing_is_written_and_records_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Running(tmp_path / "study")
    study.finish(30)
    watch = Watch(study.folder)
    before = list(files_of(study.folder))
    watch.look()
    assert list(files_of(study.folder)) == before
    read: list[str] = []
    whole = files.reading
    monkeypatch.setattr(files, "reading", lambda path: read.append(path.name) or whole(path))
    watch.look()
    assert read == []
    study.finish(1)
    watch.look()
    assert read == ["record.json"]


def test_a_torn_record_is_told_and_harms_nothing(tmp_path: Path) -> None:
    study = Running(tmp_path / "study")
    run = str(study.finish(20)[7]["run"])
    path = study.folder / "cells" / run / "record.json"
    path.write_bytes(path.read_bytes()[:40])
    view = Watch(study.folder).look()
    assert view.status.counts["quarantined"] == 1
    assert f"damaged {run}: record.json: not valid JSON" in " ".join(shown(view, 80).split())
    assert view.learnt.so_far.laws[0].runs == 19


def test_what_a_terminal_would_obey_is_not_passed_on(tmp_path: Path) -> None:
    study = Running(tmp_path / "study")
    study.finish(1, status="failed", reason="\x1b[2J [red]boom[/red]")
    text = shown(Watch(study.folder).look(), 200)
    assert "\x1b" not in text
    assert "[red]boom[/red]" in text
