"""One look at a running study after another: how it stands, how losses fall, what its law says."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from scaling import families
from scaling.errors import InputError
from scaling.forecast import proof
from scaling.forecast.proof import Verdict
from scaling.grid import Proof, parse_grid
from scaling.sweep.standing.looking import Looker, Sight
from scaling.sweep.standing.progress import Running
from scaling.sweep.storing.columns import table_of
from scaling.sweep.storing.store import FORECAST
from scaling.table import FAMILY
from scaling.units import unit_of_d
from scaling.watch.law import Follower, SoFar

if TYPE_CHECKING:
    from scaling.files import Place
    from scaling.sweep.standing.status import Status

State = Literal["not begun", "empty", "running", "idle", "done"]
SHARE = 0.02  # of a core
_MOST = 240  # losses kept of each running trunk; of more every other is dropped


@dataclass(frozen=True)
class Trunk:
    """A trunk at work. losses: (step, loss) as seen since the watch began; cell: facts of its
    longest; units_per_second: tokens (images, pairs)."""

    now: Running
    cell: dict[str, Any]
    units_per_second: float | None
    losses: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Learnt:
    """verdicts: of the forecast that was written, if one was. rule_from: where the law's rule
    stands. units: what D counts."""

    so_far: SoFar = field(default_factory=SoFar)
    rule_from: str = ""
    verdicts: tuple[Verdict, ...] = ()
    units: str = "tokens"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """What one look found. state: not begun, empty, running, idle or done."""

    folder: str
    at: datetime
    state: State
    sight: Sight
    trunks: tuple[Trunk, ...] = ()
    learnt: Learnt = field(default_factory=Learnt)

    @property
    def status(self) -> Status:
        assert self.sight.status is not None  # callers ask for the state first
        return self.sight.status

    @property
    def rates(self) -> tuple[float, float] | None:
        """Steps and units a second, of all that runs; None where nothing tells."""
        told = [one for one in self.trunks if one.now.alive and one.now.steps_per_second]
        if not told:
            return None
        steps = sum(one.now.steps_per_second or 0.0 for one in told)
        return steps, sum(one.units_per_second or 0.0 for one in told)

    def to_dict(self) -> dict[str, Any]:
        steps, units = self.rates or (None, None)
        told = {"study": None} if self.state == "not begun" else self.status.to_dict()
        return {
            "at": self.at.isoformat(timespec="seconds"),
            "folder": self.folder,
            "state": self.state,
            **told,
            "throughput": {"steps_per_second": steps, "units_per_second": units},
            "unit": self.learnt.units,
            "losses": {one.now.trunk: one.losses for one in self.trunks},
            "rule_from": self.learnt.rule_from,
            **self.learnt.so_far.to_dict(),
            "verdicts": [asdict(one) for one in self.learnt.verdicts],
            "notes": self.learnt.notes,
        }


class Watch:
    """Watches one study: `look()` as often as wanted. price: of one device for an hour.

    Only reads; each look reads what is new, and the law is fitted anew only where other runs enter.
    Neither takes more than SHARE of a core: fits wait for their turn, and `rest` says how long to
    wait for the next look. Raises InputError where there is no such folder.
    """

    def __init__(self, folder: Place | str, price: float | None = None) -> None:
        self.rest = 0.0
        self._looker = Looker(folder, price)
        self._law = Follower()
        self._losses: dict[str, list[tuple[int, float]]] = {}
        self._forecast: tuple[str, dict[str, Any] | None, str] = ("", None, "")
        self._known: tuple[str, Learnt] | None = None
        self._next_fit = 0.0
        self._rule: tuple[str, Proof, str] | None = None

    def look(self) -> View:
        began = time.thread_time()
        sight, at = self._looker.look(), datetime.now(UTC)
        folder, status = str(self._looker.folder), sight.status
        if status is None:
            return View(folder, at, "not begun", sight)
        state, trunks = _state(sight, status), tuple(self._trunks(sight, status.running))
        # a first look, and a first fit, load what others find loaded: they are no measure
        self.rest = (time.thread_time() - began) / SHARE if self._known else 0.0
        return View(folder, at, state, sight, trunks, self._learnt(sight, state))

    def _learnt(self, sight: Sight, state: State) -> Learnt:
        """What the newest records teach; what older ones did, while that would cost too much."""
        if self._known is None or (
            sight.version != self._known[0]
            and (state == "done" or time.monotonic() >= self._next_fit)
        ):
            began, first = time.thread_time(), not self._law.fitted
            self._known = sight.version, self._learn(sight)
            took = 0.0 if first else time.thread_time() - began
            self._next_fit = time.monotonic() + took / SHARE
        return self._known[1]

    def _learn(self, sight: Sight) -> Learnt:
        """What only records, plan, grid and forecast tell."""
        forecast, why = self._written(sight)
        rule, rule_from = self._rule_of(sight, forecast)
        # rows of an older plan's cells are no part of the study
        rows = sight.found.of(sight.plan.runs)
        times = [str(when or "") for when in rows["trained_at"].to_pylist()]
        table = table_of(rows).assign(trained_at=times)
        records = {row["run"]: row for row in rows.select(_OF_VERDICTS).to_pylist()}
        planned = [*sight.plan.of_role("pilot"), *sight.plan.of_role("target")]
        if forecast and not any(row["role"] == "target" for row in planned):  # no plan.parquet
            more = {"role": "target", FAMILY: ""}
            planned += [more | target | {"run": target["cell"]} for target in forecast["targets"]]
        return Learnt(
            so_far=self._law.follow(table, rule, planned) if len(table) else SoFar(),
            rule_from=rule_from,
            verdicts=tuple(proof.verdicts(forecast, records)) if forecast else (),
            units=_units(sight),
            notes=(why,) if why else (),
        )

    def _written(self, sight: Sight) -> tuple[dict[str, Any] | None, str]:
        """The forecast that is in the folder, or why it can't be used."""
        stamp = sight.beside.get(FORECAST, "")
        if stamp != self._forecast[0]:
            try:
                found = proof.read(self._looker.folder / FORECAST)
                self._forecast = stamp, found, ""
            except InputError as error:
                self._forecast = stamp, None, f"the forecast cannot be used: {error}"
        return self._forecast[1:] if stamp else (None, "")

    def _rule_of(self, sight: Sight, forecast: dict[str, Any] | None) -> tuple[Proof, str]:
        """The rule of the law so far: of the forecast, of the grid, or the default."""
        if forecast is not None:
            try:
                return Proof(**forecast["rule"]), "forecast.json"
            except (ValidationError, KeyError, TypeError):
                pass  # of another version: the grid may tell
        text = self._looker.grid_text(sight)
        if self._rule is None or self._rule[0] != text:
            try:
                self._rule = text, parse_grid(text).proof, "grid.toml"
            except InputError:
                self._rule = text, Proof(), "the default rule"
        return self._rule[1:]

    def _trunks(self, sight: Sight, running: Iterable[Running]) -> Iterable[Trunk]:
        kept, self._losses = self._losses, {}
        for one in running:
            losses = self._losses[one.trunk] = kept.get(one.trunk, [])
            if one.step is not None and one.loss is not None:
                if not losses or one.step != losses[-1][0]:
                    losses.append((one.step, one.loss))
                if len(losses) > _MOST:
                    del losses[1:-1:2]
            cell = sight.plan.longest(one.trunk)
            rate = None
            if one.steps_per_second and cell and cell["steps"]:
                rate = one.steps_per_second * cell["D"] / cell["steps"]
            yield Trunk(one, cell, rate, tuple(losses))


# What a verdict asks of a record.
_OF_VERDICTS = ["run", "status", "loss", "trained_at"]


def _state(sight: Sight, status: Status) -> State:
    if not status.planned:
        return "empty"
    if sight.done:
        return "done"
    return "running" if any(one.alive for one in status.running) else "idle"


def _units(sight: Sight) -> str:
    """What D counts, in the plural: as records say, or as the planned family does."""
    rows = sight.found.rows
    kinds = [kind for kind in rows["D_kind"].unique().to_pylist() if kind]
    if kinds:
        return unit_of_d(kinds[0])
    planned = sight.plan.rows
    if planned is None or not len(planned):
        return unit_of_d()
    try:
        return f"{families.get(planned['family'][0].as_py()).UNIT}s"
    except InputError:
        return unit_of_d()
