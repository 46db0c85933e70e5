"""Baseline (b): PyTorch eager with the same model, to the parameter.

Pre-norm RMSNorm, rotary positions, `scaled_dot_product_attention`, SwiGLU, untied head; AdamW
with PyTorch's default implementation, gradient clipping, warmup and cosine decay.
"""

from __future__ import annotations

import math
import os
from typing import Any

import torch
from setting import LEARNING_RATE, TIMED_STEPS, WARMUP_STEPS, Setting
from torch import Tensor, nn
from torch.nn import functional

from scaling.families.transformer import Transformer

EPSILON = 1e-6
ROPE_BASE = 10_000.0


class Block(nn.Module):
    def __init__(self, shape: Transformer) -> None:
        super().__init__()
        w, hidden = shape.width, shape.mlp_width
        self.heads = shape.heads
        self.attention_norm = nn.RMSNorm(w, eps=EPSILON)
        self.qkv = nn.Linear(w, 3 * w, bias=False)
        self.out = nn.Linear(w, w, bias=False)
        self.mlp_norm = nn.RMSNorm(w, eps=EPSILON)
        self.gate_up = nn.Linear(w, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, w, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        B, T, W = x.shape
        q, k, v = (
            a.view(B, T, self.heads, -1).transpose(1, 2)
            for a in self.qkv(self.attention_norm(x)).chunk(3, -1)
        )
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(B, T, W))
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, -1)
        return x + self.down(functional.silu(gate) * up)


class TorchLM(nn.Module):
    """Tokens [B, T] -> logits [B, T, vocab]."""

    def __init__(self, shape: Transformer) -> None:
        super().__init__()
        if shape.mlp != "swiglu" or shape.tied or shape.qk_norm:
            raise ValueError("the PyTorch baseline has SwiGLU, an untied head and no QK-norm")
        self.embedding = nn.Embedding(shape.vocab, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.final_norm = nn.RMSNorm(shape.width, eps=EPSILON)
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
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return self.head(self.final_norm(x))

    def take_flax(self, params: Any) -> None:
        """Copy the parameters of our Flax model: the same function, for comparison."""
        weights = {"embedding.weight": params["embedding"], "head.weight": params["head"].T}
        weights["final_norm.weight"] = params["final_norm"]["gain"]
        for i in range(len(self.blocks)):
            for part, names in (("attention", ("qkv", "out")), ("mlp", ("gate_up", "down"))):
                weights[f"blocks.{i}.{part}_norm.weight"] = params[f"{part}_norm_{i}"]["gain"]
                for name in names:
                    weights[f"blocks.{i}.{name}.weight"] = params[f"{part}_{i}"][name].T
        self.load_state_dict({k: torch.tensor(v.tolist()) for k, v in weights.items()})


class TorchLoop:
    """`step()` trains one batch and returns its loss."""

    def __init__(self, setting: Setting, *, steps: int = TIMED_STEPS, seed: int = 0) -> None:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        torch.manual_seed(seed)
        recipe = setting.recipe
        self.clip, self.batches = recipe.clip, setting.batches(seed)
        self.model = TorchLM(setting.shape)
        parameters = list(self.model.parameters())
        self.optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in parameters if p.ndim > 1]},
                {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
            ],
            lr=LEARNING_RATE,
            betas=(recipe.beta1, recipe.beta2),
            weight_decay=recipe.weight_decay,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser,
            lambda t: min(t / WARMUP_STEPS, 0.5 + 0.5 * math.cos(math.pi * min(1, t / steps))),
        )

    def step(self) -> float:
        inputs, labels = next(self.batches)
        loss = mean_loss(self.model, torch.from_numpy(inputs), torch.from_numpy(labels))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimiser.step()
        self.schedule.step()
        return loss.item()


def mean_loss(model: TorchLM, inputs: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(model(inputs).flatten(0, 1), labels.flatten())


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
