"""Max and average pooling of NHWC frames; items share the result's rows. Padding is cut off the window, never read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from accelserve.kernels.cpu.compiler.frames import fill_halo, rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Context, Field, Step, lowers, record_of
from accelserve.kernels.cpu.compiler.ops.elementwise import element_kernel, epilogue_bounds
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.records import elements as f
from accelserve.kernels.cpu.records import windows as w
from accelserve.kernels.cpu.records.frame import CHANNELS, HEIGHT, ORIGIN, PIXEL, ROW, WIDTH
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
    stride, before = field(record, w.STRIDES + axis), field(record, w.BEFORE + axis)
    return at * stride - before + tap * field(record, w.DILATIONS + axis)


@inlined
def taps_at(record: int, at: int, axis: int) -> tuple[int, int]:
    """``tap_range`` of an output position, from the record."""
    return tap_range(
        at,
        field(record, w.BEFORE + axis),
        field(record, w.STRIDES + axis),
        field(record, w.KERNEL_SIZE + axis),
        field(record, w.DILATIONS + axis),
        field(record, f.SOURCE + HEIGHT + axis),
    )


@inlined
def pixel_at(record: int, frame: int, row: int, column: int) -> int:
    """Address of a pixel of one of the record's frames."""
    base = field(record, frame + ORIGIN) + row * field(record, frame + ROW)
    return base + column * field(record, frame + PIXEL)


@step
def pool_u8(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of a uint8 pool: neighbours whose windows have the same cells inside the image by one call of the kernel."""
    width = field(record, f.TARGET + WIDTH)
    first, last = rows_of_item(item, field(record, f.ITEMS), field(record, f.TARGET + HEIGHT))
    for row in range(first, last):
        r0, r1 = taps_at(record, row, 0)
        column = 0
        while column < width:
            s0, s1 = taps_at(record, column, 1)
            end = column + 1
            while end < width and taps_at(record, end, 1) == (s0, s1):
                end += 1
            cell = pixel_at(record, f.SOURCE, source_at(record, row, r0, 0), source_at(record, column, s0, 1))
            target = pixel_at(record, f.TARGET, row, column)
            call6(field(record, f.KERNEL), record, cell, r1 - r0, s1 - s0, target, end - column)
            column = end
    fill_halo(record + 8 * f.TARGET, first, last)


@inlined
def _greater(a: float, b: float) -> float:
    return max(a, b)


@inlined
def _sum(a: float, b: float) -> float:
    return a + b


def _pool_f32(
    name: str, start: float, joined: Callable[[float, float], float], *, averages: bool
) -> Compiled:
    """Rows of a float32 pool: what ``joined`` makes of ``start`` and a window's cells, one after the other."""

    def pool(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
        channels = field(record, f.TARGET + CHANNELS)
        cells = field(record, w.KERNEL_SIZE) * field(record, w.KERNEL_SIZE + 1)
        padding_counts = field(record, w.COUNT_PADDING)
        first, last = rows_of_item(item, field(record, f.ITEMS), field(record, f.TARGET + HEIGHT))
        for row in range(first, last):
            r0, r1 = taps_at(record, row, 0)
            for column in range(field(record, f.TARGET + WIDTH)):
                s0, s1 = taps_at(record, column, 1)
                y = f32_at(pixel_at(record, f.TARGET, row, column), channels)
                for c in range(channels):
                    y[c] = start
                for r in range(r0, r1):
                    for s in range(s0, s1):
                        source_row, source_column = (
                            source_at(record, row, r, 0),
                            source_at(record, column, s, 1),
                        )
                        x = f32_at(pixel_at(record, f.SOURCE, source_row, source_column), channels)
                        for c in range(channels):
                            y[c] = joined(y[c], x[c])
                if averages:
                    divisor = np.float32(cells if padding_counts != 0 else (r1 - r0) * (s1 - s0))
                    for c in range(channels):
                        y[c] /= divisor

    pool.__name__ = name
    return step(pool)


max_pool_f32 = _pool_f32("max_pool_f32", -np.inf, _greater, averages=False)
average_pool_f32 = _pool_f32("average_pool_f32", 0.0, _sum, averages=True)


def window_fields(window: Window) -> dict[int, Field]:
    """What a window is cut off by at the image's edge."""
    pairs = (
        (w.KERNEL_SIZE, window.kernel),
        (w.STRIDES, window.strides),
        (w.DILATIONS, window.dilations),
        (w.BEFORE, window.padding[:2]),
    )
    return {at + axis: pair[axis] for at, pair in pairs for axis in (0, 1)}


def _step(
    node: Node,
    context: Context,
    window: Window,
    operator: str,
    function: Compiled,
    more: Mapping[int, Field],
) -> Step:
    shape = context.type_of(node.output).shape
    items = context.shares(shape[1])
    fields = record_of(
        w.WINDOWS,
        context.frame(node.output, f.TARGET),
        context.frame(node.inputs[0], f.SOURCE),
        window_fields(window),
        {f.ITEMS: items},
        more,
    )
    return Step(name=node.name, operator=operator, function=function, fields=fields, items=items, shape=shape)


@lowers(MaxPool)
def lower_max_pool(node: Node, op: MaxPool, context: Context) -> Sequence[Step]:
    """One step, for uint8 or float32."""
    kind = context.type_of(node.output)
    if kind.dtype not in (DType.U8, DType.F32):
        raise UnsupportedNodesError([(node.name, f"MaxPool of {kind.dtype.value}")])
    if kind.dtype is DType.F32:
        return (_step(node, context, op.window, max_pool_f32.name, max_pool_f32, {}),)
    name, kernel = element_kernel(context, "maxpool", kind.shape[3], 255.0)
    return (_step(node, context, op.window, name, pool_u8, {f.KERNEL: kernel}),)


@lowers(QAveragePool)
def lower_quantized_average(node: Node, op: QAveragePool, context: Context) -> Sequence[Step]:
    """One step."""
    channels = context.type_of(node.output).shape[3]
    multipliers = np.asarray(context.constant(node.inputs[1]), np.float32)
    cells = op.window.kernel[0] * op.window.kernel[1]
    name, kernel = element_kernel(
        context, "avgpool", channels, 255.0 * cells * float(np.abs(multipliers).max())
    )
    more = {
        **epilogue_bounds(0, 255, op.zero_point),
        f.INPUT_ZERO: op.input_zero_point,
        w.MULTIPLIER: context.pack(multipliers),
        f.KERNEL: kernel,
    }
    return (_step(node, context, op.window, name, pool_u8, more),)


@lowers(AveragePool)
def lower_average(node: Node, op: AveragePool, context: Context) -> Sequence[Step]:
    """One step."""
    counts = {w.COUNT_PADDING: int(op.count_padding)}
    return (_step(node, context, op.window, "average_pool_f32", average_pool_f32, counts),)
