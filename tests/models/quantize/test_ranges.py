"""Histograms count exactly in bounded memory; every method picks a range that its definition justifies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelserve.models.quantize.histogram import BINS, Histogram
from accelserve.models.quantize.ranges import METHODS, entropy, minmax, mse, percentile

Floats = NDArray[np.float32]


def histogram(*arrays: Floats) -> Histogram:
    made = Histogram()
    for array in arrays:
        made.add(array)
    return made


def normal(count: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def test_a_tensor_of_zeros_that_comes_first_does_not_set_the_range() -> None:
    together = histogram(np.array([0.0, 0.25], np.float32))
    apart = histogram(np.array([0.0], np.float32), np.array([0.25], np.float32))
    assert (apart.limit, together.limit) == (0.5, 0.5)
    np.testing.assert_array_equal(apart.counts, together.counts)


finite = st.floats(-(2.0**60), 2.0**60, width=32)


def test_the_least_negative_number_is_negative_in_every_order() -> None:
    least, large = np.float32(-1e-45), np.float32(4096)
    together, apart = histogram(np.array([large, least])), histogram(np.array([least]), np.array([large]))
    np.testing.assert_array_equal(together.counts, apart.counts)


@settings(deadline=None)
@given(st.lists(finite, min_size=1, max_size=40), st.data())
def test_counts_do_not_depend_on_order_or_on_the_split(values: list[float], data: st.DataObject) -> None:
    whole = histogram(np.array(values, np.float32))
    shuffled = data.draw(st.permutations(values))
    cut = data.draw(st.integers(1, len(values)))
    parts = [np.array(part, np.float32) for part in (shuffled[:cut], shuffled[cut:]) if part]
    split = histogram(*parts)
    np.testing.assert_array_equal(split.counts, whole.counts)
    assert (split.limit, split.low, split.high) == (whole.limit, whole.low, whole.high)
    assert whole.counts.sum() == len(values)


def test_every_element_is_in_the_bin_that_covers_it() -> None:
    values = normal(1000)
    made = histogram(values)
    edges = made.centers - made.width / 2
    expected, _ = np.histogram(values, np.append(edges, edges[-1] + made.width))
    np.testing.assert_array_equal(made.counts, expected)


def test_growing_keeps_the_resolution_that_the_range_allows() -> None:
    made = histogram(normal(100), normal(100) * np.float32(1000))
    assert made.width <= 4 * 1000 * 4 / BINS


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(poison: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        histogram(np.array([1.0, poison], np.float32))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "values",
    [np.zeros(10, np.float32), np.full(5, 3.0, np.float32), np.full(5, -3.0, np.float32), normal(1)],
    ids=["zeros", "one positive value", "one negative value", "one element"],
)
def test_degenerate_distributions_have_a_range_around_zero(method: str, values: Floats) -> None:
    low, high = METHODS[method](histogram(values))
    assert low <= 0.0 <= high
    assert low >= min(0.0, float(values.min()))
    assert high <= max(0.0, float(values.max()))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(METHODS)), st.lists(finite, min_size=1, max_size=60))
def test_no_method_leaves_what_was_seen(method: str, values: list[float]) -> None:
    array = np.array(values, np.float32)
    low, high = METHODS[method](histogram(array))
    assert min(0.0, float(array.min())) <= low <= 0.0 <= high <= max(0.0, float(array.max()))


def test_minmax_is_what_was_seen() -> None:
    assert minmax(histogram(np.array([-1.5, 0.25], np.float32), np.array([4.0], np.float32))) == (-1.5, 4.0)
    assert minmax(histogram(np.array([2.0, 4.0], np.float32))) == (0.0, 4.0)


def test_percentile_leaves_out_the_promised_share() -> None:
    values = np.concatenate([normal(99_990), np.full(10, 500.0, np.float32)])
    low, high = percentile(histogram(values), 99.9)
    assert np.mean(values > high) <= 0.001
    assert np.mean(values < low) <= 0.001
    assert high < 10


def test_after_a_relu_nothing_is_spent_on_negatives() -> None:
    values = np.maximum(normal(10_000), 0)
    for method in METHODS.values():
        low, high = method(histogram(values))
        assert low == 0.0
        assert high > 1.0


def rounding_error(values: Floats, extent: tuple[float, float]) -> float:
    """Mean squared error of 8-bit codes over a range."""
    step = (extent[1] - extent[0]) / 255
    zero = np.rint(-extent[0] / step)
    codes = np.clip(np.rint(values.astype(np.float64) / step) + zero, 0, 255)
    return float(np.mean((values - (codes - zero) * step) ** 2))


def test_mse_has_less_error_than_the_rest() -> None:
    """Heavy tails: Student's t with three degrees of freedom."""
    values = np.random.default_rng(0).standard_t(3, 200_000).astype(np.float32)
    counted = histogram(values)
    errors = {name: rounding_error(values, method(counted)) for name, method in METHODS.items()}
    assert errors["mse"] == min(errors.values())
    assert errors["mse"] < 0.8 * errors["minmax"]


def test_entropy_cuts_an_outlier_and_keeps_a_uniform_distribution() -> None:
    outlier = np.concatenate([np.abs(normal(100_000)), np.full(1, 1000.0, np.float32)])
    assert entropy(histogram(outlier))[1] < 200
    uniform = np.random.default_rng(0).uniform(0, 8, 100_000).astype(np.float32)
    assert entropy(histogram(uniform))[1] > 7.5


def test_mse_of_a_uniform_distribution_is_all_of_it() -> None:
    values = np.random.default_rng(0).uniform(-3, 5, 100_000).astype(np.float32)
    low, high = mse(histogram(values))
    assert low < -2.9
    assert high > 4.9
