"""Integer operators of one element or pixel: QAdd, QChannelAffine, QL2Normalize, QLookup. Items share the frame's rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.frames import fill_halo, rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Code, Context, Field, Step, float_bits, lowers, record_of
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.microkernels.elements import (
    ElementKernelName,
    block_channels,
    emit_element_kernel,
    pack_blocks,
    parse_element_kernel,
)
from accelserve.kernels.cpu.records import elements as f
from accelserve.kernels.cpu.records import elementwise as ew
from accelserve.kernels.cpu.records import epilogue
from accelserve.kernels.cpu.records.frame import CHANNELS, HEIGHT, ORIGIN, PIXEL, ROW, WIDTH
from accelserve.kernels.ir import Node, QAdd, QChannelAffine, QL2Normalize, QLookup
from accelserve.kernels.native.compiled import Compiled
from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import as_float, call6, f32_at, field, u8_at

SAFE_MAGNITUDE = 2.0**30
"""Float results below it stay in int32 whatever float32 rounds."""


@inlined
def row_at(record: int, frame: int, row: int) -> int:
    """Address of a row of one of the record's frames."""
    return field(record, frame + ORIGIN) + row * field(record, frame + ROW)


@step
def rows_of_elements(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of the result, each by one call of the record's kernel."""
    kernel, width = field(record, f.KERNEL), field(record, f.TARGET + WIDTH)
    first, last = rows_of_item(item, field(record, f.ITEMS), field(record, f.TARGET + HEIGHT))
    for row in range(first, last):
        source, other = row_at(record, f.SOURCE, row), row_at(record, ew.OTHER, row)
        call6(kernel, record, source, other, 0, row_at(record, f.TARGET, row), width)
    fill_halo(record + 8 * f.TARGET, first, last)


@inlined
def length(x: NDArray[np.uint8], zero: np.int32) -> np.float32:
    """The Euclidean norm of ``x - zero``; the sum of squares is of integers, so that its order is the compiler's."""
    total = np.int32(0)
    for c in range(x.size):
        difference = np.int32(np.int32(x[c]) - zero)
        total = np.int32(total + np.int32(difference * difference))
    return np.float32(np.sqrt(np.float64(total)))


@step
def normalize(record: int, item: int, thread: int) -> None:
    """Rows of pixels, each over its own length."""
    width, channels = field(record, f.TARGET + WIDTH), field(record, f.TARGET + CHANNELS)
    first, last = rows_of_item(item, field(record, f.ITEMS), field(record, f.TARGET + HEIGHT))
    zero, epsilon = np.int32(field(record, f.INPUT_ZERO)), as_float(field(record, ew.EPSILON))
    place = field(record, ew.UNITS) + thread * field(record, ew.UNITS_BYTES)
    units = f32_at(place, width)
    for row in range(first, last):
        source = row_at(record, f.SOURCE, row)
        for column in range(width):
            x = u8_at(source + column * field(record, f.SOURCE + PIXEL), channels)
            units[column] = np.float32(1) / max(length(x, zero), epsilon)
        call6(field(record, f.KERNEL), record, source, place, 0, row_at(record, f.TARGET, row), width)
    fill_halo(record + 8 * f.TARGET, first, last)


@step
def lookup(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of table entries."""
    height, width = field(record, f.TARGET + HEIGHT), field(record, f.TARGET + WIDTH)
    channels = field(record, f.TARGET + CHANNELS)
    table = u8_at(field(record, ew.TABLE), 256)
    first, last = rows_of_item(item, field(record, f.ITEMS), height)
    for row in range(first, last):
        for column in range(width):
            x = u8_at(row_at(record, f.SOURCE, row) + column * field(record, f.SOURCE + PIXEL), channels)
            y = u8_at(row_at(record, f.TARGET, row) + column * field(record, f.TARGET + PIXEL), channels)
            for c in range(channels):
                y[c] = table[x[c]]
    fill_halo(record + 8 * f.TARGET, first, last)


def _frames(node: Node, context: Context, items: int) -> dict[int, Field]:
    frames = {**context.frame(node.output, f.TARGET), **context.frame(node.inputs[0], f.SOURCE)}
    return {**frames, f.ITEMS: items}


def _items(node: Node, context: Context) -> int:
    image = _is_image(node, context)
    return context.shares(context.placement(node.output).type.shape[1]) if image else 1


def _row_of_pixels(node: Node, context: Context) -> tuple[int, int]:
    """Width and channels of the result; of other ranks than 4 its pixels are vectors along the last axis."""
    shape = context.type_of(node.output).shape
    width = shape[2] if _is_image(node, context) else context.type_of(node.output).elements // shape[-1]
    return width, shape[-1]


def _pixels(node: Node, context: Context, items: int) -> dict[int, Field]:
    """Frames whose pixels are vectors along the last axis, whatever the rank."""
    fields = _frames(node, context, items)
    if not _is_image(node, context):
        width, channels = _row_of_pixels(node, context)
        for at in (f.TARGET, f.SOURCE):
            fields |= {at + PIXEL: channels, at + WIDTH: width, at + CHANNELS: channels}
    return fields


def _is_image(node: Node, context: Context) -> bool:
    return len(context.type_of(node.output).shape) == 4


def epilogue_bounds(low: int, high: int, zero_point: int) -> dict[int, Field]:
    """The fields that bound a result."""
    return {
        epilogue.LOW: float_bits(low - zero_point),
        epilogue.HIGH: float_bits(high - zero_point),
        epilogue.ZERO_POINT: zero_point,
        epilogue.LOW_BYTE: low,
        epilogue.HIGH_BYTE: high,
    }


def element_kernel(context: Context, op: str, channels: int, greatest: float) -> tuple[str, Code]:
    """Name of a kernel, and the kernel.

    Args:
        context: of the plan.
        op: as in the grammar of element kernels.
        channels: of the values.
        greatest: magnitude that a result can have before it is bounded.
    """
    name = ElementKernelName(
        op=op,
        channels=block_channels(context.isa, channels),
        isa=context.isa.name,
        wide=not greatest < SAFE_MAGNITUDE,
    )
    kernel = context.kernel(
        str(name), lambda text: emit_element_kernel(parse_element_kernel(text), context.isa)
    )
    return str(name), kernel


@lowers(QAdd)
def lower_add(node: Node, op: QAdd, context: Context) -> Sequence[Step]:
    """One step."""
    greatest = 255.0 * (abs(op.a.multiplier) + abs(op.b.multiplier))
    items = _items(node, context)
    kind = context.type_of(node.output)
    # As a frame counts them: all elements of what is no image are one pixel's.
    channels = kind.shape[3] if _is_image(node, context) else kind.elements
    name, kernel = element_kernel(context, "add", channels, greatest)
    fields = record_of(
        ew.ELEMENTWISE,
        _frames(node, context, items),
        context.frame(node.inputs[1], ew.OTHER),
        epilogue_bounds(op.low, op.high, op.zero_point),
        {f.INPUT_ZERO: op.a.zero_point, ew.INPUT_MULTIPLIER: float_bits(op.a.multiplier)},
        {ew.OTHER_ZERO: op.b.zero_point, ew.OTHER_MULTIPLIER: float_bits(op.b.multiplier)},
        {f.KERNEL: kernel},
    )
    return (_step(node, context, name, rows_of_elements, fields, items),)


@lowers(QChannelAffine)
def lower_channel_affine(node: Node, op: QChannelAffine, context: Context) -> Sequence[Step]:
    """One step; for ranks other than 4 the last axis must be the only one longer than 1."""
    return (_channelwise(node, context, op, "affine", 255.0, rows_of_elements, {}),)


@lowers(QL2Normalize)
def lower_l2_normalize(node: Node, op: QL2Normalize, context: Context) -> Sequence[Step]:
    """One step, for ranks as of QChannelAffine."""
    width, _ = _row_of_pixels(node, context)
    scratch, pitch = context.scratch(4 * width)
    units: dict[int, Field] = {
        ew.EPSILON: float_bits(op.epsilon),
        ew.UNITS: scratch,
        ew.UNITS_BYTES: pitch,
    }
    # An element is at most as long as its pixel, up to rounding.
    return (_channelwise(node, context, op, "norm", 2.0, normalize, units),)


def _channelwise(
    node: Node,
    context: Context,
    op: QChannelAffine | QL2Normalize,
    kernel_op: str,
    magnitude: float,
    function: Compiled,
    more: dict[int, Field],
) -> Step:
    """The step of an operator with a product and a sum per channel; ``magnitude`` is the most that is multiplied."""
    mul, add = (np.asarray(context.constant(value), np.float32) for value in node.inputs[1:])
    greatest = magnitude * float(np.abs(mul).max()) + float(np.abs(add).max())
    items, (_, channels) = _items(node, context), _row_of_pixels(node, context)
    parameters = context.pack(pack_blocks(context.isa, mul.size, (mul, add)))
    name, kernel = element_kernel(context, kernel_op, channels, greatest)
    fields = record_of(
        ew.ELEMENTWISE,
        _pixels(node, context, items),
        epilogue_bounds(op.low, op.high, op.zero_point),
        {f.INPUT_ZERO: op.input_zero_point, ew.PARAMETERS: parameters, f.KERNEL: kernel},
        more,
    )
    return _step(node, context, name, function, fields, items)


@lowers(QLookup)
def lower_lookup(node: Node, op: QLookup, context: Context) -> Sequence[Step]:
    """One step."""
    del op
    items = _items(node, context)
    table = {ew.TABLE: context.address(node.inputs[1])}
    fields = record_of(ew.ELEMENTWISE, _frames(node, context, items), table)
    return (_step(node, context, "lookup_qu8", lookup, fields, items),)


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
