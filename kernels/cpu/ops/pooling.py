"""Max and average pooling of NHWC frames; items share the result's rows. Padding is cut off the window, never read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accelserve.kernels.cpu.frames import CHANNELS, HEIGHT, ORIGIN, PIXEL, ROW, WIDTH, fill_halo, rows_of_item
from accelserve.kernels.cpu.jit import Compiled, inlined, step
from accelserve.kernels.cpu.lowering import Context, Field, Step, float_bits, lowers
from accelserve.kernels.cpu.memory import as_float, f32_at, field, s32_at, u8_at
from accelserve.kernels.ir import AveragePool, DType, MaxPool, Node, QAveragePool, Window

TARGET = 0  # two frames
SOURCE = 12
ITEMS = 24
KERNEL = 25  # rows, columns
STRIDES = 27
BEFORE = 29  # padding above, left
DILATIONS = 31
ZERO = 33
LOW = 34
HIGH = 35
ZERO_POINT = 36
MULTIPLIER = 37
COUNT_PADDING = 38
SCRATCH = 39
CHANNEL_BLOCK = 256


@inlined
def tap_range(at: int, before: int, stride: int, taps: int, dilation: int, size: int) -> tuple[int, int]:
    """First tap inside the image, and the one after the last, along one axis for output position ``at``."""
    start = at * stride - before
    first = 0 if start >= 0 else (-start + dilation - 1) // dilation
    last = min(taps, (size - start + dilation - 1) // dilation)
    return first, max(first, last)


@inlined
def source_at(record: int, at: int, tap: int, axis: int) -> int:
    """Input position of a tap along an axis."""
    stride, before = field(record, STRIDES + axis), field(record, BEFORE + axis)
    return at * stride - before + tap * field(record, DILATIONS + axis)


@inlined
def taps_at(record: int, at: int, axis: int) -> tuple[int, int]:
    """``tap_range`` of an output position, from the record."""
    return tap_range(
        at,
        field(record, BEFORE + axis),
        field(record, STRIDES + axis),
        field(record, KERNEL + axis),
        field(record, DILATIONS + axis),
        field(record, SOURCE + HEIGHT + axis),
    )


@inlined
def pixel_at(record: int, frame: int, row: int, column: int) -> int:
    """Address of a pixel of one of the record's frames."""
    base = field(record, frame + ORIGIN) + row * field(record, frame + ROW)
    return base + column * field(record, frame + PIXEL)


