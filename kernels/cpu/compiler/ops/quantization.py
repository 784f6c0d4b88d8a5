"""Quantize and Dequantize: between float32 and integers, by scales per tensor or along one axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.frames import fill_halo, rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Context, Field, Step, lowers, record_of
from accelserve.kernels.cpu.compiler.ops.pooling import pixel_at
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.records import elements as f
from accelserve.kernels.cpu.records import quantization as q
from accelserve.kernels.cpu.records.frame import CHANNELS, HEIGHT, WIDTH
from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Dequantize, DType, Node, Quantize
from accelserve.kernels.native.compiled import Compiled
from accelserve.kernels.native.memory import f32_at, field, s8_at, s32_at, u8_at


@step
def quantize(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of ``clamp(rne(x / scale) + zero_point)``; int8 results are stored by their bits."""
    width, channels = field(record, f.TARGET + WIDTH), field(record, f.TARGET + CHANNELS)
    first, last = rows_of_item(item, field(record, f.ITEMS), field(record, f.TARGET + HEIGHT))
    scales = f32_at(field(record, q.SCALES), channels)
    zeros = s32_at(field(record, q.ZEROS), channels)
    low, high = np.float32(field(record, q.LEAST)), np.float32(field(record, q.GREATEST))
    for row in range(first, last):
        for column in range(width):
            x = f32_at(pixel_at(record, f.SOURCE, row, column), channels)
            y = u8_at(pixel_at(record, f.TARGET, row, column), channels)
            for c in range(channels):
                value = np.float32(np.rint(x[c] / scales[c])) + np.float32(zeros[c])
                y[c] = np.uint8(np.int32(min(max(value, low), high)))
    fill_halo(record + 8 * f.TARGET, first, last)


def _dequantizer(name: str, integers_at: Callable[[int, int], NDArray[Any]]) -> Compiled:
    """Rows of ``(x - zero_point) * scale`` of the integers that a function finds at an address."""

    def dequantize(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
        width, channels = field(record, f.TARGET + WIDTH), field(record, f.TARGET + CHANNELS)
        first, last = rows_of_item(item, field(record, f.ITEMS), field(record, f.TARGET + HEIGHT))
        scales = f32_at(field(record, q.SCALES), channels)
        zeros = s32_at(field(record, q.ZEROS), channels)
        for row in range(first, last):
            for column in range(width):
                x = integers_at(pixel_at(record, f.SOURCE, row, column), channels)
                y = f32_at(pixel_at(record, f.TARGET, row, column), channels)
                for c in range(channels):
                    y[c] = np.float32(np.int32(x[c] - zeros[c])) * scales[c]

    dequantize.__name__ = name
    return step(dequantize)


_DEQUANTIZERS: dict[DType, Compiled] = {
    DType.U8: _dequantizer("dequantize_u8", u8_at),
    DType.S8: _dequantizer("dequantize_s8", s8_at),
    DType.S32: _dequantizer("dequantize_s32", s32_at),
}


def _spread(node: Node, context: Context, value: str, axis: int) -> NDArray[np.generic]:
    """A scale or zero point, one for every element of a pixel (of the tensor, for ranks other than 4)."""
    vector = np.asarray(context.constant(value))
    shape = context.type_of(node.inputs[0]).shape
    if vector.size == 1:
        count = shape[-1] if len(shape) == 4 else context.type_of(node.inputs[0]).elements
        return np.full(count, vector.reshape(-1)[0])
    axis %= len(shape)
    if len(shape) == 4:
        if axis != 3:
            raise UnsupportedNodesError([(node.name, f"{node.op.label} along axis {axis} of an image")])
        return vector
    bent = [1] * len(shape)
    bent[axis] = vector.size
    return np.ascontiguousarray(np.broadcast_to(vector.reshape(bent), shape)).reshape(-1)


def _steps(
    node: Node, axis: int, context: Context, function: Compiled, bounds: dict[int, Field] | None = None
) -> Sequence[Step]:
    if any(context.constant(value) is None for value in node.inputs[1:]):
        raise UnsupportedNodesError([(node.name, f"{node.op.label} by parameters that are not constant")])
    scales = _spread(node, context, node.inputs[1], axis).astype(np.float32)
    zeros = _spread(node, context, node.inputs[2], axis).astype(np.int32)
    shape = context.type_of(node.output).shape
    items = context.shares(shape[1] if len(shape) == 4 else 1)
    fields = record_of(
        q.QUANTIZATION,
        context.frame(node.output, f.TARGET),
        context.frame(node.inputs[0], f.SOURCE),
        {f.ITEMS: items, q.SCALES: context.pack(scales), q.ZEROS: context.pack(zeros)},
        bounds or {},
    )
    return (
        Step(
            name=node.name, operator=function.name, function=function, fields=fields, items=items, shape=shape
        ),
    )


@lowers(Quantize)
def lower_quantize(node: Node, op: Quantize, context: Context) -> Sequence[Step]:
    """One step, for uint8 and int8 results."""
    dtype = context.type_of(node.output).dtype
    if dtype not in (DType.U8, DType.S8):
        raise UnsupportedNodesError([(node.name, f"Quantize to {dtype.value}")])
    low, high = (0, 255) if dtype is DType.U8 else (-128, 127)
    bounds: dict[int, Field] = {q.LEAST: low, q.GREATEST: high}
    return _steps(node, op.axis, context, quantize, bounds)


@lowers(Dequantize)
def lower_dequantize(node: Node, op: Dequantize, context: Context) -> Sequence[Step]:
    """One step, for uint8, int8 and int32 operands."""
    dtype = context.type_of(node.inputs[0]).dtype
    if dtype not in _DEQUANTIZERS:
        raise UnsupportedNodesError([(node.name, f"Dequantize from {dtype.value}")])
    return _steps(node, op.axis, context, _DEQUANTIZERS[dtype])
