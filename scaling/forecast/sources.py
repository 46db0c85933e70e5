"""Several sources of a forecast side by side: whether they speak of the same N, C, D and loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scaling.cost import Cost, c_6nd
from scaling.errors import InputError
from scaling.fit.result import Fit
from scaling.forecast.forecast import Nearest
from scaling.forecast.grounds import Grounds
from scaling.forecast.predictor import Predictor
from scaling.forecast.published import PublishedLaw
from scaling.units import UNSTATED

_COUNTS = {"N_total": "total", "N_active": "active"}


@dataclass(frozen=True, eq=False)
class Source:
    """One of them, as it was named. nearest: from N to a buildable configuration. smallest: the
    least N behind it, and the least batch where the table tells. study: the one that it is a part
    of, with others on the same data."""

    name: str
    grounds: Grounds
    nearest: Nearest | None = None
    smallest: tuple[float, float | None] | None = None
    study: str = ""

    @property
    def predictor(self) -> Predictor:
        return self.grounds.predictor

    def convention(self, of: str) -> str:
        """What `of` (N_kind, C_kind, D_kind or L_kind) is here; "unstated" where nobody says."""
        if of == "C_kind":
            return self.predictor.cost.kind
        if of == "N_kind" and self.predictor.n_column in _COUNTS:
            return _COUNTS[self.predictor.n_column]
        if of == "N_kind" and isinstance(self.predictor, PublishedLaw):
            return self.predictor.published.n_kind
        kinds = self.grounds.kinds or getattr(self.predictor, "conventions", {})
        return kinds.get(of, UNSTATED)

    def must_afford(self, C: float) -> None:
        """Raise InputError for a budget below one step of the smallest model behind this."""
        if self.smallest is None:
            return
        N, batch = self.smallest
        step = float(self.predictor.cost.flops_per_token(N)) * (batch or 1.0)
        if step > C:
            of = f"a batch of {batch:,.0f}" if batch else "a single token"
            raise InputError(
                f"compute = {C:.4g} FLOPs is less than one step of the smallest model of "
                f"{self.name}: N = {N:.4g} with {of} costs {step:.4g}"
            )


def smallest_of(predictor: Predictor) -> tuple[float, float | None] | None:
    """The least N that a fit was made from; its batch is not known."""
    return (float(predictor.points["N"].min()), None) if isinstance(predictor, Fit) else None


def comparable(sources: Sequence[Source]) -> tuple[list[Source], tuple[str, ...]]:
    """The sources under one convention each of N, C, D and loss, and what must be said of it.

    Of fits with a counted C beside others in 6ND, C becomes 6ND: a law of N and D knows no C.
    Nothing else can be converted. Raises InputError that names two sources that do not agree.
    """
    found, told = list(sources), []
    for of, what in (("N_kind", "N"), ("D_kind", "D"), ("L_kind", "loss")):
        told += _one(found, of, what)
    if len({item.predictor.cost.kind for item in found}) > 1:
        for i, item in enumerate(found):
            if item.predictor.cost.kind == "6ND":
                continue
            if not isinstance(item.predictor, Fit):
                _one(found, "C_kind", "C")  # raises
            fitted = replace(item.grounds, predictor=in_6nd(item.predictor))
            found[i] = replace(item, grounds=fitted)
            told.append(f"{item.name}: C is 6ND here, as of the others; its table's is counted")
    if len({item.study or item.name for item in found}) > 1:
        told.append(
            "losses of different data, tokenisers or held-out sets do not compare; what each "
            "source would train does"
        )
    return found, tuple(told)


def in_6nd(fitted: Predictor) -> Fit:
    """The same fit with its budgets in 6ND, in its own count of N."""
    assert isinstance(fitted, Fit)  # for the type checker: the caller looked
    C = c_6nd(fitted.points["N"], fitted.points["D"])
    return replace(fitted, cost=Cost(), c_min=float(C.min()), c_max=float(C.max()))


def _one(sources: Sequence[Source], of: str, what: str) -> list[str]:
    """What is to be said where some do not state a convention; an error where two differ."""
    stated: dict[str, str] = {}
    silent = []
    for item in sources:
        kind = item.convention(of)
        if kind == UNSTATED:
            silent.append(item.name)
        else:
            stated.setdefault(kind, item.name)
    if len(stated) > 1:
        (a, first), (b, second) = list(stated.items())[:2]
        raise InputError(
            f"mixed conventions of {what}: {first} has {of} = {a}, {second} has {of} = {b}; "
            "neither can be converted, so ask them one by one"
        )
    if silent and stated and len(sources) > 1:
        kind = next(iter(stated))
        return [f"{', '.join(silent)} does not state {of}; taken as {kind}, as of the others"]
    return []
