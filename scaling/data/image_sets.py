"""From a source's name to its images, in memory or as a stream."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from scaling.data import cache as store
from scaling.data import hub, image_folder, image_sources, shards
from scaling.data.encoded import opened, streamed
from scaling.data.image_arrays import in_memory
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
    part of its own. corrupt: the share of a stream's images that may be corrupt. workers: processes
    that decode a stream, by default one a core. cache: the folder that holds what was prepared, by
    default `data` in `cache_folder()`.
    Raises InputError for an unknown source, and bad images, labels, classes or shares.
    """
    if image is not None and image < 1:
        raise InputError(f"image = {image}; valid: a side of 1 pixel or more")
    if not 0 <= corrupt < 1:
        raise InputError(f"corrupt = {corrupt}; valid: a share of 0 or more and below 1")
    folder = cache or store.cache_folder() / "data"
    if named := image_sources.registry().get(source):
        return in_memory(named, image, held_out, folder)
    options: dict[str, Any] = {
        "image": image,
        "held_out": held_out,
        "corrupt": corrupt,
        "workers": workers,
        "cache": folder,
    }
    kind, _, rest = source.partition(":")
    if kind == "hub":
        return opened(hub.find(rest), **options)
    if kind == "webdataset":
        return opened(shards.find(rest, folder), **options)
    if (root := Path(source).expanduser()).is_dir():
        return streamed(image_folder.find(root, folder), **options)
    raise InputError(_unknown(source))


def _unknown(source: str) -> str:
    near = get_close_matches(source.lower(), image_sources.names(), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    known = ", ".join(image_sources.names())
    return (
        f"no image data called {source!r}; known: {known}, a folder with train/CLASS/*.jpg, "
        f"hub:NAME, webdataset:SHARDS{hint}"
    )
