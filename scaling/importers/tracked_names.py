"""Under which names trainers log into trackers what a run table holds.

The names are the trainers', whichever tracker they log into: our own; Hugging Face's Trainer and
nanoGPT (`train/loss`), Lightning (`train_loss`), Levanter and Marin (`throughput/total_tokens`),
OLMo-core (`train/CE loss`), torchtitan (`loss_metrics/...`), Megatron (`lm loss`), GPT-NeoX
(`train/lm_loss`), NeMo (`reduced_train_loss`), Composer (`metrics/eval/...`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# fmt: off
NAMES: Mapping[str, Sequence[str]] = {
    # A trainer's own counter stands before what the tracker counts (`_step` of W&B).
    "step": (
        "step", "train/global_step", "trainer/global_step", "global_step", "iter", "iteration",
        "train/step", "time/batch", "_step",
    ),
    "loss": (
        "final/loss", "held_out", "eval/loss", "val/loss", "validation/loss", "eval_loss",
        "val_loss", "validation_loss", "validation_metrics/loss", "lm loss validation",
        "validation/lm_loss", "metrics/eval/LanguageCrossEntropy", "eval/lm/*/CE loss",
        "eval/*/loss", "val/*loss", "test/loss",
    ),
    "train_loss": (
        "train/loss", "train_loss", "training_loss", "train/CE loss", "train/cross_entropy_loss",
        "loss_metrics/global_avg_loss", "lm loss", "train/lm_loss", "reduced_train_loss",
        "loss/train/total", "learning/loss", "loss",
    ),
    "D": (
        "D", "train/tokens", "tokens", "throughput/total_tokens", "throughput/total tokens",
        "n_tokens_seen", "tokens_seen", "train/num_input_tokens_seen", "num_input_tokens_seen",
        "time/token", "total_tokens",
    ),
    "N": (
        "N", "non_embedding_params", "num_non_embedding_params", "n_params_non_embedding",
        "num_params_non_embedding", "parameters_without_embeddings",
    ),
    "N_total": (
        "N_total", "model/num_parameters", "parameter_count", "total_params", "total_parameters",
    ),
    "N_unstated": ("num_params", "n_params", "num_parameters", "model_params", "params"),
    "C": ("C", "train/total_flos", "total_flos", "total_training_flops", "total_flops"),
    "learning_rate": (
        "learning_rate", "optimizer.learning_rate", "optim.lr", "optimizer.lr",
        "args.learning_rate", "lr", "max_lr", "train/learning_rate", "learning-rate",
    ),
    "batch_tokens": (
        "batch_tokens", "tokens_per_batch", "tokens_per_step", "global_batch_tokens",
    ),
    "sequences": (
        "trainer.train_batch_size", "global_batch_size", "global_train_batch_size",
        "train_batch_size", "batch_size", "batch-size",
    ),
    "total_steps": (
        "trainer.num_train_steps", "max_steps", "args.max_steps", "max_iters", "train_iters",
    ),
    "context": (
        "block_size", "seq_length", "sequence_length", "max_seq_len", "seq_len", "training.seq_len",
    ),
    "seed": ("seed", "trainer.seed", "args.seed", "train.seed", "training.seed"),
    "family": ("family", "model_type", "model.type", "architecture", "wandb.group"),
}
# fmt: on
