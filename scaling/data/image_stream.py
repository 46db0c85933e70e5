"""Batches of images that are decoded on the way, in worker processes and constant memory.

Workers decode chunks of consecutive positions; which worker decodes which changes nothing, because
a chunk is a pure function of seed and position. Nothing is remembered between steps, so a run is
resumed in the middle of an epoch by asking for the step.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from scaling.data.decode import NUMBERS, UnreadableImageError, centre_pixels, training_pixels
from scaling.data.epochs import numbers_at, read_at
from scaling.data.extras import needed
from scaling.data.images import Batch
from scaling.errors import InputError

# Images that a worker hands over at once: enough that handing over costs nothing beside decoding,
# few enough that shared memory stays small (16 of 224 x 224 are 2.4 MB) and all workers help with
# a batch.
CHUNK = 16
# The share of a part's images that may be corrupt before the run stops.
CORRUPT = 0.01
# Streams that are read from now.
OPEN: WeakSet[Generator[Batch]] = WeakSet()
# Steps of an "endless" run; a range of that length costs nothing.
ENDLESS = 2**40


class Encoded(Protocol):
    """Encoded images with random access; it is sent to the workers, so it pickles small."""

    @property
    def labels(self) -> NDArray[np.int32]: ...
    def __len__(self) -> int: ...
    def read(self, n: int) -> bytes: ...
    def name(self, n: int) -> str: ...


@dataclass(frozen=True)
class Chunk:
    """A range of positions -> pixels, labels and what could not be decoded.

    What a worker does. `seed`: None for the held-out part, which is read once in its own order,
    in the middle, and without what is corrupt; the training part reads the next good image
    instead.
    """

    part: Encoded
    n: int
    image: int
    seed: int | None
    begin: int
    end: int
    limit: int

    def __call__(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.int32], list[str]]:
        first = self.begin + number * CHUNK
        positions = range(first, min(first + CHUNK, self.end))
        pixels = np.empty((len(positions), self.image, self.image, 3), np.uint8)
        images: list[int] = []
        corrupt: dict[str, None] = {}
        read = self._held_out if self.seed is None else self._training
        for position in positions:
            if found := read(position, corrupt):
                pixels[len(images)], image = found
                images.append(image)
        labels = self.part.labels[np.array(images, np.int64)]
        return pixels[: len(images)], labels, list(corrupt)

    def _held_out(
        self, position: int, corrupt: dict[str, None]
    ) -> tuple[NDArray[np.uint8], int] | None:
        try:
            return centre_pixels(self.part.read(position), self.image), position
        except UnreadableImageError as error:
            corrupt[f"{self.part.name(position)} ({error})"] = None
            return None

    def _training(
        self, position: int, corrupt: dict[str, None]
    ) -> tuple[NDArray[np.uint8], int] | None:
        assert self.seed is not None
        raw = numbers_at(position, self.seed, NUMBERS)
        epoch, place = divmod(position, self.n)
        for later in range(min(self.n, self.limit + 1)):
            at = epoch * self.n + (place + later) % self.n
            image = int(read_at(np.array([at]), self.n, self.seed)[0])
            try:
                return training_pixels(self.part.read(image), self.image, raw), image
            except UnreadableImageError as error:
                corrupt[f"{self.part.name(image)} ({error})"] = None
        return None  # more are corrupt than may be: whoever counts says so


@dataclass(frozen=True)
class EncodedImages:
    """A stream over encoded images of both parts: what `ImageStream` promises.

    The training part lies in an order in which its first n images are a fair sample. `image`: the
    side in pixels of what comes out. `workers`: processes that decode, by default one a core; 0
    decodes in this process. `corrupt`: the share of a part's images that may be corrupt; each is
    named by a warning once, and one more is an InputError.
    """

    train: Encoded = field(compare=False, repr=False)
    held_out: Encoded = field(compare=False, repr=False)
    classes: tuple[str, ...] = field(compare=False)
    mean: tuple[float, ...] = field(compare=False)
    std: tuple[float, ...] = field(compare=False)
    name: str = field(compare=False)
    fingerprint: str
    facts: dict[str, Any] = field(compare=False, repr=False)
    image: int
    workers: int | None = field(default=None, compare=False)
    corrupt: float = field(default=CORRUPT, compare=False)

    @property
    def n_train(self) -> int:
        return len(self.train)

    @property
    def n_held_out(self) -> int:
        """With those that cannot be decoded."""
        return len(self.held_out)

    def dims(self) -> dict[str, int]:
        """What a family asks of its data."""
        return {"image": self.image, "channels": 3, "classes": len(self.classes)}

    def train_batches(
        self, *, unique: int, batch: int, seed: int, first_step: int = 0
    ) -> Iterator[Batch]:
        """Endless batches of the first `unique` training images, epoch after epoch.

        The same batches, bit for bit, as an undisturbed run would see from `first_step` on,
        whatever the number of workers. Raises InputError where `unique` is not to be had, and on
        the way where too much is corrupt.
        """
        if not 0 < unique <= self.n_train:
            raise InputError(
                f"unique = {unique:,}; image data {self.name!r} has {self.n_train:,} training "
                "images"
            )
        limit = int(self.corrupt * unique)
        begin = first_step * batch
        work = Chunk(self.train, unique, self.image, seed, begin, ENDLESS, limit)
        return self._open(work, batch)

    def held_out_batches(self, batch: int) -> Iterator[Batch]:
        """The held-out part once, in its order; only the last batch may be short."""
        n = self.n_held_out
        limit = int(self.corrupt * n)
        return self._open(Chunk(self.held_out, n, self.image, None, 0, n, limit), batch)

    def _open(self, work: Chunk, batch: int) -> Iterator[Batch]:
        if batch < 1:
            raise InputError(f"batch = {batch}; valid: 1 or more")
        batches = self._batches(work, batch)
        OPEN.add(batches)
        return batches

    def _batches(self, work: Chunk, batch: int) -> Generator[Batch]:
        """Chunks put together to batches; what is corrupt is counted."""
        known: set[str] = set()
        pixels = np.empty((batch, self.image, self.image, 3), np.uint8)
        labels = np.empty(batch, np.int32)
        filled = 0
        for images, targets, corrupt in _chunks(work, self._workers(), batch):
            self._count(corrupt, known, work)
            done = 0
            while done < len(targets):
                take = min(batch - filled, len(targets) - done)
                pixels[filled : filled + take] = images[done : done + take]
                labels[filled : filled + take] = targets[done : done + take]
                filled, done = filled + take, done + take
                if filled == batch:
                    yield pixels, labels
                    # A batch belongs to whoever took it: the next one is another array.
                    pixels, labels, filled = np.empty_like(pixels), np.empty_like(labels), 0
        if filled:
            yield pixels[:filled], labels[:filled]

    def _count(self, corrupt: list[str], known: set[str], work: Chunk) -> None:
        for image in corrupt:
            if image not in known:
                known.add(image)
                warnings.warn(f"{image} is skipped", RuntimeWarning, stacklevel=4)
        if len(known) > work.limit:
            raise InputError(
                f"image data {self.name!r}: {len(known):,} of {work.n:,} images are corrupt, "
                f"{self.corrupt:.2%} may be: {', '.join(sorted(known)[:3])}"
            )

    def _workers(self) -> int:
        if self.workers is not None:
            return self.workers
        # Where a process can be kept to some cores, those; a pinned process has one worker.
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1


def _chunks(
    work: Chunk, workers: int, batch: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int32], list[str]]]:
    """All chunks in order, decoded ahead by about one batch; the workers end with the iterator."""
    grain = needed("grain", "images are streamed by grain", "train")
    _make_ready()
    count = -(-(work.end - work.begin) // CHUNK)
    dataset = (
        grain.MapDataset.range(count)
        .map(work)
        # One thread: a worker is a process of its own, and decodes what is next.
        .to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0))
    )
    if workers:
        ahead = max(1, -(-batch // (CHUNK * workers)))
        dataset = dataset.mp_prefetch(
            grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=ahead),
            worker_init_fn=_start_worker,
        )
    chunks = iter(dataset)
    try:
        yield from chunks
    except RuntimeError as error:
        raise InputError(
            f"a process that decodes images ended ({error}). Where a script has no `if __name__ == "
            "'__main__':`, workers cannot start: workers=0 decodes without them"
        ) from None
    finally:
        chunks.close()


@cache
def _make_ready() -> None:
    """What grain needs once in a process that uses it."""
    from absl import flags

    # Grain's worker processes read flags, and these are defaults until a program has parsed them.
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    # Now: what was registered last is called first, and grain's own end must come after.
    atexit.register(_close_all)


def _close_all() -> None:
    """Close what a program still holds when it ends, before what grain needs for it is gone."""
    for batches in list(OPEN):
        batches.close()
    time.sleep(0.2)  # grain frees shared memory in a thread, and says nowhere that it has


def _start_worker(_index: int, _count: int) -> None:
    """Ctrl-C is the parent's to answer, and no worker outlives it, however it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
