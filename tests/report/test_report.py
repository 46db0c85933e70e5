"""The report: self-contained, escaped, in order, and never in the way of an unfinished study."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from scaling.cli import app
from scaling.errors import InputError
from scaling.report import report
from scaling.report.read import read_study
from scaling.sweep.storing.records import digest, write_json

Study = Callable[..., Path]
FIGURES = ("proof", "loss_curves", "isoflop", "slices", "residuals", "frontier", "envelope", "cost")


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, name: str) -> list[str]:
        return [str(attrs[name]) for _, attrs in self.tags if name in attrs]


def test_a_whole_study(study: Study) -> None:
    folder = study()
    path = report(folder)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert path.name == "report.html"
    assert len(text) < 3e6
    at = [text.index(f'id="figure-{name}"') for name in FIGURES]
    assert at == sorted(at)
    assert text.index("Mean absolute error") < text.index("What was run") < at[0]
    assert "1 of 1 trained target came out inside" in text
    assert "Missing here" not in text
    assert "10 times the largest run fitted" in text
    assert text.index("Train 3") < text.index("Mean absolute error")
    images = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(images) == len(FIGURES) + 1  # the chart of the budget
    assert all(image["role"] == "img" and image["aria-label"] for image in images)
    # it needs nothing outside itself
    code = re.sub(r"<script type=.application/json.*?</script>|data: [a-z]", "", text, flags=re.S)
    assert not re.search(r"https?:|//[a-z]|@import|data:", code)
    assert not {"img", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not any("style" in attrs or "onclick" in attrs for _, attrs in page.tags)
    assert all(link.startswith("#") for link in page.values("href"))
    contents = re.findall(r'href="(#[^"]+)"', text[text.index("<nav") : text.index("</nav>")])
    assert len(contents) == len(set(contents))
    assert "default-src 'none'" in page.values("content")[0]
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    wanted = re.findall(r"url\(#([^)]+)\)", text) + [v[1:] for v in page.values("href")]
    assert set(wanted) <= set(ids)
    assert report(folder).read_text(encoding="utf-8") == text  # same study, same bytes


def test_names_are_text_never_markup(study: Study, no_drawing: None) -> None:
    text = report(study("<script>alert(1)</script>")).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no study here"):
        report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_grid_alone(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text('name = "begun"\n')
    text = report(tmp_path).read_text(encoding="utf-8")
    for said in ("There is no result yet", "study.json", "No run is finished"):
        assert said in text
    assert "<svg" not in text
    assert str(tmp_path) not in text


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        report(tmp_path / "nowhere")


def test_targets_not_yet_trained(study: Study, no_drawing: None) -> None:
    text = report(study(targets=False)).read_text(encoding="utf-8")
    assert "none is trained yet" in text
    assert "1 of 33 planned cells are not trained yet" in text


def test_a_target_begun_before_its_forecast_is_no_proof(study: Study, no_drawing: None) -> None:
    text = report(study(late=False)).read_text(encoding="utf-8")
    assert "this is no proof" in text
    assert "before being trained" not in text


def test_no_forecast_fits_chinchilla_on_all_parameters(study: Study, no_drawing: None) -> None:
    text = report(study(forecast=False)).read_text(encoding="utf-8")
    assert "No forecast was written" in text
    assert "<code>chinchilla</code>" in text
    assert "N = N_total" in text


def test_damage_is_told_not_fatal(study: Study, no_drawing: None) -> None:
    folder = study()
    (folder / "cells" / "00000cell" / "record.json").write_text('{"run": "00000cell"}')
    forecast = folder / "forecast.json"
    forecast.write_text(forecast.read_text().replace('"largest_pilot": ', '"largest_pilot": 1'))
    text = report(folder).read_text(encoding="utf-8")
    assert "Cell 00000cell: " in text
    assert "sha256 does not match" in text
    assert str(folder) not in text


def test_several_families_are_side_by_side_and_no_law_is_of_all(families_study: Path) -> None:
    text = report(families_study).read_text(encoding="utf-8")
    shown = [part.split('"')[0] for part in text.split('id="figure-')[1:]]
    assert shown == ["proof", "families", "loss_curves-cnn", "loss_curves-resnet",
                     "residuals-cnn", "residuals-resnet", "cost"]  # fmt: skip
    assert "Missing here" in text
    assert "1 of 82 planned cells are not trained yet" in text
    assert "No law" not in text
    shown_text = re.sub(r"<script\b.*?</script>", "", text, flags=re.S)
    words = " ".join(re.sub(r"<[^>]*>", " ", shown_text).split())
    assert "no law here is of all of them" in words
    assert words.count("resnet passes below cnn at C = ") == 3  # the answer, and both measures
    assert "cnn: train " in words
    assert "resnet: train " in words
    assert "Largest pilot of resnet" in words
    assert "10 passes over its D_unique distinct images" in words
    for name in ("Top-1 error", "Top-5 error", "Recall at 1", "D (images)", "(nats/image)"):
        assert name in words
    assert "token" not in words
    assert "nan" not in words


def test_the_answer_of_each_family_is_its_own(families_study: Path, no_drawing: None) -> None:
    study = read_study(families_study)
    assert study.fit is None
    assert list(study.fits) == ["cnn", "resnet"]
    assert [v.family for v in study.verdicts] == ["cnn", "resnet"]
    assert {len(fit.points["N"]) for fit in study.fits.values()} == {40}


def test_the_command_proof_names_families_and_units(families_study: Path) -> None:
    told = CliRunner().invoke(app, ["proof", str(families_study)], catch_exceptions=False).output
    words = " ".join(told.split())
    assert "target cnn-target of cnn, 16x the compute of the largest pilot" in words
    assert "target resnet-target of resnet" in words
    assert "nats/image" in words
    assert "nats/token" not in words


def test_runs_that_were_not_well_are_named_and_drawn(study: Study) -> None:
    folder = study()
    first = sorted((folder / "cells").iterdir())[0]
    stored = json.loads((first / "record.json").read_text())
    stored.pop("sha256")
    found = {"label": "spike", "step": 96, "block": "mlp_<1>", "told": "the loss went up"}
    stored |= {"findings": [found], "status": "recovered", "reason": "rewound once"}
    write_json(first / "record.json", {**stored, "sha256": digest(stored)})
    steps = np.arange(16, 3216, 16)
    curve = pd.read_parquet(first / "curve.parquet").assign(step=steps, **{"grad_norm/mlp_1": 1.0})
    curve.to_parquet(first / "curve.parquet")
    text = report(folder).read_text(encoding="utf-8")
    health = text[text.index('<section id="health">') : text.index('<section id="cells">')]
    assert "1 recovered" in health
    assert '<td class="l">spike</td><td>96</td><td class="l">mlp_&lt;1&gt;</td>' in health
    assert f'id="figure-telemetry-{first.name}"' in health
    assert "telemetry" not in report(study_of_well_runs(folder, first)).read_text(encoding="utf-8")


def study_of_well_runs(folder: Path, first: Path) -> Path:
    shutil.rmtree(first)
    return folder
