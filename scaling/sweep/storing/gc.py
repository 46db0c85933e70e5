"""What a study's folder can do without: checkpoints by rule, and what the dead left behind.

Records, their index, the grid and the forecast are never touched, nor anything of a trunk that is
claimed by somebody who may live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scaling import files
from scaling.errors import InputError
from scaling.sweep.storing import index, planned, quarantine
from scaling.sweep.storing.claims import Claims
from scaling.sweep.storing.store import Store

if TYPE_CHECKING:
    from scaling.files import Place

Kind = Literal["checkpoint", "claim", "temporary", "quarantine"]
KEEP = ("unfinished", "none")
DAY = 24 * 3600.0
# Of a claim or a temporary of another machine, which nobody here can ask: silent for so long.
SILENT_SECONDS = DAY


@dataclass(frozen=True)
class Garbage:
    """path: in the study's folder; trunk: whose it is, if any's."""

    kind: Kind
    path: str
    bytes: int
    why: str
    trunk: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def garbage(
    folder: Place | str,
    *,
    keep: str = "unfinished",
    older_than_days: float = 0.0,
    quarantined: bool = False,
) -> list[Garbage]:
    """What may go. keep: checkpoints of trunks of which a planned cell is still to be trained
    (`unfinished`), or `none`. older_than_days: nothing that was written since. quarantined: also
    what lies in quarantine. Raises InputError where no study is, or for another `keep`."""
    if keep not in KEEP:
        raise InputError(f"--keep {keep!r}; valid: {', '.join(KEEP)}")
    store = Store(folder)
    store.must_be()
    root, old = store.folder, older_than_days * DAY
    found = [*_checkpoints(store, keep), *_claims(root), *_temporaries(root)]
    if quarantined:
        found += [
            _item("quarantine", root, root / quarantine.FOLDER / name, "on request")
            for name in files.names(root / quarantine.FOLDER)
        ]
    return [item for item in found if old == 0 or _age(root / item.path) > old]


def collect(
    folder: Place | str,
    found: Iterable[Garbage],
    on_removed: Callable[[Garbage], None] = lambda item: None,
) -> list[Garbage]:
    """Remove it, and say what was removed: what belongs to a trunk that somebody has claimed
    meanwhile stays. While it goes, its trunk is claimed here."""
    store, items, removed = Store(folder), list(found), []
    by_trunk: dict[str, list[Garbage]] = {}
    for item in items:
        by_trunk.setdefault(item.trunk, []).append(item)
    claims = Claims(store.folder)
    for trunk, own in by_trunk.items():
        if not trunk:
            removed += [_remove(store.folder, item, on_removed) for item in own]
            continue
        # Silent claims of other machines are taken over as dead; whose holder lives lets go then.
        dead = [int(item.path.rpartition(".")[2]) for item in own if item.kind == "claim"]
        with claims.hold([trunk], {trunk: max(dead)} if dead else {}) as held:
            if held:
                removed += [_remove(store.folder, item, on_removed) for item in own]
    store.clean()
    return removed


def _checkpoints(store: Store, keep: str) -> Iterator[Garbage]:
    """Of trunks of which nothing is left to train; of all others too, where `keep` is none."""
    root = store.folder
    there = files.names(root / "trunks")
    if not there:
        return
    claimed = {trunk for trunk, dead in _newest(root) if not dead}
    unfinished = _unfinished(store) if keep == "unfinished" else set()
    for name in there:
        trunk = name.partition(".")[0]
        if trunk in claimed or unfinished is None or trunk in unfinished:
            continue
        why = "no planned cell of its trunk is left to train" if keep == "unfinished" else "asked"
        yield _item("checkpoint", root, root / "trunks" / name, why, trunk)


def _unfinished(store: Store) -> set[str] | None:
    """Trunks with a planned cell that is to be trained; None where the plan isn't known."""
    plan = planned.load(store.folder)
    if plan is None:
        return None
    known = index.look(store.folder).statuses(plan["run"].to_pylist())
    done = {run for run, status in known.items() if status != "failed"}
    cells = zip(plan["run"].to_pylist(), plan["trunk"].to_pylist(), strict=True)
    return {trunk for run, trunk in cells if run not in done}


def _newest(root: Place) -> Iterator[tuple[str, bool]]:
    """The trunks that are claimed, and whether nobody holds the claim any more."""
    claims = Claims(root)
    for trunk, seen in claims.all().items():
        silent = _age(claims.folder / f"{trunk}.{seen.number}") > SILENT_SECONDS
        yield trunk, claims.is_dead(seen) or silent


def _claims(root: Place) -> Iterator[Garbage]:
    dead = dict(_newest(root))
    for name in files.names(root / "claims"):
        trunk = name.rpartition(".")[0]
        if dead.get(trunk):
            yield _item("claim", root, root / "claims" / name, "its holder is gone", trunk)


def _temporaries(root: Place) -> Iterator[Garbage]:
    if not isinstance(root, Path):
        return
    gone = set(files.left_over(root))
    for path in sorted(root.rglob(f"*{files.TEMPORARY}")):
        if path in gone or _age(path) > SILENT_SECONDS:
            yield _item("temporary", root, path, "its writer is gone")


def _item(kind: Kind, root: Place, path: Place, why: str, trunk: str = "") -> Garbage:
    return Garbage(kind, quarantine.within(root, path), files.size(path), why, trunk)


def _remove(root: Place, item: Garbage, on_removed: Callable[[Garbage], None]) -> Garbage:
    path = root / item.path
    (files.remove_folder if files.is_folder(path) else files.remove)(path)
    on_removed(item)
    return item


def _age(path: Place) -> float:
    """Seconds since it was written; a folder in a store is as old as can be told: not at all."""
    age = files.age(path)
    return 0.0 if age is None else age
