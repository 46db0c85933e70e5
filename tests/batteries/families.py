"""What every model family must do: its arithmetic against the real Flax module and against XLA.

A family joins with an entry in `SHAPES`; `tests/families/test_families.py` puts each through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
from jax.interpreters.partial_eval import dce_jaxpr

from scaling import families, models
from scaling.families import Shape
from scaling.models import vocabulary

IMAGE = {"image": 28, "channels": 1, "classes": 10}
SMALL = {"image": 8, "channels": 1, "classes": 10}
LARGE = {"image": 64, "channels": 3, "classes": 20}

TEXT = {"vocab": 102, "context": 32}
PAIR = {"image": 8, "channels": 1, "vocab": 30, "context": 12}
GPT2 = {"norm": "layer", "positions": "learned", "bias": True, "mlp": "gelu", "tied": True}

# Dials of a few small shapes a family: every variant of its layers once.
SHAPES: dict[str, list[dict[str, Any]]] = {
    "mlp": [{**IMAGE, "width": 12}, {**SMALL, "width": 5, "depth": 1}],
    "cnn": [
        {**IMAGE, "width": 8},
        {**SMALL, "width": 4, "norm": "none", "depth": 3},
        {**LARGE, "width": 4, "stages": 5, "depth": 7},
    ],
    "vgg": [
        {**IMAGE, "width": 4, "depth": 11},
        {**SMALL, "width": 4, "depth": 16, "norm": "none"},
        {**LARGE, "width": 2, "depth": 13, "dropout": 0.0},
    ],
    "alexnet": [
        {**IMAGE, "width": 6},
        {**SMALL, "width": 3, "groups": 1},
        {**LARGE, "image": 67, "width": 6, "response_norm": True},
    ],
    "resnet": [
        {**IMAGE, "width": 8},
        {**SMALL, "width": 4, "depth": 8, "shortcut": "projection"},
        {**LARGE, "width": 8, "depth": 10},
        {**LARGE, "width": 4, "depth": 14, "shortcut": "identity", "zero_init": True},
        {**IMAGE, "width": 4, "depth": 11, "block": "bottleneck"},
        {**IMAGE, "width": 3, "depth": 20, "shortcut": "none"},
        {**SMALL, "width": 4, "depth": 8, "shortcut": "none", "norm": "none"},
        {**LARGE, "width": 4, "depth": 14, "shortcut": "projection", "norm": "none"},
    ],
    "vit": [
        {**IMAGE, "width": 16},
        {**SMALL, "width": 8, "depth": 1, "pool": "mean"},
        {**LARGE, "width": 24, "heads": 3, "mlp_width": 40, "patch": 16},
    ],
    "coca": [
        {**PAIR, "width": 16},
        {**PAIR, "width": 24, "depth": 3, "text_depth": 2, "queries": 3, "embed": 10},
    ],
    # A mixture of experts pads its products by the batch: tests/families/test_experts.py.
    "transformer": [
        {**TEXT, "width": 16},
        {**TEXT, "width": 16, "qk_norm": True, "mlp": "gelu"},
        {**TEXT, "width": 16, **GPT2},
        {**TEXT, "width": 24, "norm": "layer", "bias": True, "depth": 1},
    ],
}
# What the data set for a ladder by the size dial, and its smallest and largest sizes.
LADDERS: dict[str, tuple[dict[str, Any], float, float]] = {
    "mlp": (IMAGE, 1e4, 1e7),
    "cnn": (IMAGE, 1e4, 1e7),
    "resnet": (IMAGE, 1e4, 1e7),
    "vgg": (IMAGE, 1e5, 1e8),
    "alexnet": (IMAGE, 1e5, 1e8),
    "vit": (IMAGE, 2.5e4, 2.5e7),
    "coca": ({**PAIR, "image": 28}, 6e4, 6e7),
    "transformer": ({"vocab": 102, "context": 64}, 2.5e4, 2.5e7),
}
BATCH = 2


@dataclass(frozen=True)
class Flops:
    """Matmul and convolution FLOPs of a traced program: all of them, and those not on padding."""

    dense: int = 0
    inside: int = 0

    def __add__(self, other: Flops) -> Flops:
        return Flops(self.dense + other.dense, self.inside + other.inside)

    def __mul__(self, times: int) -> Flops:
        return Flops(self.dense * times, self.inside * times)


def inputs(shape: Any, unit: str, batch: int = BATCH, seed: int = 0) -> tuple[jax.Array, ...]:
    """Random data of the kind that the family's unit says."""
    key_image, key_tokens = jax.random.split(jax.random.key(seed))
    made = []
    if unit in ("image", "pair"):
        size = (batch, shape.image, shape.image, shape.channels)
        made.append(jax.random.normal(key_image, size))
    if unit in ("token", "pair"):
        made.append(jax.random.randint(key_tokens, (batch, shape.context), 0, shape.vocab))
    return tuple(made)


@dataclass(frozen=True)
class Built:
    """A family's module with abstract variables and data, and the functions to trace."""

    family: str
    shape: Any
    model: Any
    variables: Any
    data: tuple[jax.Array, ...]

    def forward(self, variables: Any, *data: jax.Array) -> Any:
        return self.model.apply(variables, *data)

    def loss(self, params: Any, others: Any, *data: jax.Array) -> jax.Array:
        """The sum of all that the module gives out, in training."""
        given, _ = self.model.apply(
            {"params": params, **others},
            *data,
            train=True,
            rngs={"dropout": jax.random.key(0)},
            mutable=["batch_stats", "losses"],
        )
        total: jax.Array = sum(jnp.sum(leaf.astype(jnp.float32)) for leaf in jax.tree.leaves(given))
        return total

    @property
    def params(self) -> Any:
        return self.variables["params"]

    @property
    def others(self) -> Any:
        return {name: tree for name, tree in self.variables.items() if name == "batch_stats"}


