"""Makes `olmo/`: a ladder of two runs, by the callbacks of OLMo-core that write files and the log.

python tests/importers/files/make_olmo.py FOLDER (ai2-olmo-core and torch installed)

What a trainer would hand to its callbacks is handed to them here, with losses of a formula: the
callbacks, their files and the configs are OLMo-core's own, the losses are not measured.
"""

import logging
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

from olmo_core.nn.transformer import TransformerConfig
from olmo_core.optim import AdamWConfig
from olmo_core.train.callbacks import (
    ConfigSaverCallback,
    ConsoleLoggerCallback,
    MetricSaverCallback,
)

BATCH_TOKENS, STEPS, PLANNED = 4096, (20, 40, 60), 60
SIZES = {"tiny": (32, 2), "small": (64, 3)}


def main(folder: Path) -> None:
    for size, (width, layers) in SIZES.items():
        model = TransformerConfig.llama_like(
            vocab_size=512, d_model=width, n_layers=layers, n_heads=2
        )
        train(folder / size, size, model)


def train(folder: Path, size: str, model: TransformerConfig) -> None:
    def write(name: str, contents: str, dir: Path | None = None) -> Path:  # noqa: A002 - OLMo-core's own name
        file = (dir or folder) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(contents)
        return file

    saver = MetricSaverCallback(fixed_steps=list(STEPS))
    config, console = ConfigSaverCallback(), ConsoleLoggerCallback(metrics_log_interval=10)
    trainer = SimpleNamespace(
        write_file=write, callbacks={}, data_loader=None, epoch=1, max_steps=PLANNED,
        hard_stop=None, training_progress=SimpleNamespace(time_remaining=None), global_step=0,
    )  # fmt: skip
    for one in (saver, config, console):
        one.trainer = trainer
    config.config = {
        "seed": 42,
        "size": size,
        "model": model.as_config_dict(),
        "optim": AdamWConfig(lr=1e-3).as_config_dict(),
    }
    for step in range(10, PLANNED + 1, 10):
        trainer.global_step = step
        loss = 3 + 100 / model.num_non_embedding_params**0.5 + 20 / step
        metrics = {"train/CE loss": loss, "throughput/total tokens": float(step * BATCH_TOKENS)}
        if step in STEPS:
            metrics["eval/lm/c4_en-validation/CE loss"] = loss + 0.125
            config.post_checkpoint_saved(folder / f"step{step}")
        for one in (saver, console):
            one.log_metrics(step, metrics)
    saver.close()


if __name__ == "__main__":
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    Path(sys.argv[1]).mkdir()
    # The words before a message are those that olmo_core.utils.setup_logging sets.
    words = "%(asctime)s\tnode:0\t%(name)s:%(lineno)s\t%(levelname)s\t%(message)s"
    logging.basicConfig(
        filename=Path(sys.argv[1]) / "console.log", format=words, level=logging.INFO
    )
    main(Path(sys.argv[1]))
