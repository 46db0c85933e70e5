"""Images per second from a 1,000-class folder of JPEGs: our stream against decoding alone.

    python benchmarks/images.py [--images 50000] [--classes 1000] [--rounds 4] [--json]

The folder is generated (400 x 300 pixels of textured noise, 54 kB each) into a temporary place, and
removed. Every configuration has one window of a few seconds in each round, in an order that
alternates; ratios are taken within a round, and their median is printed with its range. Images for
each second of CPU time, over all processes, say what decoding costs whatever else the machine does.

(a) and (b) are the ceiling of one core: what Pillow needs without any pipeline. (c) is our own
augmentation in a plain loop: what the stream may lose against it is the pipeline's cost. (d) is
PyTorch's DataLoader around (c), with as many workers as cores.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from jpegs import generate, opened
from PIL import Image
from rich.console import Console
from rich.table import Table

from scaling.data import images_of
from scaling.data.decode import NUMBERS, training_pixels
from scaling.data.epochs import numbers_at, read_at
from scaling.data.image_stream import EncodedImages

SIDE, BATCH, SEED = 224, 128, 1
TORCH_HINT = "PyTorch is not installed, (d) is left out: pip install 'scaling-laws[bench]'"
CORES = len(os.sched_getaffinity(0))
LABELS = {
    "decode": "(a) Pillow, decode alone, plain loop",
    "resize": "(b) Pillow, decode and resize, plain loop",
    "augment": "(c) our decode, crop, resize and flip, plain loop",
    "one": "our stream, 1 worker",
    "all": f"our stream, {CORES} workers",
    "torch": f"(d) PyTorch DataLoader around (c), {CORES} workers",
}


def main(
    images: Annotated[int, typer.Option(min=100, help="JPEGs in the folder.")] = 50_000,
    classes: Annotated[int, typer.Option(min=2, help="Classes of the folder.")] = 1_000,
    rounds: Annotated[int, typer.Option(min=1, help="Windows of each configuration.")] = 4,
    seconds: Annotated[float, typer.Option(min=0.01, help="Length of a window.")] = 4.0,
    memory: Annotated[float, typer.Option(min=0.01, help="Seconds of watching memory.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how fast images are read, and what that takes."""
    place = Path(tempfile.mkdtemp(prefix="scaling-images-"))
    try:
        generate(place / "folder", images, classes)
        report = {"images": images, "classes": classes, "cores": CORES}
        report |= measure(place, rounds, seconds, memory)
    finally:
        shutil.rmtree(place)
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        show(report)


def measure(place: Path, rounds: int, seconds: float, memory: float) -> dict[str, Any]:
    """Everything that is measured on one folder."""
    opened = [timed(lambda: stream(place, 1))[0] for _ in range(2)]
    data = stream(place, 1)
    return {
        "opened_in_s": {"first": opened[0], "again": opened[1]},
        "rates": rates(place, data, rounds, seconds),
        "resumed": resumes(place),
        "memory": watched(place, memory),
    }


def stream(place: Path, workers: int) -> EncodedImages:
    data = images_of(str(place / "folder"), workers=workers, cache=place / "cache")
    assert isinstance(data, EncodedImages)
    return data


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def plain(data: EncodedImages, pixels: Callable[[bytes, int], Any]) -> Iterator[int]:
    """The training part in the stream's own order, one image after the other."""
    for position in itertools.count():
        image = int(read_at(np.array([position]), data.n_train, SEED)[0])
        pixels(data.train.read(image), position)
        yield 1


def decode(encoded: bytes, _position: int) -> Any:
    return opened(encoded).convert("RGB")


def resize(encoded: bytes, _position: int) -> Any:
    picture = opened(encoded).convert("RGB")
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def augment(encoded: bytes, position: int) -> Any:
    return training_pixels(encoded, SIDE, numbers_at(position, SEED, NUMBERS))


class TorchSet:
    """(c) as a map-style data set; as long as any run, so that its workers are started once."""

    def __init__(self, data: EncodedImages) -> None:
        self.data = data

    def __len__(self) -> int:
        return 2**40

    def __getitem__(self, position: int) -> tuple[Any, int]:
        image = int(read_at(np.array([position]), self.data.n_train, SEED)[0])
        pixels = augment(self.data.train.read(image), position)
        return np.array(pixels), int(self.data.train.labels[image])


def torch_batches(data: EncodedImages) -> Iterator[int]:
    from torch.utils.data import DataLoader

    whole: Any = TorchSet(data)
    # Spawned as ours are: a process that runs threads is not safely forked.
    loader = DataLoader(whole, BATCH, num_workers=CORES, multiprocessing_context="spawn")
    for pixels, _labels in loader:
        yield len(pixels)


def our_batches(data: EncodedImages) -> Iterator[int]:
    for _pixels, labels in data.train_batches(unique=data.n_train, batch=BATCH, seed=SEED):
        yield len(labels)


