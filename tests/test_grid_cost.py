"""What no batch, family or device can be trained with is refused before anything is planned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scaling.cli import app
from scaling.errors import InputError
from scaling.grid import parse_grid

TEXT = """\
name = "tiny"
[data]
source = "{source}"
[model]
family = "{family}"
context = 16
[train]
batch_tokens = 128
batch_images = 96
{recipe}
[[pilots]]
widths = [16]
{length} = [1e5]
{block}
"""


def grid(family: str = "transformer", recipe: str = "", block: str = "") -> str:
    text = family == "transformer"
    return TEXT.format(
        family=family, recipe=recipe, block=block,
        source="python-stdlib" if text else "digits", length="tokens" if text else "images",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            grid(recipe="microbatch = 3"),
            r"^g:10: train\.microbatch = 3 does not divide a batch of 8 examples; "
            r"valid: 1, 2, 4, 8$",
        ),
        (
            grid(block="train = { microbatch = 5 }"),
            r"^g:14: pilots\.train\.microbatch = 5 does not divide a batch of 8 examples",
        ),
        (grid(recipe="microbatch = 4", block="batches = [128, 96]"), r"batch of 6 examples"),
        (
            grid("mlp", 'remat = "blocks"'),
            r"^g:10: train\.remat = blocks: mlp has no blocks to compute again; those that do: "
            r"cnn, coca, resnet, transformer, vgg, vit$",
        ),
        (grid("alexnet", 'remat = "blocks"'), r"alexnet has no blocks"),
    ],
)
def test_a_recipe_that_cannot_be_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_grid(text, "g")


def test_float16_is_refused_where_the_device_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    text = grid("cnn", 'precision = "float16"')
    parse_grid(text)
    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    told = r"g:10: train\.precision = float16: a TPU has none; valid: float32, bfloat16"
    with pytest.raises(InputError, match=told):
        parse_grid(text, "g")


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    path = tmp_path / "g.toml"
    path.write_text(grid("cnn", 'microbatch = 48\nremat = "blocks"'))
    return path


def test_a_plan_tells_every_part_of_the_cost(digits: Path) -> None:
    shown = CliRunner().invoke(app, ["plan", str(digits), "--no-calibrate", "--json"])
    plan = json.loads(shown.stdout)
    (cell,) = plan["cells"]
    parts = ("parameters_bytes", "gradients_bytes", "optimiser_bytes", "activations_bytes")
    assert sum(cell[part] for part in parts) == cell["memory_bytes"]
    assert cell["optimiser_bytes"] == 8 * cell["N_total"]
    assert cell["checkpoint_bytes"] == 12 * cell["N_total"]
    assert cell["bytes_read"] == plan["bytes_read"] == cell["D"] * (8 * 8 + 4)
    # Blocks are computed twice forward, the first without a gradient by its input once backward.
    assert 1.25 < cell["computed_flops"] / cell["C"] < 1.45
    assert cell["seconds"] is None


def test_a_plan_for_another_device_says_what_it_assumes(digits: Path) -> None:
    def planned(*options: str) -> str:
        shown = CliRunner().invoke(app, ["plan", str(digits), *options])
        assert shown.exit_code == 0, shown.output
        return shown.stdout

    (here,) = json.loads(planned("--no-calibrate", "--json"))["cells"]
    plan = json.loads(planned("--device", "h100 sxm", "--json"))
    (there,) = plan["cells"]
    assert (plan["device"], plan["assumed_mfu"]) == ("H100-SXM", 0.4)
    assert there["fits"]
    # Activations are bfloat16 there, and no kernels are turned.
    assert there["activations_bytes"] < 0.55 * here["activations_bytes"]
    least = there["computed_flops"] / (0.4 * 989.4e12)
    assert there["seconds"] >= least
    told = planned("--device", "H100-SXM")
    assert "assuming 40% of its peak FLOP/s" in told
    assert "nothing of it was measured" in told
    wrong = CliRunner().invoke(app, ["plan", str(digits), "--device", "A100"])
    assert isinstance(wrong.exception, InputError)
    assert "nearest: A100-40GB, A100-80GB" in str(wrong.exception)
