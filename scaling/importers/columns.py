"""What an import looks for: our names, what each may hold, and what others call it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache


@dataclass(frozen=True)
class Name:
    """One of our names. low, high: a plausible range of its values; others: what it is called
    elsewhere, likeliest first, in lower case with words joined by `_`; `*` stands for anything.
    text: it may hold words, too."""

    about: str
    low: float = float("-inf")
    high: float = float("inf")
    others: tuple[str, ...] = ()
    text: bool = False


# Counts are of one run. What is measured (loss, train_loss) has a value a point, the rest may.
NAMES: Mapping[str, Name] = {
    "run": Name("which rows are of one run", text=True, others=(
        "run_id", "run_name", "run", "uid", "trial_id", "trial", "experiment_id", "run_uuid")),
    "family": Name("model family", text=True, others=("family", "architecture", "model_type")),
    "N": Name("parameters without vocabulary tables", 1e2, 1e14, (
        "n_non_embedding", "non_embedding_params", "non_embedding_parameters",
        "num_non_embedding_params", "params_non_embedding", "n_noembed", "n_nonemb",
        "non_embedding_*", "*_non_embedding", "params_no_emb*")),
    "N_total": Name("all parameters", 1e2, 1e14, (
        "n_total", "total_params", "total_parameters", "num_params_total", "params_total",
        "total_parameter_count", "parameters_total", "num_total_params")),
    # A count of which the name doesn't say whether embeddings are in it.
    "N_unstated": Name("parameters, of a kind that the name doesn't say", 1e2, 1e14, (
        "n", "params", "parameters", "num_params", "num_parameters", "n_params", "n_parameters",
        "param_count", "parameter_count", "model_size", "model_params", "model_parameters",
        "size", "nparams", "model/num_parameters")),
    "D": Name("training tokens seen", 1e3, 1e16, (
        "d", "tokens", "tokens_seen", "num_tokens", "n_tokens", "total_tokens", "train_tokens",
        "training_tokens", "tokens_trained", "num_input_tokens_seen", "consumed_tokens",
        "token_count", "train_tokens_seen", "throughput_total_tokens", "*tokens_seen*")),
    "D_unique": Name("distinct training tokens", 1e3, 1e16, ("d_unique", "unique_tokens")),
    "C": Name("training FLOPs", 1e6, 1e30, (
        "c", "flops", "total_flops", "train_flops", "training_flops", "compute", "flos",
        "total_flos", "*total_training_flops*")),
    "loss": Name("held-out loss", 0.0, 20.0, (
        "val_loss", "eval_loss", "validation_loss", "valid_loss", "test_loss", "heldout_loss",
        "held_out_loss", "held_out", "loss_val", "loss_validation", "eval_loss_*", "eval_*_loss",
        "val_*_loss", "validation_*_loss", "val_loss_*", "validation_loss_*", "test_loss_*",
        "valid_loss_*", "val_nll*", "val_bits_*", "eval_bits_*",
        "val_bpb", "eval_bpb", "bits_per_byte", "bpb", "*_ce_loss", "val_ppl", "eval_ppl",
        "val_perplexity", "eval_perplexity", "perplexity", "ppl", "*bits_per_byte*")),
    # A loss of which the name doesn't say whether it was held out.
    "loss_unstated": Name("loss, held out or not", 0.0, 20.0, (
        "loss", "final_loss", "lm_loss", "nll", "cross_entropy", "ce_loss", "l", "loss_*", "nll_*",
        "bits_per_*", "bpc")),
    "train_loss": Name("training loss", 0.0, 20.0, (
        "train_loss", "training_loss", "loss_train", "train_ce_loss", "train_lm_loss",
        "tr_loss", "train_*_loss")),
    "loss_se": Name("standard error of the loss", 0.0, 10.0, (
        "loss_se", "loss_stderr", "val_loss_se", "loss_std_err*", "*_loss_stderr")),
    "step": Name("optimiser steps done", 0.0, 1e9, (
        "step", "steps", "global_step", "iter", "iteration", "_step", "iter_num",
        "trainer_global_step", "num_steps", "update", "updates", "num_updates")),
    "total_steps": Name("steps planned", 1.0, 1e9, (
        "max_steps", "total_steps", "max_iters", "num_train_steps", "train_steps", "num_iterations",
        "*_max_steps", "*_num_train_steps", "training_steps", "train_iters")),
    "seed": Name("seed", 0.0, 2.0**64, ("seed", "random_seed", "rng_seed", "*_seed", "init_seed")),
    "learning_rate": Name("peak learning rate", 1e-9, 1e3, (
        "learning_rate", "lr", "peak_lr", "max_lr", "base_lr", "peak_learning_rate",
        "*_learning_rate", "*_lr")),
    "batch_tokens": Name("tokens in a step", 1.0, 1e9, (
        "batch_tokens", "bs_tokens", "tokens_per_step", "tokens_per_batch", "batch_size_tokens",
        "tokens_per_iter", "global_batch_tokens", "batch_size_in_tokens")),
    # A batch of which the name doesn't say what it counts: so many are tokens, fewer sequences.
    "batch_tokens_unstated": Name("tokens in a step", 1e4, 1e9, ("total_batch_size",)),
    "sequences": Name("sequences in a batch", 1.0, 1e7, (
        "global_batch_size", "total_batch_size", "train_batch_size", "batch_size",
        "per_device_train_batch_size", "device_batch_size", "bs", "micro_batch_size",
        "*train_batch_size")),
    "context": Name("tokens in a sequence", 1.0, 1e8, (
        "seq_len", "sequence_length", "seq_length", "block_size", "context_length", "max_seq_len",
        "n_ctx", "ctx_len", "context", "max_seq_length", "*_seq_len", "*_block_size",
        "*_sequence_length")),
    "accumulation": Name("batches summed in a step", 1.0, 1e6, (
        "gradient_accumulation_steps", "grad_accum_steps", "accumulate_grad_batches",
        "grad_accum", "gradient_accumulation", "accumulation_steps")),
    "devices": Name("devices that each have such a batch", 1.0, 1e6, (
        "world_size", "num_gpus", "n_gpus", "num_devices", "ddp_world_size", "n_devices")),
}  # fmt: skip
MEASURED = ("loss", "train_loss", "loss_se")

_UNITS = {
    "k": 1e3, "thousand": 1e3, "thousands": 1e3,
    "m": 1e6, "million": 1e6, "millions": 1e6,
    "b": 1e9, "bn": 1e9, "g": 1e9, "billion": 1e9, "billions": 1e9,
    "t": 1e12, "trillion": 1e12, "trillions": 1e12,
}  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[A-Z]+")


@cache
def plain(name: str) -> str:
    """A name in lower case, its words joined by `_`: `val/loss`, `valLoss` and `Val Loss` alike."""
    return "_".join(found.lower() for found in _WORD.findall(name))


@cache
def without_unit(name: str) -> tuple[str, float]:
    """`tokens_B`, `params (millions)` as the plain name and how many its unit stands for."""
    words = plain(name).split("_")
    scale = _UNITS.get(words[-1], 1.0) if len(words) > 1 else 1.0
    if scale != 1.0:
        words = words[:-1] if words[-2] != "in" else words[:-2]
    return "_".join(words), scale


@cache
def rank(ours: str, name: str) -> int | None:
    """How far down the list of what ours is called elsewhere the name stands; None: not at all.

    A name within others (`config.model.n_layer`, `train/loss`) counts by its last part, too, but
    comes after those that fit as a whole.
    """
    others = NAMES[ours].others
    last = re.split(r"[./]", name)[-1]
    for extra, whole in ((0, name), (len(others), last if "/" not in name else name)):
        called, _ = without_unit(whole)
        for place, pattern in enumerate(others):
            if fnmatchcase(called, pattern) or fnmatchcase(plain(whole), pattern):
                return place + extra
    return None
