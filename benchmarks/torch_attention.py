"""ViT and CoCa as PyTorch modules; see `torch_models`."""

from __future__ import annotations

from math import log
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-6
SMALL = 0.02
TEMPERATURE, LEAST_TEMPERATURE = 0.07, 0.01


class Patches(nn.Linear):
    """Images [B, C, H, W] -> [B, patches, width]."""

    def __init__(self, s: Any) -> None:
        super().__init__(s.patch**2 * s.channels, s.width)
        self.patch = s.patch

    def forward(self, images: Tensor) -> Tensor:
        B, C, side, _ = images.shape
        p, grid = self.patch, side // self.patch
        cut = images.permute(0, 2, 3, 1).reshape(B, grid, p, grid, p, C).transpose(2, 3)
        return super().forward(cut.reshape(B, grid**2, p * p * C))


class SelfAttention(nn.Module):
    def __init__(self, s: Any) -> None:
        super().__init__()
        self.heads = s.heads
        self.qkv, self.out = nn.Linear(s.width, 3 * s.width), nn.Linear(s.width, s.width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = (heads(a, self.heads) for a in self.qkv(x).chunk(3, -1))
        return self.out(joined(functional.scaled_dot_product_attention(q, k, v, mask)))


class CrossAttention(nn.Module):
    def __init__(self, s: Any) -> None:
        super().__init__()
        self.heads = s.heads
        self.q, self.kv = nn.Linear(s.width, s.width), nn.Linear(s.width, 2 * s.width)
        self.out = nn.Linear(s.width, s.width)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        k, v = (heads(a, self.heads) for a in self.kv(seen).chunk(2, -1))
        q = heads(self.q(x), self.heads)
        return self.out(joined(functional.scaled_dot_product_attention(q, k, v)))


class Inner(nn.Module):
    def __init__(self, s: Any) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(s.width, s.mlp_width), nn.Linear(s.mlp_width, s.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(functional.gelu(self.up(x), approximate="tanh"))


class Blocks(nn.Module):
    """Pre-norm blocks; with `crosses` each also attends to an image."""

    def __init__(self, s: Any, depth: int, *, crosses: bool = False, final: bool = False) -> None:
        super().__init__()
        self.depth, self.final_norm = depth, norm(s) if final else None
        for n in range(depth):
            kinds = {"attention": SelfAttention, "mlp": Inner}
            for kind, module in (kinds | {"cross": CrossAttention} if crosses else kinds).items():
                self.add_module(f"{kind}_{n}", module(s))
                self.add_module(f"{kind}_norm_{n}", norm(s))

    def forward(self, x: Tensor, mask: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        def part(kind: str, n: int, *others: Any) -> Tensor:
            normed = getattr(self, f"{kind}_norm_{n}")(x)
            return x + getattr(self, f"{kind}_{n}")(normed, *others)

        for n in range(self.depth):
            x = part("attention", n, mask)
            if seen is not None:
                x = part("cross", n, seen)
            x = part("mlp", n)
        return self.final_norm(x) if self.final_norm else x


class ViT(nn.Module):
    """Images -> logits [B, classes]."""

    def __init__(self, s: Any) -> None:
        super().__init__()
        self.shape, self.patch = s, Patches(s)
        if s.pool == "token":
            self.token = nn.Parameter(torch.zeros(s.width))
        self.position = nn.Parameter(SMALL * torch.randn(s.tokens, s.width))
        self.encoder = Blocks(s, s.depth, final=True)
        self.head = nn.Linear(s.width, s.classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch(images)
        if self.shape.pool == "token":
            x = torch.cat([self.token.expand(len(x), 1, -1), x], 1)
        x = self.encoder(x + self.position)
        return self.head(x[:, 0] if self.shape.pool == "token" else x.mean(1))


class Pooler(nn.Module):
    def __init__(self, s: Any, queries: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, s.width))
        self.pooler, self.norm = CrossAttention(s), norm(s)

    def forward(self, seen: Tensor) -> Tensor:
        return self.norm(self.pooler(self.queries.expand(len(seen), -1, -1), seen))


class CoCa(nn.Module):
    """Images and captions -> the embeddings of both, the captions' logits, the temperature."""

    def __init__(self, s: Any) -> None:
        super().__init__()
        w = s.width
        self.patch = Patches(s)
        self.position = nn.Parameter(SMALL * torch.randn(s.patches, w))
        self.encoder = Blocks(s, s.depth, final=True)
        self.caption_pool, self.contrast_pool = Pooler(s, s.queries), Pooler(s, 1)
        self.image_projection = nn.Linear(w, s.embed, bias=False)
        self.embedding = nn.Embedding(s.vocab, w)
        self.text_token = nn.Parameter(SMALL * torch.randn(w))
        self.text_position = nn.Parameter(SMALL * torch.randn(s.context, w))
        self.unimodal = Blocks(s, s.text_depth)
        self.text_norm = norm(s)
        self.text_projection = nn.Linear(w, s.embed, bias=False)
        self.multimodal = Blocks(s, s.text_depth, crosses=True)
        self.caption_norm = norm(s)
        self.head = nn.Linear(w, s.vocab, bias=False)
        self.temperature = nn.Parameter(torch.tensor(log(TEMPERATURE)))

    def forward(self, images: Tensor, captions: Tensor) -> dict[str, Tensor]:
        seen = self.caption_pool(self.encoder(self.patch(images) + self.position))
        B, context = captions.shape
        x = self.embedding(captions) + self.text_position[:context]
        x = torch.cat([x, self.text_token.expand(B, 1, -1)], 1)
        causal = torch.ones(context + 1, context + 1, dtype=torch.bool).tril()
        real = torch.cat([captions != 0, torch.ones(B, 1, dtype=torch.bool)], 1)
        text = self.unimodal(x, causal & real[:, None, None, :])
        told = self.multimodal(text[:, :-1], causal[:-1, :-1], seen)
        image = self.image_projection(self.contrast_pool(seen)[:, 0])
        return {
            "image": functional.normalize(image, dim=-1),
            "text": functional.normalize(self.text_projection(self.text_norm(text[:, -1])), dim=-1),
            "logits": self.head(self.caption_norm(told)),
            "temperature": self.temperature.exp().clamp(min=LEAST_TEMPERATURE),
        }


def norm(s: Any) -> nn.LayerNorm:
    return nn.LayerNorm(s.width, eps=EPSILON)


def heads(x: Tensor, number: int) -> Tensor:
    B, T, W = x.shape
    return x.view(B, T, number, W // number).transpose(1, 2)


def joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
