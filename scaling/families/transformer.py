"""Decoder-only transformer: pre-norm RMSNorm, rotary positions, SwiGLU or GELU.

One dial (`size`, the non-embedding parameters N) sets a whole sensible shape. Everything here
is arithmetic on the shape: exact parameter counts, FLOPs and memory. The Flax module of the
same shape is `scaling.models.transformer`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from scaling.errors import InputError
from scaling.families import Unit
from scaling.families.ladder import check_dials, check_whole, nearest

NAME = "transformer"
UNIT: Unit = "token"
DATA = ("vocab", "context")
DIALS = ("width", "depth", "heads", "mlp", "tied", "qk_norm")
SIZED = ("width", "heads")
WIDTH_STEP = 8
MAX_WIDTH = 65_536


@dataclass(frozen=True)
class Transformer:
    """The shape of one transformer; `vocab` comes from the data's tokenizer."""

    width: int
    depth: int
    heads: int
    context: int
    vocab: int
    mlp: Literal["swiglu", "gelu"] = "swiglu"
    tied: bool = False
    qk_norm: bool = False

    def __post_init__(self) -> None:
        whole = ("width", "depth", "heads", "context", "vocab")
        check_whole(NAME, **{name: getattr(self, name) for name in whole})
        for name in ("tied", "qk_norm"):
            if type(getattr(self, name)) is not bool:
                raise InputError(
                    f"transformer: {name} = {getattr(self, name)!r}, valid: true, false"
                )
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise InputError(
                f"transformer: width {self.width} with {self.heads} heads gives a head size of "
                f"{self.width / self.heads:g}; rotary positions need an even whole number"
            )
        if self.mlp not in ("swiglu", "gelu"):
            raise InputError(f"transformer: mlp = {self.mlp!r}, valid: swiglu, gelu")

    @property
    def head_dim(self) -> int:
        return self.width // self.heads

    @property
    def mlp_width(self) -> int:
        """4 w for GELU; 8/3 w for SwiGLU, whose third matrix makes up for it."""
        if self.mlp == "gelu":
            return 4 * self.width
        return WIDTH_STEP * round(8 * self.width / 3 / WIDTH_STEP)

    @property
    def _mlp_matrices(self) -> int:
        return 3 if self.mlp == "swiglu" else 2

    def parameters(self) -> dict[str, int]:
        """Exact parameter counts by group; their sum is `N_total`."""
        w, d = self.width, self.depth
        return {
            "embedding": self.vocab * w,
            "attention": d * 4 * w * w,
            "mlp": d * self._mlp_matrices * w * self.mlp_width,
            "norm": (2 * d + 1) * w + (2 * d * self.head_dim if self.qk_norm else 0),
            "head": 0 if self.tied else self.vocab * w,
        }

    @property
    def N(self) -> int:
        """Non-embedding parameters: neither the embedding nor the unembedding matrix."""
        groups = self.parameters()
        return groups["attention"] + groups["mlp"] + groups["norm"]

    @property
    def N_active(self) -> int:
        return self.N

    @property
    def N_total(self) -> int:
        return sum(self.parameters().values())

    def forward_flops(self) -> dict[str, int]:
        """Matmul FLOPs of one token's forward pass, by part (a multiply-add is two).

        Attention scores and values are counted over the whole context, as they are computed
        (the causal mask discards half of them, it doesn't save them). Elementwise work
        (norms, softmax, activations) is not counted, as is usual.
        """
        w, d = self.width, self.depth
        return {
            "attention_projections": d * 2 * 4 * w * w,
            "attention_scores": d * 2 * 2 * self.context * w,
            "mlp": d * 2 * self._mlp_matrices * w * self.mlp_width,
            "head": 2 * w * self.vocab,
        }

    def training_flops(self) -> int:
        """Training FLOPs per token: forward plus twice that for the backward pass."""
        return 3 * sum(self.forward_flops().values())

    def memory_bytes(self, batch_tokens: int) -> int:
        """Predicted peak memory of a training step in float32, in bytes; the corpus not counted.

        Four float32 copies of the parameters (themselves, gradients, two Adam moments), and by
        token what the backward pass reads: per layer 9 vectors of the width (16 with QK-norm), the
        MLP's inner vectors (5 for SwiGLU, 3 for GELU), scores and weights of each head over the
        context; then 4 of the width and 2 of the vocabulary around the head. Within 15 % of
        XLA's compiled buffers (arguments + outputs + temporaries - aliases) on a CPU: see tests.
        """
        vectors = 16 if self.qk_norm else 9
        per_layer = (
            vectors * self.width
            + (2 * self._mlp_matrices - 1) * self.mlp_width
            + 2 * self.heads * self.context
        )
        per_token = self.depth * per_layer + 4 * self.width + 2 * self.vocab
        return 4 * (4 * self.N_total + batch_tokens * per_token)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


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
    shape = {"depth": usual_depth(width), "heads": usual_heads(width), **fixed}
    return Transformer(width=width, vocab=vocab, context=context, **shape)


def usual_depth(width: int) -> int:
    """width / 64 up to 1,024 (GPT-2's 768 x 12), then slower (8,192 x 76), at least 2."""
    power = 1.0 if width <= 1024 else 0.75
    return max(2, round(float(16 * (width / 1024) ** power)))


def usual_heads(width: int) -> int:
    """Heads of 64 where the width allows; narrow nets keep at least two heads where they can."""
    target = 64 if width >= 256 else 32 if width >= 64 else 16
    if width < 2 or width % 2:
        raise InputError(f"transformer: width {width}; rotary positions need an even width")
    fits = [h for h in range(1, width + 1) if width % h == 0 and (width // h) % 2 == 0]
    return min(fits, key=lambda h: (abs(width / h - target), h))
