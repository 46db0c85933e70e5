"""`scaling models`: families, one model's layers, a ladder, through the real command line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from scaling import families
from scaling.cli import app
from scaling.errors import InputError


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments])


def test_every_family_is_listed_with_its_dials() -> None:
    told = json.loads(run("--json").stdout)
    assert [row["family"] for row in told] == families.names()
    for row in told:
        assert row["what"]
        assert set(row["sized"]) <= set(row["dials"])
    assert all(name in run().stdout for name in families.names())


def test_a_models_layers_add_up_to_its_counts() -> None:
    told = json.loads(run("show", "resnet", "--size", "25.6e6", "--json").stdout)
    assert told["N_total"] == 25_557_032  # ResNet-50: tests/families/test_published_counts.py
    assert sum(layer["parameters"] for layer in told["layers"]) == told["N_total"]
    assert sum(layer["flops"] for layer in told["layers"]) == told["forward_flops"]
    assert told["receptive_field"] == told["layers"][-3]["receptive_field"]["size"]


def test_the_table_tells_what_json_tells() -> None:
    told = run("show", "mlp", "--set", "width=8", "--set", "depth=1", "--set", "image=8").stdout
    assert "N 10,544" in told  # 8 * 8 * 3 * 8 + 8, and 8 * 1000 + 1000
    assert "dense_1" in told


def test_a_ladder_grows_in_equal_ratios() -> None:
    told = json.loads(run("ladder", "mlp", "--from", "1e6", "--to", "1e9", "--json").stdout)
    assert len(told) == 7
    sizes = [rung["N"] for rung in told]
    assert sizes == sorted(sizes)
    assert all(0.8 < rung["N"] / rung["asked"] < 1.25 for rung in told)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "resnt", "--size", "1e6"), "did you mean 'resnet'"),
        (("show", "resnet"), "give a size, a width or a depth"),
        (("show", "resnet", "--size", "1e6", "--set", "widht=4"), "no such dial; valid: width"),
        (("show", "resnet", "--size", "1e6", "--set", "width"), "is not DIAL=VALUE"),
        (("show", "resnet", "--size", "1e6", "--count", "M"), "valid: N, N_total"),
        (("ladder", "mlp", "--from", "1e6", "--to", "1e5"), "must be positive and grow"),
    ],
)
def test_bad_input_is_one_clear_error(arguments: tuple[str, ...], message: str) -> None:
    failed = run(*arguments).exception
    assert isinstance(failed, InputError)
    assert message in str(failed)


def test_a_thousand_layers_are_listed_without_jax() -> None:
    code = (
        "import sys; from scaling.cli import app\n"
        "try: app(['models', 'show', 'resnet', '--set', 'depth=1202', '--set', 'image=32',"
        " '--set', 'classes=10'])\n"
        "except SystemExit: print('jax' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "stage_3_block_200/convolution_2" in ran.stdout
    assert ran.stdout.rstrip().endswith("False")
