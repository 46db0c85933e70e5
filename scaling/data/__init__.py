"""Real text and images on board: split, fingerprinted, memory-mapped or streamed.

A source of text is one module of `scaling.data.sources`, one of images one of
`scaling.data.image_sources`.
"""

from scaling.data.corpus import Corpus, load
from scaling.data.image_sets import images_of
from scaling.data.images import Images, ImageStream
from scaling.data.pair_sets import pairs_of
from scaling.data.pairs import Pairs
from scaling.data.windows import EpochOrder, WindowOrder, held_out_windows

__all__ = [
    "Corpus",
    "EpochOrder",
    "ImageStream",
    "Images",
    "Pairs",
    "WindowOrder",
    "held_out_windows",
    "images_of",
    "load",
    "pairs_of",
]
