"""How fast a forecast is: the command from a stored fit, cold, and a whole frontier in one process.

    python benchmarks/forecast.py

Cold is a process of its own each time, from its start to its exit: the time that passed and that
of the processor, the least of several each (a machine that is busy with something else only adds).
Compiled files of our sources are there, as after any first call. Warm is `forecasts`: 200 budgets,
each with the optimum, the loss of a run, intervals of 4,000 draws and the flat region. The baseline
is what a script does without closed forms: SciPy's `minimize_scalar` over ln N for each draw and
budget, timed on a part of them and scaled up. Both answer for the same fit; the largest difference
in N_opt is printed. A counted cost has no closed form: its optima are searched, all at once.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from scaling.fit import Fit, fit
from scaling.forecast import forecasts

BUDGETS, DRAWS = 200, 4000
PART_BUDGETS, PART_DRAWS = 4, 100
REPEATS = 7
# Besiroglu et al. 2024 (arXiv:2404.10102): a truth to draw a table from.
TRUTH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
NOISE = 0.005


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(5e7, 5e9, 9), np.geomspace(1e9, 3e11, 9)))
    t = TRUTH
    loss = t["E"] + t["A"] / N ** t["alpha"] + t["B"] / D ** t["beta"]
    return pd.DataFrame({"N": N, "D": D, "loss": loss * np.exp(NOISE * rng.normal(size=N.size))})


def least(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the fastest of several calls: passed, and the processor's."""
    found = []
    for _ in range(REPEATS):
        start, used = time.perf_counter(), time.process_time()
        call()
        found.append((time.perf_counter() - start, time.process_time() - used))
    passed, used = zip(*found, strict=True)
    return min(passed), min(used)


def cold(told: str, command: list[str], environment: dict[str, str]) -> None:
    """Print the least time of several processes: passed, and the processor's."""
    passed, used = [], []
    for _ in range(REPEATS + 1):  # the first one compiles our sources
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True, env=environment)
        passed.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"{told:56} {min(passed[1:]):.3f} s, {min(used[1:]):.3f} s of the processor")


def by_search(fitted: Fit, C: np.ndarray, draws: int) -> np.ndarray:
    """N_opt of the first draws at each C, by a numerical search each: [draws, budgets]."""
    params = {name: values[:draws] for name, values in fitted.params_draws().items()}
    found = np.empty((draws, len(C)))
    for i in range(draws):
        own = {name: float(values[i]) for name, values in params.items()}
        for j, budget in enumerate(C):

            def loss(n: float, own: dict[str, float] = own, budget: float = float(budget)) -> float:
                N = np.exp(n)
                return float(fitted.law.predict(N=N, D=budget / (6 * N), **own))

            ends = (np.log(1e6), np.log(1e13))
            best = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-8})
            found[i, j] = np.exp(best.x)
    return found


def commands(fitted: Fit) -> None:
    """The command line, cold."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "fit.json"
        saved.write_text(fitted.to_json(), encoding="utf-8")
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        kept["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
        kept["PYTHONPATH"] = str(Path(__file__).parents[1])
        ours = ["-m", "scaling.cli", "forecast"]
        money = ["--dollars", "1M", "--device", "H100-SXM", "--devices", "64"]
        cold("cold: python -c 'import numpy, typer'", ["-c", "import numpy, typer"], kept)
        cold("cold: scaling forecast hoffmann2022 --compute 1e24",
             [*ours, "hoffmann2022", "--compute", "1e24"], kept)  # fmt: skip
        cold(f"cold: scaling forecast fit.json --compute 1e24 ({DRAWS:,} draws)",
             [*ours, str(saved), "--compute", "1e24"], kept)  # fmt: skip
        cold("cold: the same with --dollars 1M on 64 H100", [*ours, str(saved), *money], kept)


def frontiers(fitted: Fit, counted: Fit) -> None:
    """Many budgets at once, beside a search for each draw."""
    C = np.geomspace(1e21, 1e26, BUDGETS)
    what = f"{BUDGETS} budgets x {DRAWS:,} draws"
    passed, ours = least(lambda: forecasts(fitted, C.tolist()))
    print(f"{f'warm: {what}':56} {passed:.3f} s, {ours:.3f} s of the processor")
    part = C[:: BUDGETS // PART_BUDGETS]
    start = time.process_time()
    found = by_search(fitted, part, PART_DRAWS)
    share = BUDGETS * DRAWS / (len(part) * PART_DRAWS)
    slow = (time.process_time() - start) * share
    print(f"{'minimize_scalar for each, N_opt alone (scaled up)':56} {slow:.0f} s of it, "
          f"{slow / ours:,.0f} x")  # fmt: skip
    exact = fitted.optimum(part).N.draws[:PART_DRAWS]
    far = np.abs(found / exact - 1).max()
    print(f"{'largest difference of N_opt between the two':56} {far:.1e}")
    start = time.process_time()
    forecasts(counted, C.tolist())
    used = time.process_time() - start
    print(f"{f'warm: {what}, C counted (once)':56} {used:.3f} s of the processor")


def main() -> None:
    df = table()
    fitted = fit("chinchilla", df, draws=DRAWS)
    per_token = 6 * df["N"] + 900 * df["N"] ** 0.6
    counted = fit("chinchilla", df.assign(C=per_token * df["D"], C_kind="counted"), draws=DRAWS)
    commands(fitted)
    frontiers(fitted, counted)


if __name__ == "__main__":
    main()
