"""Integer operators of one element or pixel: QAdd, QChannelAffine, QL2Normalize, QLookup. Items share the frame's rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.frames import fill_halo, rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Code, Context, Field, Step, float_bits, lowers
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.microkernels import element_fields as f
from accelserve.kernels.cpu.microkernels.elements import (
    ElementKernelName,
    block_channels,
    emit_element_kernel,
    pack_blocks,
    parse_element_kernel,
)
from accelserve.kernels.cpu.microkernels.frame_fields import CHANNELS, HEIGHT, ORIGIN, PIXEL, ROW, WIDTH
from accelserve.kernels.cpu.plan.weight_streams import LINE_BYTES
from accelserve.kernels.ir import Node, QAdd, QChannelAffine, QL2Normalize, QLookup, Residual
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
        source, other = row_at(record, f.SOURCE, row), row_at(record, f.OTHER, row)
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
    zero, epsilon = np.int32(field(record, f.INPUT_ZERO)), as_float(field(record, f.EPSILON))
    place = field(record, f.UNITS) + thread * field(record, f.UNITS_BYTES)
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
    table = u8_at(field(record, f.TABLE), 256)
    first, last = rows_of_item(item, field(record, f.ITEMS), height)
    for row in range(first, last):
        for column in range(width):
            x = u8_at(row_at(record, f.SOURCE, row) + column * field(record, f.SOURCE + PIXEL), channels)
            y = u8_at(row_at(record, f.TARGET, row) + column * field(record, f.TARGET + PIXEL), channels)
            for c in range(channels):
                y[c] = table[x[c]]
    fill_halo(record + 8 * f.TARGET, first, last)


def _frames(node: Node, context: Context) -> dict[int, Field]:
    fields = {**context.frame(node.output, f.TARGET), **context.frame(node.inputs[0], f.SOURCE)}
    image = _is_image(node, context)
    fields[f.ITEMS] = context.shares(context.placement(node.output).type.shape[1]) if image else 1
    return fields


def _pixels(node: Node, context: Context) -> dict[int, Field]:
    """Frames whose pixels are vectors along the last axis, whatever the rank."""
    fields = _frames(node, context)
    if not _is_image(node, context):
        kind = context.type_of(node.output)
        channels = kind.shape[-1]
        for at in (f.TARGET, f.SOURCE):
            fields |= {at + PIXEL: channels, at + WIDTH: kind.elements // channels, at + CHANNELS: channels}
    return fields


def _is_image(node: Node, context: Context) -> bool:
    return len(context.type_of(node.output).shape) == 4


def epilogue_bounds(low: int, high: int, zero_point: int) -> dict[int, Field]:
    """The fields that bound a result."""
    return {
        f.LOW: float_bits(low - zero_point),
        f.HIGH: float_bits(high - zero_point),
        f.ZERO_POINT: zero_point,
        f.LOW_BYTE: low,
        f.HIGH_BYTE: high,
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
def lower_add(node: Node, context: Context) -> Sequence[Step]:
    """One step."""
    op = node.op
    if not isinstance(op, QAdd):
        raise TypeError(op)
    greatest = 255.0 * (abs(op.a.multiplier) + abs(op.b.multiplier))
    fields = {
        **_frames(node, context),
        **context.frame(node.inputs[1], f.OTHER),
        **epilogue_bounds(op.low, op.high, op.zero_point),
        **_operand(op.a, f.INPUT_ZERO),
        **_operand(op.b, f.OTHER_ZERO),
    }
    return (_kernel_step(node, context, "add", greatest, fields),)


def _operand(operand: Residual, at: int) -> dict[int, Field]:
    return {at: operand.zero_point, at + 1: float_bits(operand.multiplier)}


@lowers(QChannelAffine)
def lower_channel_affine(node: Node, context: Context) -> Sequence[Step]:
    """One step; for ranks other than 4 the last axis must be the only one longer than 1."""
    op = node.op
    if not isinstance(op, QChannelAffine):
        raise TypeError(op)
    fields, greatest = _channelwise(node, context, op, 255.0)
    return (_kernel_step(node, context, "affine", greatest, fields),)


@lowers(QL2Normalize)
def lower_l2_normalize(node: Node, context: Context) -> Sequence[Step]:
    """One step, for ranks as of QChannelAffine."""
    op = node.op
    if not isinstance(op, QL2Normalize):
        raise TypeError(op)
    # An element is at most as long as its pixel, but for rounding.
    fields, greatest = _channelwise(node, context, op, 2.0)
    width = fields[f.TARGET + WIDTH]
    if not isinstance(width, int):
        raise TypeError(width)
    units_bytes = -(-4 * width // LINE_BYTES) * LINE_BYTES
    fields |= {
        f.EPSILON: float_bits(op.epsilon),
        f.UNITS: context.scratch(units_bytes),
        f.UNITS_BYTES: units_bytes,
    }
    return (_kernel_step(node, context, "norm", greatest, fields, normalize),)


def _channelwise(
    node: Node, context: Context, op: QChannelAffine | QL2Normalize, magnitude: float
) -> tuple[dict[int, Field], float]:
    """Fields of an operator with a product and a sum per channel, and how great its results can be.

    ``magnitude`` is the most that what is multiplied can have.
    """
    mul, add = (np.asarray(context.constant(value), np.float32) for value in node.inputs[1:])
    fields = {
        **_pixels(node, context),
        **epilogue_bounds(op.low, op.high, op.zero_point),
        f.INPUT_ZERO: op.input_zero_point,
        f.PARAMETERS: context.pack(pack_blocks(context.isa, mul.size, (mul, add))),
    }
    return fields, magnitude * float(np.abs(mul).max()) + float(np.abs(add).max())


@lowers(QLookup)
def lower_lookup(node: Node, context: Context) -> Sequence[Step]:
    """One step."""
    fields = {**_frames(node, context), f.TABLE: context.address(node.inputs[1])}
    return (_step(node, context, "lookup_qu8", lookup, fields),)


def _kernel_step(
    node: Node,
    context: Context,
    op: str,
    greatest: float,
    fields: dict[int, Field],
    function: Compiled = rows_of_elements,
) -> Step:
    channels = fields[f.TARGET + CHANNELS]
    if not isinstance(channels, int):
        raise TypeError(channels)
    name, fields[f.KERNEL] = element_kernel(context, op, channels, greatest)
    return _step(node, context, name, function, fields)


def _step(node: Node, context: Context, operator: str, function: Compiled, fields: dict[int, Field]) -> Step:
    items = fields[f.ITEMS]
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
