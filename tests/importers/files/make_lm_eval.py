"""Makes `lm_eval/`: results of lm-evaluation-harness on two tiny tasks, a folder a model.

python tests/importers/files/make_lm_eval.py FOLDER (lm-eval and torch installed)

The harness runs its own `dummy` model, whose answers are random, under the names of models. What it
says of the machine and of the tasks' files is left out.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import yaml
from lm_eval import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

MODELS = {"runs/small": 0, "runs/tiny": 1}
TASKS = ("colours", "sums")


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as made:
        for task in TASKS:
            write_task(Path(made), task)
        for name, seed in MODELS.items():
            tracker = EvaluationTracker(output_path=str(folder))
            said = {"pretrained": name, "dtype": "float32"}
            results = simple_evaluate(
                "dummy", model_args=said, tasks=list(TASKS), evaluation_tracker=tracker,
                task_manager=TaskManager(include_path=made, include_defaults=False),
                random_seed=seed, log_samples=False, bootstrap_iters=100,
            )  # fmt: skip
            for left_out in ("pretty_env_info", "configs"):
                del results[left_out]
            tracker.save_results_aggregated(results)


def write_task(folder: Path, task: str) -> None:
    """Twenty questions of two answers, as a task of the harness."""
    rows = [
        {"question": f"{task} {n}?", "answers": ["yes", "no"], "right": n % 2} for n in range(20)
    ]
    data = folder / f"{task}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = {
        "task": task,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "{{answers}}",
        "doc_to_target": "{{right}}",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }
    (folder / f"{task}.yaml").write_text(yaml.safe_dump(said))


if __name__ == "__main__":
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    main(Path(sys.argv[1]))
