"""Repairs of split weights: together they are the excess, each of it once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.convolution.repairs import WINDOW, Repairs, joined, repairs_of


def drawn(seed: int, shape: tuple[int, ...], density: float) -> NDArray[np.int8]:
    rng = np.random.default_rng(seed)
    excess = rng.integers(-128, 127, shape)
    return np.where(rng.random(shape) < density, excess, 0).astype(np.int8)


def sum_of(repairs: Repairs, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """What repairs multiply each weight's activation by, one after the other, [..., pairs]; it is checked to be a first weight."""
    total = np.zeros(shape, np.int64)
    assert not repairs.weights[..., 1].any()
    every = zip(
        repairs.vectors, repairs.segments, repairs.starts, repairs.picks, repairs.weights, strict=True
    )
    for vector, segment, start, picks, weights in every:
        for lane, pick in enumerate(picks):
            total[vector, lane, segment, start + pick] += weights[lane, :, 0]
    return total


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    vectors=st.integers(1, 3),
    segments=st.integers(1, 3),
    groups=st.integers(WINDOW, 40),
    density=st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]),
)
def test_repairs_sum_up_to_the_excess(
    seed: int, vectors: int, segments: int, groups: int, density: float
) -> None:
    excess = drawn(seed, (vectors, 8, segments, groups, 2), density)
    found = repairs_of(excess)
    assert (sum_of(found, excess.shape) == excess).all()
    assert (found.picks < WINDOW).all()
    assert ((found.starts >= 0) & (found.starts + WINDOW <= groups)).all(), "no window leaves its segment"
    assert (np.diff(found.vectors) >= 0).all(), "a vector's repairs lie side by side"
    assert len(found.starts) <= excess.any(axis=(1, 4)).sum(), (
        "no more than groups with an excess in any lane"
    )


@pytest.mark.parametrize("together", [1, 2, 4, 7])
def test_parts_are_joined_as_if_they_had_been_one(together: int) -> None:
    excess = drawn(5, (7, 8, 2, 19, 2), 0.1)
    parts = [repairs_of(excess[first : first + together]) for first in range(0, 7, together)]
    whole, found = repairs_of(excess), joined(parts, together)
    for name in ("vectors", "segments", "starts", "picks", "weights"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))


def test_each_lane_takes_a_group_of_its_own() -> None:
    excess = np.zeros((1, 8, 1, 24, 2), np.int8)
    excess[0, np.arange(8), 0, 5 + np.arange(8), 1] = 1 + np.arange(8)
    found = repairs_of(excess)
    assert found.starts.tolist() == [5]
    assert found.picks.tolist() == [list(range(8))]
