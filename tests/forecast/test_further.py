"""The command line beyond the plain optimum, through the real thing: words, JSON and errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from batteries import laws as battery
from typer.testing import CliRunner

from scaling import laws
from scaling.cli import app
from scaling.errors import InputError
from scaling.fit import Fit, fit
from scaling.table import write_table


def ask(*words: str) -> Any:
    return CliRunner().invoke(app, ["forecast", *words, "--rates", "none"])


def facts(*words: str) -> Any:
    done = ask(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_muennighoffs_example_in_words_and_json() -> None:
    words = ("muennighoff2023_untied", "--compute", "9.3e21", "--with", "D_unique=25B")
    done = ask(*words)
    assert done.exit_code == 0
    assert "epochs: 9.682, D = 2.421e+11 over D_unique = 2.5e+10" in done.output
    told = facts(*words)
    assert told["held"] == {"D_unique": 25e9}
    assert told["forecasts"][0]["D"] / 25e9 == pytest.approx(9.682, abs=5e-4)
    assert told["notes"][0][0] == "law muennighoff with D_unique = 2.5e+10 held"


def test_a_best_value_and_how_c_is_counted() -> None:
    done = ask("kumar2024_precision", "--compute", "1e22", "--with", "P=best:4:16")
    assert "best P at C = 1e+22: 7.002" in done.output
    assert "C = 6 N D P / 16" in done.output
    assert "N = 1.69e+10 is 8.45 times the largest behind kumar2024_precision" in done.output
    told = facts("abnar2025", "--compute", "1e22", "--with", "S=best:0:0.9")
    assert told["best"]["at_end"] is True
    assert told["held"]["S"] == pytest.approx(0.9)
    assert told["c_kind"] == "stated"


def test_served_tokens_and_a_ratio() -> None:
    words = ("sardana2024", "--params", "30B", "--served", "10T", "--tokens-per-param", "200")
    done = ask(*words)
    assert "cheapest so good  N = 1.361e+10 on D = 4.426e+12" in done.output
    assert "27.98 % less" in done.output
    assert "200 tokens per parameter at C = " in done.output
    told = facts(*words)
    assert told["lifetime"][0]["saved"]["point"] == pytest.approx(0.2798, abs=1e-4)
    assert told["overtrained"][0]["ratio"] == 200


def test_a_frontier_with_a_variable_held() -> None:
    words = ("muennighoff2023", "--frontier", "1e19:1e22:8", "--with", "D_unique=1e9")
    done = ask(*words)
    assert done.exit_code == 0
    assert done.output.count("held") == 1  # of the last budget
    assert "at C = 1e+22: epochs: " in done.output
    many = ask(*words, "--served", "1e12")
    assert "--tokens-per-param at 8 budgets: ask for 6 at most" in str(many.exception)
    two = ask("muennighoff2023", "--compute", "1e20", "--compute", "1e21", "--with", "D_unique=1e9")
    assert "at C = 1e+20: epochs: " in two.output


def test_served_in_dollars() -> None:
    words = ("sardana2024", "--params", "30B", "--device", "A100-80GB", "--mfu", ".5")
    more = ("--price", "1.5", "--served", "105B:322.5B")
    told = facts(*words, *more, "--serve-mfu", ".5:.01", "--serve-price", "1.1")["lifetime"][0]
    rates = told["serving"]["rates"]
    assert rates["unit"] == "dollars"
    assert rates["generated"] == pytest.approx(50 * rates["prompt"])
    assert rates["training"] == pytest.approx(1.5 / 3600 / (312e12 * 0.5))
    done = ask(*words, *more, "--serve-mfu", ".5:.01")
    assert "dollars in all" in done.output


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    law = laws.get("muennighoff_tied")
    truth = battery.truth(law)
    held = {name: truth[name] for name in ("alpha", "RD", "RN")}
    fitted: Fit = fit(law, battery.table(law, truth, noise=0.01), draws=30, fixed=held)
    path = tmp_path_factory.mktemp("fits") / "repeated.json"
    path.write_text(fitted.to_json(), encoding="utf-8")
    return path


def test_a_saved_fit_with_intervals(saved: Path) -> None:
    told = facts(str(saved), "--compute", "1e17", "--with", "D_unique=1e8", "--served", "1e9")
    best = told["forecasts"][0]["n_opt"]
    assert best["q05"] < best["point"] < best["q95"]
    saved_share = told["lifetime"][0]["saved"]
    assert saved_share["q05"] <= saved_share["q95"]
    far = ask(str(saved), "--compute", "1e22", "--with", "D_unique=1e14")
    assert "times the largest fitted" in far.output


def test_only_laws_that_have_a_variable_hold_it(saved: Path) -> None:
    done = ask("muennighoff2023", "gadre2024_c4", "--compute", "1e20", "--with", "D_unique=1e10")
    assert done.exit_code == 0
    assert "muennighoff2023: law muennighoff_tied with D_unique = 1e+10 held" in done.output
    assert "gadre2024_c4: law gadre with" in done.output  # as it is


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("muennighoff2023",), "needs D_unique (distinct training tokens): give --with D"),
        (("hoffmann2022", "--with", "S=.9"), "law chinchilla has no S: it is of N, D"),
        (("abnar2025", "--with", "S=best", "--compute", "1e21"), "one variable is chosen at one"),
        (("abnar2025", "--with", "S=best:1"), "write S=best or S=best:LOW:HIGH"),
        (("muennighoff2023", "--with", "D_unique=best"), "more is never worse"),
        (("hoffmann2022", "--served", "0"), "served = 0"),
        (("hoffmann2022", "--served", "1e9:"), "two with a colon between"),
        (("hoffmann2022", "--serve-mfu", ".5:.01"), "give it too"),
        (("hoffmann2022", "--served", "1e9", "--serve-mfu", ".5:.01"), "needs --device"),
        (("hoffmann2022", "--tokens-per-param", "-3"), "tokens per parameter = -3"),
    ],
)
def test_bad_questions_are_one_line(words: tuple[str, ...], message: str) -> None:
    done = ask(*words, "--compute", "1e20")
    assert isinstance(done.exception, InputError), done.output
    assert done.stdout == ""
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_table_without_a_law_holds_nothing(profiles_file: Path) -> None:
    done = ask(str(profiles_file), "--compute", "1e20", "--no-rollouts", "--with", "D_unique=1e9")
    assert isinstance(done.exception, InputError)
    assert "only a law of more variables" in str(done.exception)


def test_a_table_by_a_law_of_more_variables(tmp_path: Path) -> None:
    law = laws.get("moe_sparsity")
    truth = dict(laws.published["abnar2025"].params)
    table = battery.table(law, truth, noise=0.005)
    path = tmp_path / "sparse.csv"
    write_table(table, path)
    held = [f"--fix={name}={truth[name]}" for name in ("alpha", "beta", "gamma", "lam", "delta")]
    told = facts(
        str(path), "--law", "moe_sparsity", *held, "--draws", "20", "--compute", "1e19",
        "--with", "S=best:0:0.9",
    )  # fmt: skip
    assert told["best"]["value"]["point"] == pytest.approx(0.9)
    assert told["best"]["at_end"] is True
