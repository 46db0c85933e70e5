"""From a source's name to its images, in memory or as a stream."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from scaling.data import cache as store
from scaling.data import hub, image_folder, image_sources, shards
from scaling.data.encoded import SIDE, Decoded, EncodedSource, opened
from scaling.data.image_arrays import MOST_BYTES, in_memory
from scaling.data.image_sources import ImageSource
from scaling.data.image_stream import CORRUPT
from scaling.data.images import Images, ImageStream
from scaling.errors import InputError


def images_of(
    source: str,
    *,
    image: int | None = None,
    held_out: float = 0.1,
    corrupt: float = CORRUPT,
    workers: int | None = None,
    cache: Path | None = None,
) -> Images | ImageStream:
    """The images of a source, in both parts.

    source: a name (`digits`, `fashion-mnist`), a folder that holds train/CLASS/*.jpg,
    `hub:NAME[:CONFIG]`, or `webdataset:TRAIN.tar[|HELD_OUT.tar]`.
    image: the side in pixels that they are resized to, by default 224 for what is streamed, else
    as they are. held_out: the share of each class that is held out where the source has no test
    part of its own. corrupt: the share of encoded images that may be corrupt. workers: processes
    that decode a stream, by default one a core. cache: the folder that holds what was prepared, by
    default `data` in `cache_folder()`.
    Raises InputError for an unknown source, and bad images, labels, classes or shares.
    """
    check_options(image, corrupt)
    folder = cache or store.cache_folder() / "data"
    found = _find(source, folder)
    if not isinstance(found, EncodedSource):
        return in_memory(found, image, held_out, folder)
    return opened(
        found, image=image, held_out=held_out, corrupt=corrupt, workers=workers, cache=folder
    )


def held_in_memory(
    source: str, *, image: int | None, held_out: float, corrupt: float, cache: Path
) -> Images:
    """The images of a source, decoded once whatever their size.

    Raises InputError as `images_of` does, and where they would take more than a gigabyte.
    """
    check_options(image, corrupt)
    found = _find(source, cache)
    if not isinstance(found, EncodedSource):
        return in_memory(found, image, held_out, cache)
    side = SIDE if image is None else image
    check_memory(source, sum(map(len, found.parts())), side)
    return in_memory(Decoded(found, side, corrupt), side, held_out, cache, corrupt)


def check_options(image: int | None, corrupt: float) -> None:
    """Raises InputError for a side or a share that is none."""
    if image is not None and image < 1:
        raise InputError(f"image = {image}; valid: a side of 1 pixel or more")
    if not 0 <= corrupt < 1:
        raise InputError(f"corrupt = {corrupt}; valid: a share of 0 or more and below 1")


def check_memory(source: str, n: int, side: int) -> None:
    """Raises InputError where n decoded images are too many to hold."""
    size = n * side * side * 3
    if size > MOST_BYTES:
        raise InputError(
            f"{source}: {n:,} images of {side} x {side} pixels take {size / 2**30:.1f} GiB, "
            f"at most {MOST_BYTES / 2**30:.0f} is held in memory; give a smaller `image`"
        )


def _find(source: str, cache: Path) -> ImageSource | EncodedSource:
    if named := image_sources.registry().get(source):
        return named
    kind, _, rest = source.partition(":")
    if kind == "hub":
        return hub.find(rest)
    if kind == "webdataset":
        return shards.find(rest, cache)
    if (root := Path(source).expanduser()).is_dir():
        return image_folder.find(root, cache)
    near = get_close_matches(source.lower(), image_sources.names(), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    known = ", ".join(image_sources.names())
    raise InputError(
        f"no image data called {source!r}; known: {known}, a folder with train/CLASS/*.jpg, "
        f"hub:NAME, webdataset:SHARDS{hint}"
    )
