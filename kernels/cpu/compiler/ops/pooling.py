"""Max and average pooling of NHWC frames; items share the result's rows. Padding is cut off the window, never read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accelserve.kernels.cpu.compiler.frames import fill_halo, rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Context, Field, Step, lowers
from accelserve.kernels.cpu.compiler.ops.elementwise import element_kernel, epilogue_bounds
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.microkernels.element_fields import (
    BEFORE,
    COUNT_PADDING,
    DILATIONS,
    INPUT_ZERO,
    ITEMS,
    KERNEL,
    KERNEL_SIZE,
    MULTIPLIER,
    SOURCE,
    STRIDES,
    TARGET,
)
from accelserve.kernels.cpu.microkernels.frame_fields import CHANNELS, HEIGHT, ORIGIN, PIXEL, ROW, WIDTH
from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import AveragePool, DType, MaxPool, Node, QAveragePool, Window
from accelserve.kernels.native.compiled import Compiled
from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import call6, f32_at, field


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
        field(record, KERNEL_SIZE + axis),
        field(record, DILATIONS + axis),
        field(record, SOURCE + HEIGHT + axis),
    )


@inlined
def pixel_at(record: int, frame: int, row: int, column: int) -> int:
    """Address of a pixel of one of the record's frames."""
    base = field(record, frame + ORIGIN) + row * field(record, frame + ROW)
    return base + column * field(record, frame + PIXEL)


@step
def pool_u8(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of a uint8 pool: neighbours whose windows have the same cells inside the image by one call of the kernel."""
    width = field(record, TARGET + WIDTH)
    first, last = rows_of_item(item, field(record, ITEMS), field(record, TARGET + HEIGHT))
    for row in range(first, last):
        r0, r1 = taps_at(record, row, 0)
        column = 0
        while column < width:
            s0, s1 = taps_at(record, column, 1)
            end = column + 1
            while end < width and taps_at(record, end, 1) == (s0, s1):
                end += 1
            cell = pixel_at(record, SOURCE, source_at(record, row, r0, 0), source_at(record, column, s0, 1))
            target = pixel_at(record, TARGET, row, column)
            call6(field(record, KERNEL), record, cell, r1 - r0, s1 - s0, target, end - column)
            column = end
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


@step
def average_pool_f32(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of means of float32."""
    channels = field(record, CHANNELS)
    cells = field(record, KERNEL_SIZE) * field(record, KERNEL_SIZE + 1)
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
    pairs = ((KERNEL_SIZE, window.kernel), (STRIDES, window.strides), (DILATIONS, window.dilations))
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
    if kind.dtype not in (DType.U8, DType.F32):
        raise UnsupportedNodesError([(node.name, f"MaxPool of {kind.dtype.value}")])
    if kind.dtype is DType.F32:
        return (_step(node, context, max_pool_f32.name, max_pool_f32, fields, items),)
    name, fields[KERNEL] = element_kernel(context, "maxpool", kind.shape[3], 255.0)
    return (_step(node, context, name, pool_u8, fields, items),)


@lowers(QAveragePool)
def lower_quantized_average(node: Node, context: Context) -> Sequence[Step]:
    """One step."""
    op = node.op
    if not isinstance(op, QAveragePool):
        raise TypeError(op)
    _, rows, _, channels = context.type_of(node.output).shape
    items = context.shares(rows)
    multipliers = np.asarray(context.constant(node.inputs[1]), np.float32)
    cells = op.window.kernel[0] * op.window.kernel[1]
    name, kernel = element_kernel(
        context, "avgpool", channels, 255.0 * cells * float(np.abs(multipliers).max())
    )
    fields = {
        **_fields(node, context, op.window, items),
        **epilogue_bounds(0, 255, op.zero_point),
        INPUT_ZERO: op.input_zero_point,
        MULTIPLIER: context.pack(multipliers),
        KERNEL: kernel,
    }
    return (_step(node, context, name, pool_u8, fields, items),)


@lowers(AveragePool)
def lower_average(node: Node, context: Context) -> Sequence[Step]:
    """One step."""
    if not isinstance(node.op, AveragePool):
        raise TypeError(node.op)
    items = context.shares(context.type_of(node.output).shape[1])
    fields = {**_fields(node, context, node.op.window, items), COUNT_PADDING: int(node.op.count_padding)}
    return (_step(node, context, "average_pool_f32", average_pool_f32, fields, items),)
