"""What every way to convolve shares: the shape of one layer, and the fields of a record that follow from it."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.lowering import Address, Context, Field, float_bits
from accelserve.kernels.cpu.microkernels.names import ResultKind
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import epilogue as e
from accelserve.kernels.ir import Epilogue, Node, QConv2d

_SAFE_MAGNITUDE = 2.0**30
"""Scaled sums below it stay in int32 whatever float32 rounds."""


class Layer:
    """One integer convolution of a planned graph.

    Attributes:
        node, op, context: what is lowered.
        source, target, residual: where its operands and its result live.
        weights: int8 [K, R, S, C/groups].
        segments: runs of input bytes that lie side by side for one output pixel: R, or R * S where columns of the
            window do not lie side by side.
        segment_bytes: of one run.
        macs: multiply-accumulates.
    """

    def __init__(self, node: Node, op: QConv2d, context: Context) -> None:
        self.node, self.op, self.context = node, op, context
        self.source = context.placement(node.inputs[0])
        self.target = context.placement(node.output)
        self.residual = context.placement(node.inputs[4]) if len(node.inputs) == 5 else None
        self.weights: NDArray[np.int8] = np.asarray(context.constant(node.inputs[1]), np.int8)
        self.k, self.r, self.s, self.per_group = self.weights.shape
        self.by_rows = self.op.window.dilations[1] == 1 and self.source.pixel_pitch == self.per_group
        self.segments = self.r if self.by_rows else self.r * self.s
        self.segment_bytes = self.s * self.per_group if self.by_rows else self.per_group
        self.macs = self.target.type.elements * self.r * self.s * self.per_group

    @property
    def group_channels(self) -> int:
        """Output channels of a group."""
        return int(self.k // self.op.groups)

    @property
    def output_size(self) -> tuple[int, int]:
        """Rows and columns of the result."""
        _, rows, columns, _ = self.target.type.shape
        return rows, columns

    @property
    def pixel_step(self) -> int:
        """Bytes from one output pixel's window to the next one's, in the input."""
        return self.source.pixel_pitch * self.op.window.strides[1]

    @property
    def row_step(self) -> int:
        """Bytes from one output row's first window to the next one's."""
        return self.source.row_pitch * self.op.window.strides[0]

    def result_kind(self) -> ResultKind:
        """Which epilogue the layer needs."""
        epilogue = self.op.epilogue
        if epilogue is None:
            return ResultKind(False)
        residual = epilogue.residual
        return ResultKind(
            quantized=True,
            intermediate=epilogue.intermediate is not None,
            residual=residual is not None,
            wide=self._wide,
            saturates=(epilogue.zero_point, epilogue.low, epilogue.high) == (0, 0, 255),
            residual_from_zero=residual is not None and residual.zero_point == 0,
        )

    @cached_property
    def _wide(self) -> bool:
        """Whether a scaled sum may be too great for int32, at worst; every kernel's name asks, and all weights answer."""
        epilogue = self.op.epilogue
        if epilogue is None:
            return False
        if epilogue.intermediate is not None:
            middle = epilogue.intermediate
            greatest = max(abs(middle.low), abs(middle.high)) * abs(middle.multiplier)
        else:
            # Row by row: a dense layer's weights as int64 at once would be the process's peak of memory.
            rows = (row.reshape(-1).astype(np.int64) for row in self.weights)
            sums = 255.0 * np.array([np.abs(row).sum() for row in rows])
            sums += np.abs(self.bias().astype(np.float64))
            greatest = float((np.minimum(sums, 2.0**31) * np.abs(self.scale().astype(np.float64))).max())
        if epilogue.residual is not None:
            greatest += 255.0 * abs(epilogue.residual.multiplier)
        return not greatest < _SAFE_MAGNITUDE

    def bias(self) -> NDArray[np.int32]:
        """int32 [K]."""
        return np.asarray(self.context.constant(self.node.inputs[2]), np.int32)

    def scale(self) -> NDArray[np.float32]:
        """float32 [K]."""
        return np.asarray(self.context.constant(self.node.inputs[3]), np.float32)

    def counts_as_one_row(self) -> bool:
        """Whether window, operands and result let all pixels be one row: one cell a window, nothing between rows."""
        _, width = self.output_size
        frames = [self.source, self.target, *([self.residual] if self.residual else [])]
        window = self.op.window
        return (
            window.kernel == window.strides == (1, 1)
            and window.padding == (0, 0, 0, 0)
            and all(frame.row_pitch == width * frame.pixel_pitch for frame in frames)
        )

    def origin(self) -> Address:
        """Where the window of output pixel (0, 0) begins."""
        top, left = self.op.window.padding[:2]
        start = self.context.address(self.node.inputs[0])
        return start + (-top * self.source.row_pitch - left * self.source.pixel_pitch)

    def segment_offsets(self) -> list[int]:
        """Bytes from a window's origin to each of its segments."""
        down, right = self.op.window.dilations
        taps = [(r, s) for r in range(self.r) for s in range(1 if self.by_rows else self.s)]
        return [r * down * self.source.row_pitch + s * right * self.source.pixel_pitch for r, s in taps]

    def input_fields(self) -> dict[int, Field]:
        """Where a pixel's segments are."""
        return {
            f.INPUT: self.origin(),
            f.PIXEL_STEP: self.pixel_step,
            f.ROW_STEP: self.row_step,
            f.SEGMENTS: self.segments,
            f.SEGMENT_BYTES: self.segment_bytes,
            f.SEGMENT_OFFSETS: self.context.pack(np.array(self.segment_offsets(), np.int64)),
            f.GROUPS: self.op.groups,
            f.GROUP_INPUT_BYTES: self.per_group,
        }

    def result_fields(self) -> dict[int, Field]:
        """Where results and residuals are, and what the epilogue needs."""
        target, residual = self.target, self.residual
        fields: dict[int, Field] = {
            f.OUTPUT: self.context.address(self.node.output),
            f.OUTPUT_PIXEL: target.pixel_pitch,
            f.OUTPUT_ROW: target.row_pitch,
            f.OUTPUT_BYTES: target.type.dtype.size_bytes,
        }
        if residual is not None:
            fields |= {
                f.RESIDUAL: self.context.address(self.node.inputs[4]),
                f.RESIDUAL_PIXEL: residual.pixel_pitch,
                f.RESIDUAL_ROW: residual.row_pitch,
            }
        return {**fields, **epilogue_fields(self.op.epilogue), **self.context.frame(self.node.output, f.HALO)}


def epilogue_fields(epilogue: Epilogue | None) -> dict[int, Field]:
    """The epilogue's numbers."""
    if epilogue is None:
        return {}
    fields: dict[int, Field] = {
        e.LOW: float_bits(epilogue.low - epilogue.zero_point),
        e.HIGH: float_bits(epilogue.high - epilogue.zero_point),
        e.ZERO_POINT: epilogue.zero_point,
        e.LOW_BYTE: epilogue.low,
        e.HIGH_BYTE: epilogue.high,
    }
    if epilogue.intermediate is not None:
        middle = epilogue.intermediate
        fields |= {
            e.MID_LOW: float_bits(middle.low),
            e.MID_HIGH: float_bits(middle.high),
            e.MID_MULTIPLIER: float_bits(middle.multiplier),
        }
    if epilogue.residual is not None:
        fields |= {
            e.RESIDUAL_ZERO: epilogue.residual.zero_point,
            e.RESIDUAL_MULTIPLIER: float_bits(epilogue.residual.multiplier),
        }
    return fields
