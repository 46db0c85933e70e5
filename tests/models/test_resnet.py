"""Deep residual nets: a stack of equal blocks is the same net as the blocks written out."""

from __future__ import annotations

import operator
from typing import Any

import jax
import numpy as np
import pytest
from batteries import families as battery

from scaling.families import get
from scaling.models import rates, resnet

DEPTH = 20


VARIANTS = [{"zero_init": True}, {"shortcut": "none"}, {"shortcut": "none", "norm": "none"}]


def built(monkeypatch: pytest.MonkeyPatch, stacked_from: int, **dials: Any) -> battery.Built:
    monkeypatch.setattr(resnet, "STACKED_FROM", stacked_from)
    shape = get("resnet").from_dials(width=3, depth=DEPTH, **dials, **battery.SMALL)
    return battery.build("resnet", shape, transfer=False)


def unstacked(tree: Any) -> Any:
    """The tree of the net written out."""
    out = {}
    for name, inner in tree.items():
        if name.endswith("_stack"):
            stage = name.removesuffix("_stack")
            blocks = jax.tree.leaves(inner)[0].shape[0]
            for n in range(blocks):
                block = jax.tree.map(operator.itemgetter(n), inner["block"])
                out[f"{stage}_block_{n + 2}"] = block
        else:
            out[name] = inner
    return out


@pytest.mark.parametrize("dials", VARIANTS, ids=str)
def test_a_stack_is_the_net_written_out(
    monkeypatch: pytest.MonkeyPatch, dials: dict[str, Any]
) -> None:
    stack, plain = built(monkeypatch, 1, **dials), built(monkeypatch, 100, **dials)
    random = np.random.default_rng(0)
    params, others = jax.tree.map(
        lambda leaf: random.uniform(-0.2, 0.5, leaf.shape).astype(np.float32),
        (stack.params, stack.others),
    )
    stats = jax.tree.map(np.abs, others.get("batch_stats", {}))
    monkeypatch.setattr(resnet, "STACKED_FROM", 1)
    ours = battery.run(jax.value_and_grad(stack.loss), params, {"batch_stats": stats}, *stack.data)
    monkeypatch.setattr(resnet, "STACKED_FROM", 100)
    theirs = battery.run(
        jax.value_and_grad(plain.loss),
        unstacked(params),
        {"batch_stats": unstacked(stats)},
        *plain.data,
    )
    assert ours[0] == pytest.approx(float(theirs[0]), rel=1e-4)
    gradient = unstacked(jax.device_get(ours[1]))
    assert jax.tree.structure(gradient) == jax.tree.structure(theirs[1])
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(theirs[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3 * np.abs(b).max())


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_vectors_in_a_stack_are_vectors_still(monkeypatch: pytest.MonkeyPatch, norm: str) -> None:
    params = built(monkeypatch, 1, norm=norm).params
    matrices = jax.tree_util.tree_map_with_path(rates.is_matrix, params)
    for path, found in jax.tree_util.tree_leaves_with_path(matrices):
        assert found == (path[-1].key == "kernel")


def test_1202_layers_are_built_as_three_loops() -> None:
    shape = get("resnet").from_dials(image=32, channels=3, classes=10, depth=1202)
    net = battery.build("resnet", shape)
    assert {name for name in net.params if "stack" in name} == {
        f"stage_{stage}_stack" for stage in (1, 2, 3)
    }
    assert sum(leaf.size for leaf in jax.tree.leaves(net.params)) == shape.N_total
    training = battery.counted_flops(
        jax.value_and_grad(net.loss), net.params, net.others, *net.data
    )
    assert training.dense == battery.BATCH * shape.training_flops()
