"""The commands by what one wants to do, each with its file in scaling/commands and one line; and
what `scaling` alone says. Read without importing a command, so that both answer at once."""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    """A command: its file in scaling/commands, and what it is for, in a few words."""

    file: str
    told: str


# In the order that `scaling` and `scaling --help` list them.
JOBS: dict[str, dict[str, Listed]] = {
    "Begin": {
        "new": Listed("new", "write a first grid, from three answers or options"),
        "doctor": Listed("doctor", "what this machine and installation can do, and what helps"),
    },
    "Bring runs and data": {
        "import": Listed("imports", "runs that other tools logged, as one table of runs"),
        "data": Listed("data", "published tables by name: `data list`, `data get NAME`"),
        "table": Listed("table", "convert, check, join, filter, summarise a table of runs"),
    },
    "Fit laws to runs": {
        "fit": Listed("fit", "fit a law to a table of runs, with intervals"),
        "methods": Listed("methods", "Approaches 1, 2, 3 and Kaplan's law on one table"),
        "compare": Listed("compare", "rank laws by how they predicted the table's larger runs"),
        "crossing": Listed("crossing", "which family or recipe wins, from which compute on"),
        "rates": Listed("rates", "the best learning rate and batch of each size, and their laws"),
        "extrapolate": Listed("extrapolate", "continue one curve of loss against scale"),
        "laws": Listed("laws", "the laws that there are; `laws show NAME` for one"),
    },
    "Forecast and decide": {
        "forecast": Listed("forecast", "what to train with a budget, its cost and its loss"),
        "design": Listed("design", "which runs would narrow the forecast most"),
        "epochs": Listed("epochs", "how many epochs are worth it where data are few"),
        "downstream": Listed("downstream", "accuracy on tasks, by way of the loss"),
        "vocabulary": Listed("vocabulary", "how large a vocabulary should be"),
        "landscape": Listed("landscape", "known models beside each other and beside a law"),
    },
    "Check a forecast": {
        "rollout": Listed("rollout", "forecast a table's larger runs from its smaller ones"),
        "coverage": Listed("coverage", "how often intervals hold what they should"),
        "proof": Listed("study", "a study's forecast against what came out"),
        "certify": Listed("certify", "refit published laws and compare them digit by digit"),
    },
    "Train a ladder of models": {
        "models": Listed("models", "the families; `models show NAME` for one model's layers"),
        "plan": Listed("plan", "what a grid will cost, before anything is trained"),
        "study": Listed("study", "plan, train, fit, forecast, train what was forecast, report"),
        "run": Listed("study", "train what is not yet done"),
        "status": Listed("status", "what is done, runs, failed, and how much is left"),
        "watch": Listed("watch", "a study as it runs, with the law so far"),
        "gc": Listed("gc", "remove checkpoints that nobody needs"),
    },
    "Show it": {
        "plot": Listed("plot", "a figure; alone, the list of all figures"),
        "report": Listed("report", "one page: the answer, its evidence and its method"),
    },
}
COMMANDS = {name: listed for job in JOBS.values() for name, listed in job.items()}

# Lines that run as they stand, in a folder without these files.
WORKED = (
    (
        "fit a published table of runs (downloads 23 kB)",
        "scaling data get chinchilla-epoch -y -o runs.csv && scaling fit runs.csv",
    ),
    ("forecast a budget by a published law", "scaling forecast hoffmann2022 --compute 1e21"),
    (
        "a small ladder and what it costs; `scaling study first.toml` trains it",
        "scaling new first.toml --family transformer --data python-stdlib \\\n"
        "    --sizes 1e4:1e5 && scaling plan first.toml --no-calibrate",
    ),
)


def overview() -> str:
    """What one can do: commands by job, and lines to start with."""
    width = max(map(len, COMMANDS))
    lines = ["Fit scaling laws to runs, forecast what a budget buys, and check it by training."]
    for job, commands in JOBS.items():
        lines += ["", job, *(f"  {name:{width}}  {c.told}" for name, c in commands.items())]
    lines += ["", "To start with, as it stands"]
    for what, line in WORKED:
        lines += [f"  # {what}", *(f"  {part}" for part in line.splitlines())]
    lines += ["", "`scaling COMMAND --help` tells all about one of them."]
    return "\n".join(lines)
