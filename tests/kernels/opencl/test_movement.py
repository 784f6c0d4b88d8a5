"""Rearrangements as loops over four dimensions do what numpy does."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from accelserve.kernels.opencl.compiler.movement import LOOPS, Movement, loops


def apply(movement: Movement, element_bytes: int, source: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """What ``move`` of the vector unit does."""
    target = np.zeros(size, np.uint8)
    for record, width in loops(movement, element_bytes):
        assert len(record.sizes) == LOOPS
        for index in itertools.product(*map(range, record.sizes)):
            start = record.source + sum(i * s for i, s in zip(index, record.source_strides, strict=True))
            end = record.target + sum(i * s for i, s in zip(index, record.target_strides, strict=True))
            target[end : end + width] = source[start : start + width]
    return target


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    ("shape", "permutation"),
    [((2, 3, 4), (2, 0, 1)), ((5,), (0,)), ((1, 1, 1), (2, 1, 0)), ((2, 3, 2, 2, 3), (4, 2, 0, 3, 1)),
     ((2, 2, 3, 1, 2, 3), (5, 3, 1, 4, 2, 0))],
)  # fmt: skip
def test_a_transpose(shape: tuple[int, ...], permutation: tuple[int, ...], dtype: type) -> None:
    values: NDArray[Any] = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    wanted = np.ascontiguousarray(values.transpose(permutation))
    strides = tuple(values.transpose(permutation).strides)
    movement = Movement(0, 0, wanted.shape, strides, wanted.strides)
    moved = apply(movement, values.itemsize, values.reshape(-1).view(np.uint8), values.nbytes)
    assert np.array_equal(moved, wanted.reshape(-1).view(np.uint8))


def test_contiguous_bytes_are_one_run() -> None:
    movement = Movement(8, 16, (3, 4, 5), (80, 20, 4), (80, 20, 4))
    (record, width), *rest = loops(movement, 4)
    assert not rest
    assert (record.sizes, record.source, record.target, width) == ((1, 1, 1, 240), 8, 16, 1)