def rates(place: Path, data: EncodedImages, rounds: int, seconds: float) -> dict[str, Any]:
    """For each configuration: images a second, a CPU second, cores in use, seconds to start."""
    makers: dict[str, Callable[[], Iterator[int]]] = {
        "decode": lambda: plain(data, decode),
        "resize": lambda: plain(data, resize),
        "augment": lambda: plain(data, augment),
        "one": lambda: our_batches(stream(place, 1)),
        "all": lambda: our_batches(stream(place, CORES)),
    }
    if importlib.util.find_spec("torch"):
        makers["torch"] = lambda: torch_batches(data)
    running, workers, start = {}, {}, {}
    for name, make in makers.items():
        before = set(multiprocessing.active_children())
        running[name] = make()
        start[name] = timed(lambda one=running[name]: next(one))[0]
        workers[name] = [p.pid for p in set(multiprocessing.active_children()) - before]
    windows: dict[str, list[dict[str, float]]] = {name: [] for name in makers}
    for n in range(rounds):
        for name in list(makers)[:: 1 if n % 2 else -1]:
            windows[name].append(window(running[name], workers[name], seconds))
    for one in running.values():
        one.close()
    return {
        name: {
            "images_s": spread([w["images"] / w["seconds"] for w in found]),
            "images_cpu_s": spread([w["images"] / w["cpu"] for w in found]),
            "cores": spread([w["cpu"] / w["seconds"] for w in found]),
            "first_batch_s": start[name],
            "images_cpu_s_to_augment": spread(
                [
                    w["images"] / w["cpu"] * other["cpu"] / other["images"]
                    for w, other in zip(found, windows["augment"], strict=True)
                ]
            ),
        }
        for name, found in windows.items()
    }


def window(running: Iterator[int], workers: list[int], seconds: float) -> dict[str, float]:
    """One configuration alone for a while; what was decoded ahead is not counted."""
    if workers:
        for _ in range(4):
            next(running)
    began, cpu, images = time.perf_counter(), cpu_seconds(workers), 0
    while time.perf_counter() - began < seconds:
        images += next(running)
    return {
        "images": images,
        "seconds": time.perf_counter() - began,
        "cpu": cpu_seconds(workers) - cpu,
    }


def cpu_seconds(workers: list[int]) -> float:
    """Of this process and of the workers so far."""
    ticks = 0
    for pid in workers:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def spread(values: list[float]) -> list[float]:
    return [median(values), min(values), max(values)]


def resumes(place: Path) -> dict[str, Any]:
    """Do other workers, begun in the middle of the second epoch, give the same batches?"""
    # An epoch over part of the images, so that its middle is soon reached.
    whole, alone = stream(place, CORES), stream(place, 1)
    order = {"unique": min(whole.n_train, 10 * BATCH - 1), "batch": BATCH, "seed": SEED}
    first = 13
    wanted = list(itertools.islice(whole.train_batches(**order), first, first + 3))
    found = list(itertools.islice(alone.train_batches(**order, first_step=first), 3))
    same = all(
        np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])
        for a, b in zip(wanted, found, strict=True)
    )
    return {"unique": order["unique"], "first_step": first, "same_bits": same}


def watched(place: Path, seconds: float) -> dict[str, Any]:
    """Memory of all processes, each shared page once, while the stream runs."""
    before = set(multiprocessing.active_children())
    batches = our_batches(stream(place, CORES))
    for _ in range(5):
        next(batches)
    workers = [p.pid for p in set(multiprocessing.active_children()) - before]
    pids = [os.getpid(), *workers]
    began, images, samples = time.perf_counter(), 0, []
    while (passed := time.perf_counter() - began) < seconds:
        images += next(batches)
        if passed >= len(samples) * seconds / 20:
            samples.append([passed, *map(mib, pids)])
    batches.close()
    totals = [sum(sample[1:]) for sample in samples]
    half = len(totals) // 2
    return {
        "seconds": seconds,
        "images": images,
        "mib_first_half": median(totals[: half or 1]),
        "mib_second_half": median(totals[half:]),
        "mib_most": max(totals),
        "mib_a_worker": median([max(sample[2:], default=0) for sample in samples]),
    }


def mib(pid: int) -> float:
    """A process' memory with its share of what it shares (Pss), in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def show(report: dict[str, Any]) -> None:
    """Tables for people."""
    console = Console()
    table = Table(title=f"{report['images']:,} JPEGs in {report['classes']:,} classes")
    for column in ("", "images/s", "images/CPU s", "x (c) a CPU s", "cores", "first batch s"):
        table.add_column(column, justify="left" if not column else "right")
    for name, rate in report["rates"].items():
        ratio = rate["images_cpu_s_to_augment"]
        table.add_row(
            LABELS[name],
            "{:.0f} ({:.0f}-{:.0f})".format(*rate["images_s"]),
            "{:.0f} ({:.0f}-{:.0f})".format(*rate["images_cpu_s"]),
            "{:.2f} ({:.2f}-{:.2f})".format(*ratio),
            "{:.2f}".format(rate["cores"][0]),
            f"{rate['first_batch_s']:.1f}",
        )
    console.print(table)
    if "torch" not in report["rates"]:
        console.print(TORCH_HINT)
    opened, memory, resumed = report["opened_in_s"], report["memory"], report["resumed"]
    console.print(
        f"Opened in {opened['first']:.1f} s, again in {opened['again']:.1f} s. "
        f"Resumed at step {resumed['first_step']} of {resumed['unique']:,} images, with other "
        f"workers: {'the same bits' if resumed['same_bits'] else 'OTHER BITS'}."
    )
    console.print(
        f"Memory of all processes over {memory['images']:,} images: "
        f"{memory['mib_first_half']:.0f} MiB in the first half, "
        f"{memory['mib_second_half']:.0f} in the second, {memory['mib_most']:.0f} at most; "
        f"{memory['mib_a_worker']:.0f} a worker."
    )


if __name__ == "__main__":
    typer.run(main)
