"""Integer operators of one element: QAdd, QChannelAffine, QLookup. Items share the rows of the frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accelserve.kernels.cpu.frames import CHANNELS, HEIGHT, ORIGIN, PIXEL, ROW, WIDTH, fill_halo, rows_of_item
from accelserve.kernels.cpu.jit import Compiled, inlined, step
from accelserve.kernels.cpu.lowering import Context, Field, Step, float_bits, lowers
from accelserve.kernels.cpu.memory import as_float, f32_at, field, u8_at
from accelserve.kernels.ir import Node, QAdd, QChannelAffine, QLookup

TARGET = 0  # three frames
SOURCE = 12
OTHER = 24
ITEMS = 36
INPUT_ZERO = 37
INPUT_MULTIPLIER = 38
OTHER_ZERO = 39
OTHER_MULTIPLIER = 40
LOW = 41  # bounds less the zero point, float32
HIGH = 42
ZERO_POINT = 43
TABLE = 44
MULTIPLY = 45
ADD = 46


@inlined
def row_at(record: int, frame: int, row: int) -> int:
    """Address of a row of one of the record's frames."""
    return field(record, frame + ORIGIN) + row * field(record, frame + ROW)


@inlined
def to_uint8(value: np.float32, low: np.float32, high: np.float32, zero_point: np.int32) -> np.uint8:
    """``clamp(rne(value) + zero_point)``; the bounds are less the zero point."""
    bounded = min(max(value, low), high)
    return np.uint8(np.int32(np.rint(bounded)) + zero_point)


@step
def add(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of a sum."""
    height, width = field(record, HEIGHT), field(record, WIDTH)
    channels = field(record, CHANNELS)
    a_zero, b_zero = np.int32(field(record, INPUT_ZERO)), np.int32(field(record, OTHER_ZERO))
    a_mul, b_mul = (
        as_float(field(record, INPUT_MULTIPLIER)),
        as_float(field(record, OTHER_MULTIPLIER)),
    )
    low, high = as_float(field(record, LOW)), as_float(field(record, HIGH))
    zero_point = np.int32(field(record, ZERO_POINT))
    first, last = rows_of_item(item, field(record, ITEMS), height)
    for row in range(first, last):
        for column in range(width):
            a = u8_at(row_at(record, SOURCE, row) + column * field(record, SOURCE + PIXEL), channels)
            b = u8_at(row_at(record, OTHER, row) + column * field(record, OTHER + PIXEL), channels)
            y = u8_at(row_at(record, TARGET, row) + column * field(record, TARGET + PIXEL), channels)
            for c in range(channels):
                left = np.float32(np.int32(a[c]) - a_zero) * a_mul
                right = np.float32(np.int32(b[c]) - b_zero) * b_mul
                y[c] = to_uint8(left + right, low, high, zero_point)
    fill_halo(record + 8 * TARGET, first, last)


@step
def channel_affine(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of a product and a sum per channel."""
    height, width = field(record, HEIGHT), field(record, WIDTH)
    channels = field(record, CHANNELS)
    zero = np.int32(field(record, INPUT_ZERO))
    low, high = as_float(field(record, LOW)), as_float(field(record, HIGH))
    zero_point = np.int32(field(record, ZERO_POINT))
    mul = f32_at(field(record, MULTIPLY), channels)
    addend = f32_at(field(record, ADD), channels)
    first, last = rows_of_item(item, field(record, ITEMS), height)
    for row in range(first, last):
        for column in range(width):
            x = u8_at(row_at(record, SOURCE, row) + column * field(record, SOURCE + PIXEL), channels)
            y = u8_at(row_at(record, TARGET, row) + column * field(record, TARGET + PIXEL), channels)
            for c in range(channels):
                value = np.float32(np.int32(x[c]) - zero) * mul[c] + addend[c]
                y[c] = to_uint8(value, low, high, zero_point)
    fill_halo(record + 8 * TARGET, first, last)


@step
def lookup(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of table entries."""
    height, width = field(record, HEIGHT), field(record, WIDTH)
    channels = field(record, CHANNELS)
    table = u8_at(field(record, TABLE), 256)
    first, last = rows_of_item(item, field(record, ITEMS), height)
    for row in range(first, last):
        for column in range(width):
            x = u8_at(row_at(record, SOURCE, row) + column * field(record, SOURCE + PIXEL), channels)
            y = u8_at(row_at(record, TARGET, row) + column * field(record, TARGET + PIXEL), channels)
            for c in range(channels):
                y[c] = table[x[c]]
    fill_halo(record + 8 * TARGET, first, last)


def _frames(node: Node, context: Context) -> dict[int, Field]:
    fields = {**context.frame(node.output, TARGET), **context.frame(node.inputs[0], SOURCE)}
    fields[ITEMS] = (
        context.shares(context.placement(node.output).type.shape[1]) if _is_image(node, context) else 1
    )
    return fields


def _is_image(node: Node, context: Context) -> bool:
    return len(context.type_of(node.output).shape) == 4


def _bounds(low: int, high: int, zero_point: int) -> dict[int, Field]:
    return {LOW: float_bits(low - zero_point), HIGH: float_bits(high - zero_point), ZERO_POINT: zero_point}


@lowers(QAdd)
def lower_add(node: Node, context: Context) -> Sequence[Step]:
    """One step."""
    op = node.op
    if not isinstance(op, QAdd):
        raise TypeError(op)
    fields = {
        **_frames(node, context),
        **context.frame(node.inputs[1], OTHER),
        **_bounds(op.low, op.high, op.zero_point),
        INPUT_ZERO: op.a.zero_point,
        INPUT_MULTIPLIER: float_bits(op.a.multiplier),
        OTHER_ZERO: op.b.zero_point,
        OTHER_MULTIPLIER: float_bits(op.b.multiplier),
    }
    return (_step(node, context, "add_qu8", add, fields),)


@lowers(QChannelAffine)
def lower_channel_affine(node: Node, context: Context) -> Sequence[Step]:
    """One step; for ranks other than 4 the last axis must be the only one longer than 1."""
    op = node.op
    if not isinstance(op, QChannelAffine):
        raise TypeError(op)
    fields = {
        **_frames(node, context),
        **_bounds(op.low, op.high, op.zero_point),
        INPUT_ZERO: op.input_zero_point,
        MULTIPLY: context.address(node.inputs[1]),
        ADD: context.address(node.inputs[2]),
    }
    if not _is_image(node, context):
        shape = context.type_of(node.output).shape
        pixels, channels = int(np.prod(shape[:-1])), shape[-1]
        for at in (TARGET, SOURCE):
            fields |= {at + PIXEL: channels, at + WIDTH: pixels, at + CHANNELS: channels}
    return (_step(node, context, "channel_affine_qu8", channel_affine, fields),)


@lowers(QLookup)
def lower_lookup(node: Node, context: Context) -> Sequence[Step]:
    """One step."""
    fields = {**_frames(node, context), TABLE: context.address(node.inputs[1])}
    return (_step(node, context, "lookup_qu8", lookup, fields),)


def _step(node: Node, context: Context, operator: str, function: Compiled, fields: dict[int, Field]) -> Step:
    items = fields[ITEMS]
    if not isinstance(items, int):
        raise TypeError(items)
    return Step(
        name=node.name,
        operator=operator,
        function=function,
        fields=fields,
        items=items,
        shape=context.type_of(node.output).shape,
    )
