"""What every data source must do, whoever wrote it."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

from scaling.data import load, sources


def check_source(source: str, cache: Path) -> None:
    """Documents in a fixed order, UTF-8, none empty; a corpus without overlap that reads back."""
    first, second = sources.read(source), sources.read(source)
    assert list(first.texts.items()) == list(second.texts.items())
    assert first.source == source
    assert first.licence
    for name, text in first.texts.items():
        assert text.strip(), name
        text.decode("utf-8")

    corpus = load(source, cache=cache)
    again = load(source, cache=cache)
    assert corpus == again
    assert corpus.facts == again.facts
    assert corpus.facts["closest_across_parts"] < 0.5
    share = corpus.facts["bytes"]["held_out"] / sum(corpus.facts["bytes"].values())
    assert abs(share - 0.1) < 0.02

    # Every document is in one part, whole: tokens decode to the text that went in.
    tokenizer = corpus.tokenizer()
    texts = []
    for tokens, offsets in (
        (corpus.train, corpus.train_offsets),
        (corpus.held_out, corpus.held_out_offsets),
    ):
        assert not tokens.flags.writeable
        assert int(tokens.max()) < corpus.vocab
        assert offsets[0] == 0
        assert offsets[-1] == len(tokens)
        texts += [tokenizer.decode(tokens[start:end]) for start, end in pairwise(offsets)]
    if not corpus.facts["cut_into_sections"]:
        assert sorted(texts) == sorted(text + b"\n" for text in first.texts.values())


def prose(seed: int, words: int = 800) -> str:
    """Text without near duplicates: words drawn at random, a blank line now and then."""
    rng = random.Random(seed)
    vocabulary = [f"{a}{b}{c}" for a in "bdgkl" for b in "aeiou" for c in "mnrst"]
    return "".join(
        rng.choice(vocabulary) + rng.choices((" ", "\n", "\n\n"), (40, 4, 1))[0]
        for _ in range(words)
    )
