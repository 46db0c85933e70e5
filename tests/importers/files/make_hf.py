"""Makes `hf/`: what the Hugging Face Trainer leaves of a run of 12 steps, without its pickles.

python tests/importers/files/make_hf.py FOLDER (transformers, accelerate and torch installed)
"""

import shutil
import sys
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

KEPT = ("trainer_state.json", "config.json", "README.md", "all_results.json", "model.safetensors")
STEPS, BATCH, LENGTH, WORDS = 12, 8, 16, 40


def main(folder: Path) -> None:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=WORDS, n_positions=LENGTH)
    )
    words = torch.randint(0, WORDS, (64, LENGTH)).tolist()
    rows = [{"input_ids": row, "labels": row} for row in words]
    asked = TrainingArguments(
        str(folder),
        per_device_train_batch_size=BATCH,
        max_steps=STEPS,
        logging_steps=2,
        eval_strategy="steps",
        eval_steps=4,
        save_steps=4,
        report_to=[],
        include_num_input_tokens_seen="all",
        use_cpu=True,
        seed=7,
        learning_rate=1e-2,
        disable_tqdm=True,
    )
    trainer = Trainer(model=model, args=asked, train_dataset=rows, eval_dataset=rows[:8])
    trainer.save_metrics("train", trainer.train().metrics)
    trainer.save_state()
    trainer.save_metrics("eval", trainer.evaluate())
    trainer.save_model()
    trainer.create_model_card()
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        # Of checkpoints the log alone: their weights are as large as the run's own.
        if file.name not in (KEPT if file.parent == folder else KEPT[:1]):
            file.unlink()
    # The card's first half says that the model is new, with links.
    card = folder / "README.md"
    card.write_text(
        "## Training procedure" + card.read_text().partition("## Training procedure")[2]
    )


if __name__ == "__main__":
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    main(Path(sys.argv[1]))
