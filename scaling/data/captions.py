"""Captions as rows of tokens: BEGIN, the text, END, then PAD up to the context."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scaling.data import tokenizers
from scaling.errors import InputError

# The first tokens of every caption vocabulary; those of the tokenizer follow.
PAD, BEGIN, END = 0, 1, 2
SPECIAL = 3
# Captions repeat few words, so that pairs merge into whole words soon: sequences are a quarter as
# long as bytes are. Where the text gives fewer symbols than this, as many as it gives.
TOKENIZER = "bpe:1024"


def trained(name: str, texts: Sequence[str]) -> tokenizers.Tokenizer:
    """The tokenizer called `bytes` or `bpe:SIZE` (that many symbols at most) for these texts."""
    documents = [text.encode() for text in texts]
    if size := tokenizers.check(name):
        return tokenizers.BPETokenizer.train(documents, size, exactly=False)
    return tokenizers.train(name, documents)


def token_rows(
    texts: Sequence[str],
    tokenizer: tokenizers.Tokenizer,
    context: int | None,
    where: Callable[[int], str],
) -> NDArray[np.int32]:
    """All texts as tokens, [n, context]; without a context, that of the longest.

    `where`: names text n. Raises InputError for a text that is longer than the context.
    """
    encoded = [tokenizer.encode(text.encode()) for text in texts]
    lengths = [len(tokens) + 2 for tokens in encoded]
    width = max(lengths) if context is None else context
    for n, length in enumerate(lengths):
        if length > width:
            raise InputError(
                f"{where(n)}: caption {texts[n]!r} is {length} tokens long with those that begin "
                f"and end it; the context is {width}, {max(lengths)} is needed for the longest"
            )
    rows = np.full((len(texts), width), PAD, np.int32)
    for row, tokens in zip(rows, encoded, strict=True):
        row[0], row[len(tokens) + 1] = BEGIN, END
        row[1 : len(tokens) + 1] = tokens.astype(np.int32) + SPECIAL
    return rows


def from_templates(templates: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Each class named by each template, class by class; `_` in a name reads as a space.

    Raises InputError for no templates, and for one without a single `{}`.
    """
    if not templates:
        raise InputError("captions: no template; valid: such as 'a photo of a {}.'")
    for template in templates:
        if template.count("{}") != 1 or template.replace("{}", "").count("{"):
            raise InputError(
                f"captions: template {template!r}; valid: text with one {{}} for the class's name, "
                "such as 'a photo of a {}.'"
            )
    names = [name.replace("_", " ") for name in classes]
    return [template.replace("{}", name) for name in names for template in templates]
