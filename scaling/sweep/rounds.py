"""Pilots trained in rounds, each chosen by the ones before: the seed, and what the folder keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from scaling import files
from scaling.errors import InputError
from scaling.grid import Cell

if TYPE_CHECKING:
    from scaling.files import Place

FILE = "adaptive.json"
FORMAT = "scaling adaptive rounds 1"
# Of the seed: so many of the smallest sizes, each at so many of its shortest lengths.
SEED_SIZES, SEED_LENGTHS = 3, 3


@dataclass(frozen=True)
class Round:
    """One choice. cells: by id. flops: of all rounds with this one, as planned. target: in FLOPs.
    table_sha256, seen: the table that it was made by, and what that says of the target; None for
    the seed, and `seen` also where the runs support no fit yet. expected: width of the interval of
    the loss at the optimum, by the design's own draws, before and after all that it plans."""

    cells: list[str]
    flops: float
    target: float
    table_sha256: str | None = None
    seen: dict[str, float] | None = None
    expected: list[float] | None = None


def seed_of(
    pilots: Sequence[Cell],
    before: Sequence[Cell],
    need: int,
    price: Callable[[Sequence[Cell]], float],
) -> list[Cell]:
    """The first round: the shortest lengths of the smallest sizes, then the cheapest, until there
    are `need` different points of N and D, or all. Of seeds one.

    before: pilots that are trained already; they belong to it.
    """
    points: dict[tuple[int, int], Cell] = {}
    for cell in (*before, *pilots):
        points.setdefault((cell.shape.N_total, cell.D), cell)
    chosen = {cell.id: cell for cell in before}
    for size in sorted({N for N, _ in points})[:SEED_SIZES]:
        lengths = sorted(D for N, D in points if size == N)[:SEED_LENGTHS]
        chosen |= {points[size, D].id: points[size, D] for D in lengths}
    while len({(cell.shape.N_total, cell.D) for cell in chosen.values()}) < min(need, len(points)):
        rest = [cell for cell in points.values() if cell.id not in chosen]
        cheapest = min(rest, key=lambda cell: price([*chosen.values(), cell]))
        chosen[cheapest.id] = cheapest
    return list(chosen.values())


def keep(folder: Place, rounds: Sequence[Round]) -> None:
    """Write all rounds, whole."""
    told: dict[str, Any] = {"format": FORMAT, "rounds": [asdict(one) for one in rounds]}
    files.write(folder / FILE, (json.dumps(told, indent=1, allow_nan=False) + "\n").encode())


def kept(folder: Place) -> list[Round]:
    """The rounds that a folder knows. Raises InputError for a file that says something else."""
    path = folder / FILE
    try:
        told = json.loads(files.read(path))
        if told["format"] != FORMAT:
            raise InputError(f"{path}: its format is {told['format']!r}, not {FORMAT!r}")
        return [Round(**one) for one in told["rounds"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not what an adaptive run writes ({type(error).__name__}: {error}); move it "
            "away to choose anew: runs that are done are not repeated"
        ) from None
