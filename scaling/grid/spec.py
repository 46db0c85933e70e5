"""What a grid may say: its sections, their keys, and what each key allows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scaling.errors import InputError

Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A table of a grid: frozen; an unknown key, and a number that is none, is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(Section):
    """What is trained on. Which keys matter is set by what the families count: see `open_data`."""

    source: str = "python-stdlib"
    held_out: float = Field(0.1, gt=0, lt=1)
    # text
    tokenizer: str = "bytes"
    eval_tokens: int = Field(1_000_000, gt=0)
    unique_tokens: int | None = Field(None, gt=0)
    # images: the side in pixels, where the source leaves it open, and held-out images to read
    image: int | None = Field(None, gt=0)
    eval_images: int | None = Field(None, gt=0)
    # image-text pairs: templates for the names of classes, such as "a photo of a {}."
    captions: list[str] | None = None


class Recipe(Section):
    """How a run is trained; the same for the whole ladder. None: as is usual for the data."""

    # "law": as `rate_law` says at each run's size and length, a file that `scaling rates --save`
    # wrote or the name of published parameters. What is resolved is a number.
    learning_rate: float = Field(0.012, gt=0)
    rate_law: str | None = None
    # learning_rate = "tune": found at the smallest rung of the pilots, as [tune] says.
    tune: Literal[True] | None = None
    transfer: Literal["mup", "none"] = "mup"
    base_width: int = Field(32, gt=0)
    head_rate: float = Field(4.0, gt=0)
    batch_tokens: int = Field(1024, gt=0)
    batch_images: int | None = Field(None, gt=0)
    # "law": as `batch_law` says, or the file of `rate_law`.
    batch: Literal["law"] | None = None
    batch_law: str | None = None
    warmup_steps: int = Field(64, ge=0)
    cooldown: float = Field(0.2, ge=0, lt=1)
    weight_decay: float = Field(0.1, ge=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.98, ge=0, lt=1)
    clip: float = Field(1.0, ge=0)  # of the gradient's norm; 0: none
    # Of products and activations; parameters and optimiser stay float32. auto: float32 on a CPU,
    # bfloat16 on a GPU or TPU.
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    loss_scale: Literal["dynamic", "none"] | None = None  # float16: dynamic unless told otherwise
    optimiser: Literal["adamw", "lion", "sgd"] | None = None  # AdamW
    z_loss: float | None = Field(None, gt=0)  # weight of log(Z)^2, Z the sum of exp(logits)
    # Memory against time: examples (windows, images, pairs) whose gradients are taken together, and
    # blocks whose activations are computed twice instead of kept.
    microbatch: int | None = Field(None, gt=0)
    remat: Literal["blocks"] | None = None
    # Read the held-out part every so many steps, and end after so many readings without a new best.
    evaluate_every: int | None = Field(None, gt=0)
    early_stop: int | None = Field(None, gt=0)
    # Images in memory, on the device; a stream augments while it decodes.
    augment: Literal["shift", "shift-flip"] | None = None
    label_smoothing: float | None = Field(None, ge=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _by_law(cls, given: Any) -> Any:
        """A rate by law is a `rate_law` and no number, one that is tuned is `tune`; a number
        outranks both."""
        if not isinstance(given, dict):
            return given
        if given.get("learning_rate") == "tune":
            others = {k: v for k, v in given.items() if k != "learning_rate"}
            return {**others, "rate_law": None, "tune": True}
        if given.get("learning_rate") == "law":
            if given.get("rate_law") is None:
                raise ValueError(
                    'learning_rate = "law" needs rate_law, a saved fit or a law\'s name'
                )
            return {k: v for k, v in given.items() if k not in ("learning_rate", "tune")}
        number = {"rate_law": None, "tune": None}
        return {**given, **number} if "learning_rate" in given else given

    @model_validator(mode="after")
    def _batch_has_a_law(self) -> Recipe:
        if self.batch and self.tune:
            raise ValueError(
                'learning_rate = "tune" finds the best rate of one batch; with batch = "law" each '
                'size has its own: give a number, or learning_rate = "law"'
            )
        if self.batch and not (self.batch_law or self.rate_law):
            raise ValueError('batch = "law" needs batch_law, a saved fit or a law\'s name')
        return self


class Tune(Section):
    """How `learning_rate = "tune"` finds its rate: successive halving at the smallest rung.

    Every rate is trained for a while, those that did best for longer, and the best of the last
    round is where the parabola through its losses is lowest.
    """

    # By default the usual rate times 1/8, 1/4, 1/2, 1, 2, 4 and 8. Where the best is the first or
    # the last, the range grows by the ratio of its last two rates, up to three times at each end.
    rates: list[Positive] | None = Field(None, min_length=3)
    keep: float = Field(1 / 3, gt=0, lt=1)  # share of rates in the next round, three at least
    rounds: int = Field(2, gt=0)  # each longer than the one before by a factor of 1 / keep
    # Of the last round; earlier ones take the first. They are the tuning's own.
    seeds: list[Annotated[int, Field(ge=0)]] = Field([1000, 1001], min_length=1)
    # D of the first round; by default so that the last is as long as the rung's median pilot.
    budget: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _rates_differ(self) -> Tune:
        if self.rates is not None and len(set(self.rates)) < len(self.rates):
            raise ValueError("rates: each is given once")
        return self


class Recovery(Section):
    """What a run may do to survive; all of it is bounded, and recorded.

    A run that was rewound has the status `recovered`, and enters no fit unless asked for.
    """

    skip_steps: int = Field(16, ge=0)  # steps with a gradient that is not finite: not taken
    # From a spike, a divergence or too many such steps: back to the last good snapshot, past the
    # batches that led there, with the rate times `lower_rate`, with fresh moments if asked for.
    rewinds: int = Field(0, ge=0)
    lower_rate: float | None = Field(None, gt=0, lt=1)
    reset_moments: bool = False
    # A diverged run that can't be rewound is ended; else it goes on, and is diverged all the same.
    give_up: bool = True
    snapshot_every: int = Field(256, gt=0)  # steps
    # Of a process that was killed, or sent no sign of life for so long.
    retries: int = Field(2, ge=0)
    hang_seconds: float = Field(300, gt=0)

    def identity(self) -> dict[str, Any]:
        """What a result can depend on, as far as it is not as usual."""
        told = self.model_dump(exclude_defaults=True)
        return {k: v for k, v in told.items() if k not in ("give_up", "retries", "hang_seconds")}


class Devices(Section):
    """What one run is spread over: `data` parts of each batch, times `fsdp` parts of the state.

    hosts: processes that hold these devices together, each as many, perhaps one a host.
    """

    data: int = Field(1, gt=0)
    fsdp: int = Field(1, gt=0)
    hosts: int = Field(1, gt=0)

    @model_validator(mode="after")
    def _hosts_divide(self) -> Devices:
        if self.count % self.hosts:
            raise ValueError(f"hosts = {self.hosts} must divide the {self.count} devices")
        return self

    @property
    def count(self) -> int:
        return self.data * self.fsdp


class Place(BaseModel):
    """Where the cells are trained: an executor by name, and its own options; no part of a result.

    What the options may be is the executor's to say: `scaling.sweep.executors`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str = "local"

    @property
    def options(self) -> dict[str, Any]:
        return self.model_extra or {}


