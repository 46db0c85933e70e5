"""The landscape of known models: the table's own consistency, trends, and places by a law."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from batteries import laws as battery

from scaling import laws
from scaling.errors import InputError
from scaling.fit import fit
from scaling.forecast import published_law
from scaling.forecast.landscape import kinds_since, landscape, models, place, records, trends
from scaling.forecast.landscape.place import flat
from scaling.forecast.landscape.trends import comparable


@pytest.fixture(scope="module")
def language() -> pd.DataFrame:
    return models("language", estimates=True)


@pytest.fixture(scope="module")
def image() -> pd.DataFrame:
    return models("image", estimates=True)


@pytest.mark.parametrize("kind", ["image", "language"])
def test_every_row_is_whole(kind: str) -> None:
    table = models(kind, estimates=True)
    assert len(table) >= {"image": 60, "language": 80}[kind]
    assert table["name"].is_unique
    for column in ("name", "family", "organisation", "source"):
        assert (table[column].str.len() > 0).all(), column
    assert table["date"].str.fullmatch(r"20\d\d-(0[1-9]|1[0-2])").all()
    assert set(table["known"]) <= {"published", "estimated"}
    assert set(table["checked"]) == {"read", "part", "quoted"}
    # what was read only in part says which part; an estimate says whose it is
    assert (table.loc[table["checked"] == "part", "note"].str.contains("read")).all()
    assert ((table["known"] == "estimated") == (table["by"] != "")).all()


def test_numbers_of_language_models_are_plausible(language: pd.DataFrame) -> None:
    within(language["N_total"], 1e7, 3e12)
    within(language["D"], 1e9, 1e14)
    within(language["C"], 1e18, 1e26)
    sparse = language["type"] == "moe"
    assert (language.loc[sparse, "N_active"] < language.loc[sparse, "N_total"]).sum() >= 15
    assert language.loc[~sparse, "N_active"].isna().all()
    bare = language[language["N"].notna()]
    assert (bare["N"] < bare["N_total"]).all()
    # the name tells the size, where it does: a typing error of a digit shows
    for row in language.to_dict("records"):
        told = re.search(r"(?<![\w.-])(\d+(?:\.\d+)?)([MB])\b", row["name"])
        if told and row["known"] == "published" and not re.search(r"\dx\d|/|\dB-\d", row["name"]):
            size = float(told[1]) * {"M": 1e6, "B": 1e9}[told[2]]
            assert 0.7 < row["N_total"] / size < 1.5, row["name"]


def test_numbers_of_image_models_are_plausible(image: pd.DataFrame) -> None:
    within(image["N_total"], 1e6, 3e10)
    within(image["top1_error"], 0.08, 0.45)
    within(image["top5_error"], 0.009, 0.21)
    both = image[image["top1_error"].notna() & image["top5_error"].notna()]
    within(both["top5_error"] / both["top1_error"], 0.08, 0.5)
    within(image["images_seen"] / image["data_images"], 0.9, 3000)
    assert set(image["test"]) == {"one crop", "several crops", "ensemble", "zero-shot"}
    assert set(image["training"]) == {"from scratch", "fine-tuned", "frozen", "zero-shot"}


@pytest.mark.parametrize(("kind", "least"), [("language", 12), ("image", 6)])
def test_published_compute_agrees_with_what_is_worked_out(kind: str, least: int) -> None:
    table = models(kind)
    both = table[table["C"].notna() & table["worked_out"].notna()]
    assert len(both) >= least
    ratio = both["worked_out"] / both["C"]
    within(ratio, 1 / 3, 3)
    # ViT's own exaFLOPs, and GPT-3's own FLOPs, are met to their printed digits: the convention
    # (a multiply-add is two FLOPs, backward twice forward) is theirs
    exact = both["family"].isin(["ViT", "GPT-3"])
    within(ratio[exact], 0.98, 1.02)


def within(values: pd.Series, low: float, high: float) -> None:
    known = values.dropna()
    assert len(known)
    assert known.between(low, high).all(), known[~known.between(low, high)]


def test_filters(language: pd.DataFrame) -> None:
    assert set(models("language")["known"]) == {"published"}
    assert models("language", since="2024-07")["date"].min() == "2024-07"
    assert models("language", since="2024")["date"].min() == "2024-01"
    gpt4 = language.set_index("name").loc["GPT-4"]
    assert (gpt4["known"], gpt4["N_total"]) == ("estimated", 1.76e12)
    assert "MEDEC" in gpt4["by"]
    assert gpt4["compute_kind"] == "estimated"
    for since in ("soon", "2024-13", "20"):
        with pytest.raises(InputError, match="valid is a year or YYYY-MM"):
            models("language", since=since)
    with pytest.raises(InputError, match="no image model in the table is that young"):
        models("image", since="2099")
    assert kinds_since("2015") == ["image", "language"]
    assert kinds_since("2025-09") == ["language"]
    with pytest.raises(InputError, match="no model in the table is that young"):
        kinds_since("2099")
    with pytest.raises(InputError, match="did you mean language"):
        models("langauge")


def made_up(error: np.ndarray, years: np.ndarray, N: np.ndarray) -> pd.DataFrame:
    """A table of image models whose errors are given; three models a family."""
    n = len(error)
    return pd.DataFrame(
        {"name": [f"m{i}" for i in range(n)], "family": [f"f{i // 3}" for i in range(n)],
         "type": "dense", "test": "one crop", "training": "from scratch", "known": "published",
         "top1_error": error, "year": years, "N_total": N, "compute": np.nan}
    )  # fmt: skip


def test_trends_find_a_known_slope_and_halving_time() -> None:
    N, years = np.geomspace(1e6, 1e9, 30), np.linspace(2012, 2022, 30)
    by_size, by_year, by_record = trends(made_up(0.5 * (N / 1e6) ** -0.2, years, N), draws=50)
    assert (by_size.of, by_year.of, by_record.of) == ("size", "year", "record")
    assert by_size.slope.point == pytest.approx(-0.2, rel=1e-9)
    assert by_size.per_decade is not None
    assert by_size.per_decade.point == pytest.approx(10**-0.2, rel=1e-9)
    assert by_size.floor is not None
    assert by_size.floor.point < 0.01
    assert by_year.halving is not None
    assert by_year.halving.point == pytest.approx(np.log(2) / (0.2 * np.log(1e3) / 10), rel=1e-9)
    assert by_record.models["name"].tolist() == by_year.models["name"].tolist()
    assert by_size.at(1e6).point == pytest.approx(0.5, rel=1e-9)


def test_families_are_drawn_whole() -> None:
    # Ten families whose members are copies of each other: more copies must not narrow anything.
    rng = np.random.default_rng(1)
    N = np.geomspace(1e6, 1e9, 10)
    error = 0.5 * (N / 1e6) ** -0.2 * np.exp(0.1 * rng.normal(size=10))
    once = made_up(error, np.arange(10.0), N).assign(family=[f"f{i}" for i in range(10)])
    wide = trends(once, draws=400)[0].slope
    thrice = pd.concat([once] * 3, ignore_index=True)
    same = trends(thrice, draws=400)[0].slope
    assert same.q95 - same.q05 == pytest.approx(wide.q95 - wide.q05, rel=1e-9)


def test_no_trend_where_errors_do_not_fall_and_none_of_few() -> None:
    rng = np.random.default_rng(0)
    N, years = np.geomspace(1e6, 1e9, 30), np.linspace(2012, 2022, 30)
    flat_trends = trends(made_up(np.exp(rng.normal(-1.5, 0.2, 30)), years, N), draws=100)
    by_year = next(one for one in flat_trends if one.of == "year")
    assert by_year.halving is None
    assert "no fall that is sure" in str(by_year)
    assert trends(made_up(np.full(4, 0.3), np.arange(4.0), np.full(4, 1e6))) == []


def test_what_is_compared(image: pd.DataFrame) -> None:
    rows = comparable(image)
    assert not set(rows["test"]) & {"ensemble", "zero-shot"}
    assert not set(rows["training"]) & {"frozen", "zero-shot"}
    best = records(image)
    assert best["name"].iloc[[0, -1]].tolist() == ["AlexNet", "CoCa"]
    assert best["top1_error"].is_monotonic_decreasing


def test_estimates_never_enter_what_is_fitted(language: pd.DataFrame, image: pd.DataFrame) -> None:
    placed, left_out = place(language, published_law("besiroglu2024"))
    estimated = set(language.loc[language["known"] == "estimated", "name"])
    assert len(estimated) >= 8
    assert not estimated & {one.name for one in placed}
    assert all(left_out[name] == "an estimate, not published" for name in estimated)
    guessed = image.assign(known="estimated")
    assert comparable(guessed).empty


@pytest.mark.parametrize("name", ["besiroglu2024", "hoffmann2022"])
def test_places_meet_the_closed_form(name: str) -> None:
    law = published_law(name)
    E, A, B, alpha, beta = (law.published.params[k] for k in ("E", "A", "B", "alpha", "beta"))
    placed, _ = place(models("language"), law)
    assert len(placed) >= 80
    gamma = alpha * beta / (alpha + beta)
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    for one in placed:
        N_opt = G * (one.C / 6) ** (beta / (alpha + beta))
        assert pytest.approx(6 * one.N * one.D, rel=1e-12) == one.C
        assert one.N_opt.point == pytest.approx(N_opt, rel=1e-9)
        assert one.over.point == pytest.approx(one.D / (one.C / 6 / N_opt), rel=1e-9)
        loss = E + A / one.N**alpha + B / one.D**beta
        assert one.loss.point == pytest.approx(loss, rel=1e-12)
        # L_opt - E = K C^-gamma, turned round
        K = (one.loss_opt.point - E) * one.C**gamma
        assert one.same_loss.point == pytest.approx((K / (loss - E)) ** (1 / gamma), rel=2e-5)
        assert one.same_loss.point <= one.C
        largest = law.published.ranges
        beyond = max(one.N / largest["N"][1], one.D / largest["D"][1], 1.0)
        assert one.decades == pytest.approx(np.log10(beyond))
        if one.smaller is not None:
            assert one.smaller < one.N_opt.point < one.N
            again = E + A / one.smaller**alpha + B / (one.C / 6 / one.smaller) ** beta
            assert again == pytest.approx(loss, rel=1e-9)


def test_what_is_known_of_the_best_known() -> None:
    placed = {one.name: one for one in place(models("language"), published_law("besiroglu2024"))[0]}
    assert placed["GPT-3 175B"].verdict == "under-trained"
    assert placed["Chinchilla 70B"].verdict == "optimal"
    assert placed["Llama 3 8B"].verdict == "over-trained"
    # Kaplan's law had GPT-3 near its optimum: that is why it was built so
    kaplan = {one.name: one for one in place(models("language"), published_law("kaplan2020"))[0]}
    assert 0.9 < kaplan["GPT-3 175B"].over.point < 1.1
    assert kaplan["GPT-3 175B"].decades is None  # Kaplan's runs are not known here
    assert kaplan["GPT-3 175B"].counted == "total for non-embedding"
    assert kaplan["Gemma 2 2B"].counted == "non-embedding"
    assert kaplan["Gemma 2 2B"].N == 2024517888
    assert (kaplan["DeepSeek-V3"].counted, kaplan["DeepSeek-V3"].N) == ("active", 37e9)


def test_a_fit_brings_intervals_and_its_distance() -> None:
    law = laws.get("chinchilla")
    df = battery.table(law, battery.truth(law), noise=0.01)
    fitted = fit(law, df.assign(N_total=df["N"]), N="N_total", draws=60)
    placed, _ = place(models("language", since="2024-06"), fitted)
    for one in placed:
        assert one.over.q05 < one.over.point < one.over.q95
        assert one.same_loss.q05 <= one.same_loss.q95 <= one.C * (1 + 1e-6)
        beyond = max(one.N / df["N"].max(), one.D / df["D"].max(), 1.0)
        assert one.decades == pytest.approx(np.log10(beyond))
    assert {"over", "over_q05", "over_q95", "saved"} <= set(flat(placed).columns)
    found = landscape("language", fitted, since="2024-06")
    assert any("than any run behind the law" in line for line in found.lines)


def test_order_and_bad_questions() -> None:
    law = published_law("besiroglu2024")
    over = [one.over.point for one in landscape("language", law, sort="over").placed]
    assert over == sorted(over, reverse=True)
    errors = landscape("image", sort="error").models["top1_error"].dropna()
    assert errors.is_monotonic_increasing
    with pytest.raises(InputError, match="did you mean compute"):
        landscape("language", law, sort="compue")
    with pytest.raises(InputError, match="sorted by date, name, size"):
        landscape("image", sort="over")
    with pytest.raises(InputError, match="give a predictor"):
        landscape("language")
    with pytest.raises(InputError, match=r"predicts .*, not a loss"):
        landscape("language", published_law("steplaw2025_lr"))
    with pytest.raises(InputError, match="has no N"):
        landscape("language", published_law("kaplan2020_d"))
