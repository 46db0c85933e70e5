"""Methods side by side, and Approach 2's bias: zero where it must be, published where printed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike

from scaling import cli, laws
from scaling.cost import Cost
from scaling.errors import InputError
from scaling.fit import Draws, Fit, Optimum, fit, squared
from scaling.fit.bias import approach_2_bias, dead_weight
from scaling.fit.methods import methods, surface
from scaling.table import read_table, write_table

LAW = laws.get("chinchilla")
HOFFMANN = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
SYMMETRIC = {"E": 1.69, "A": 400.0, "B": 400.0, "alpha": 0.31, "beta": 0.31}


def isoflop(params: dict[str, float], width: float, off: float = 1.0) -> pd.DataFrame:
    """Five budgets, 15 sizes each, from 1/width to width times the optimum times `off`."""
    rows = []
    for C in np.geomspace(1e17, 1e21, 5):
        best = off * float(LAW.optimum(C, params))
        rows += [(n, C / 6 / n, C) for n in best * np.geomspace(1 / width, width, 15)]
    df = pd.DataFrame(rows, columns=["N", "D", "C"])
    return df.assign(loss=LAW.predict(N=df["N"], D=df["D"], **params))


def exact(params: dict[str, float]) -> Fit:
    """The very surface, without an uncertainty."""
    found = fit(LAW, isoflop(params, 4), draws=0, objective=squared(), on="loss")
    return replace(found, params=params)


class Parabola:
    """A surface whose isoFLOP profiles are parabolas in ln N about N = C^(1/2) / 6^(1/2)."""

    cost = Cost()

    def loss(self, N: ArrayLike, D: ArrayLike) -> Draws:
        n, d = np.log(np.asarray(N, float)), np.log(np.asarray(D, float))
        point = 2 + 30 * np.exp(-0.05 * (n + d)) + 0.02 * (0.5 * (n - d)) ** 2
        return Draws(point, point[None][:0])

    def optimum(self, C: ArrayLike) -> Optimum:
        N = np.sqrt(np.asarray(C, float) / 6)
        same = Draws(N, N[None][:0])
        return Optimum(same, same, self.loss(N, N))


@pytest.mark.parametrize(
    ("params", "width", "error"),
    [
        (HOFFMANN, 2, -0.326937803732719),
        (HOFFMANN, 4, -1.301125043704300),
        (HOFFMANN, 8, -2.902904738135434),
        (HOFFMANN, 16, -5.100244551712022),
        ({**HOFFMANN, "alpha": 0.465, "beta": 0.155}, 2, -1.674747716507073),
        ({**HOFFMANN, "alpha": 0.465, "beta": 0.155}, 16, -23.116308048545221),
    ],
)
def test_the_published_errors_of_d_opt(
    params: dict[str, float], width: float, error: float
) -> None:
    """Czech et al. 2026 (arXiv:2603.22339), the released table of extrapolation errors: D_opt at
    1e24 FLOPs in per cent, noise-free, budgets 1e17 to 1e21, grids of 2x to 16x to either side."""
    (found,) = approach_2_bias(exact(params), isoflop(params, width), [1e24])
    assert 100 * (found.N_opt / found.N_approach_2 - 1) == pytest.approx(error, rel=1e-7)
    assert found.parts["centre"].shift == pytest.approx(0, abs=1e-8)
    assert found.flops > 0


def test_parabolas_have_no_bias_wherever_the_grid_lies() -> None:
    table = isoflop(HOFFMANN, 8)
    surface = Parabola()
    table["loss"] = surface.loss(table["N"], table["D"]).point
    (found,) = approach_2_bias(surface, table, [1e24])
    assert abs(found.shift) < 1e-9
    assert found.flops / found.C < 1e-12


def test_equal_exponents_and_centred_grids_have_no_bias() -> None:
    for width in (2, 16):
        (found,) = approach_2_bias(exact(SYMMETRIC), isoflop(SYMMETRIC, width), [1e24])
        assert abs(found.shift) < 1e-9
        assert all(abs(part.shift) < 1e-8 for part in found.parts.values())


def test_a_grid_off_centre_is_blamed_on_its_centre_and_its_width() -> None:
    """On symmetric profiles a middle above the optimum moves the vertex up on a narrow grid and
    down on a wide one: the shift falls steadily with width."""
    shifts = []
    for width in (3, 6, 12, 24):
        (found,) = approach_2_bias(exact(SYMMETRIC), isoflop(SYMMETRIC, width, 2.0), [1e24])
        assert found.parts["asymmetry"].shift == pytest.approx(0, abs=1e-8)
        assert abs(found.parts["centre"].shift) > 1e-4
        assert found.offset == pytest.approx([np.log(2)] * 5, rel=1e-6)
        shifts.append(found.shift)
    assert shifts == sorted(shifts, reverse=True)
    assert shifts[0] > 0 > shifts[-1]


def test_asymmetric_profiles_cost_more_on_wider_grids() -> None:
    found = [approach_2_bias(exact(HOFFMANN), isoflop(HOFFMANN, w), [1e24])[0] for w in (2, 4, 8)]
    assert [item.shift for item in found] == sorted(item.shift for item in found)
    assert [item.flops for item in found] == sorted(item.flops for item in found)


def test_parts_add_up() -> None:
    (found,) = approach_2_bias(exact(HOFFMANN), isoflop(HOFFMANN, 6, 1.7), [1e24])
    assert sum(part.shift for part in found.parts.values()) == pytest.approx(found.shift)
    assert sum(part.flops for part in found.parts.values()) == pytest.approx(found.flops)
    assert all(abs(found.parts[k].shift) > 1e-4 for k in ("width", "centre", "asymmetry"))
    assert found.parts["budgets"].shift == pytest.approx(0, abs=1e-9)


def test_dead_weight_is_what_the_optimum_saves() -> None:
    truth = exact(HOFFMANN)
    C = 1e24
    best = float(truth.optimum(C).N.point)
    (none, some) = dead_weight(truth, C, [best, 2 * best])
    assert none == pytest.approx(0, abs=1e-9 * C)
    worse = float(truth.loss(2 * best, C / 6 / (2 * best)).point)
    assert float(truth.optimum(C - some).loss.point) == pytest.approx(worse, rel=1e-12)


def test_methods_agree_on_a_surface_that_all_can_fit() -> None:
    rng = np.random.default_rng(0)
    table = isoflop(SYMMETRIC, 4)
    table["loss"] *= np.exp(0.001 * rng.normal(size=len(table)))
    found, refused = methods(table, [1e23], draws=150)
    assert [item.name for item in found] == ["approach_2", "approach_3", "vpnls", "kaplan"]
    assert "Approach 1 needs" in refused[0]
    best = float(LAW.optimum(1e23, SYMMETRIC))
    for item in found[:3]:
        assert float(item.a.point) == pytest.approx(0.5, abs=0.02)
        low, high = item.N_opt[1e23].interval()
        assert low < best < high
        tokens = float(item.D_opt[1e23].point)
        assert 6 * float(item.N_opt[1e23].point) * tokens == pytest.approx(1e23, rel=1e-3)
    assert surface(found, "vpnls").params.keys() == HOFFMANN.keys()
    with pytest.raises(InputError, match="valid: approach_3, vpnls"):
        surface(found, "kaplan")
    with pytest.raises(InputError, match="compute = -1"):
        methods(table, [-1.0], draws=0)


def test_llama_3(shared_data: Path) -> None:
    """Variable projection and Approach 2 on the digitised Llama-3 points, as certified (row 8)."""
    table = read_table(shared_data / "isoflops_openathena.csv")
    table = table[table["experiment"] == "llama_3__raw_loss"]
    found, _ = methods(table, [3.8e25], draws=0)
    by = {item.name: item for item in found}
    assert float(by["approach_2"].a.point) == pytest.approx(0.46322, abs=5e-6)
    assert surface(found, "vpnls").params["alpha"] == pytest.approx(0.3100, abs=5e-5)
    (cost,) = approach_2_bias(surface(found, "vpnls"), table, [3.8e25])
    # without noise the grid itself costs next to nothing; as fitted Approach 2 wastes 6.3 %
    assert cost.percent < 0.01
    assert 100 * cost.flops_as_fitted / cost.C == pytest.approx(6.3, abs=0.05)


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["scaling", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    write_table(isoflop(HOFFMANN, 6, 1.5), path)
    words = ["methods", path, "--draws", 60, "--compute", "1e24"]
    price = ["--dollars-per-gpu-hour", 2, "--flops-per-second", "400T"]
    code, out, err = run(capsys, monkeypatch, *words, *price)
    assert (code, err) == (0, "")
    for piece in ("approach_2", "vpnls", "kaplan", "N_opt at C = 1e+24", "asymmetry", "dollars"):
        assert piece in out, piece
    code, out, _ = run(capsys, monkeypatch, *words, *price, "--json")
    told = json.loads(out)
    assert set(told["methods"]) == {"approach_2", "approach_3", "vpnls", "kaplan"}
    (bias,) = told["approach_2_bias"]["budgets"]
    assert bias["dollars"] == pytest.approx(bias["flops"] * 2 / 3600 / 400e12)
    assert set(bias["parts"]) == {"width", "centre", "asymmetry", "budgets"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dollars-per-gpu-hour", "2"], "belong together"),
        (["--price-per-flop", "-1"], "must be above 0"),
        (["--surface", "kaplan"], "valid: approach_3, vpnls"),
        (
            ["--price-per-flop", "1e-18", "--dollars-per-gpu-hour", "2", "--flops-per-second", "1"],
            "choose one",
        ),
    ],
)
def test_bad_input(
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_table(isoflop(HOFFMANN, 6), tmp_path / "t.csv")
    code, _, err = run(capsys, monkeypatch, "methods", tmp_path / "t.csv", "--draws", 0, *options)
    assert code == 2
    assert message in err