class Model(BaseModel):
    """The family and the dials that a ladder shares (depth, mlp, qk_norm, ...)."""

    model_config = ConfigDict(extra="allow", frozen=True)
    family: str = "transformer"
    context: int = Field(64, gt=0)

    @property
    def dials(self) -> dict[str, Any]:
        return self.model_extra or {}


class Axes(Section):
    """A block of cells: the product of its axes.

    Sizes by one of `sizes` (N), `widths`, `depths`. Lengths by one of `tokens`, `images` (D), or
    `epochs`, passes over each of `unique`, the training-set sizes.
    """

    model: Model | None = None  # where the block is of another family than the grid's [model]
    train: dict[str, Any] = {}  # keys of [train] that the block sets itself
    sizes: list[float] = []
    widths: list[int] = []
    depths: list[int] = []
    tokens: list[float] | None = Field(None, min_length=1)
    images: list[float] | None = Field(None, min_length=1)
    epochs: list[Positive] | None = Field(None, min_length=1)
    unique: list[Positive] | None = Field(None, min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1)
    learning_rates: list[Positive] = []
    batches: list[Annotated[int, Field(gt=0)]] = []  # units of D in a step
    transfers: list[Literal["mup", "none"]] = []

    @model_validator(mode="after")
    def _one_axis_each(self) -> Axes:
        if sum(map(bool, (self.sizes, self.widths, self.depths))) != 1:
            raise ValueError("give either sizes or widths (or depths)")
        if sum(axis is not None for axis in (self.tokens, self.images, self.epochs)) != 1:
            raise ValueError("give one of tokens, images and epochs")
        return self

    def recipe(self, common: Recipe) -> Recipe:
        """The grid's recipe with the keys that this block sets itself."""
        return Recipe.model_validate({**common.model_dump(exclude_unset=True), **self.train})


