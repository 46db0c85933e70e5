"""Posteriors by NUTS: held against the bootstrap, and where only a prior or other groups help."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling import cli, laws
from scaling.errors import InputError
from scaling.fit import Fit, fit, fit_groups
from scaling.fit.diagnose import Chains
from scaling.forecast.truths import TRUTHS, Case
from scaling.table import write_table

CASE = Case("chinchilla", "grid", 0.005, 0)
TRUTH = TRUTHS["chinchilla"].published.params


@pytest.fixture(scope="module")
def posterior() -> Fit:
    pytest.importorskip("numpyro", reason="needs scaling-laws[bayes]")
    return fit("chinchilla", CASE.table, kind="posterior", draws=1000)


def test_it_agrees_with_the_bootstrap_where_the_data_rule(posterior: Fit) -> None:
    assert posterior.converged
    assert posterior.status == "converged"
    other = fit("chinchilla", CASE.table, draws=1000)
    mine, theirs = posterior.standard_errors(), other.standard_errors()
    for name in ("E", "alpha", "beta"):
        assert abs(posterior.params[name] - other.params[name]) < 1.5 * theirs[name]
        assert 0.5 < mine[name] / theirs[name] < 1.6, name
        low, high = posterior.interval(name, 0.99)
        assert low < TRUTH[name] < high
    C = np.array([1e19, 1e21, 1e23])
    low, high = posterior.optimum(C).N.interval(0.99)
    best = CASE.truth.optimum(C).N.point
    assert np.all((low < best) & (best < high))
    assert posterior.loss(1e10, 2e11, noise=True).draws.shape == (1000,)


def test_it_is_a_fit_like_any_other(posterior: Fit) -> None:
    assert posterior.kind == "posterior"
    assert posterior.engine == "nuts"
    chains = posterior.diagnostics.chains
    assert chains is not None
    assert chains.r_hat < 1.01
    assert chains.effective > 400
    assert Fit.from_json(posterior.to_json()) == posterior
    text = str(posterior)
    assert "4 chains of 1000 draws by NUTS" in text
    assert "prior, from published fits: E 1.5 [0.49, 4.3]; alpha" in text


def test_where_nothing_identifies_e_the_prior_shows() -> None:
    """Runs so small, and so noisy, that E is lost in their loss."""
    pytest.importorskip("numpyro", reason="needs scaling-laws[bayes]")
    law = laws.get("chinchilla")
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e4, 4e4, 4), np.geomspace(1e5, 4e5, 4)))
    noise = 0.02 * np.random.default_rng(0).normal(size=N.size)
    table = pd.DataFrame({"N": N, "D": D, "loss": law.predict(N=N, D=D, **TRUTH) * np.exp(noise)})
    found = fit(law, table, kind="posterior", draws=1000)
    low, high = found.interval("E")
    assert high / low > 3  # as wide as what is believed before: [.49, 4.3]
    assert 0.2 < low < TRUTH["E"] < high < 9.0


def test_what_has_no_posterior_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    table = CASE.table.assign(data="a")
    with pytest.raises(InputError, match="on must be log_loss or loss"):
        fit("chinchilla", table, kind="posterior", on="log_reducible")
    monkeypatch.setitem(sys.modules, "numpyro", None)
    with pytest.raises(InputError, match=r"pip install 'scaling-laws\[bayes\]'"):
        fit("chinchilla", table, kind="posterior")


def test_a_population_of_what_no_published_fit_speaks_of() -> None:
    pytest.importorskip("numpyro", reason="needs scaling-laws[bayes]")
    table = CASE.table.assign(data="a")
    with pytest.raises(InputError, match=r"share A: .* of law chinchilla: E, alpha, beta"):
        fit_groups("chinchilla", table, "data", ["A"], kind="posterior")


@pytest.mark.parametrize(
    ("chains", "problem"),
    [
        (Chains(4, 1000, 1.05, 900.0, 0), "chains disagree (R-hat 1.050"),
        (Chains(4, 1000, 1.0, 90.0, 0), "only 90 effective draws; 400 are needed"),
        (Chains(4, 1000, 1.0, 900.0, 60), "60 of 4000 draws diverged"),
        (Chains(4, 1000, float("nan"), float("nan"), 0), "chains disagree (R-hat nan"),
    ],
)
def test_bad_chains_are_told(chains: Chains, problem: str) -> None:
    assert any(problem in word for word in chains.problems())
    assert not Chains(4, 1000, 1.001, 900.0, 2).problems()


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numpyro", reason="needs scaling-laws[bayes]")
    path = tmp_path / "runs.csv"
    write_table(CASE.table, path)
    words = ["fit", str(path), "--kind", "posterior", "--draws", "400", "--json"]
    monkeypatch.setattr(sys, "argv", ["scaling", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    data = json.loads(capsys.readouterr().out)
    assert data["draws_kind"] == "posterior"
    assert data["diagnostics"]["chains"]["divergences"] <= 40
    assert data["seconds"] > 0
