"""Language models: windows of a text that lies on the device, the next token's loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from scaling.data import Corpus, WindowOrder, held_out_windows
from scaling.grid import Cell, Recipe
from scaling.models.spread import by_example
from scaling.train.tasks import CHANGED, Measured, Told, Variables, with_z_loss

Array = jax.Array
EVAL_WINDOWS = 64


class Task:
    """Tokens [n] on the device; a pick is the offsets of a step's windows."""

    def __init__(self, model: Any, shape: Any, recipe: Recipe) -> None:
        self.model, self.context, self.z_loss = model, int(shape.context), recipe.z_loss

    def example(self) -> tuple[Array, ...]:
        return (jnp.zeros((1, self.context), jnp.int32),)

    def loss(self, variables: Variables, arrays: Any, picks: Any, key: Array) -> Told:
        losses, log_z, changed = self._token_losses(variables, arrays, picks, train=True)
        return Told(losses.mean(), with_z_loss(changed, self.z_loss, log_z))

    def reference(self, variables: Variables, arrays: Any) -> Any:
        return ()

    def measure(
        self, variables: Variables, arrays: Any, picks: Any, reference: Any
    ) -> dict[str, Array]:
        losses, _, _ = self._token_losses(variables, arrays, picks, train=False)
        return {"loss": losses.mean(-1)}

    def _token_losses(
        self, variables: Variables, tokens: Array, starts: Array, *, train: bool
    ) -> tuple[Array, Array, dict[str, Any]]:
        """Losses and log Z of each token [batch, context], and what the model changed."""
        window = tokens[starts[:, None] + jnp.arange(self.context + 1)]
        window = by_example(window).astype(jnp.int32)
        inputs, labels = window[:, :-1], window[:, 1:]
        logits, changed = self.model.apply(variables, inputs, train=train, mutable=CHANGED)
        log_z: Array = jax.nn.logsumexp(logits, -1)
        return log_z - of_labels(logits, labels), log_z, changed


class Feed:
    """A corpus on the device; evaluations read windows spread over the whole held-out part."""

    streamed = False
    waited = 0.0

    def __init__(self, cell: Cell, corpus: Corpus, there: Any = None) -> None:
        context = cell.context
        assert context is not None  # D counts tokens
        self.uniform = float(np.log(corpus.vocab))
        self.order = WindowOrder(cell.D_unique, context, cell.batch // context, cell.seed)
        if there is None:
            self.arrays = jnp.asarray(np.asarray(corpus.train[: cell.D_unique]))
            self.held_out_arrays = jnp.asarray(np.asarray(corpus.held_out))
        else:
            self.arrays, self.held_out_arrays = there.arrays, there.held_out_arrays
        self.eval_starts = evaluation_windows(len(corpus.held_out), context, cell.evaluate)
        # As many training windows, spread evenly, of which a quarter is read.
        self.train_starts = np.linspace(
            0, cell.D_unique - context - 1, self.eval_starts.size, dtype=np.int32
        ).reshape(self.eval_starts.shape)[: max(1, len(self.eval_starts) // 4)]

    def picks(self, step: int, n_steps: int) -> NDArray[np.int32]:
        return self.order.starts(step, n_steps)

    def held_out(self) -> Iterable[NDArray[np.int32]]:
        return [self.eval_starts]

    def sample(self) -> Iterable[NDArray[np.int32]]:
        return [self.train_starts]

    def metrics(self, measured: Measured) -> dict[str, float]:
        return {}


def of_labels(logits: Array, labels: Array) -> Array:
    """The logit [...] of each label, of logits [..., vocab]. On a GPU as a sum over the vocabulary:
    the gradient of a lookup is a second array as large as the logits, written and read again."""
    if jax.default_backend() == "cpu":
        return jnp.take_along_axis(logits, labels[..., None], -1)[..., 0]
    here = labels[..., None] == jnp.arange(logits.shape[-1])
    return jnp.where(here, logits, 0).sum(-1)


def evaluation_windows(n_tokens: int, context: int, limit: int) -> NDArray[np.int32]:
    """Starts of the fixed held-out windows, [batches, EVAL_WINDOWS], spread over the whole part."""
    starts = held_out_windows(n_tokens, context)
    count = min(len(starts), max(1, limit // context))
    batch = min(count, EVAL_WINDOWS)
    spread = np.linspace(0, len(starts) - 1, count // batch * batch).astype(int)
    chosen: NDArray[np.int32] = starts[spread].astype(np.int32)
    return chosen.reshape(-1, batch)