@step
def max_pool_u8(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of maxima of uint8."""
    channels = field(record, CHANNELS)
    first, last = rows_of_item(item, field(record, ITEMS), field(record, HEIGHT))
    for row in range(first, last):
        r0, r1 = taps_at(record, row, 0)
        for column in range(field(record, WIDTH)):
            s0, s1 = taps_at(record, column, 1)
            y = u8_at(pixel_at(record, TARGET, row, column), channels)
            for c in range(channels):
                y[c] = 0
            for r in range(r0, r1):
                for s in range(s0, s1):
                    at = pixel_at(
                        record, SOURCE, source_at(record, row, r, 0), source_at(record, column, s, 1)
                    )
                    x = u8_at(at, channels)
                    for c in range(channels):
                        y[c] = max(y[c], x[c])
    fill_halo(record + 8 * TARGET, first, last)


@step
def max_pool_f32(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of maxima of float32."""
    channels = field(record, CHANNELS)
    first, last = rows_of_item(item, field(record, ITEMS), field(record, HEIGHT))
    for row in range(first, last):
        r0, r1 = taps_at(record, row, 0)
        for column in range(field(record, WIDTH)):
            s0, s1 = taps_at(record, column, 1)
            y = f32_at(pixel_at(record, TARGET, row, column), channels)
            for c in range(channels):
                y[c] = -np.inf
            for r in range(r0, r1):
                for s in range(s0, s1):
                    at = pixel_at(
                        record, SOURCE, source_at(record, row, r, 0), source_at(record, column, s, 1)
                    )
                    x = f32_at(at, channels)
                    for c in range(channels):
                        y[c] = max(y[c], x[c])


@inlined
def sum_window(record: int, sums: int, row: int, column: int, channel: int, count: int) -> int:
    """int32 sums over the cells of a window inside the image into ``sums``; how many cells there were."""
    total = s32_at(sums, count)
    for c in range(count):
        total[c] = 0
    r0, r1 = taps_at(record, row, 0)
    s0, s1 = taps_at(record, column, 1)
    for r in range(r0, r1):
        for s in range(s0, s1):
            at = pixel_at(record, SOURCE, source_at(record, row, r, 0), source_at(record, column, s, 1))
            x = u8_at(at + channel, count)
            for c in range(count):
                total[c] += np.int32(x[c])
    return (r1 - r0) * (s1 - s0)


@step
def average_pool_u8(record: int, item: int, thread: int) -> None:
    """Means of uint8; items share blocks of channels of a one-pixel result, else the rows."""
    channels, rows = field(record, CHANNELS), field(record, HEIGHT)
    width = field(record, WIDTH)
    items, zero = field(record, ITEMS), np.int32(field(record, ZERO))
    low, high = as_float(field(record, LOW)), as_float(field(record, HIGH))
    zero_point = np.int32(field(record, ZERO_POINT))
    cells = field(record, KERNEL) * field(record, KERNEL + 1)
    multipliers = f32_at(field(record, MULTIPLIER), cells + 1)
    scratch = field(record, SCRATCH) + thread * CHANNEL_BLOCK * 4
    sums = s32_at(scratch, CHANNEL_BLOCK)
    blocks = (channels + CHANNEL_BLOCK - 1) // CHANNEL_BLOCK
    by_blocks = rows * width == 1
    first, last = rows_of_item(item, items, blocks if by_blocks else rows)
    first_row, last_row = (0, 1) if by_blocks else (first, last)
    first_block, last_block = (first, last) if by_blocks else (0, blocks)
    for row in range(first_row, last_row):
        for column in range(width):
            for block in range(first_block, last_block):
                channel = block * CHANNEL_BLOCK
                count = min(CHANNEL_BLOCK, channels - channel)
                inside = sum_window(record, scratch, row, column, channel, count)
                multiplier, centre = multipliers[inside], np.int32(inside) * zero
                y = u8_at(pixel_at(record, TARGET, row, column) + channel, count)
                for c in range(count):
                    value = np.float32(sums[c] - centre) * multiplier
                    y[c] = np.uint8(np.int32(np.rint(min(max(value, low), high))) + zero_point)
    if not by_blocks:
        fill_halo(record + 8 * TARGET, first, last)
    elif item == 0:
        fill_halo(record + 8 * TARGET, 0, 1)


@step
def average_pool_f32(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of means of float32."""
    channels = field(record, CHANNELS)
    cells = field(record, KERNEL) * field(record, KERNEL + 1)
    padding_counts = field(record, COUNT_PADDING)
    first, last = rows_of_item(item, field(record, ITEMS), field(record, HEIGHT))
    for row in range(first, last):
        r0, r1 = taps_at(record, row, 0)
        for column in range(field(record, WIDTH)):
            s0, s1 = taps_at(record, column, 1)
            y = f32_at(pixel_at(record, TARGET, row, column), channels)
            for c in range(channels):
                y[c] = 0
            for r in range(r0, r1):
                for s in range(s0, s1):
                    at = pixel_at(
                        record, SOURCE, source_at(record, row, r, 0), source_at(record, column, s, 1)
                    )
                    x = f32_at(at, channels)
                    for c in range(channels):
                        y[c] += x[c]
            divisor = np.float32(cells if padding_counts != 0 else (r1 - r0) * (s1 - s0))
            for c in range(channels):
                y[c] /= divisor


def _fields(node: Node, context: Context, window: Window, items: int) -> dict[int, Field]:
    fields = {**context.frame(node.output, TARGET), **context.frame(node.inputs[0], SOURCE)}
    pairs = ((KERNEL, window.kernel), (STRIDES, window.strides), (DILATIONS, window.dilations))
    for at, pair in (*pairs, (BEFORE, window.padding[:2])):
        fields |= {at: pair[0], at + 1: pair[1]}
    fields[ITEMS] = items
    return fields


def _step(
    node: Node, context: Context, operator: str, function: Compiled, fields: dict[int, Field], items: int
) -> Step:
    return Step(
        name=node.name,
        operator=operator,
        function=function,
        fields=fields,
        items=items,
        shape=context.type_of(node.output).shape,
    )


@lowers(MaxPool)
def lower_max_pool(node: Node, context: Context) -> Sequence[Step]:
    """One step, for uint8 or float32."""
    if not isinstance(node.op, MaxPool):
        raise TypeError(node.op)
    kind = context.type_of(node.output)
    items = context.shares(kind.shape[1])
    fields = _fields(node, context, node.op.window, items)
    function = max_pool_u8 if kind.dtype is DType.U8 else max_pool_f32
    return (_step(node, context, function.name, function, fields, items),)


@lowers(QAveragePool)
def lower_quantised_average(node: Node, context: Context) -> Sequence[Step]:
    """One step."""
    op = node.op
    if not isinstance(op, QAveragePool):
        raise TypeError(op)
    _, rows, width, channels = context.type_of(node.output).shape
    blocks = -(-channels // CHANNEL_BLOCK)
    items = context.shares(blocks if rows * width == 1 else rows)
    fields = {
        **_fields(node, context, op.window, items),
        ZERO: op.input_zero_point,
        LOW: float_bits(-op.zero_point),
        HIGH: float_bits(255 - op.zero_point),
        ZERO_POINT: op.zero_point,
        MULTIPLIER: context.address(node.inputs[1]),
        SCRATCH: context.scratch(CHANNEL_BLOCK * 4),
    }
    return (_step(node, context, "average_pool_u8", average_pool_u8, fields, items),)


@lowers(AveragePool)
def lower_average(node: Node, context: Context) -> Sequence[Step]:
    """One step."""
    if not isinstance(node.op, AveragePool):
        raise TypeError(node.op)
    items = context.shares(context.type_of(node.output).shape[1])
    fields = {**_fields(node, context, node.op.window, items), COUNT_PADDING: int(node.op.count_padding)}
    return (_step(node, context, "average_pool_f32", average_pool_f32, fields, items),)
