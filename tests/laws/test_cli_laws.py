"""`scaling laws` and `scaling laws show` through the real command line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from scaling import laws


def command(*words: str) -> str:
    run = [sys.executable, "-m", "scaling.cli", "laws", *words]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_list_names_every_law_and_fits_a_pipe() -> None:
    out = command()
    for name in (*laws.names(), *laws.published):
        assert name in out
    table = [line for line in out.splitlines() if not line.startswith(("published", "scaling"))]
    assert max(map(len, table)) <= 140
    assert "…" not in out  # text folds, nothing is cut
    assert "\x1b" not in out
    rows = json.loads(command("--json"))
    assert {row["name"] for row in rows["laws"]} == set(laws.names())
    assert rows["published"]["hoffmann2022"] == "chinchilla"
    by_name = {row["name"]: row for row in rows["laws"]}
    assert by_name["pnorm"]["family"] == "chinchilla"
    assert by_name["gadre_error"]["response"] == "error"


def test_show_tells_symbols_bounds_values_and_sources() -> None:
    out = command("show", "muennighoff_tied")
    for piece in (
        "loss = E + A/N'^alpha",
        "D_unique",
        "distinct training tokens",
        "0.001 to 1000",
        "linear given the others: E",
        "muennighoff2023",
        "15.3878",
        "huggingface/datablations",
    ):
        assert piece in out, piece
    assert "published values: none" in command("show", "m3")


def test_show_takes_the_name_of_published_parameters() -> None:
    told = json.loads(command("show", "gadre2024_c4", "--json"))
    assert told["name"] == "gadre"
    assert told["linear"] == ["E", "a", "b"]
    assert told["params"]["E"]["bounds"] == [0.0, None]
    assert [item["params"]["eta"] for item in told["published"]] == [0.121]
    assert len(json.loads(command("show", "gadre", "--json"))["published"]) == 3


@pytest.mark.parametrize(
    ("name", "near"), [("chinchila", "chinchilla"), ("hofmann2022", "hoffmann2022")]
)
def test_an_unknown_name_gives_the_nearest(name: str, near: str) -> None:
    run = [sys.executable, "-m", "scaling.cli", "laws", "show", name]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"; did you mean {near}? `scaling laws` lists all " in done.stderr
