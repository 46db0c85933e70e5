"""One family of several, names that no file can have, and a report over its own source."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batteries import studies
from markupsafe import Markup
from typer.testing import CliRunner

from scaling.cli import app
from scaling.errors import InputError
from scaling.plot.style import gid
from scaling.report import live as live_module
from scaling.report import page, report
from scaling.report.answer import Asked
from scaling.report.figures import Shown
from scaling.report.given import read_source
from scaling.report.live import Live
from scaling.report.markdown import markdown


def runs() -> pd.DataFrame:
    rows = [
        studies.record(f"{i}-{j}-{seed}", float(N), float(D), seed, "pilot")
        for i, N in enumerate((1e4, 2e4, 5e4, 1e5))
        for j, D in enumerate((5e5, 1e6, 2e6, 4e6))
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows).drop(columns=["config", "family"])


def two_families(tmp_path: Path) -> pd.DataFrame:
    two = pd.concat([runs().assign(family=name) for name in ("cnn", "vit")], ignore_index=True)
    return two.assign(run=[f"r{i}" for i in range(len(two))])


@pytest.mark.parametrize("how", ["chosen", "failed"])
def test_one_family_of_a_table_of_several_has_the_whole_page(
    tmp_path: Path, no_drawing: None, how: str
) -> None:
    two, where = two_families(tmp_path), None
    if how == "chosen":
        where = "family == 'cnn'"
    else:
        two["status"] = np.where(two["family"] == "vit", "failed", "finished")
    path = tmp_path / "two.csv"
    two.to_csv(path, index=False)
    study = read_source(path, where=where)
    assert study.families == []
    assert study.fit is not None
    assert len(study.fit.points["N"]) == len(runs())
    text = report(path, where=where).read_text(encoding="utf-8")
    assert 'id="isoflop"' in text
    assert 'data-sort="family"' in text  # the table of runs tells them apart all the same


def test_a_report_never_takes_the_place_of_its_source(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    runs().to_csv(path, index=False)
    before = path.read_bytes()
    for out in (path, tmp_path / "." / "runs.csv"):
        with pytest.raises(InputError, match="take the place of what it is made from"):
            report(path, out)
    assert path.read_bytes() == before


def test_the_command_that_makes_it_again_is_one(tmp_path: Path, no_drawing: None) -> None:
    path = tmp_path / "my runs; ls.csv"
    runs().rename(columns={"N": "params"}).to_csv(path, index=False)
    study = read_source(path, where="seed == 0", columns={"N": "params"})
    name, *args = shlex.split(study.made_by)[2:]
    assert name == path.name
    again = tmp_path / "again.html"
    done = CliRunner().invoke(app, ["report", str(path), *args, "-o", str(again)])
    assert done.exit_code == 0, done.output
    assert "16 of 32 rows entered the fit" in again.read_text(encoding="utf-8")


def test_ids_differ_where_names_do() -> None:
    names = ["日本", "中国", "vit", "<vit>", "vit+", "w" * 500, "w" * 499, "", "🧪"]
    ids = [gid("residuals", name) for name in names]
    assert len(set(ids)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,80}", one) for one in ids)
    assert gid("size", 1.5e6, "at D 2.5", "grad_norm/1") == "size-1500000_0-at_D_2_5-grad_norm_1"


def test_markdown_links_lead_to_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = {
        name: Shown(Markup("<svg >{}</svg>").format(name), "Read it so.")
        for name in ("isoflop", "residuals-日本", "residuals-中国", "residuals-a-b")
    }
    content = page.content

    def with_figures(*args: object, **how: object) -> dict[str, object]:
        return {**content(*args, **how), "figures": drawn}  # type: ignore[arg-type]

    monkeypatch.setattr("scaling.report.markdown.content", with_figures)
    monkeypatch.setattr("scaling.report.page.figures", lambda study, linked: {})
    path = tmp_path / "runs.csv"
    runs().to_csv(path, index=False)
    text, files = markdown(read_source(path), Asked(), "my (runs) <b>_figures")
    links = re.findall(r"^!\[.*\]\((.*)\)$", text, re.M)
    assert len(files) == len(links) == len(drawn)
    for link, file in zip(links, files, strict=True):
        assert link == f"my%20%28runs%29%20%3Cb%3E_figures/{file}"
    assert [re.sub("<.*?>", "", one) for one in files.values()] == list(drawn)


def test_a_build_that_fails_is_not_tried_all_the_time(
    tmp_path: Path, no_drawing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = studies.small_study(tmp_path / "study", targets=False)
    live = Live(folder)

    def fails() -> None:
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass
        live._stop.set()
        raise ValueError("half written")

    monkeypatch.setattr(live, "_look", fails)
    monkeypatch.setattr(live_module, "LOOK_SECONDS", 0.01)
    live._rest = 0.0
    live._follow()
    assert "the last look failed: ValueError: half written" in live.page.told
    assert live._rest >= 0.05 / live_module.BUILD_SHARE
