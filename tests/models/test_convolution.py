"""The convolution of every layer is JAX's, gradients included, whatever form it is computed in."""

from __future__ import annotations

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scaling.models import convolution as module

Sizes = dict[str, int]


@st.composite
def convolutions(draw: st.DrawFn) -> Sizes:
    """Sizes of a convolution that leaves something of its image."""
    window = draw(st.integers(1, 5))
    padding = draw(st.integers(0, window))
    groups = draw(st.sampled_from([1, 1, 2]))
    return {
        "batch": draw(st.integers(1, 3)),
        "side": draw(st.integers(max(1, window - 2 * padding), 11)),
        "inputs": groups * draw(st.sampled_from([1, 2, 3, 5, 8, 20])),
        "outputs": groups * draw(st.sampled_from([1, 3, 6, 17])),
        "window": window,
        "stride": draw(st.integers(1, 4)),
        "padding": padding,
        "groups": groups,
    }


# Of its image's last row this one sees nothing: the gradient there is none.
UNSEEN = {
    "batch": 1, "side": 3, "inputs": 1, "outputs": 1, "window": 3, "stride": 3, "padding": 1,
    "groups": 1,
}  # fmt: skip


@settings(deadline=None, max_examples=20)
@given(convolutions())
@example(UNSEEN)
@example({**UNSEEN, "inputs": 20, "outputs": 17})
def test_value_and_gradients_are_those_of_the_plain_convolution(sizes: Sizes) -> None:
    options = {name: sizes[name] for name in ("stride", "padding", "groups")}
    draw = np.random.default_rng(0).standard_normal
    side, window = sizes["side"], sizes["window"]
    x = draw((sizes["batch"], side, side, sizes["inputs"]), np.float32)
    kernel = draw(
        (window, window, sizes["inputs"] // sizes["groups"], sizes["outputs"]), np.float32
    )
    plain_form = partial(module.plain_convolution, **options)
    by_output = draw(jax.eval_shape(plain_form, x, kernel).shape, np.float32)

    @jax.jit
    def both(x: jax.Array, kernel: jax.Array) -> list[tuple[jax.Array, ...]]:
        forms = (
            lambda x, kernel: module._on_cpu(x, kernel, **options),
            plain_form,
        )
        values = [jax.vjp(form, x, kernel) for form in forms]
        return [(value, *gradients(by_output)) for value, gradients in values]

    ours, plain = both(x, kernel)
    for mine, theirs in zip(ours, plain, strict=True):
        # Sums of up to 5 x 5 x 40 or 3 x 15 x 15 products of standard normals, in another order.
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("inputs", "outputs", "packed"),
    [(1, 8, 4), (1, 16, 2), (1, 17, 1), (3, 8, 4), (3, 24, 2), (3, 64, 1), (16, 16, 2), (8, 17, 1)],
)
def test_few_channels_are_packed(inputs: int, outputs: int, packed: int) -> None:
    assert module._packed_pixels(inputs, outputs) == packed


def test_in_a_loop_no_convolution_has_permuted_dimensions() -> None:
    """What XLA's CPU compiler runs in naive loops there: a step took 40 to 100 times as long."""
    x = jax.numpy.ones((2, 8, 8, 24))
    kernel = jax.numpy.ones((3, 3, 24, 24))

    def loss(kernel: jax.Array, x: jax.Array) -> jax.Array:
        inner = module._on_cpu(x, kernel, stride=1, padding=1, groups=1)
        return module._on_cpu(inner, kernel, stride=2, padding=1, groups=1).sum()

    traced = str(jax.make_jaxpr(jax.grad(loss))(kernel, x))
    orders = [line for line in traced.splitlines() if "lhs_spec" in line]
    assert orders
    assert all("lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1)" in line for line in orders)
