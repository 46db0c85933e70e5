"""Real text on board: sources of documents, split, tokenised, fingerprinted, memory-mapped.

A source is one module of `scaling.data.sources`: it declares `NAME`, `LICENCE` and `documents()`.
"""

from scaling.data.corpus import Corpus, load
from scaling.data.windows import WindowOrder, held_out_windows

__all__ = ["Corpus", "WindowOrder", "held_out_windows", "load"]
