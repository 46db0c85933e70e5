"""Names what goes wrong in a run while it trains: one pass over its chunks, no JAX.

Each label, what it means and what to do about it: docs/survival.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from scaling.train.findings import LABELS as LABELS
from scaling.train.findings import Finding as Finding
from scaling.train.findings import Label as Label
from scaling.train.symptoms import Depth, Input, NonFinite
from scaling.train.telemetry import Chunk
from scaling.train.trajectory import Loss, Pace
from scaling.train.trajectory import Trend as Trend

# What comes after one of these is its consequence: of a dead run it is no news that it is slow.
CONSEQUENCES: dict[Label, set[Label]] = {
    "divergence": {"spike", "dead", "vanishing", "exploding", "slow", "numerical"},
    "dead": {"slow"},
}
# Gradients out of proportion when one of these begins are its cause, however short it was.
ENDS: tuple[Label, ...] = ("divergence", "numerical", "dead")


class Watch:
    """Sees a run's chunks as they come and says what is new.

    blocks: the model's blocks in the order of `Chunk`'s arrays. uniform: the loss of a uniform
    guess. trend: of runs of the same size, where there are any. scaled: whether gradients are
    scaled against overflow (float16). A chunk of earlier steps than the last means that the run was
    rewound: what was told stays told, and judgement begins anew.
    """

    def __init__(
        self,
        blocks: Sequence[str],
        uniform: float,
        trend: Trend | None = None,
        *,
        scaled: bool = False,
    ) -> None:
        self.blocks, self.uniform, self.trend, self.scaled = tuple(blocks), uniform, trend, scaled
        self.findings: list[Finding] = []
        self._begin()

    def _begin(self) -> None:
        self._nonfinite = NonFinite(self.blocks, self.scaled)
        self._loss, self._depth = Loss(self.uniform), Depth(self.blocks)
        self._input, self._pace = Input(), Pace(self.trend, self.uniform)
        self._last: int | None = None  # first step of the last chunk
        self._told: set[Label] = set()

    def see(self, chunk: Chunk) -> list[Finding]:
        """What this chunk shows for the first time."""
        if self._last is not None and chunk.first_step <= self._last:
            self._begin()
        self._last = chunk.first_step
        found = self._nonfinite.see(chunk)
        # Of steps most of which were not taken there is nothing more to say.
        if 2 * chunk.sound.sum() > len(chunk.loss):
            found += self._depth.see(chunk)
            found += self._loss.see(chunk) + self._pace.see(chunk)
        causes = [c for f in found if f.label in ENDS for c in self._depth.before(f.step)]
        return self._new(causes + found + self._input.see(chunk))

    def end(self) -> list[Finding]:
        """What is plain once the run has ended."""
        return self._new(self._loss.end())

    def _new(self, found: Sequence[Finding]) -> list[Finding]:
        """Spikes are told one by one; of other labels the first, until the run is rewound."""
        new = []
        for finding in found:
            consequence = any(finding.label in CONSEQUENCES.get(told, ()) for told in self._told)
            if not consequence and (finding.label == "spike" or finding.label not in self._told):
                new.append(finding)
                self._told.add(finding.label)
        self.findings += new
        return new
