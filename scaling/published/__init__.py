"""Published tables of runs by name: where each is from, under which licence, and our form of it.

None ships with the project. One is read from a folder, as the normalised CSV or as the original
file, or downloaded from its own public repository at a fixed commit and checked against its
SHA-256. Sets that exist only as pickles, notebooks, literals in source files or folders of small
files are read from a folder alone: nothing downloaded is ever unpickled or run.
"""

from scaling.published.load import load, stated
from scaling.published.tables import TABLES, Original, Published, find

__all__ = ["TABLES", "Original", "Published", "find", "load", "stated"]
