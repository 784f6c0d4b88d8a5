"""Rearrangements of bytes (transpose, slice, concatenation, reshape) as loops over at most four dimensions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from accelserve.kernels.ir import TensorType
from accelserve.kernels.opencl.compiler.storage import View

LOOPS = 4


@dataclass(frozen=True, slots=True)
class Movement:
    """``target[i . target_strides] = source[i . source_strides]`` for every index i below ``sizes``; all in bytes."""

    source: int
    target: int
    sizes: tuple[int, ...]
    source_strides: tuple[int, ...]
    target_strides: tuple[int, ...]


def strides_of(kind: TensorType, view: View) -> tuple[int, ...]:
    """Bytes between neighbours along each axis of a value."""
    strides = [kind.dtype.size_bytes]
    step = view.step
    for size in reversed(kind.shape[:-1]):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))[: len(kind.shape)] if kind.shape else ()


def loops(movement: Movement, element_bytes: int) -> Iterator[tuple[Movement, int]]:
    """The same movement as records of exactly four loops, each with its bytes per element.

    Neighbouring dimensions that are contiguous on both sides become one, and a contiguous last one is moved as
    bytes; what still has more than four is unrolled from the outside.
    """
    dimensions = _merged(movement)
    if dimensions and dimensions[-1][1:] == (element_bytes, element_bytes):
        dimensions[-1] = (dimensions[-1][0] * element_bytes, 1, 1)
        element_bytes = 1
    outer, inner = dimensions[:-LOOPS], dimensions[-LOOPS:]
    inner = [(1, 0, 0)] * (LOOPS - len(inner)) + inner
    for index in itertools.product(*(range(size) for size, _, _ in outer)):
        source = movement.source + sum(i * d[1] for i, d in zip(index, outer, strict=True))
        target = movement.target + sum(i * d[2] for i, d in zip(index, outer, strict=True))
        sizes, source_strides, target_strides = zip(*inner, strict=True)
        yield Movement(source, target, sizes, source_strides, target_strides), element_bytes


def _merged(movement: Movement) -> list[tuple[int, int, int]]:
    """(size, source stride, target stride) of each dimension that is left, outermost first."""
    rows = zip(movement.sizes, movement.source_strides, movement.target_strides, strict=True)
    kept: list[tuple[int, int, int]] = []
    for size, source, target in rows:
        if size == 1:
            continue
        if kept and kept[-1][1] == size * source and kept[-1][2] == size * target:
            kept[-1] = (kept[-1][0] * size, source, target)
        else:
            kept.append((size, source, target))
    return kept


def permuted(values: Sequence[int], permutation: Sequence[int]) -> tuple[int, ...]:
    """Values in the order of a transpose."""
    return tuple(values[axis] for axis in permutation)
