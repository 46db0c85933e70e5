"""What lm-evaluation-harness wrote (files/make_lm_eval.py), and its metrics joined to runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scaling.errors import InputError
from scaling.importers import lm_eval
from scaling.importers.contract import LoggedRun
from scaling.importers.evaluations import Evaluations

MADE = Path(__file__).parent / "files" / "lm_eval"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MADE, tmp_path / "results"))


def written(
    folder: Path, model: str, accuracy: float, date: str = "2026-01-01", **more: object
) -> None:
    """A results file as the harness writes it, with one metric."""
    folder.mkdir(exist_ok=True)
    said = {
        "results": {"arc": {"alias": "arc", "acc,none": accuracy, "acc_stderr,none": "N/A"}},
        "config": {"model": "hf", **more},
        "model_name": model,
    }
    (folder / f"results_{date}.json").write_text(json.dumps(said))


def test_metrics_of_models(folder: Path) -> None:
    assert lm_eval.recognises(str(folder))
    small, tiny = lm_eval.read(str(folder))
    assert (small.id, tiny.id) == ("small", "tiny")
    (file,) = (folder / "runs__tiny").iterdir()
    said = json.loads(file.read_text())["results"]
    assert tiny.final == {
        f"{task}/{metric}": said[task][f"{metric},none"]
        for task in ("colours", "sums")
        for metric in ("acc", "acc_stderr", "acc_norm", "acc_norm_stderr")
    }
    assert tiny.config["model_name"] == "runs/tiny"
    assert tiny.history == {}


@pytest.mark.parametrize(
    ("called", "arguments", "run", "step"),
    [
        ("org/a-70m", "pretrained=org/a-70m,revision=step3000", "a-70m", 3000),
        ("out/a/checkpoint-300", {"pretrained": "out/a/checkpoint-300"}, "a", 300),
        ("out/a/step1000-hf/hf", "", "step1000-hf", None),
        ("out/a/hf/step-1000", "", "a", 1000),
        ("/ckpt/a/", "", "a", None),
        ("gpt2", "pretrained=gpt2", "gpt2", None),
    ],
)
def test_names_of_models_say_run_and_step(
    called: str, arguments: object, run: str, step: int | None, tmp_path: Path
) -> None:
    written(tmp_path, called, 0.5, model_args=arguments)
    (found,) = lm_eval.read(str(tmp_path))
    assert found.id == run
    if step is None:
        assert found.final == {"arc/acc": 0.5}
    else:
        assert {name: list(values) for name, values in found.history.items()} == {
            "step": [step],
            "arc/acc": [0.5],
        }


def test_checkpoints_of_a_run_are_its_history_and_the_later_file_stands(tmp_path: Path) -> None:
    written(tmp_path / "1", "a/step200", 0.4)
    written(tmp_path / "2", "a/step100", 0.3)
    written(tmp_path / "3", "a/step200", 0.45, date="2026-02-01")
    (found,) = lm_eval.read(str(tmp_path))
    assert found.history["step"].tolist() == [100, 200]
    assert found.history["arc/acc"].tolist() == [0.3, 0.45]


def test_metrics_are_joined_to_the_runs_that_trained_the_models(folder: Path) -> None:
    runs = [
        LoggedRun("sweep/tiny", "t.log", config={"d": 8}),
        LoggedRun("x1", "s.log", name="small"),
        LoggedRun("other", "o.log"),
    ]
    evaluations = Evaluations(lm_eval.read(str(folder)))
    tiny, small, other = evaluations.with_all(iter(runs))
    evaluated = {run.id: run.final for run in lm_eval.read(str(folder))}
    assert evaluations.metrics == tuple(evaluated["tiny"])
    assert tiny.config == {"d": 8, **evaluated["tiny"]}
    assert small.config == evaluated["small"]
    assert other == runs[-1]


def test_an_evaluation_before_the_end_is_told_and_one_of_no_run_comes_last(tmp_path: Path) -> None:
    written(tmp_path / "1", "a/step200", 0.4, model_num_parameters=51_200)
    written(tmp_path / "2", "run-b", 0.3)
    run = LoggedRun("a", "a.log", history={"step": np.array([100.0, 300.0])})
    other = LoggedRun("run-c", "c.log")
    joined, _, left = Evaluations(lm_eval.read(str(tmp_path))).with_all([run, other])
    assert joined.config == {"arc/acc": 0.4}
    assert joined.final == {"model_num_parameters": 51_200}
    assert joined.notes[0].endswith("of step 200, where the run's log ends at 300")
    assert left.notes == ("evaluated, but no run that was read is called run-b; nearest: run-c",)


def test_damaged_results_are_noted_beside_whole_ones(folder: Path) -> None:
    torn = folder / "results_2020.json"
    torn.write_text('{"results": {')
    first, second = lm_eval.read(str(folder))
    assert first.notes == (f"{torn}: not JSON at line 1, column 14: Expecting property name "
                           "enclosed in double quotes",)  # fmt: skip
    assert second.notes == ()
    with pytest.raises(InputError, match=r"results_2020\.json: not JSON at line 1"):
        list(lm_eval.read(str(torn)))


@pytest.mark.parametrize(
    ("said", "told"),
    [({"a": 1}, 'no "results"'), ({"results": {}}, "no model_name, and no pretrained=")],
)
def test_other_files_are_refused(said: object, told: str, tmp_path: Path) -> None:
    (tmp_path / "results_1.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match=told):
        list(lm_eval.read(str(tmp_path)))


@pytest.mark.slow
def test_the_files_are_what_the_harness_writes(tmp_path: Path) -> None:
    pytest.importorskip("lm_eval", reason="runs the harness: pip install lm-eval")
    subprocess.run([sys.executable, MADE.parent / "make_lm_eval.py", tmp_path / "new"], check=True)
    for new, old in zip(lm_eval.read(str(tmp_path / "new")), lm_eval.read(str(MADE)), strict=True):
        assert (new.id, new.final.keys()) == (old.id, old.final.keys())
