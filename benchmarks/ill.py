"""The labelled set of `benchmarks/diagnosis.py`: its runs, what ails them, what to call it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from itertools import product

from faults import (
    Fault,
    Run,
    Setting,
    dead_units,
    nan_at,
    nan_weight,
    no_gain,
    noise_from,
    scaled_weights,
    setting,
    workshop,
)

from scaling.sweep import worker

SETTINGS = {
    "transformer": setting("transformer", {"learning_rate": 0.012}, width=32, depth=3),
    "mlp": setting("mlp", {"learning_rate": 0.01}, width=32, depth=4),
    "deep": setting("mlp", {"learning_rate": 0.003}, width=32, depth=16),
    "cnn": setting("cnn", {"learning_rate": 0.03}, width=8, depth=4, stages=2),
    "plain": setting("cnn", {"learning_rate": 0.005}, width=8, depth=8, stages=2, norm="none"),
    "resnet": setting("resnet", {"learning_rate": 0.02}, width=4, depth=8),
    "vit": setting("vit", {"learning_rate": 0.01}, width=32, depth=3, heads=2, patch=2),
}
HALF = {"precision": "float16", "learning_rate": 0.01}
FLOAT16 = {
    "scaled": setting("mlp", HALF, width=32, depth=4),
    "unscaled": setting("mlp", {**HALF, "loss_scale": "none"}, width=32, depth=4),
    "scaled cnn": setting("cnn", HALF, width=8, depth=4, stages=2),
}
GENTLE = {"learning_rate": 0.03, "optimiser": "sgd"}
SGD = {
    "deep": setting("mlp", GENTLE, width=32, depth=16),
    "middling": setting("mlp", GENTLE, width=32, depth=10),
    "plain": setting("cnn", GENTLE, width=8, depth=8, stages=2, norm="none"),
}
VARIANTS = [  # healthy, and often taken for ill
    setting("mlp", {"learning_rate": 0.01, "label_smoothing": 0.1}, width=16, depth=2),
    setting("mlp", {"learning_rate": 0.01, "batch_images": 4}, width=16, depth=2),
    setting("mlp", {"learning_rate": 0.003, "transfer": "none"}, width=32, depth=4),
    setting("mlp", {"learning_rate": 0.02, "warmup_steps": 0}, width=4, depth=1),
    FLOAT16["scaled"],
    FLOAT16["scaled cnn"],
    SGD["middling"],
]
# A block of each model that a fault can sit in.
MIDDLE = {
    "transformer": "attention_1", "mlp": "dense_2", "deep": "dense_9", "cnn": "convolution_3",
    "plain": "convolution_4", "resnet": "stage_2_block_1", "vit": "encoder",
}  # fmt: skip

WILD = frozenset(("dead", "numerical", "exploding", "vanishing", "spike", "slow"))
# How many times too high a rate loses a model for good: a transformer's norms hold it together.
TOO_HIGH = dict.fromkeys(SETTINGS, 100.0) | {"transformer": 1000.0}


def healthy(seeds: tuple[int, ...]) -> Iterator[Run]:
    for chosen, seed in product(SETTINGS.values(), seeds):
        yield Run(chosen, seed)
    for n, chosen in enumerate(SETTINGS.values()):
        seed = seeds[n % len(seeds)]
        yield Run(chosen, seed, cooldown=64)
        yield Run(chosen, seed, Fault("well, half the rate", rate=0.5))
        yield Run(chosen, seed, Fault("well, twice the rate", rate=2.0))
    for chosen, seed in product(VARIANTS, seeds):
        yield Run(chosen, seed)


def ill(seeds: tuple[int, ...]) -> Iterator[Run]:
    """Faults of every kind; where and how strong differs by seed."""
    for n, (name, chosen) in enumerate(SETTINGS.items()):
        seed = seeds[n % len(seeds)]
        at = 140 + 17 * seed  # somewhere in a chunk
        times = TOO_HIGH[name]
        wild = Fault(f"rate x {times:.0f}", "divergence", WILD, rate=times)
        yield Run(chosen, seed, wild)
        late = 96 + 32 * (seed % 3)
        yield Run(chosen, seed, _nan_weight(late, MIDDLE[name]))
        yield Run(chosen, seed, Fault("NaN gradient", "numerical", step=at, poison=at))
        if name != "transformer":  # tokens are whole numbers
            yield Run(chosen, seed, Fault("NaN image", "numerical", step=at, picks=nan_at(at)))
        for own in seeds:
            count = 3 + 2 * (own % 2)
            bad = Fault("bad slice", "spike", step=at + own, picks=noise_from(at + own, count))
            yield Run(chosen, own, bad)
        lame = Fault("rate x 0.01", "slow", frozenset(("dead",)), rate=0.01)
        yield Run(chosen, seed, lame)
        yield Run(chosen, seed, Fault("no rate", "dead", frozenset(("slow",)), rate=0.0))
        if n % 2 == seed % 2:
            yield Run(chosen, seed, Fault("slow feed", "stalled", sleep=3.0), steps=160)
    yield from _of_depth(seeds)
    yield from _dead(seeds)
    for name, seed in (("unscaled", seeds[0]), ("scaled", seeds[1])):
        large = Fault("float16, too large", "numerical", WILD, params=scaled_weights(200.0))
        yield Run(FLOAT16[name], seed, large)


def _nan_weight(step: int, block: str) -> Fault:
    return Fault("NaN weight", "numerical", step=step, block=block, before=nan_weight(step, block))


def _of_depth(seeds: tuple[int, ...]) -> Iterator[Run]:
    """Plain nets whose first weights are too small or too large.

    Small ones under SGD: Adam's steps, as large for the smallest gradients, kill such units before
    the gradients can be seen fading.
    """
    after = frozenset(("dead", "slow"))
    wild = after | {"divergence", "numerical", "spike"}
    for n, seed in enumerate(seeds):
        more = 1 - 0.2 * n
        for name, factor in (("deep", 0.4), ("deep", 0.3), ("middling", 0.3), ("plain", 0.2)):
            chosen, small = SGD[name], scaled_weights(factor * more)
            fades = Fault(f"weights x {factor * more:.2g}", "vanishing", after, params=small)
            yield Run(chosen, seed, fades)
        for name, factor in (("deep", 3.0), ("deep", 5.0), ("plain", 6.0), ("plain", 9.0)):
            chosen, large = SETTINGS[name], scaled_weights(factor / more)
            grows = Fault(f"weights x {factor / more:.2g}", "exploding", wild, params=large)
            yield Run(chosen, seed, grows)


def _dead(seeds: tuple[int, ...]) -> Iterator[Run]:
    after = frozenset(("slow",))
    for n, name in enumerate(("mlp", "deep", "plain")):
        block = MIDDLE[name]
        silent = Fault("silent units", "dead", after, block=block, params=dead_units(block))
        yield Run(SETTINGS[name], seeds[n % len(seeds)], silent)
    for seed in seeds:  # no fault but its depth: such a net does not begin to learn
        natural = Fault("plain and deep", "dead", after | {"vanishing"})
        yield Run(SGD["plain"], seed, natural)
    for n, name in enumerate(("transformer", "vit")):
        nothing = Fault("last norm without gain", "dead", after, params=no_gain)
        yield Run(SETTINGS[name], seeds[n % len(seeds)], nothing)


def in_a_process(chosen: Setting, seed: int, end: str, at: int) -> str:
    """Train in a worker, which at a step is killed, hangs, or does neither."""
    from scaling.sweep.work import prepare_jax

    prepare_jax()
    for chunk in workshop(chosen).chunks(Run(chosen, seed)):
        worker.send(chunk.first_step)
        if chunk.first_step >= at and end == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if chunk.first_step >= at and end == "hung":
            time.sleep(3600)
    return "finished"
