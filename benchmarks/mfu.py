"""Model FLOP utilisation of the language model: counted FLOPs of training over the device's peak.

    python benchmarks/mfu.py [--sizes 124M,1B] [--precision bfloat16] [--remat] [--json]

FLOPs are those of the model (`shape.training_flops`: nothing that is computed twice counts, causal
scores count whole); the peak is the maker's for this precision (`scaling.devices`), or --peak where
the device is not in the catalogue. Tokens are random: they don't affect speed. Chunks of 16 steps,
the engine's own program; the median over windows is printed with its range.
"""

from __future__ import annotations

import json
import time
from statistics import median
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
import typer

from scaling import devices
from scaling.families.transformer import NAME, from_dials
from scaling.grid import CHUNK_STEPS, Recipe
from scaling.sweep.work import prepare_jax
from scaling.train import schedule
from scaling.train.step import Program

VOCAB, TOKENS = 50_257, 4_000_000


class Size(NamedTuple):
    width: int
    depth: int
    heads: int
    context: int
    windows: int  # of a step
    microbatch: int  # of windows whose gradients are taken together
    vocab: int = VOCAB


# GPT-2's small one (Radford et al. 2019, table 2); one of 10^9 parameters; one to try this with.
SIZES = {
    "124M": Size(768, 12, 12, 1024, 64, 32),
    "1B": Size(2048, 18, 16, 2048, 32, 8),
    "tiny": Size(32, 2, 2, 32, 8, 4, vocab=96),
}


def main(
    sizes: Annotated[str, typer.Option(help=f"Of {', '.join(SIZES)}; by commas.")] = "124M,1B",
    precision: Annotated[str, typer.Option(help="float32, bfloat16, float16.")] = "bfloat16",
    remat: Annotated[bool, typer.Option("--remat", help="Compute activations twice.")] = False,
    peak: Annotated[float | None, typer.Option(help="FLOP/s of the device.")] = None,
    microbatch: Annotated[int | None, typer.Option(min=1, help="Windows, of all sizes.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Windows of each size.")] = 5,
    chunks: Annotated[int, typer.Option(min=1, help="Chunks of steps in a window.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure model FLOP utilisation."""
    if unknown := [name for name in sizes.split(",") if name not in SIZES]:
        raise typer.BadParameter(f"{unknown[0]!r}; valid: {', '.join(SIZES)}", param_hint="sizes")
    prepare_jax()
    kind = jax.devices()[0].device_kind
    if peak is None:
        known = devices.of_kind(kind)
        if known is None:
            raise typer.BadParameter(f"the catalogue has no {kind!r}: give --peak")
        peak = known.peak(precision)
    for name in sizes.split(","):
        size = SIZES[name]
        recipe = Recipe(
            batch_tokens=size.windows * size.context,
            microbatch=microbatch or size.microbatch,
            remat="blocks" if remat else None,
            precision=precision,
            learning_rate=3e-4,
        )
        told = {"device": kind, "size": name, **measured(size, recipe, peak, rounds, chunks)}
        if as_json:
            print(json.dumps(told))
        else:
            print(
                f"{kind}, {name} ({told['parameters']:,} parameters, {precision}): MFU "
                f"{told['mfu']:.1%} ({told['range'][0]:.1%} to {told['range'][1]:.1%}) of "
                f"{peak:.3g} FLOP/s, {told['tokens_per_second']:,.0f} tokens/s"
            )


def measured(size: Size, recipe: Recipe, peak: float, rounds: int, chunks: int) -> dict[str, Any]:
    shape = from_dials(
        width=size.width,
        depth=size.depth,
        heads=size.heads,
        vocab=size.vocab,
        context=size.context,
        tied=True,
    )
    program = Program(NAME, shape, recipe)
    rng = np.random.default_rng(0)
    tokens = jax.numpy.asarray(rng.integers(0, size.vocab, TOKENS).astype(np.uint16))
    picks = rng.integers(0, TOKENS - size.context - 1, (CHUNK_STEPS, size.windows)).astype(np.int32)
    rates = schedule.rates(0, CHUNK_STEPS, peak=3e-4, warmup=64, cool_from=None, cool_steps=0)
    noise = schedule.noise(0, 0, CHUNK_STEPS)
    state = program.init(jax.random.key(0))
    speeds = []
    for window in range(rounds + 1):
        began = time.perf_counter()
        for _ in range(chunks):
            state, told = program.chunk(state, tokens, picks, rates, noise)
        jax.block_until_ready(told)
        if window:  # the first compiles
            speeds.append(
                chunks * CHUNK_STEPS * recipe.batch_tokens / (time.perf_counter() - began)
            )
    of_peak = [speed * shape.training_flops() / peak for speed in speeds]
    return {
        "parameters": shape.N_total,
        "tokens_per_second": median(speeds),
        "mfu": median(of_peak),
        "range": [min(of_peak), max(of_peak)],
    }


if __name__ == "__main__":
    typer.run(main)
