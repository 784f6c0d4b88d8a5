"""How a copy's dimensions are laid out before workers share it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.strided_copy import LEAST_SHARED_BYTES, dense_strides, filled_up
from accelserve.kernels.cpu.records.copies import RANK


def offsets(sizes: Sequence[int], strides: Sequence[int]) -> NDArray[np.int64]:
    """Of every element, in order."""
    grids = np.ogrid[tuple(slice(size) for size in sizes)]
    return np.asarray(sum(grid * stride for grid, stride in zip(grids, strides, strict=True))).ravel()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=RANK), st.sampled_from([1, 4]))
def test_filling_up_keeps_every_element_in_its_place(sizes: list[int], size: int) -> None:
    strides = dense_strides(sizes, size), dense_strides([each + 1 for each in sizes], size)
    filled, steps = filled_up(sizes, strides, size)
    assert len(filled) == RANK
    for before, after in zip(strides, steps, strict=True):
        np.testing.assert_array_equal(offsets(filled, after), offsets(sizes, before))


@pytest.mark.parametrize("sizes", [(1, 8732, 91), (8732, 91), (1, 60, 50, 40), (300, 50, 40)])
def test_a_large_copy_has_something_to_share(sizes: tuple[int, ...]) -> None:
    assert math.prod(sizes) * 4 >= LEAST_SHARED_BYTES
    assert filled_up(sizes, [dense_strides(sizes, 4)], 4)[0][1] > 1


@pytest.mark.parametrize("sizes", [(1000,), (1, 1000), (100, 2), (1_000_000,), (1, 1_000_000)])
def test_small_copies_and_single_rows_stay_one_piece(sizes: tuple[int, ...]) -> None:
    assert filled_up(sizes, [dense_strides(sizes, 4)], 4)[0][:2] == [1, 1]
