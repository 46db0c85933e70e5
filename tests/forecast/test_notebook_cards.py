"""What notebooks show of values: whole, escaped, without scripts, colours or requests."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from scaling.fit import Fit, fit, fit_groups
from scaling.forecast import forecast
from scaling.forecast.designs.design import Candidate, Design, design
from scaling.forecast.forecast import Forecast
from scaling.forecast.forecasters import get
from scaling.forecast.rollouts.rollout import Rollout, rollout

NAME = '<script>alert("1")</script> & 🧪 שלום'


@cache
def table() -> pd.DataFrame:
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e5, 1e7, 6), np.geomspace(1e6, 1e9, 6)))
    noise = np.exp(np.random.default_rng(0).normal(0, 0.004, len(N)))
    loss = (1.7 + 400 / N**0.34 + 410 / D**0.28) * noise
    df = pd.DataFrame({"N": N, "D": D, "C": 6 * N * D, "C_kind": "6ND", "loss": loss})
    df["group"] = np.where(np.arange(len(df)) % 2, "odd", NAME)
    df.attrs["source"] = NAME
    return df


@cache
def fitted() -> Fit:
    return fit("chinchilla", table(), draws=60)


def forecasted() -> Forecast:
    return forecast(fitted(), compute=1e18)


def designed() -> Design:
    runs = [Candidate(n, 20 * n, 120 * n * n, key=NAME) for n in (1e6, 3e6, 1e7)]
    return design(table(), runs, target=1e18, budget=2e16, draws=100)


def rolled() -> Rollout:
    return rollout(table(), [get("chinchilla")], draws=60)


class Whole(HTMLParser):
    """Every tag is closed in order; what is shown, and which tags and attributes do it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


@pytest.mark.parametrize("value", [fitted, forecasted, designed, rolled])
def test_a_card_is_whole_escaped_and_needs_nothing(value) -> None:
    html = value()._repr_html_()
    page = Whole(html)
    assert page.tags <= {"div", "p", "strong", "code", "table", "thead", "tbody", "tr", "th", "td"}
    assert page.attributes <= {"style", "scope", "aria-label"}
    assert not re.search(r"url\(|https?:|javascript", html.replace(NAME, ""))
    assert not re.search(r"(?<!-)color:|background:(?!none)", html)  # light and dark are the page's
    assert len(html) < 12_000
    assert "nan" not in page.text
    if value is not forecasted:  # which does not name its source
        assert NAME in page.text


def test_a_fit_shows_parameters_with_intervals_and_its_warnings() -> None:
    page = Whole(fitted()._repr_html_())
    low, high = fitted().interval("alpha")
    assert f"{fitted().params['alpha']:.6g} {low:.6g} to {high:.6g}" in " ".join(page.text.split())
    assert "E + A/N^alpha + B/D^beta" in page.text
    ill = fit("chinchilla", table(), draws=0, fixed={"E": 1.7})
    told = Whole(ill._repr_html_()).text
    assert "fixed" in told
    assert "no draws" in told


def test_a_warning_stands_before_the_parameters() -> None:
    few = fit("chinchilla", table().iloc[::4], draws=60)
    warnings = few.status.split("; warning: ")[1:]
    assert warnings
    html = few._repr_html_()
    assert all(html.index("⚠") < html.index("<table") for _ in warnings)
    assert "⚠" not in html[html.index("<table") :]


def test_a_forecast_says_how_far_it_reaches() -> None:
    found = forecasted()
    text = Whole(found._repr_html_()).text
    assert found.reach in text
    assert f"{found.loss.q05:.4g} to {found.loss.q95:.4g}" in text
    far = forecast(fitted(), compute=1e22)
    html = far._repr_html_()
    assert 0 < html.index("⚠") < html.index("<table")  # nothing has checked so far a forecast


def test_groups_show_each_fit() -> None:
    found = fit_groups("chinchilla", table(), "group", ["alpha", "beta"], draws=0)
    page = Whole(found._repr_html_())
    assert NAME in page.text
    assert page.text.count("Fit of chinchilla") == 2