class Proof(Section):
    """The rule of the forecast, stated before any target is trained."""

    law: str = "chinchilla"
    N: Literal["N", "N_total"] = "N_total"
    where: str | None = None
    objective: Literal["squared", "huber"] = "huber"
    delta: float = Field(1e-3, gt=0)
    fixed: dict[str, list[float]] = {}
    draws: int = Field(1000, gt=0)
    # Runs that were rewound and recovered.
    recovered: Literal["exclude", "include"] = "exclude"
    # Standard deviation of the law's relative error, for each e-fold of compute beyond the pilots.
    discrepancy: float = Field(0.0, ge=0)


class Rival(Proof):
    """Another rule, forecast and stored beside the proof's own: what it would have said."""

    name: str = Field(min_length=1)


class Grid(Section):
    """A study, validated: what `load_grid` reads from its TOML. Equal grids plan equal cells."""

    name: str = Field(min_length=1)
    data: Data = Data()
    model: Model = Model()
    train: Recipe = Recipe()
    tune: Tune = Tune()
    recovery: Recovery = Recovery()
    devices: Devices = Devices()
    executor: Place = Place()
    # Beside the store: by the name of each tracker, its options (`scaling.sweep.trackers`).
    trackers: dict[str, dict[str, Any]] = {}
    pilots: list[Axes] = Field(min_length=1)
    targets: list[Axes] = []
    proof: Proof = Proof()
    rivals: list[Rival] = []

    def with_seed(self, shift: int) -> Grid:
        """The same study with every seed shifted: a repetition."""
        if shift < 0:
            raise InputError(f"a shift of {shift} of the seeds; valid is 0 or more")
        blocks = {
            part: [
                block.model_copy(update={"seeds": [s + shift for s in block.seeds]})
                for block in getattr(self, part)
            ]
            for part in ("pilots", "targets")
        }
        tune = self.tune.model_copy(update={"seeds": [s + shift for s in self.tune.seeds]})
        return self.model_copy(update={**blocks, "tune": tune} if shift else {})

    def asked(self) -> dict[str, Any]:
        """What it asks to be trained and forecast, by its sections; not where, nor who looks on.
        A key that a later version adds changes nothing."""
        return self.model_dump(exclude_defaults=True, exclude={"executor", "trackers"})

    @property
    def families(self) -> list[str]:
        """The model families of its blocks, in the order in which they come."""
        models = [block.model or self.model for block in (*self.pilots, *self.targets)]
        return list(dict.fromkeys(model.family for model in models))
