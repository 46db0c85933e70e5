"""Baseline (b): PyTorch eager with the same model, to the parameter (`torch_models`).

AdamW with PyTorch's default implementation, gradient clipping, warmup and cosine decay.
"""

from __future__ import annotations

import math
import os
from typing import Any

import torch
from setting import LEARNING_RATE, TIMED_STEPS, WARMUP_STEPS, Setting
from torch import Tensor, nn
from torch.nn import functional
from torch_models import MODELS


class TorchLoop:
    """`step()` trains one batch and returns its loss."""

    def __init__(self, setting: Setting, *, steps: int = TIMED_STEPS, seed: int = 0) -> None:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        torch.manual_seed(seed)
        recipe = setting.recipe
        self.clip, self.batches = recipe.clip, setting.batches(seed)
        self.model = MODELS[setting.family](setting.shape)
        if setting.unit != "token":
            self.model = self.model.to(memory_format=torch.channels_last)
        parameters = list(self.model.parameters())
        self.optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in parameters if p.ndim > 1]},
                {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
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
        loss = mean_loss(self.model, next(self.batches))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimiser.step()
        self.schedule.step()
        return loss.item()


def mean_loss(model: nn.Module, batch: tuple[Any, ...]) -> Tensor:
    """Of a NumPy batch: text, images, or images with captions."""
    *inputs, labels = (torch.from_numpy(array) for array in batch)
    if inputs[0].ndim == 4:
        inputs[0] = inputs[0].permute(0, 3, 1, 2)
    out = model(*inputs)
    if isinstance(out, dict):
        return _pair_loss(out, inputs[1].long(), labels)
    return functional.cross_entropy(out.flatten(0, -2), labels.long().flatten())


def _pair_loss(out: dict[str, Tensor], captions: Tensor, labels: Tensor) -> Tensor:
    """Contrastive and twice the captioning loss; images of one class share their caption."""
    similar = out["image"] @ out["text"].T / out["temperature"]
    share = (labels[:, None] == labels[None, :]).float()
    share = share / share.sum(1, keepdim=True)
    contrastive = sum(functional.cross_entropy(s, share) for s in (similar, similar.T))
    logits = out["logits"][:, :-1].flatten(0, 1)
    return contrastive / 2 + 2 * functional.cross_entropy(logits, captions[:, 1:].flatten())
