"""Logs as training scripts print them.

The scripts can't be run here: each function writes, statement by statement, what the script named
in it prints (as of its public source in 2026), with values of our own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from batteries.importers import BATCH_TOKENS, SHAPE, MadeRun


def nanogpt(run: MadeRun, *, resumed: bool = False) -> str:
    """karpathy/nanoGPT, configurator.py, train.py and model.py."""
    lines = [f"Overriding: {key} = {value}" for key, value in run.config.items()]
    lines += [f"tokens per iteration will be: {BATCH_TOKENS:,}"]
    lines += ["Resuming training from out" if resumed else "Initializing a new model from scratch"]
    shape = {**SHAPE, **run.config}
    d, layers = int(shape["n_embd"]), int(shape["n_layer"])
    matrices = 12 * layers * d * d + (int(shape["vocab_size"]) + int(shape["block_size"])) * d
    norms = (2 * layers + 1) * d
    lines += [
        f"number of parameters: {(matrices + norms - int(shape['block_size']) * d) / 1e6:.2f}M",
        f"num decayed parameter tensors: {4 * layers + 2}, with {matrices:,} parameters",
        f"num non-decayed parameter tensors: {2 * layers + 1}, with {norms:,} parameters",
    ]
    for step, loss, held_out in run.points:
        if step in run.held_out or (math.isnan(loss) and math.isnan(held_out)):
            lines.append(f"step {step}: train loss {loss:.4f}, val loss {held_out:.4f}")
            lines.append("saving checkpoint to out")
        lines.append(f"iter {step}: loss {loss:.4f}, time {12.345:.2f}ms, mfu {-100:.2f}%")
    return "\n".join(lines) + "\n"


def nanochat(run: MadeRun, counts: Mapping[str, int], planned: int) -> str:
    """karpathy/nanochat, scripts/base_train.py."""
    lines = ["Vocab size: 65,536", "Model config:", "{", '  "sequence_len": 2048,']
    lines += ['  "n_layer": 4,', '  "n_embd": 256', "}", "Parameter counts:"]
    lines += [f"{name:24s}: {count:,}" for name, count in counts.items()]
    lines += [
        f"Estimated FLOPs per token: {4.5e8:e}",
        f"Calculated number of iterations from target data:param ratio: {planned:,}",
        f"Total number of training tokens: {planned * 524288:,}",
        f"Total training FLOPs estimate: {4.5e8 * planned * 524288:e}",
        "Tokens / micro-batch / rank: 32 x 2048 = 65,536",
        f"Total batch size {524288:,} => gradient accumulation steps: 1",
    ]
    for step, loss, held_out in run.points:
        if step in run.held_out:
            lines.append(f"Step {step:05d} | Validation bpb: {held_out:.6f}")
        lines.append(
            f"step {step:05d}/{planned:05d} ({100 * step / planned:.2f}%) | loss: {loss:.6f} | "
            f"lrm: {1:.2f} | dt: {612.5:.2f}ms | tok/sec: {855980:,} | bf16_mfu: {48.1:.2f} | "
            f"epoch: 1 pq: 3 rg: 12 | total time: {1.02:.2f}m | eta: 3.4m"
        )
    lines += ["Peak memory usage: 12345.67MiB", "Minimum validation bpb: 0.812345"]
    return "\n".join(lines) + "\n"


def modded_nanogpt(run: MadeRun, planned: int) -> str:
    """KellerJordan/modded-nanogpt, train_gpt.py: its own source, then lines of steps."""
    source = 'print0(f"step:{step}/{train_steps} val_loss:{val_loss:.4f}", console=True)\n'
    lines = [source + "=" * 100]
    for step, _, held_out in run.points:
        if step in run.held_out:
            lines.append(
                f"step:{step}/{planned} val_loss:{held_out:.4f} train_time:{step * 221:.0f}ms "
                f"step_avg:{221.77:.2f}ms"
            )
        lines.append(f"step:{step + 1}/{planned} train_time:{step * 221:.0f}ms step_avg:nanms")
    return "\n".join(lines) + "\n"


def llmc_file(run: MadeRun) -> str:
    """karpathy/llm.c, llmc/logger.h: main.log."""
    lines = []
    for step, loss, held_out in run.points:
        if step in run.held_out:
            lines.append(f"s:{step} tel:{held_out:.4f}")
            lines.append(f"s:{step} eval:{0.25:.4f}")
        lines.append(f"s:{step} trl:{loss:.4f} lr:{6e-4:.6f} norm:{1.25:.2f}")
    return "\n".join(lines) + "\n"


def llmc_console(run: MadeRun, planned: int) -> str:
    """karpathy/llm.c, train_gpt2.cu: a table of settings; a held-out loss follows its step."""
    rows = {
        "total batch size": "524288",
        "learning rate (LR)": f"{6e-4:e}",
        "vocab_size V": "50257",
    }
    rows |= {"num_layers L": "12", "channels C": "768", "num_parameters": "124475904"}
    rule = f"+{'-' * 23}+{'-' * 52}+"
    lines = [rule, *(f"| {name:<21} | {text:<50} |" for name, text in rows.items()), rule]
    lines.append(f"val loss {11.010101:f}")
    for step, loss, held_out in run.points:
        lines.append(
            f"step {step:4d}/{planned} | loss {loss:7.6f} ({0.5:+.2f}z)| norm {1.25:6.4f} "
            f"({-0.1:+.2f}z)| lr {6e-4:.2e} | {120.5:.2f} ms | {51.2:.1f}% bf16 MFU | 131072 tok/s"
        )
        if step in run.held_out:
            lines.append(f"val loss {held_out:f}")
    return "\n".join(lines) + "\n"


def megatron(run: MadeRun, planned: int) -> str:
    """NVIDIA/Megatron-LM, megatron/training/arguments.py and training.py."""
    asked = {"global_batch_size": 256, "seq_length": 2048, "hidden_size": 1024, "lr": 0.0003}
    asked |= {"tensor_model_parallel_size": 1, "pipeline_model_parallel_size": 1}
    lines = ["------------------------ arguments ------------------------"]
    lines += [f"  {name} {'.' * (48 - len(name))} {value}" for name, value in asked.items()]
    lines += ["-------------------- end of arguments ---------------------"]
    rank = "(tensor, pipeline) model parallel rank (0, 0)"
    lines += [f" > number of parameters on {rank}: 354871296"]
    for step, loss, held_out in run.points:
        lines.append(
            f" [2026-11-26 10:00:00] iteration {step:8d}/{planned:8d} | consumed samples: "
            f"{step * 256:12d} | elapsed time per iteration (ms): {812.5:.1f} | learning rate: "
            f"{3e-4:.6E} | global batch size: {256:5d} | lm loss: {loss:.6E} | loss scale: {1:.1f} "
            f"| grad norm: {1.25:.3f} | number of skipped iterations:   0 |"
        )
        if step in run.held_out:
            said = (
                f" validation loss at iteration {step} | lm loss value: {held_out:.6E} | "
                f"lm loss PPL: {math.exp(held_out):.6E} | "
            )
            lines += ["-" * (len(said) + 1), said, "-" * (len(said) + 1)]
    return "\n".join(lines) + "\n"


def nanogpt_log(runs: Sequence[MadeRun]) -> str:
    """One run after the other; one of the name of the last took it up again."""
    texts, last = [], ""
    for run in runs:
        texts.append(nanogpt(run, resumed=run.name == last))
        last = run.name
    return "".join(texts)
