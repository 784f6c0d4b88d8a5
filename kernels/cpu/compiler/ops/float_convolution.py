"""float32 convolution and dense layers, for what was not quantized: correct on any shape, not tuned.

Weights are packed so that the innermost loop runs over output channels side by side, which LLVM vectorises.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.frames import rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Context, Field, Step, lowers, record_of
from accelserve.kernels.cpu.compiler.ops.pooling import pixel_at, source_at, taps_at, window_fields
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.plan.accesses.pooling import BLOCK
from accelserve.kernels.cpu.records import elements as f
from accelserve.kernels.cpu.records import windows as w
from accelserve.kernels.cpu.records.frame import CHANNELS, HEIGHT, PIXEL, ROW, WIDTH
from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Conv2d, Dense, Node, Window
from accelserve.kernels.native.memory import f32_at, field


@step
def convolve_f32(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of a convolution; a result of one pixel is shared by blocks of channels instead."""
    height, width, outputs = (
        field(record, f.TARGET + HEIGHT),
        field(record, f.TARGET + WIDTH),
        field(record, f.TARGET + CHANNELS),
    )
    groups = field(record, w.GROUPS)
    inputs = field(record, f.SOURCE + CHANNELS) // groups
    each = outputs // groups
    columns = field(record, w.KERNEL_SIZE + 1)
    taps = field(record, w.KERNEL_SIZE) * columns
    weights = f32_at(field(record, w.WEIGHTS), groups * taps * inputs * each)
    bias = f32_at(field(record, w.BIAS), outputs)
    one_pixel = height * width * groups == 1
    parts = (each + BLOCK - 1) // BLOCK if one_pixel else height
    first, last = rows_of_item(item, field(record, f.ITEMS), parts)
    k0, k1 = (first * BLOCK, min(last * BLOCK, each)) if one_pixel else (0, each)
    for row in range(0 if one_pixel else first, 1 if one_pixel else last):
        r0, r1 = taps_at(record, row, 0)
        for column in range(width):
            s0, s1 = taps_at(record, column, 1)
            y = f32_at(pixel_at(record, f.TARGET, row, column), outputs)
            for group in range(groups):
                for k in range(group * each + k0, group * each + k1):
                    y[k] = bias[k]
                for r in range(r0, r1):
                    for s in range(s0, s1):
                        at = pixel_at(
                            record, f.SOURCE, source_at(record, row, r, 0), source_at(record, column, s, 1)
                        )
                        x = f32_at(at + group * inputs * 4, inputs)
                        panel = (group * taps + r * columns + s) * inputs * each
                        for c in range(inputs):
                            value = x[c]
                            line = panel + c * each
                            for k in range(k0, k1):
                                y[group * each + k] += value * weights[line + k]


def _packed(weights: NDArray[np.float32], groups: int) -> NDArray[np.float32]:
    k, r, s, c = weights.shape
    cut = weights.reshape(groups, k // groups, r, s, c)
    return np.ascontiguousarray(cut.transpose(0, 2, 3, 4, 1))


@lowers(Conv2d, Dense)
def lower_float_convolution(node: Node, op: Conv2d | Dense, context: Context) -> Sequence[Step]:
    """One step; a dense layer is a convolution of one pixel, or of as many as it has rows."""
    if any(context.constant(value) is None for value in node.inputs[1:]):
        raise UnsupportedNodesError([(node.name, f"{op.label} by weights that are not constant")])
    weights = np.asarray(context.constant(node.inputs[1]), np.float32)
    kind = context.type_of(node.output)
    window, groups = (op.window, op.groups) if isinstance(op, Conv2d) else (Window(kernel=(1, 1)), 1)
    frames = {**context.frame(node.output, f.TARGET), **context.frame(node.inputs[0], f.SOURCE)}
    if isinstance(op, Dense):
        rows, outputs = kind.shape
        weights = weights[:, None, None, :]
        for at, channels in ((f.TARGET, outputs), (f.SOURCE, weights.shape[3])):
            frames |= {
                at + PIXEL: 4 * channels,
                at + ROW: 4 * channels,
                at + HEIGHT: rows,
                at + WIDTH: 1,
                at + CHANNELS: channels,
            }
    bias = (
        context.constant(node.inputs[2]) if len(node.inputs) == 3 else np.zeros(weights.shape[0], np.float32)
    )
    height, width = (kind.shape[1], kind.shape[2]) if len(kind.shape) == 4 else (kind.shape[0], 1)
    parts = -(-weights.shape[0] // BLOCK) if height * width * groups == 1 else height
    items = context.shares(parts)
    more: dict[int, Field] = {
        f.ITEMS: items,
        w.GROUPS: groups,
        w.WEIGHTS: context.pack_later(weights.nbytes, lambda: _packed(weights, groups)),
        w.BIAS: context.pack(np.asarray(bias, np.float32)),
    }
    return (
        Step(
            name=node.name,
            operator="conv2d_f32",
            function=convolve_f32,
            fields=record_of(w.WINDOWS, frames, window_fields(window), more),
            items=items,
            shape=kind.shape,
            macs=kind.elements * (weights.size // weights.shape[0]),
        ),
    )
