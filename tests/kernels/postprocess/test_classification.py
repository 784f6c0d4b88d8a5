"""Softmax and ranking: accurate, and the same whatever the batch."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from accelserve.kernels.postprocess import TensorShapeError, arithmetic, softmax, top_k

F32 = npt.NDArray[np.float32]


def _exponential(x: float) -> float:
    return arithmetic.exponential(x)


exponential: Any = numba.njit(_exponential)  # as compiled code has it


rows = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9),
    elements=st.floats(-1e4, 1e4, width=32),
)


def exact_softmax(logits: F32) -> npt.NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


@pytest.mark.parametrize(
    "x", [0.0, -0.0, 1.0, -1.0, 0.3465735, -0.3465736, 88.7, -87.4, -103.9, 699.9, -699.9, 1e-300]
)
def test_exponential_is_within_two_ulp_of_the_library(x: float) -> None:
    assert abs(exponential(x) - math.exp(x)) <= 2 * math.ulp(math.exp(x))


@settings(deadline=None)
@given(st.floats(-699, 699))
def test_exponential_everywhere(x: float) -> None:
    assert abs(exponential(x) - math.exp(x)) <= 2 * math.ulp(math.exp(x))


def test_exponential_beyond_its_range_stays_finite_and_keeps_nan() -> None:
    assert exponential(-math.inf) == exponential(-1e9) == exponential(-700.0)
    assert exponential(math.inf) == exponential(1e9) == exponential(700.0) < math.inf
    assert math.isnan(exponential(math.nan))


@settings(deadline=None)
@given(rows)
def test_softmax_is_exact_to_one_ulp(logits: F32) -> None:
    probabilities = softmax(logits)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == logits.shape
    np.testing.assert_allclose(probabilities, exact_softmax(logits), rtol=2.0**-23, atol=2.0**-149)


@settings(deadline=None)
@given(rows)
def test_a_row_does_not_depend_on_its_batch(logits: F32) -> None:
    flat = logits.reshape(-1, logits.shape[-1])
    singly = np.stack([softmax(row) for row in flat])
    np.testing.assert_array_equal(softmax(flat), singly)


def test_softmax_of_large_logits_does_not_overflow() -> None:
    logits = np.array([3e38, 3e38, -3e38], np.float32)
    np.testing.assert_array_equal(softmax(logits), np.array([0.5, 0.5, 0.0], np.float32))
    np.testing.assert_array_equal(
        softmax(np.array([-np.inf, 2.0], np.float32)), np.array([0.0, 1.0], np.float32)
    )


def test_softmax_spoils_only_the_row_with_the_nan() -> None:
    result = softmax(np.array([[0.0, np.nan], [1.0, 1.0]], np.float32))
    assert np.isnan(result[0]).all()
    np.testing.assert_array_equal(result[1], [0.5, 0.5])


def test_softmax_takes_any_strides() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 10)).astype(np.float32)
    np.testing.assert_array_equal(softmax(logits[::2, ::3]), softmax(logits[::2, ::3].copy()))


@pytest.mark.parametrize("shape", [(), (3, 0)])
def test_softmax_needs_classes(shape: tuple[int, ...]) -> None:
    with pytest.raises(TensorShapeError, match="at least one class"):
        softmax(np.zeros(shape, np.float32))


@settings(deadline=None)
@given(rows, st.integers(0, 12))
def test_top_k_is_the_start_of_a_stable_ranking(scores: F32, k: int) -> None:
    indices, best = top_k(scores, k)
    for row, order, values in zip(
        scores.reshape(-1, scores.shape[-1]),
        indices.reshape(-1, indices.shape[-1]) if indices.size else [],
        best.reshape(-1, best.shape[-1]) if best.size else [],
        strict=False,
    ):
        expected = sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]
        assert order.tolist() == expected
        np.testing.assert_array_equal(values, row[expected])
    assert indices.shape == best.shape == (*scores.shape[:-1], min(k, scores.shape[-1]))


def test_equal_scores_rank_by_index_and_nan_last() -> None:
    indices, best = top_k(np.array([0.2, np.nan, 0.7, 0.2, 0.7], np.float32), 5)
    assert indices.tolist() == [2, 4, 0, 3, 1]
    assert np.isnan(best[-1])


def test_top_k_refuses_what_it_cannot_rank() -> None:
    with pytest.raises(TensorShapeError, match="classes in the last axis"):
        top_k(np.zeros((), np.float32), 1)
    with pytest.raises(ValueError, match="k: got -1"):
        top_k(np.zeros(3, np.float32), -1)
