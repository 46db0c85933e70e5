"""CoCa: what its parts may see of each other, and shapes that can't be built."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling import models
from scaling.data.pairs import BEGIN, END, PAD
from scaling.errors import InputError
from scaling.families import coca

DATA: dict[str, Any] = {"image": 8, "channels": 1, "vocab": 20, "context": 8}
CAPTIONS = jnp.array([[BEGIN, 5, 6, 7, END, PAD, PAD, PAD], [BEGIN, 9, END] + [PAD] * 5])


@pytest.fixture(scope="module")
def built() -> tuple[Any, Any, jax.Array]:
    shape = coca.from_dials(width=16, queries=4, **DATA)
    model = models.get("coca").build(shape, transfer=False)
    images = jax.random.normal(jax.random.key(1), (2, 8, 8, 1))
    return model, jax.jit(model.init)(jax.random.key(0), images, CAPTIONS), images


@given(st.floats(2e4, 2e8))
@settings(deadline=None, max_examples=30)
def test_the_size_dial_finds_a_near_shape(size: float) -> None:
    shape = coca.from_size(size, **{**DATA, "image": 28})
    assert max(shape.N / size, size / shape.N) <= 1.5
    groups = shape.parameters()
    assert shape.N_total - shape.N == groups["embedding"] + groups["head"] == 2 * 20 * shape.width


def test_usual_dials_are_as_published() -> None:
    # CoCa's queries are as many as its encoder's patches; its captioning loss weighs twice.
    shape = coca.from_dials(width=32, **{**DATA, "image": 28})
    assert (shape.queries, shape.caption_weight, shape.contrastive_weight) == (49, 2.0, 1.0)
    assert coca.from_dials(width=32, **{**DATA, "image": 576}).queries == 256


def test_what_comes_out(built: tuple[Any, Any, jax.Array]) -> None:
    model, variables, images = built
    out = jax.jit(model.apply)(variables, images, CAPTIONS)
    assert {name: a.shape for name, a in out.items()} == {
        "image": (2, 16), "text": (2, 16), "logits": (2, 8, 20), "temperature": (),
    }  # fmt: skip
    for name in ("image", "text"):
        np.testing.assert_allclose(jnp.sum(out[name] ** 2, -1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(out["temperature"], 0.07, rtol=1e-5)
    image = model.apply(variables, images, method="encode_image")
    text = model.apply(variables, CAPTIONS, method="encode_text")
    np.testing.assert_allclose(image, out["image"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(text, out["text"], rtol=1e-4, atol=1e-5)


def test_a_later_token_never_changes_an_earlier_logit(built: tuple[Any, Any, jax.Array]) -> None:
    model, variables, images = built
    apply = jax.jit(model.apply)
    a, b = (apply(variables, images, c) for c in (CAPTIONS, CAPTIONS.at[0, 3].set(8)))
    np.testing.assert_array_equal(a["logits"][0, :3], b["logits"][0, :3])
    assert not np.allclose(a["logits"][0, 3], b["logits"][0, 3])
    assert not np.allclose(a["text"][0], b["text"][0])


def test_the_text_embedding_does_not_see_padding(built: tuple[Any, Any, jax.Array]) -> None:
    """Whatever the padding's vector is: its gradient by the text's embedding is nothing."""
    model, variables, _ = built

    def text(variables: Any) -> jax.Array:
        found: jax.Array = model.apply(variables, CAPTIONS, method="encode_text")
        return found[:, 0].sum()

    by_table = jax.jit(jax.grad(text))(variables)["params"]["embedding"]
    np.testing.assert_array_equal(by_table[PAD], 0.0)
    assert (by_table[jnp.array([BEGIN, END, 5, 6, 7, 9])] != 0).any(1).all()


def test_the_image_reaches_the_caption_through_its_queries_only(
    built: tuple[Any, Any, jax.Array],
) -> None:
    model, variables, images = built
    apply = jax.jit(model.apply)
    a, b = (apply(variables, x, CAPTIONS) for x in (images, images[::-1]))
    assert not np.allclose(a["logits"], b["logits"])
    np.testing.assert_array_equal(a["text"], b["text"])
    np.testing.assert_allclose(a["image"], b["image"][::-1], rtol=1e-4, atol=1e-5)


def test_rates_go_as_one_over_width_for_what_sums_over_it() -> None:
    shape = coca.from_dials(width=64, depth=2, **DATA)
    module = models.get("coca")
    data = (jnp.zeros((1, 8, 8, 1)), CAPTIONS)
    tree = jax.eval_shape(module.build(shape).init, jax.random.key(0), *data)["params"]
    rates = module.rate_multipliers(tree, shape, base_width=32, head_rate=4.0, transfer=True)
    constant = ("embedding", "position", "text_position", "text_token", "temperature")
    assert {rates[name] for name in constant} == {1.0}
    assert rates["head"] == 2.0
    assert rates["image_projection"] == rates["text_projection"] == 0.5
    assert rates["caption_pool"]["queries"] == 1.0
    assert rates["multimodal"]["cross_0"]["kv"] == 0.5


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"width": 32, "heads": 3}, "coca: 3 heads don't divide the width 32"),
        ({"width": 32, "patch": 3}, "coca: patches of 3 pixels don't divide an image of 8"),
        ({"width": 32, "queries": 0}, "queries = 0, must be a whole number"),
        ({"width": 32, "caption_weight": -1.0}, "caption_weight = -1.0, must be a number"),
        ({"width": 32, "caption_weight": 0, "contrastive_weight": 0}, "no loss is left"),
        ({"depth": 3}, "no size; give a size or a width"),
    ],
)
def test_shapes_that_cannot_be_built(dials: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        coca.from_dials(**DATA, **dials)
