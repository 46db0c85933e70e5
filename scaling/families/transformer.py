"""Decoder-only transformer: pre-norm, SwiGLU or GELU, rotary positions; GPT-2 and MoE by options.

One dial (`size`, the non-embedding parameters N) sets a whole sensible shape. Everything here
is arithmetic on the shape: exact parameter counts, FLOPs and memory. The Flax module of the
same shape is `scaling.models.transformer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from scaling.errors import InputError
from scaling.families import Unit, attention
from scaling.families.experts import blocks, computed_rows, mixture
from scaling.families.ladder import (
    check_choice,
    check_dials,
    check_no_width,
    check_whole,
    nearest,
    set_weights,
)
from scaling.families.layers import Layer, Layered

NAME = "transformer"
UNIT: Unit = "token"
DATA = ("vocab", "context")
DIALS = (
    "width", "depth", "heads", "mlp", "tied", "qk_norm", "norm", "positions", "bias",
    "experts", "experts_per_token", "balance_weight", "router_z_weight",
)  # fmt: skip
SIZED = ("width", "heads")
BLOCKS = True
WIDTH_STEP = 8
MAX_WIDTH = 65_536
# The fields that every cell's identity states; it states the others where they aren't usual.
FIRST_FIELDS = 8


@dataclass(frozen=True)
class Transformer(Layered):
    """The shape of one transformer; `vocab` comes from the data's tokenizer.

    N leaves out the token table, the unembedding and learned positions (as Kaplan et al. 2020,
    arXiv:2001.08361, section 2.1). GPT-2 is norm="layer", positions="learned", bias, tied, GELU.

    experts: MLPs in each block, of which a token meets `experts_per_token` (top-k of one router;
    no capacity, nothing is dropped). balance_weight: of the loss that spreads tokens evenly
    (Fedus et al. 2021, arXiv:2101.03961, equation 4); router_z_weight: of the loss that keeps the
    router's logits small (Zoph et al. 2022, arXiv:2202.08906, equation 5). FLOPs count the active
    experts; `computed_flops` says what a batch's padding makes of them.
    """

    width: int
    depth: int
    heads: int
    context: int
    vocab: int
    mlp: Literal["swiglu", "gelu"] = "swiglu"
    tied: bool = False
    qk_norm: bool = False
    norm: Literal["rms", "layer"] = "rms"
    positions: Literal["rotary", "learned"] = "rotary"
    bias: bool = False
    experts: int = 1
    experts_per_token: int = 1
    balance_weight: float = 0.01
    router_z_weight: float = 0.0

    embeddings = ("embedding", "head", "position")

    def __post_init__(self) -> None:
        whole = ("width", "depth", "heads", "context", "vocab", "experts", "experts_per_token")
        check_whole(NAME, **{name: getattr(self, name) for name in whole})
        for name in ("tied", "qk_norm", "bias"):
            check_choice(NAME, name, getattr(self, name), (True, False))
        check_choice(NAME, "mlp", self.mlp, ("swiglu", "gelu"))
        check_choice(NAME, "norm", self.norm, ("rms", "layer"))
        check_choice(NAME, "positions", self.positions, ("rotary", "learned"))
        rotary = self.positions == "rotary"
        if self.width % self.heads or (rotary and self.head_dim % 2):
            needed = "rotary positions need an even whole number" if rotary else "must be whole"
            raise InputError(
                f"transformer: width {self.width} with {self.heads} heads gives a head size of "
                f"{self.width / self.heads:g}; {needed}"
            )
        if self.experts_per_token > self.experts:
            raise InputError(
                f"transformer: experts_per_token = {self.experts_per_token} of experts = "
                f"{self.experts}; valid: 1 to {self.experts}"
            )
        set_weights(NAME, self, "balance_weight", "router_z_weight")

    @property
    def head_dim(self) -> int:
        return self.width // self.heads

    @property
    def mlp_width(self) -> int:
        """4 w for GELU; 8/3 w for SwiGLU, whose third matrix makes up for it. Of each expert."""
        if self.mlp == "gelu":
            return 4 * self.width
        return WIDTH_STEP * round(8 * self.width / 3 / WIDTH_STEP)

    @property
    def units(self) -> int:
        return self.context

    def layers(self) -> tuple[Layer, ...]:
        w, tokens = self.width, self.context
        learned = self.positions == "learned"
        return (
            Layer(
                "embedding", "embedding", (tokens, w), "embedding", self.vocab * w,
                saved=2 * tokens * w,
            ),
            *((attention.position("position", tokens, w),) if learned else ()),
            *(layer for n in range(self.depth) for layer in self._block(n)),
            attention.norm("final_norm", tokens, w, self.norm),
            Layer(
                "head", "head", (tokens, self.vocab), "head", 0 if self.tied else self.vocab * w,
                flops := 2 * tokens * w * self.vocab, 2 * flops,
                saved=2 * tokens * self.vocab,
            ),
        )  # fmt: skip

    def _block(self, number: int) -> tuple[Layer, ...]:
        w, tokens = self.width, self.context
        inner: dict[str, Any] = {"kind": self.mlp, "bias": self.bias}
        name = f"mlp_{number}"
        turned = 3 * 2 * tokens * w if self.positions == "rotary" else 0
        return attention.in_block(
            f"block_{number}",
            attention.norm(f"attention_norm_{number}", tokens, w, self.norm),
            *attention.self_attention(
                f"attention_{number}", tokens, w, self.heads,
                bias=self.bias, qk_norm=self.qk_norm,
            ),
            attention.norm(f"mlp_norm_{number}", tokens, w, self.norm),
            *(
                (attention.mlp(name, tokens, w, self.mlp_width, **inner),)
                if self.experts == 1
                else mixture(
                    name, tokens, w, self.mlp_width, **inner,
                    number=self.experts, active=self.experts_per_token,
                )
            ),
            Layer(f"sum_{number}", "sum", (tokens, w), other_flops=2 * tokens * w + turned),
        )  # fmt: skip

    def parameters(self) -> dict[str, int]:
        """Exact parameter counts by group; their sum is `N_total`. A tied head has none."""
        return {**super().parameters(), "head": 0 if self.tied else self.vocab * self.width}

    @property
    def N_active(self) -> int:
        """Of N, the parameters that a token meets."""
        idle = self.experts - self.experts_per_token
        return self.N - self.depth * idle * self._expert().parameters

    def computed_flops(self, batch: int, *, remat: bool = False) -> int:
        """As of every family; experts' blocks of rows are computed with their padding."""
        computed = super().computed_flops(batch, remat=remat)
        if self.experts == 1:
            return computed
        rows = batch * self.experts_per_token
        one, padding = self._expert(), computed_rows(rows, self.experts) - rows
        each = one.flops + one.backward_flops + remat * one.flops
        return computed + self.depth * padding * each

    def _met(self, units: int) -> Sequence[Layer]:
        """Experts keep the padding of their blocks of rows, and a copy of its matrices for each."""
        if self.experts == 1:
            return super()._met(units)
        rows = units * self.experts_per_token
        count, block = blocks(rows, self.experts)
        one = self._expert()
        added = (count * block - rows) * one.saved + count * one.parameters
        each = added * self.context // units  # an example's part
        return [
            replace(layer, saved=layer.saved + each) if layer.kind == "mlp" else layer
            for layer in self._listed
        ]

    def _expert(self) -> Layer:
        """One expert at one token."""
        return attention.mlp("", 1, self.width, self.mlp_width, kind=self.mlp, bias=self.bias)

    def to_dict(self) -> dict[str, Any]:
        """Its fields; those that came later are left out at their defaults, for cells' ids."""
        later = {f.name: f.default for f in fields(self)[FIRST_FIELDS:]}
        return {k: v for k, v in asdict(self).items() if k not in later or v != later[k]}