def build(family: str, shape: Shape, **how: Any) -> Built:
    model = models.get(family).build(shape, **how)
    data = inputs(shape, families.get(family).UNIT)
    return Built(family, shape, model, jax.eval_shape(model.init, jax.random.key(0), *data), data)


# Which group of `parameters()` a leaf of the real tree belongs to, by its own name; else it's the
# first word of its module's.
GROUPS = {
    "embedding": "embedding",
    "head": "head",
    "head_bias": "head",
    "gain": "norm",
    "offset": "norm",
    "position": "position",
    "text_position": "position",
    "token": "token",
    "text_token": "token",
    "image_projection": "projection",
    "text_projection": "projection",
    "temperature": "temperature",
    "queries": "pooler",
    "router": "router",
}


def real_parameters(family: str, shape: Shape) -> dict[str, int]:
    """Parameters of the real tree by group."""
    groups = dict.fromkeys(shape.parameters(), 0)
    for path, leaf in jax.tree_util.tree_leaves_with_path(build(family, shape).params):
        names = [key.key for key in path]
        group = GROUPS.get(names[-1]) or names[-2].split("_")[0]
        groups[group] = groups.get(group, 0) + leaf.size
    return groups


@contextmanager
def as_on_an_accelerator() -> Iterator[None]:
    """Convolutions as JAX writes them; on a CPU they are rewritten (`models.convolution`), which
    multiplies with zeros where channels are few. Tables, too: what a GPU computes beside
    (`models.vocabulary`) is no part of the model."""
    with (
        patch.object(jax, "default_backend", lambda: "gpu"),
        patch.object(vocabulary, "_plain", lambda: True),
    ):
        yield


def counted_flops(function: Callable[..., Any], *arguments: Any) -> Flops:
    """FLOPs of every product and convolution in the traced program whose outcome is used."""
    with as_on_an_accelerator():
        traced = jax.make_jaxpr(function)(*arguments).jaxpr
    used, _ = dce_jaxpr(traced, [True] * len(traced.outvars), True)
    return _count(used)


def xla_flops(function: Callable[..., Any], *arguments: Any) -> float:
    """XLA's own count of the program as lowered, elementwise work included: fusions, which compute
    cheap things twice rather than store them, are not made yet."""
    with as_on_an_accelerator():
        return float(jax.jit(function).lower(*arguments).cost_analysis()["flops"])


def run(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's outcome, compiled without optimisation: half of the time of a small net."""
    lowered = jax.jit(function).lower(*arguments)
    return lowered.compile(compiler_options={"xla_backend_optimization_level": 0})(*arguments)


def _count(jaxpr: Any) -> Flops:
    total = Flops()
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        if name == "dot_general":
            flops = _product(equation)
            total += Flops(flops, flops)
        elif name == "conv_general_dilated":
            total += _convolution(equation)
        inner = sum((_count(j) for j in _inner(params)), Flops())
        if name == "while" and inner.dense:
            raise NotImplementedError("products in a loop of unknown length cannot be counted")
        total += inner * (params["length"] if name == "scan" else 1)
    return total


def _inner(params: dict[str, Any]) -> list[Any]:
    """The programs inside an equation; of branches the dearest one."""
    found = []
    for key, value in params.items():
        several = value if isinstance(value, (tuple, list)) else (value,)
        programs = [getattr(v, "jaxpr", v) for v in several]
        programs = [p for p in programs if hasattr(p, "eqns")]
        if key == "branches":
            programs = [max(programs, key=lambda p: _count(p).dense)]
        found += programs
    return found


def _product(equation: Any) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return int(2 * prod(left[axis] for axis in contracted) * equation.outvars[0].aval.size)


def _convolution(equation: Any) -> Flops:
    """Each multiply-add of a forward convolution, padding included, counts once in the gradient by
    the kernel and once in the gradient by the input: that one is traced as a convolution of the
    output's gradient with zeros between (`lhs_dilation`), and known by its swapped kernel."""
    params = equation.params
    numbers = params["dimension_numbers"]
    x, kernel = (variable.aval.shape for variable in equation.invars)
    out = equation.outvars[0].aval.shape
    by_input = numbers.rhs_spec == (2, 3, 0, 1)
    dense = inside = 1
    for axis, (low, _) in enumerate(params["padding"]):
        n = x[numbers.lhs_spec[2 + axis]]
        k = kernel[numbers.rhs_spec[2 + axis]]
        m = out[numbers.out_spec[2 + axis]]
        stride, spread = params["window_strides"][axis], params["lhs_dilation"][axis]
        taps = params["rhs_dilation"][axis]
        dense *= k * (n if by_input else m)
        inside *= sum(
            0 <= (at := i * stride + j * taps - low) <= (n - 1) * spread and at % spread == 0
            for i in range(m)
            for j in range(k)
        )
    images = x[numbers.lhs_spec[0]] // params["batch_group_count"]
    a_tap = 2 * images * kernel[numbers.rhs_spec[0]] * kernel[numbers.rhs_spec[1]]
    return Flops(a_tap * dense, a_tap * inside)
