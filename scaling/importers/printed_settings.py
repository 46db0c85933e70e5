"""Settings that training scripts print before they train, by the lines that say them."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping

from scaling.importers.contract import Scalar
from scaling.importers.nested import flat

# nanoGPT's count in millions: all parameters but the table of positions, to two digits.
MILLIONS = "number_of_parameters"
# A line, and the name under which its group is kept; counts are printed with commas.
NAMED = {
    re.compile(pattern): name
    for pattern, name in {
        # nanoGPT
        r"tokens per iteration will be: ([\d,]+)": "tokens_per_iter",
        r"number of parameters: ([\d.]+)M": MILLIONS,
        r"num decayed parameter tensors: \d+, with ([\d,]+) parameters": "parameters.decayed",
        r"num non-decayed parameter tensors: \d+, with ([\d,]+) param": "parameters.not_decayed",
        r"found vocab_size = (\d+)": "vocab_size",
        r"defaulting to vocab_size of GPT-2 to (\d+)": "vocab_size",
        # nanochat
        r"Vocab size: ([\d,]+)": "vocab_size",
        r"Number of parameters: ([\d,]+)": "parameters.total",
        r"Total batch size ([\d,]+) =>": "total_batch_size",
        r"Total number of training tokens: ([\d,]+)": "planned_tokens",
        r"Total training FLOPs estimate: (\S+)": "planned_flops",
        r"Estimated FLOPs per token: (\S+)": "flops_per_token",
        r"number of iterations(?: from [\w :]+)?: ([\d,]+)": "num_iterations",
        # Megatron-LM, of one rank of its model parallelism
        r"number of parameters on .*rank \(0, 0\): (\d+)": "parameters_on_rank_0",
    }.items()
}
OVERRIDE = re.compile(r"Overriding: (\w+) = (.+)")
RESUMED = re.compile(r"Resuming (?:training|optimization) from")
# llm.c's table, and Megatron's list with leaders
ROW = re.compile(r"^\| (.{21}) \| (.{50,}?) +\|$")
LEADER = re.compile(r"^ +(\w+) \.{2,} (.+)$")
# What follows its heading: nanoGPT's config file, nanochat's counts and its config.
HEADS = {"Overriding config with": "file", "Parameter counts:": "counts", "Model config:": "json"}
ASSIGNED = re.compile(r"^(\w+) *= *(.+?)\s*(?:#.*)?$")
COUNTED = re.compile(r"^(\w+) *: ([\d,]+)$")
PRODUCT = re.compile(r"^[\d.]+(?: *\* *[\d.]+)+$")
LONG = 200  # a longer text is no setting


class Settings:
    """Takes lines one by one; `config` is what they have said so far."""

    def __init__(self) -> None:
        self.config: dict[str, Scalar] = {}
        self.resumed = False
        self._block = ""
        self._json: list[str] = []

    def take(self, line: str) -> bool:
        """Whether the line says a setting, or that training is taken up again."""
        if RESUMED.search(line):
            self.resumed = True
            return True
        for pattern, name in NAMED.items():
            if found := pattern.search(line):
                self._block = ""
                said = value(found[1].replace(",", ""))
                self.config[name] = float(said) * 1e6 if name == MILLIONS else said
                return True
        for head, block in HEADS.items():
            if head in line:
                self._block, self._json = block, []
                return True
        if found := OVERRIDE.search(line) or ROW.match(line) or LEADER.match(line):
            self._keep(found[1].strip(), found[2].strip())
            return True
        return self._block != "" and self._inside(line)

    def updated(self, later: Settings) -> None:
        """With what was said after."""
        self.config |= later.config

    def __bool__(self) -> bool:
        return bool(self.config) or self.resumed

    def _inside(self, line: str) -> bool:
        if self._block == "json":
            return self._inside_json(line)
        pattern = ASSIGNED if self._block == "file" else COUNTED
        found = pattern.match(line)
        if found is None:
            return False
        counted = self._block == "counts"
        name = f"parameters.{found[1]}" if counted else found[1]
        self._keep(name, found[2].replace(",", "") if counted else found[2])
        return True

    def _inside_json(self, line: str) -> bool:
        self._json.append(line)
        try:
            said = json.loads("".join(self._json))
        except json.JSONDecodeError:
            # A config is short; what goes on is none.
            self._block = "json" if len(self._json) < LONG else ""
            return True
        self._block = ""
        self.config |= flat(said) if isinstance(said, Mapping) else {}
        return True

    def _keep(self, name: str, text: str) -> None:
        if len(text) <= LONG:
            self.config[name] = value(text)
        if (name, text) == ("weight init method", "intermediate checkpoint"):  # llm.c's words
            self.resumed = True


def value(text: str) -> Scalar:
    """A number, truth or text as it stands in a script; a product of numbers is worked out."""
    if PRODUCT.match(text):
        return math.prod(float(factor) for factor in text.split("*"))
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return found if isinstance(found, str | int | float | bool) else text