def from_size(
    size: float,
    *,
    vocab: int,
    context: int,
    count: str = "N",
    **fixed: Any,
) -> Transformer:
    """The buildable transformer whose N (or N_total: `count`) is nearest to `size` in ratio.

    `fixed` pins any of the other dials (`depth=2`, `qk_norm=True`).
    Raises InputError where no shape comes within a factor of 1.5 of `size`.
    """
    check_no_width(NAME, fixed)
    return nearest(
        NAME,
        lambda step: from_width(step * WIDTH_STEP, vocab=vocab, context=context, **fixed),
        size,
        count,
        last=MAX_WIDTH // WIDTH_STEP,
        describe=lambda shape: f"width {shape.width}, depth {shape.depth}",
    )


def from_dials(*, vocab: int, context: int, **dials: Any) -> Transformer:
    """The transformer of these dials; `width` must be among them."""
    if "width" not in dials:
        raise InputError("transformer: no size; give a size or a width")
    return from_width(vocab=vocab, context=context, **dials)


def from_width(width: int, *, vocab: int, context: int, **fixed: Any) -> Transformer:
    """The transformer of this width, depth and heads by the dial unless given."""
    check_dials(NAME, fixed, DIALS)
    check_whole(NAME, width=width)
    shape = {"depth": usual_depth(width), "heads": usual_heads(width), **fixed}
    return Transformer(width=width, vocab=vocab, context=context, **shape)


def usual_depth(width: int) -> int:
    """width / 64 up to 1,024 (GPT-2's 768 x 12), then slower (8,192 x 76), at least 2."""
    power = 1.0 if width <= 1024 else 0.75
    return max(2, round(float(16 * (width / 1024) ** power)))


def usual_heads(width: int) -> int:
    """Heads of an even size, of 64 where the width allows."""
    if width < 2 or width % 2:
        raise InputError(f"transformer: width {width}; rotary positions need an even width")
    return attention.usual_heads(width, even=True)
