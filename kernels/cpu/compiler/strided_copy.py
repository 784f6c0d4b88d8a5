"""A step that copies elements of one or more bytes between places of any strides, in up to four dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from accelserve.kernels.compiler.layout import Placement
from accelserve.kernels.cpu.compiler.frames import fill_halo, frame_fields, rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Context, Field, Step, record_of
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.records import copies as f
from accelserve.kernels.cpu.records.frame import FRAME
from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Node
from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import copy_bytes, field, u8_at

LEAST_SHARED_BYTES = 1 << 16
"""Fewer are copied before another worker has heard of them."""


@inlined
def copy_row(target: int, source: int, count: int, target_stride: int, source_stride: int, size: int) -> None:
    """Copy ``count`` elements of ``size`` bytes (1 or 4)."""
    if target_stride == size and source_stride == size:
        copy_bytes(target, source, count * size)
    elif size == 1:
        to, of = (
            u8_at(target, count * target_stride),
            u8_at(source, count * source_stride),
        )
        for i in range(count):
            to[i * target_stride] = of[i * source_stride]
    else:
        for i in range(count):
            copy_bytes(target + i * target_stride, source + i * source_stride, size)


@step
def copy(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """A share of the second dimension (the first one is 1 wherever there is more than one item)."""
    source, target = field(record, f.SOURCE), field(record, f.TARGET)
    size = field(record, f.ELEMENT)
    outer, rows = field(record, f.SHAPE), field(record, f.SHAPE + 1)
    columns, inner = field(record, f.SHAPE + 2), field(record, f.SHAPE + 3)
    s0, s1 = field(record, f.SOURCE_STRIDES), field(record, f.SOURCE_STRIDES + 1)
    s2, s3 = field(record, f.SOURCE_STRIDES + 2), field(record, f.SOURCE_STRIDES + 3)
    t0, t1 = field(record, f.TARGET_STRIDES), field(record, f.TARGET_STRIDES + 1)
    t2, t3 = field(record, f.TARGET_STRIDES + 2), field(record, f.TARGET_STRIDES + 3)
    first, last = rows_of_item(item, field(record, f.ITEMS), rows)
    for a in range(outer):
        for b in range(first, last):
            from_row, to_row = source + a * s0 + b * s1, target + a * t0 + b * t1
            if s2 == inner * size and t2 == inner * size and s3 == size and t3 == size:
                copy_bytes(to_row, from_row, columns * inner * size)
            else:
                for c in range(columns):
                    copy_row(to_row + c * t2, from_row + c * s2, inner, t3, s3, size)
    fill_halo(record + 8 * f.HALO, first, last)


def strides_of(placement: Placement) -> list[int]:
    """Bytes between neighbours along each dimension."""
    size = placement.type.dtype.size_bytes
    shape = placement.type.shape
    if len(shape) == 4:
        return [placement.row_pitch * shape[1], placement.row_pitch, placement.pixel_pitch, size]
    return dense_strides(shape, size)


def dense_strides(shape: Sequence[int], size: int) -> list[int]:
    """Bytes between neighbours along each dimension of a row-major array."""
    return [size * int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape))]


def merged(shape: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """The same copy with as few dimensions as its strides allow."""
    sizes: list[int] = []
    result: list[list[int]] = [[] for _ in strides]
    for size, steps in zip(shape, zip(*strides, strict=True), strict=True):
        if size == 1:
            continue
        joins = bool(sizes) and all(
            found[-1] == size * each for found, each in zip(result, steps, strict=True)
        )
        if joins:
            sizes[-1] *= size
        else:
            sizes.append(size)
        for found, each in zip(result, steps, strict=True):
            if joins:
                found[-1] = each
            else:
                found.append(each)
    return sizes, result


def filled_up(
    sizes: Sequence[int], strides: Sequence[Sequence[int]], size: int
) -> tuple[list[int], list[list[int]]]:
    """The same copy with ``RANK`` dimensions; of a large one the first that is longer than 1 is the second, which is shared."""
    missing = f.RANK - len(sizes)
    long = [axis for axis, each in enumerate(sizes) if each > 1]
    shared = len(long) > 1 and size * math.prod(sizes) >= LEAST_SHARED_BYTES
    behind = max(0, min(long[0] + missing - 1, missing)) if shared else 0
    before = missing - behind
    filled = [[0] * before + list(each) + [size] * behind for each in strides]
    return [1] * before + list(sizes) + [1] * behind, filled


def copy_step(
    node: Node,
    context: Context,
    *,
    shape: Sequence[int],
    source: Field,
    source_strides: Sequence[int],
    target: Field,
    target_strides: Sequence[int],
    frame: Placement | None,
    size: int,
) -> Step:
    """A strided copy.

    Args:
        node: for its name, and for the error.
        context: of the plan.
        shape: of what is copied.
        source: address of the first element to read.
        source_strides: bytes, one per dimension.
        target: address of the first element to write.
        target_strides: bytes, one per dimension.
        frame: the target's place if its halo is to be filled; its rows are the second dimension then.
        size: bytes of an element, 1, 4 or 8.

    Raises:
        UnsupportedNodesError: more than four dimensions that cannot be merged.
    """
    steps = [list(source_strides), list(target_strides)]
    sizes = list(shape)
    if len(sizes) > f.RANK:
        sizes, steps = merged(sizes, steps)
    if len(sizes) > f.RANK:
        raise UnsupportedNodesError([(node.name, f"{node.op.label} of {len(sizes)} dimensions")])
    sizes, steps = filled_up(sizes, steps, size)
    items = context.shares(sizes[1])
    block = frame_fields(frame, 0) if frame is not None else [0] * FRAME.words
    words: dict[int, Field] = {
        f.SOURCE: source,
        f.TARGET: target,
        **dict(enumerate(sizes, f.SHAPE)),
        **dict(enumerate(steps[0], f.SOURCE_STRIDES)),
        **dict(enumerate(steps[1], f.TARGET_STRIDES)),
        f.ELEMENT: size,
        f.ITEMS: items,
    }
    halo: dict[int, Field] = dict(enumerate(block, f.HALO))
    if frame is not None:
        halo[f.HALO] = target
    fields = record_of(f.COPIES, words, halo)
    return Step(
        name=node.name, operator="copy", function=copy, fields=fields, items=items, shape=tuple(shape)
    )
