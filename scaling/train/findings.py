"""What is said of a run that is not well: a label, with the step and the block of its onset."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Label = Literal[
    "spike", "divergence", "dead", "vanishing", "exploding", "slow", "numerical", "stalled", "hung",
    "killed",
]  # fmt: skip
LABELS: tuple[Label, ...] = get_args(Label)


@dataclass(frozen=True)
class Finding:
    """label: what it is. step: where it began. block: where in the model, "" where that is not
    known or no one block's. told: a sentence for people."""

    label: Label
    step: int
    block: str = ""
    told: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        where = f", {self.block}" if self.block else ""
        return f"{self.label} from step {self.step}{where}: {self.told}"
