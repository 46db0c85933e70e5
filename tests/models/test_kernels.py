"""Every kernel gives what the plain form gives; which one runs follows from device and shapes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import tpu as pltpu

from scaling.models import kernels
from scaling.models.attention import EPSILON, MLP, RMSNorm, attend

B, H, T, D = 2, 3, 6, 8
FLOAT_ERROR = 2e-6


def arrays(*shape: int, keys: int | None = None, dtype: Any = jnp.float32) -> list[jax.Array]:
    """q, k, v"""
    b, h, t, d = shape or (B, H, T, D)
    each = jax.random.split(jax.random.key(0), 3)
    lengths = (t, keys or t, keys or t)
    return [
        jax.random.normal(key, (b, h, n, d)).astype(dtype)
        for key, n in zip(each, lengths, strict=True)
    ]


def padded() -> jax.Array:
    """The last keys of the second example are hidden."""
    return jnp.ones((B, 1, 1, T), bool).at[1, :, :, 4:].set(False)


def plain(
    q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array | None, *, causal: bool
) -> jax.Array:
    mixed, _ = attend(q, k, v, mask, q.dtype, causal=causal)
    return mixed.reshape(q.shape[0], q.shape[2], q.shape[1], q.shape[3]).swapaxes(1, 2)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_the_form_for_gpus_is_the_plain_one(causal: bool, masked: bool) -> None:
    q, k, v = arrays()
    mask = padded() if masked else None

    def total(form: Any) -> Any:
        return lambda *qkv: jnp.sin(form(*qkv, mask, causal=causal)).sum()

    np.testing.assert_allclose(
        kernels.on_gpu(q, k, v, mask, causal=causal),
        plain(q, k, v, mask, causal=causal),
        atol=FLOAT_ERROR,
    )
    fused = jax.grad(total(kernels.on_gpu), argnums=(0, 1, 2))(q, k, v)
    for ours, plains in zip(fused, jax.grad(total(plain), argnums=(0, 1, 2))(q, k, v), strict=True):
        np.testing.assert_allclose(ours, plains, atol=FLOAT_ERROR)


def test_queries_of_another_sequence() -> None:
    q, k, v = arrays(keys=9)
    np.testing.assert_allclose(
        kernels.on_gpu(q, k, v, None, causal=False),
        plain(q, k, v, None, causal=False),
        atol=FLOAT_ERROR,
    )


@pytest.mark.parametrize(
    ("dtype", "head", "length", "masked", "chosen"),
    [
        (jnp.bfloat16, 8, 6, False, "cudnn"),
        (jnp.float16, 128, 6, False, "cudnn"),
        (jnp.float16, 128, 6, True, "xla"),
        (jnp.float32, 8, 6, False, "xla"),  # cuDNN's takes halves only
        (jnp.bfloat16, 12, 6, False, "xla"),
        (jnp.bfloat16, 136, 6, False, "xla"),
        (jnp.bfloat16, 8, 5, False, "xla"),  # JAX refuses gradients at odd lengths
    ],
)
def test_cudnn_where_it_can(
    monkeypatch: pytest.MonkeyPatch, dtype: Any, head: int, length: int, masked: bool, chosen: str
) -> None:
    asked = []

    def record(q: Any, k: Any, v: Any, *, implementation: str, **rest: Any) -> Any:
        asked.append(implementation)
        return q

    monkeypatch.setattr(jax.nn, "dot_product_attention", record)
    q, k, v = arrays(B, H, length, head, dtype=dtype)
    mask = jnp.ones((B, 1, 1, length), bool) if masked else None
    kernels.on_gpu(q, k, v, mask, causal=True)
    assert asked == [chosen]


@pytest.mark.parametrize("causal", [False, True])
def test_the_tpus_kernel_is_the_plain_form(causal: bool) -> None:
    tile = kernels.TILE
    q, k, v = arrays(1, 1, tile, tile)
    with pltpu.force_tpu_interpret_mode():
        fused = kernels.on_tpu(q, k, v, None, causal=causal)
    np.testing.assert_allclose(fused, plain(q, k, v, None, causal=causal), atol=1e-5)


def test_a_tpu_takes_whole_tiles_without_a_mask() -> None:
    tile = kernels.TILE
    assert kernels.on_tpu(*arrays(), None, causal=True) is None
    q, k, v = arrays(1, 1, tile, tile)
    assert kernels.on_tpu(q, k, v, jnp.ones((1, 1, 1, tile), bool), causal=False) is None


def test_attention_takes_the_kernel_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = arrays()
    on_cpu, exact = attend(q, k, v, padded(), jnp.float32, causal=True)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    on_gpu, told = attend(q, k, v, padded(), jnp.float32, causal=True)
    np.testing.assert_allclose(on_gpu, on_cpu, atol=FLOAT_ERROR)
    assert told <= exact + FLOAT_ERROR  # of the first example alone


def test_the_logit_that_is_told() -> None:
    q, k, v = arrays(1, H, 80, D)
    _, exact = attend(q, k, v, None, jnp.float32, causal=True)
    rows = np.arange(0, 80, 2)  # 64 queries at most: every second one of 80
    scores = np.einsum("htd,hsd->hts", q[0], k[0]) * D**-0.5
    seen = np.tril(np.ones((80, 80), bool))
    of_rows = np.where(seen, scores, -np.inf)[:, rows].max()
    told = kernels.told_logit(q, k, None, causal=True)
    assert told == pytest.approx(of_rows, rel=1e-5)
    assert told <= exact + FLOAT_ERROR


def test_masks_that_leave_axes_out_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = arrays()
    lower = jnp.tril(jnp.ones((T, T), bool))
    for mask in (lower, padded()):
        on_cpu, exact = attend(q, k, v, mask, jnp.float32)
        with monkeypatch.context() as patch:
            patch.setattr(jax, "default_backend", lambda: "gpu")
            on_gpu, told = attend(q, k, v, mask, jnp.float32)
        np.testing.assert_allclose(on_gpu, on_cpu, atol=FLOAT_ERROR)
        assert told <= exact + FLOAT_ERROR


def test_gate_and_up_apart_are_one_product_s_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    mlp, x = MLP(hidden=16, kind="swiglu"), jax.random.normal(jax.random.key(0), (2, 3, 8))
    variables = mlp.init(jax.random.key(1), x)

    def total(variables: Any) -> Any:
        return jnp.sin(mlp.apply(variables, x)).sum()

    together = jax.value_and_grad(total)(variables)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    apart = jax.value_and_grad(total)(variables)
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(apart), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_causal_rule_is_the_lower_triangle() -> None:
    q, k, v = arrays()
    lower = jnp.tril(jnp.ones((T, T), bool))
    by_rule, _ = attend(q, k, v, None, jnp.float32, causal=True)
    by_mask, _ = attend(q, k, v, lower, jnp.float32)
    np.testing.assert_array_equal(by_rule, by_mask)


def test_rms_norm_keeps_the_type_and_float32_its_bits() -> None:
    x = jax.random.normal(jax.random.key(1), (4, 16))
    variables = {"params": {"gain": jnp.linspace(0.5, 2, 16)}}
    before = x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + EPSILON)
    found = RMSNorm().apply(variables, x)
    np.testing.assert_array_equal(found, before * variables["params"]["gain"])
    half = RMSNorm().apply(variables, x.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), found, rtol=0.02)
