"""Posteriors by NUTS: held against the bootstrap, and where only a prior or other groups help."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from scaling import cli, laws
from scaling.errors import InputError
from scaling.fit import Fit, fit, fit_groups
from scaling.fit.diagnose import Chains
from scaling.fit.objective import squared
from scaling.fit.priors import published_beliefs
from scaling.forecast.rollouts.truths import TRUTHS, Case
from scaling.table import write_table

CASE = Case("chinchilla", "grid", 0.005, 0)
TRUTH = TRUTHS["chinchilla"].published.params


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fit, str]:
    """The fit that the command saved, and what it printed."""
    pytest.importorskip("numpyro", reason="needs scaling-laws[bayes]")
    folder = tmp_path_factory.mktemp("posterior")
    write_table(CASE.table, folder / "runs.csv")
    saved = folder / "fit.json"
    words = ["fit", str(folder / "runs.csv"), "--kind", "posterior", "--draws", "1000", "--json"]
    with pytest.MonkeyPatch.context() as patch, io.StringIO() as out, redirect_stdout(out):
        patch.setattr(sys, "argv", ["scaling", *words, "--save", str(saved)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        return Fit.from_json(saved.read_text(encoding="utf-8")), out.getvalue()


@pytest.fixture(scope="module")
def posterior(commanded: tuple[Fit, str]) -> Fit:
    return commanded[0]


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


def test_a_group_with_few_runs_leans_on_the_others() -> None:
    """As much as the same model says where only alpha is unknown, summed over a grid."""
    pytest.importorskip("numpyro", reason="needs scaling-laws[bayes]")
    law, generator, parts = laws.get("chinchilla"), np.random.default_rng(3), []
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e8, 1e9, 6), np.geomspace(2e9, 2e10, 4)))
    for name, alpha in (("a", 0.345), ("b", 0.35), ("c", 0.348), ("d", 0.352), ("few", 0.37)):
        size, scale = (6, 0.2) if name == "few" else (len(N), 0.05)
        noise = scale * generator.normal(size=size)
        loss = law.predict(N=N[:size], D=D[:size], **{**TRUTH, "alpha": alpha}) * np.exp(noise)
        parts.append(pd.DataFrame({"N": N[:size], "D": D[:size], "loss": loss, "data": name}))
    table = pd.concat(parts, ignore_index=True)
    fixed = {name: TRUTH[name] for name in ("E", "A", "B", "beta")}
    how = {"objective": squared(), "fixed": fixed}
    together = fit_groups("chinchilla", table, "data", ["alpha"], kind="posterior", **how)
    alone = [fit("chinchilla", part, kind="laplace", **how) for part in parts]
    seen = np.array([np.log(item.params["alpha"]) for item in alone])
    error = np.array([item.standard_errors()["alpha"] / item.params["alpha"] for item in alone])
    mean, sd = few_among(seen, error)
    few = together["few"]
    assert few.converged, few.status
    ln_alpha = np.log(few.draws[:, list(law.params).index("alpha")])
    assert sd < 0.8 * error[-1]
    assert ln_alpha.std() == pytest.approx(sd, rel=0.25)
    assert ln_alpha.mean() == pytest.approx(mean, abs=0.3 * sd)


def few_among(seen: NDArray[np.float64], error: NDArray[np.float64]) -> tuple[float, float]:
    """Posterior mean and sd of the last ln alpha, given each group's own and its error."""
    belief = published_beliefs()["alpha"]
    middle, spread = np.meshgrid(np.linspace(-1.6, -0.6, 401), np.geomspace(1e-4, 3, 400))
    far = ((middle - belief.location) / belief.scale) ** 2
    log = -0.5 * (belief.freedom + 1) * np.log1p(far / belief.freedom)
    log += 2 * np.log(spread) - 2 * spread / belief.scale
    for one, own in zip(seen, error, strict=True):
        log += stats.norm.logpdf(one, middle, np.hypot(own, spread))
    weight = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
    trust = spread**2 / (spread**2 + error[-1] ** 2)
    each = trust * seen[-1] + (1 - trust) * middle
    mean = float((weight * each).sum())
    return mean, float(np.sqrt((weight * (trust * error[-1] ** 2 + (each - mean) ** 2)).sum()))


def test_what_has_no_posterior_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    table = CASE.table.assign(data="a")
    with pytest.raises(InputError, match="on must be log_loss or loss"):
        fit("chinchilla", table, kind="posterior", on="log_reducible")
    for module in ("numpyro", "numpyro.diagnostics"):  # an earlier test may have loaded both
        monkeypatch.setitem(sys.modules, module, None)
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


def test_the_command(commanded: tuple[Fit, str]) -> None:
    data = json.loads(commanded[1])
    assert data["draws_kind"] == "posterior"
    assert data["diagnostics"]["chains"]["divergences"] <= 40
    assert data["seconds"] > 0
