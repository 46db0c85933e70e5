"""Contrastive captioner: a ViT encoder, attentional pooling, a unimodal and a multimodal decoder.

Yu et al. 2022, CoCa (arXiv:2205.01917). All parts share one width. One dial (`size`) sets width,
depths and the MLPs' width as in `scaling.families.vit`. The Flax module of the same shape is
`scaling.models.coca`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from scaling.errors import InputError
from scaling.families import Unit, vit
from scaling.families.attention import block, cross_attention, matrix, norm, position
from scaling.families.ladder import check_dials, check_no_width, check_whole, nearest, set_weights
from scaling.families.layers import Layer, Layered

NAME = "coca"
UNIT: Unit = "pair"
DATA = ("image", "channels", "vocab", "context")
DIALS = (
    "width", "depth", "heads", "mlp_width", "patch", "text_depth", "queries", "embed",
    "caption_weight", "contrastive_weight",
)  # fmt: skip
SIZED = ("width", "depth", "heads", "mlp_width", "text_depth", "embed")
BLOCKS = True
# As published: as many queries as the encoder has patches there, captions weigh twice.
MOST_QUERIES = 256
CAPTION_WEIGHT = 2.0


@dataclass(frozen=True)
class CoCa(Layered):
    """The shape of one contrastive captioner; `image`, `channels`, `vocab`, `context` come from
    the data.

    depth: blocks of the encoder. text_depth: blocks of each decoder. queries: vectors of the image
    that the multimodal decoder sees. embed: numbers in the embeddings that are contrasted.
    The weights are those of the two losses. N leaves out the token table and the unembedding, not
    the positions.
    """

    image: int
    channels: int
    vocab: int
    context: int
    width: int
    depth: int
    heads: int
    mlp_width: int
    patch: int
    text_depth: int
    queries: int
    embed: int
    caption_weight: float = CAPTION_WEIGHT
    contrastive_weight: float = 1.0

    embeddings = ("embedding", "head")

    def __post_init__(self) -> None:
        weights = ("caption_weight", "contrastive_weight")
        whole = {name: value for name, value in asdict(self).items() if name not in weights}
        check_whole(NAME, **whole)
        vit.check_encoder(NAME, self.image, self.patch, self.width, self.heads)
        set_weights(NAME, self, *weights)
        if not self.caption_weight + self.contrastive_weight > 0:
            raise InputError("coca: caption_weight and contrastive_weight are 0: no loss is left")

    @property
    def patches(self) -> int:
        return (self.image // self.patch) ** 2

    def layers(self) -> tuple[Layer, ...]:
        w, text = self.width, self.context
        encoder = vit.encoder(
            self.image, self.channels, self.patch, w, self.depth, self.heads, self.mlp_width,
            token=False,
        )  # fmt: skip

        def blocks(path: str, tokens: int, seen: int = 0) -> tuple[Layer, ...]:
            each = (
                block(path, i, tokens, w, self.heads, self.mlp_width, seen=seen)
                for i in range(self.text_depth)
            )
            return tuple(layer for layers in each for layer in layers)

        return (
            *encoder,
            *self._pooler("caption_pool", self.queries, self.patches),
            *self._pooler("contrast_pool", 1, self.queries),
            self._projection("image_projection"),
            Layer("embedding", "embedding", (text, w), "embedding", self.vocab * w),
            Layer("text_token", "token", (w,), "token", w),
            position("text_position", text, w),
            # The class token stands behind the text, and sees all of it.
            # Its captions are masked, which no kernel is asked to do.
            *(replace(layer, fused_saved=None) for layer in blocks("unimodal", text + 1)),
            norm("text_norm", 1, w),
            self._projection("text_projection"),
            *blocks("multimodal", text, self.queries),
            norm("caption_norm", text, w),
            matrix(
                "head", "head", "head", text, w, self.vocab, bias=False, saved=text * self.vocab
            ),
            Layer("temperature", "temperature", (), "temperature", 1),
        )

    def _pooler(self, path: str, queries: int, seen: int) -> tuple[Layer, ...]:
        w = self.width
        return (
            Layer(path, "queries", (queries, w), "pooler", queries * w, saved=queries * w),
            *cross_attention(f"{path}/pooler", "pooler", queries, seen, w, self.heads),
            norm(f"{path}/norm", queries, w),
        )

    def _projection(self, name: str) -> Layer:
        """Onto the embedding that is contrasted, and to unit length."""
        unit = 3 * self.embed
        return matrix(
            name, "projection", "projection", 1, self.width, self.embed, bias=False,
            other_flops=unit, saved=unit,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def from_size(
    size: float,
    *,
    image: int,
    channels: int,
    vocab: int,
    context: int,
    count: str = "N",
    **fixed: Any,
) -> CoCa:
    """The contrastive captioner whose N (or N_total: `count`) is nearest to `size` in ratio.

    `fixed` pins other dials (`patch=7`, `text_depth=1`); the width is the size's.
    Raises InputError where no shape comes within a factor of 1.5 of `size`.
    """
    check_no_width(NAME, fixed)
    check_dials(NAME, fixed, DIALS)
    data = {"image": image, "channels": channels, "vocab": vocab, "context": context}
    return nearest(
        NAME,
        lambda step: from_dials(width=step * vit.WIDTH_STEP, **data, **fixed),
        size,
        count,
        last=vit.MAX_WIDTH // vit.WIDTH_STEP,
        describe=lambda shape: f"width {shape.width}, depth {shape.depth}",
    )


def from_dials(*, image: int, channels: int, vocab: int, context: int, **dials: Any) -> CoCa:
    """The contrastive captioner of these dials; `width` must be among them.

    Usual are two decoders half as deep as the encoder, embeddings as wide as the net, and one
    query a patch up to 256.
    """
    check_dials(NAME, dials, DIALS)
    if "width" not in dials:
        raise InputError("coca: no size; give a size or a width")
    given = {k: dials[k] for k in ("width", "depth", "patch") if k in dials}
    check_whole(NAME, image=image, **given)
    shape = {**vit.usual_shape(dials["width"]), **dials}
    if "patch" not in dials:
        shape["patch"] = vit.usual_patch(NAME, image)
    shape = {
        "text_depth": max(1, shape["depth"] // 2),
        "queries": min(MOST_QUERIES, (image // shape["patch"]) ** 2),
        "embed": shape["width"],
        **shape,
    }
    return CoCa(image=image, channels=channels, vocab=vocab, context=context, **shape)
