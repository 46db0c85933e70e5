"""What an import looks for: our names, what each may hold, and what others call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
        "n", "n_non_embedding", "non_embedding_params", "non_embedding_parameters",
        "num_non_embedding_params", "params_non_embedding", "n_noembed", "n_nonemb",
        "non_embedding_*", "*_non_embedding", "params_no_emb*")),
    "N_total": Name("all parameters", 1e2, 1e14, (
        "n_total", "total_params", "total_parameters", "num_params_total", "params_total",
        "total_parameter_count", "parameters_total", "num_total_params")),
    # A count of which the name doesn't say whether embeddings are in it.
    "N_unstated": Name("parameters, of a kind that the name doesn't say", 1e2, 1e14, (
        "params", "parameters", "num_params", "num_parameters", "n_params", "n_parameters",
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
        "held_out_loss", "held_out", "loss_val", "loss_validation", "eval_loss_*",
        "val_bpb", "eval_bpb", "bits_per_byte", "bpb", "*_ce_loss", "val_ppl", "eval_ppl",
        "val_perplexity", "eval_perplexity", "perplexity", "ppl", "*bits_per_byte*")),
    # A loss of which the name doesn't say whether it was held out.
    "loss_unstated": Name("loss, held out or not", 0.0, 20.0, (
        "loss", "final_loss", "lm_loss", "nll", "cross_entropy", "ce_loss", "l")),
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
        "batch_tokens", "tokens_per_step", "tokens_per_batch", "batch_size_tokens",
        "tokens_per_iter", "global_batch_tokens", "total_batch_size", "batch_size_in_tokens")),
    "sequences": Name("sequences in a batch", 1.0, 1e7, (
        "global_batch_size", "train_batch_size", "batch_size", "per_device_train_batch_size",
        "device_batch_size", "bs", "micro_batch_size", "*_batch_size")),
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
