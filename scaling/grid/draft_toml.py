"""A drafted grid as the TOML that people go on from: every choice with its reason beside it."""

from __future__ import annotations

from collections.abc import Iterator

from scaling.grid.draft import CONTEXT, REACH, Draft, Rung
from scaling.grid.spec import Data
from scaling.grid.writing import value_of

CAPTIONS = ["a photo of a {}.", "a picture of one {}.", "an image of a {}."]
EVAL_TOKENS = 1_000_000
# What short pilots don't identify is stated where it is known: runs/text.toml says how.
E_OF_STDLIB = [0.7, 0.8, 0.9, 1.0]


def data_of(source: str, unit: str) -> Data:
    """How a draft reads its data."""
    if unit == "token":
        return Data(source=source, eval_tokens=EVAL_TOKENS)
    if unit == "image" or source.endswith((".csv", ".tsv", ".parquet")):
        return Data(source=source, held_out=0.2)
    return Data(source=source, held_out=0.2, captions=CAPTIONS)


def toml_of(draft: Draft, name: str, path: str, head: str) -> str:
    """The grid as a file. name: of the study; path: of the file; head: what it was drafted for."""
    lines = [
        f"# {head}",
        "#",
        f"#   scaling plan  {path}     every cell and its price, before anything is trained",
        f"#   scaling study {path}     pilots, forecast, targets, report",
        f"name = {value_of(name)}",
        "",
        *_data(draft),
        "",
        *_model(draft),
        "",
        *_train(draft),
        "",
        "# Pilots: one trunk a size and seed serves all its budgets.",
        *(line for rung in draft.pilots for line in _block("pilots", rung, draft.unit, [0, 1])),
        f"# Targets: {REACH:g}x the compute of the largest pilot (a proof asks for 10x); trained",
        "# only after their forecast is written.",
        *(line for rung in draft.targets for line in _block("targets", rung, draft.unit, [2])),
        *_proof(draft),
    ]
    return "\n".join(lines) + "\n"


def _data(draft: Draft) -> Iterator[str]:
    yield "[data]"
    yield f"source = {value_of(draft.source)}"
    if draft.unit == "token":
        yield 'tokenizer = "bytes"          # or "bpe:1024"'
        yield "held_out = 0.1               # share of the text, whole documents"
        yield f"eval_tokens = {EVAL_TOKENS:_}      # held-out tokens read by every evaluation"
    else:
        yield "held_out = 0.2               # of each class, where the source has no test part"
        if (captions := data_of(draft.source, draft.unit).captions) is not None:
            yield f"captions = {value_of(captions)}"


def _model(draft: Draft) -> Iterator[str]:
    yield "[model]"
    yield f"family = {value_of(draft.family)}"
    if draft.unit == "token":
        yield f"context = {CONTEXT}"
    if draft.dials:
        yield "# The same for the whole ladder, which grows in width."
    yield from (f"{dial} = {value_of(value)}" for dial, value in draft.dials.items())


def _train(draft: Draft) -> Iterator[str]:
    yield "[train]"
    if draft.habit is None:
        yield 'learning_rate = "tune"       # found at the smallest size first (docs/rates.md)'
    else:
        yield f"learning_rate = {draft.rate:<12g} # tuned at width {draft.habit.base_width}"
    base = draft.habit.base_width if draft.habit else draft.pilots[0].width
    yield 'transfer = "mup"             # carries the rate up the ladder by width'
    yield f"base_width = {base}"
    yield f"batch_{'tokens' if draft.unit == 'token' else 'images'} = {draft.batch}"
    yield f"warmup_steps = {64 if draft.unit == 'token' else 16 if draft.few else 32}"
    yield "cooldown = 0.2               # the last fifth of each budget"


def _block(part: str, rung: Rung, unit: str, seeds: list[int]) -> Iterator[str]:
    yield f"[[{part}]]"
    yield f"widths = [{rung.width}]{'':<{12 - len(str(rung.width))}}      # N = {rung.shape.N:,}"
    units = "tokens" if unit == "token" else "images"
    yield f"{units} = [{', '.join(f'{length:_}' for length in rung.lengths)}]"
    yield f"seeds = {seeds}"
    yield ""


def _proof(draft: Draft) -> Iterator[str]:
    yield "# The rule of the forecast, stated before any target is trained. discrepancy: the law's"
    yield "# own error for each e-fold of compute beyond the pilots."
    yield "[proof]"
    yield 'law = "chinchilla_tied"      # `scaling laws` lists others'
    yield 'N = "N_total"'
    yield 'objective = "huber"'
    yield "delta = 1e-3"
    if draft.source == "python-stdlib":
        yield "# So short pilots don't identify the irreducible loss E: four equally likely values."
        yield f"fixed = {{ E = {E_OF_STDLIB} }}"
        yield "discrepancy = 0.004"
    else:
        yield "# The irreducible loss E is free. Where short pilots don't identify it, state likely"
        yield "# values that are known from elsewhere: fixed = { E = [1.6, 1.7, 1.8] }"
        yield "discrepancy = 0.01"
