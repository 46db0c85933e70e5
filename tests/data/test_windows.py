"""The order of training windows is a pure function of seed and step; every window comes once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.data import WindowOrder, held_out_windows
from scaling.errors import InputError

# What the first steps were when the order was fixed: a change would make resumed runs lie.
GOLDEN = [[238, 622, 494, 110], [750, 46, 558, 430]]


@st.composite
def orders(draw: st.DrawFn) -> WindowOrder:
    context, batch = draw(st.integers(1, 20)), draw(st.integers(1, 9))
    n_tokens = draw(st.integers((batch + 1) * context, (batch + 30) * context))
    return WindowOrder(n_tokens, context, batch, draw(st.integers(0, 2**32)))


@given(orders(), st.integers(0, 3))
def test_each_epoch_holds_each_window_once(order: WindowOrder, epoch: int) -> None:
    begin = epoch * order.per_epoch
    steps = range(begin // order.batch, (begin + order.per_epoch) // order.batch + 1)
    flat = order.starts(steps.start, len(steps)).ravel()[begin - steps.start * order.batch :]
    flat = flat[: order.per_epoch]
    phase = int(flat.min())
    assert 0 <= phase < order.context
    expected = phase + order.context * np.arange(order.per_epoch)
    assert np.array_equal(np.sort(flat), expected)
    assert flat.max() + order.context + 1 <= order.n_tokens


@given(orders(), st.lists(st.integers(0, 30), min_size=1, max_size=6))
def test_pieces_make_the_whole(order: WindowOrder, pieces: list[int]) -> None:
    whole = order.starts(7, sum(pieces))
    assert whole.shape == (sum(pieces), order.batch)
    assert whole.dtype == np.int32
    at = np.cumsum([7, *pieces])
    parts = [order.starts(int(s), n) for s, n in zip(at, pieces, strict=False)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_seeds_and_epochs_differ() -> None:
    one, two = (WindowOrder(10_000, 10, 999, seed) for seed in (0, 1))
    assert not np.array_equal(one.starts(0, 1), two.starts(0, 1))
    assert not np.array_equal(one.starts(0, 1), one.starts(1, 1))
    phases = {int(one.starts(epoch, 1).min()) for epoch in range(100)}
    assert len(phases) == 10


def test_the_order_is_the_same_for_ever() -> None:
    assert WindowOrder(1000, 64, 4, 0).starts(0, 2).tolist() == GOLDEN


@pytest.mark.parametrize(("n_tokens", "fits"), [(1088, True), (1087, False)])
def test_too_short_for_a_batch(n_tokens: int, fits: bool) -> None:
    if fits:
        WindowOrder(n_tokens, 64, 16, 0).starts(0, 3)
    else:
        with pytest.raises(InputError, match=r"1,087 training tokens.*1,088 are needed"):
            WindowOrder(n_tokens, 64, 16, 0)


def test_too_long_for_int32() -> None:
    with pytest.raises(InputError, match="2,147,483,647"):
        WindowOrder(2**31, 64, 16, 0)


@given(st.integers(2, 5000), st.integers(1, 70), st.none() | st.integers(1, 100))
def test_held_out_windows_cover_without_overlap(
    n_tokens: int, context: int, limit: int | None
) -> None:
    if n_tokens <= context:
        with pytest.raises(InputError, match=f"{context + 1} are needed"):
            held_out_windows(n_tokens, context, limit)
        return
    starts = held_out_windows(n_tokens, context, limit)
    assert starts[0] == 0
    assert (np.diff(starts) >= context).all()
    assert starts[-1] + context + 1 <= n_tokens
    if limit is None:
        assert n_tokens - 1 - len(starts) * context < context
    else:
        assert len(starts) == min(limit, (n_tokens - 1) // context)
