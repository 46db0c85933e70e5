"""Baseline of `mfu.py`: the same model in PyTorch on the same GPU, trained as PyTorch's users do.

    python benchmarks/torch_mfu.py [--sizes 124M,1B] [--eager] [--json]

bfloat16 by autocast, float32 weights, fused AdamW, clipping, flash attention by
`scaled_dot_product_attention`, and `torch.compile` unless --eager. Batches, pieces and FLOPs are
those of `mfu.py`; tokens lie on the GPU, as there. Nothing is told of the model but its loss, once
a window.
"""

from __future__ import annotations

import json
import time
from statistics import median
from typing import Annotated, Any

import torch
import typer
from mfu import SIZES, Size
from torch_lm import TorchLM

from scaling import devices
from scaling.families.transformer import from_dials
from scaling.grid import CHUNK_STEPS

RATE, DECAY, BETAS = 3e-4, 0.1, (0.9, 0.98)


def main(
    sizes: Annotated[str, typer.Option(help=f"Of {', '.join(SIZES)}; by commas.")] = "124M,1B",
    eager: Annotated[bool, typer.Option("--eager", help="Without torch.compile.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Windows of each size.")] = 5,
    peak: Annotated[float | None, typer.Option(help="FLOP/s of the device.")] = None,
    microbatch: Annotated[int | None, typer.Option(min=1, help="Windows, of all sizes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure model FLOP utilisation in PyTorch."""
    on = "cuda" if torch.cuda.is_available() else "cpu"
    kind = torch.cuda.get_device_name() if on == "cuda" else "cpu"
    if peak is None:
        known = devices.of_kind(kind)
        if known is None:
            raise typer.BadParameter(f"the catalogue has no {kind!r}: give --peak")
        peak = known.peak("bfloat16")
    for name in sizes.split(","):
        size = SIZES[name]
        if microbatch:
            size = size._replace(microbatch=microbatch)
        told = {"device": kind, "size": name, "torch": torch.__version__, "eager": eager}
        told |= measured(size, peak, rounds, on, eager)
        if as_json:
            print(json.dumps(told))
        else:
            print(
                f"{kind}, {name}, PyTorch{' eager' if eager else ''}: MFU {told['mfu']:.1%} "
                f"({told['range'][0]:.1%} to {told['range'][1]:.1%}) of {peak:.3g} FLOP/s, "
                f"{told['tokens_per_second']:,.0f} tokens/s"
            )


def measured(size: Size, peak: float, rounds: int, on: str, eager: bool) -> dict[str, Any]:
    """Tokens a second and MFU over windows of as many steps as a chunk has."""
    shape = from_dials(
        width=size.width,
        depth=size.depth,
        heads=size.heads,
        vocab=size.vocab,
        context=size.context,
        tied=True,
    )
    torch.manual_seed(0)
    plain = TorchLM(shape).to(on)
    matrices = [p for p in plain.parameters() if p.ndim > 1]
    others = [p for p in plain.parameters() if p.ndim <= 1]
    groups = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, weight_decay=DECAY, fused=True)
    pieces = size.windows // size.microbatch

    def mean_loss(window: torch.Tensor) -> torch.Tensor:
        with torch.autocast(on, torch.bfloat16):
            logits = plain(window[:, :-1])
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), window[:, 1:].flatten()
        )

    loss_of = mean_loss if eager else torch.compile(mean_loss)
    tokens = torch.randint(0, size.vocab, (size.windows, size.context + 1), device=on)
    speeds = []
    for window in range(rounds + 1):
        began = time.perf_counter()
        for _ in range(CHUNK_STEPS):
            optimiser.zero_grad(set_to_none=True)
            for piece in tokens.chunk(pieces):
                loss = loss_of(piece) / pieces
                loss.backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
            optimiser.step()
        loss.item()  # waits for all of it
        if window:  # the first compiles
            speeds.append(CHUNK_STEPS * size.windows * size.context / (time.perf_counter() - began))
    of_peak = [speed * shape.training_flops() / peak for speed in speeds]
    return {
        "parameters": shape.N_total,
        "tokens_per_second": median(speeds),
        "mfu": median(of_peak),
        "range": [min(of_peak), max(of_peak)],
    }


if __name__ == "__main__":
    typer.run(main)
