"""Makes `levanter/train.log`: what Levanter's JSON logger says of a run, behind a launcher's words.

python tests/importers/files/make_levanter.py FOLDER (levanter installed)

The losses are of a formula: the logger and its records are Levanter's own.
"""

import logging
import sys
from pathlib import Path

import jax.numpy as jnp
from levanter.tracker.json_logger import JsonLoggerTracker

PARAMETERS = 51_200
CONFIG = {
    "trainer": {"seed": 3, "train_batch_size": 16, "num_train_steps": 40},
    "model": {"type": "llama", "hidden_dim": 32, "num_layers": 2, "max_seq_len": 64},
    "optimizer": {"learning_rate": 1e-3, "betas": [0.9, 0.95]},
}


def main(folder: Path) -> None:
    logging.basicConfig(
        filename=folder / "train.log", format="I%(asctime)s worker0 %(message)s", filemode="w"
    )
    tracker = JsonLoggerTracker()
    tracker.logger.setLevel(logging.INFO)
    tracker.log_hyperparameters(CONFIG)
    tracker.log_summary({"parameter_count": PARAMETERS})
    for step in range(10, 41, 10):
        loss = jnp.asarray(3 + 4 / step)
        tokens = step * 16 * 64
        seen = {"total_tokens": tokens, "total_gflops": 6 * PARAMETERS * tokens / 1e9}
        tracker.log({"train/loss": loss, "throughput": seen}, step=step)
        if step % 20 == 0:
            losses = {"loss": loss + 0.25, "bpb": (loss + 0.25) / 3}
            tracker.log({"eval": {"paloma/c4_en": losses, "loss": loss + 0.5}}, step=step)
    tracker.finish()


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(exist_ok=True)
    main(Path(sys.argv[1]))
