"""Error rates against their definitions, written out the slow way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.train.metrics import BINS, calibration_error, recall_at_k, top_k_error


def test_top_k_error_counts_labels_behind_k_others() -> None:
    rank = np.array([0, 0, 1, 4, 5, 9])
    assert top_k_error(rank, 1, 10) == pytest.approx(4 / 6)
    assert top_k_error(rank, 5, 10) == pytest.approx(2 / 6)


def test_k_is_clipped_to_the_number_of_classes() -> None:
    assert top_k_error(np.array([0, 1, 2]), 5, 3) == 0.0


@given(st.lists(st.integers(0, 9), min_size=1, max_size=50))
def test_a_larger_k_never_errs_more(ranks: list[int]) -> None:
    errors = [top_k_error(np.array(ranks), k, 10) for k in range(1, 11)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == 0.0


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=60),
)
def test_calibration_error_is_the_weighted_gap_of_bins(pairs: list[tuple[float, bool]]) -> None:
    confidence = np.array([c for c, _ in pairs])
    correct = np.array([right for _, right in pairs])
    expected = 0.0
    for b in range(BINS):
        low, high = b / BINS, (b + 1) / BINS
        inside = (confidence * BINS).astype(int) == b if b < BINS - 1 else confidence >= low
        inside = inside if b < BINS - 1 else (confidence * BINS).astype(int) >= b
        assert (confidence[inside] <= high + 1e-6).all()
        if inside.any():
            gap = correct[inside].mean() - confidence[inside].mean()
            expected += inside.mean() * abs(gap)
    assert calibration_error(confidence, correct) == pytest.approx(expected, abs=1e-9)


def test_a_sure_and_right_classifier_is_calibrated() -> None:
    assert calibration_error(np.ones(5), np.ones(5, bool)) == 0.0
    assert calibration_error(np.ones(5), np.zeros(5, bool)) == 1.0


def test_recall_finds_any_text_of_the_group() -> None:
    texts = np.eye(3)
    images = np.array([[1, 0, 0], [0, 0.6, 0.8], [0, 0.6, 0.8]])
    groups = np.array([7, 8, 9])
    assert recall_at_k(images, texts, np.array([7, 8, 8]), groups, 1) == pytest.approx(1 / 3)
    assert recall_at_k(images, texts, np.array([7, 8, 8]), groups, 2) == 1.0
    assert recall_at_k(images, texts, np.array([9, 7, 7]), groups, 99) == 1.0
