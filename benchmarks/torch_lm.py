"""The transformer as a PyTorch module; see `torch_models`.

Pre-norm RMSNorm, rotary positions, `scaled_dot_product_attention`, SwiGLU, the head untied or
tied.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from scaling.families.transformer import Transformer

EPSILON = 1e-6
ROPE_BASE = 10_000.0


class Attention(nn.Module):
    def __init__(self, shape: Transformer) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        B, T, W = x.shape
        q, k, v = (a.view(B, T, self.heads, -1).transpose(1, 2) for a in self.qkv(x).chunk(3, -1))
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(B, T, W))


class SwiGLU(nn.Module):
    def __init__(self, shape: Transformer) -> None:
        super().__init__()
        self.gate_up = nn.Linear(shape.width, 2 * shape.mlp_width, bias=False)
        self.down = nn.Linear(shape.mlp_width, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, -1)
        return self.down(functional.silu(gate) * up)


class TorchLM(nn.Module):
    """Tokens [B, T] -> logits [B, T, vocab]."""

    def __init__(self, shape: Transformer) -> None:
        super().__init__()
        if shape.mlp != "swiglu" or shape.qk_norm:
            raise ValueError("the PyTorch baseline has SwiGLU and no QK-norm")
        self.depth, self.tied = shape.depth, shape.tied
        self.embedding = nn.Embedding(shape.vocab, shape.width)
        for n in range(shape.depth):
            for kind, module in (("attention", Attention), ("mlp", SwiGLU)):
                self.add_module(f"{kind}_norm_{n}", nn.RMSNorm(shape.width, eps=EPSILON))
                self.add_module(f"{kind}_{n}", module(shape))
        self.final_norm = nn.RMSNorm(shape.width, eps=EPSILON)
        if not shape.tied:
            self.head = nn.Linear(shape.width, shape.vocab, bias=False)
        frequency = ROPE_BASE ** (-torch.arange(0, shape.head_dim, 2) / shape.head_dim)
        angle = torch.arange(shape.context)[:, None] * frequency
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for n in range(self.depth):
            part = getattr(self, f"attention_{n}")
            x = x + part(getattr(self, f"attention_norm_{n}")(x), self.cos, self.sin)
            x = x + getattr(self, f"mlp_{n}")(getattr(self, f"mlp_norm_{n}")(x))
        x = self.final_norm(x)
        if self.tied:  # as our Flax model scales it
            return functional.linear(x / x.shape[-1], self.embedding.weight)
        return self.head(x)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
