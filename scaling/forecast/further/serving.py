"""How much a model will be served, and what that costs against its training."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scaling.errors import InputError


@dataclass(frozen=True)
class Rates:
    """Price of a FLOP in training, in reading a prompt and in generating; `unit` says of what."""

    training: float = 1.0
    prompt: float = 1.0
    generated: float = 1.0
    unit: str = "FLOPs"

    def __post_init__(self) -> None:
        for name in ("training", "prompt", "generated"):
            above_zero(name, getattr(self, name))


def rate(per_hour: float, peak_flops: float, mfu: float) -> float:
    """The price of a FLOP on a device of that price per hour, peak FLOP/s and utilisation."""
    for name, value in (("price per hour", per_hour), ("peak FLOP/s", peak_flops), ("MFU", mfu)):
        above_zero(name, value)
    if mfu > 1:
        raise InputError(f"MFU = {mfu:g}: must be above 0 and at most 1")
    return per_hour / 3600 / (peak_flops * mfu)


@dataclass(frozen=True)
class Serving:
    """Tokens served over the model's life: read as prompts, and generated."""

    prompt: float = 0.0
    generated: float = 0.0
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        for name in ("prompt", "generated"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise InputError(
                    f"{name} tokens served = {value:g}: must be a number of at least 0"
                )

    @property
    def tokens(self) -> float:
        return self.prompt + self.generated

    @property
    def as_training(self) -> float:
        """S: the tokens of training that serving costs as much as."""
        prices = self.rates
        spent = self.prompt * prices.prompt + self.generated * prices.generated
        return spent / (3 * prices.training)


def above_zero(name: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{name} = {value:g}: must be a finite number above 0")
