"""Studies' folders, made up from a law: records, curves, forecast, as `scaling run` leaves them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from batteries.vision import TRUTHS, vision_table

from scaling.forecast import proof
from scaling.grid import Proof
from scaling.sweep.storing.records import digest, write_json

RULE = Proof(law="chinchilla_tied", draws=40, fixed={"E": [0.8, 0.9]}, discrepancy=0.004)


def record(run: str, N: float, D: float, seed: int, role: str) -> dict[str, object]:
    noise = np.random.default_rng([int(N), int(D), seed]).normal(0, 0.005)
    loss = (0.9 + 37 / (1.2 * N) ** 0.44 + 176 / D**0.44) * np.exp(noise)
    late = "5" if role == "target" else "1"
    return {
        "run": run, "trunk": f"trunk-{N:.0f}-{seed}", "role": role, "family": "transformer",
        "config": json.dumps({"width": int(N**0.5)}), "N": N, "N_total": 1.2 * N, "D": D,
        "D_unique": D, "C": 7 * N * D, "C_6ND": 6 * N * D, "seed": seed, "learning_rate": 0.012,
        "transfer": "mup", "N_kind": "non_embedding", "C_kind": "counted",
        "L_kind": "nats_per_token", "loss": float(loss), "loss_se": 0.003, "train_loss": 1.5,
        "status": "finished", "reason": "", "flops_spent": 5 * N * D, "seconds": 1e-11 * N * D,
        "predicted_seconds": 1.1e-11 * N * D, "started_at": f"2031-01-01T0{late}:00:00+00:00",
        "trained_at": f"2031-01-01T0{late}:01:00+00:00", "data": "fedcba", "machine": "made up",
    }  # fmt: skip


def store(folder: Path, row: dict[str, object], unit: str = "tokens") -> None:
    cell = folder / "cells" / str(row["run"])
    cell.mkdir(parents=True)
    tokens = np.linspace(1000, float(str(row["D"])), 200)
    loss = float(str(row["loss"])) * (tokens[-1] / tokens) ** 0.1
    rate = np.where(tokens < 0.8 * tokens[-1], 0.012, 0.012 * (1 - tokens / tokens[-1]) / 0.2)
    curve = pd.DataFrame({unit: tokens, "loss": loss, "learning_rate": rate})
    curve.to_parquet(cell / "curve.parquet")
    write_json(cell / "record.json", {**row, "sha256": digest(row)})


def rewrite(cell: Path, **changes: object) -> None:
    """Change what a stored record says, sealed anew."""
    stored = json.loads((cell / "record.json").read_text())
    stored.pop("sha256")
    stored |= changes
    write_json(cell / "record.json", {**stored, "sha256": digest(stored)})


def small_study(
    folder: Path,
    name: str = "made-up",
    *,
    forecast: bool = True,
    targets: bool = True,
    late: bool = True,
) -> Path:
    """32 pilots of 4 sizes, 4 lengths and 2 seeds, a forecast, and its target.

    forecast, targets: whether there is one, and whether it is trained; late: after its forecast.
    """
    folder.mkdir()
    pilots = [
        record(f"{i:02d}{j:02d}{seed}cell", N, D, seed, "pilot")
        for i, N in enumerate((1e4, 2e4, 5e4, 1e5))
        for j, D in enumerate((5e5, 1e6, 2e6, 4e6))
        for seed in (0, 1)
    ]
    goals = [record("target0cell", 3e5, 1.6e7, 2, "target")]
    plan = [str(row["run"]) for row in (*pilots, *goals)]
    write_json(folder / "study.json", {"name": name, "cells": plan})
    (folder / "grid.toml").write_text(f"name = '{name}' # grid\n", encoding="utf-8")
    for row in pilots:
        store(folder, row)
    if forecast:
        made = proof.forecast_targets(pd.DataFrame(pilots), goals, RULE)
        proof.write_once(folder / "forecast.json", made)
    if forecast and targets:
        year = "2999" if late else "1999"
        at = dict.fromkeys(("started_at", "trained_at"), f"{year}-01-01T00:00:00+00:00")
        store(folder, {**goals[0], **at})
    return folder


def of_images(row: dict[str, object], loss: float, late: str = "1") -> dict[str, object]:
    """A record of an image study, as it is stored."""
    return {
        **row, "trunk": row["run"], "config": "{}", "learning_rate": 0.01, "transfer": "mup",
        "loss": loss, "reason": "", "flops_spent": row["C"], "seconds": 2.0,
        "predicted_seconds": 2.1, "started_at": f"2999-01-01T0{late}:00:00+00:00",
        "trained_at": f"2999-01-01T0{late}:01:00+00:00", "data": "fedcba", "machine": "made up",
    }  # fmt: skip


def two_families(folder: Path) -> Path:
    """A study of two families on images: pilots, a forecast, and the target of one trained."""
    folder.mkdir()
    table = vision_table({name: TRUTHS[name] for name in ("cnn", "resnet")}, sizes=4)
    pilots = [of_images(row, row["loss"]) for row in table.to_dict("records")]
    goals = []
    for family in ("cnn", "resnet"):
        row = next(r for r in reversed(pilots) if r["family"] == family)
        N, D = 4e6, float(str(row["D"])) * 4
        more = {"N": N, "N_total": N, "N_active": N, "D": D, "C": 6 * TRUTHS[family].flops * N * D}
        loss = float(TRUTHS[family].loss(np.array(N), np.array(D)))
        goal = {**row, **more, "run": f"{family}-target", "role": "target"}
        goals.append(of_images(goal, loss, late="5"))
    plan = [str(row["run"]) for row in (*pilots, *goals)]
    write_json(folder / "study.json", {"name": "vision", "cells": plan})
    (folder / "grid.toml").write_text("name = 'vision'\n", encoding="utf-8")
    for row in pilots:
        store(folder, row, unit="images")
    made = proof.forecast_targets(
        pd.DataFrame(pilots), goals, Proof(law="chinchilla", N="N", draws=60)
    )
    proof.write_once(folder / "forecast.json", made)
    store(folder, goals[0], unit="images")
    return folder


def large_study(folder: Path, sizes: int = 20, lengths: int = 25, seeds: int = 2) -> Path:
    """A study without targets of sizes x lengths x seeds runs, by default 1,000."""
    folder.mkdir()
    rows = [
        record(f"{i:03d}{j:03d}{seed}cell", float(N), float(D), seed, "pilot")
        for i, N in enumerate(np.round(np.geomspace(1e4, 1e6, sizes)))
        for j, D in enumerate(np.round(np.geomspace(5e5, 5e7, lengths)))
        for seed in range(seeds)
    ]
    write_json(folder / "study.json", {"name": "large", "cells": [str(r["run"]) for r in rows]})
    (folder / "grid.toml").write_text("name = 'large'\n", encoding="utf-8")
    for row in rows:
        store(folder, row)
    return folder
