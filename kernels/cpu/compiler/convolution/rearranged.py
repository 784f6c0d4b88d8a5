"""Input that lies badly for matrix tiles, copied into scratch by a step of its own before the layer runs.

Where a window moves by two pixels, *planes* of every other row let a small image be one run of positions (``runs``),
which fills its tiles. Where the input has few channels, rows *stacked* pixel by pixel make a segment of the window long
enough for a tile's 64 bytes: three rows of a 7x7 window on RGB are 63 bytes instead of three times 21.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.convolution.runs import runs_of
from accelserve.kernels.cpu.compiler.frames import rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Address, Context, Step, record_of
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.compiler.strided_copy import copy_step, dense_strides
from accelserve.kernels.cpu.microkernels.matrix import STEP_BYTES
from accelserve.kernels.cpu.microkernels.stack_rows import WIDTH, cells_a_turn, emit_stack_rows
from accelserve.kernels.cpu.records import stacks
from accelserve.kernels.ir import Node, QConv2d
from accelserve.kernels.native.memory import call6, field


@step
def stack_rows(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Some rows of stacks."""
    first, last = rows_of_item(item, field(record, stacks.ITEMS), field(record, stacks.ROWS))
    call6(
        field(record, stacks.KERNEL),
        field(record, stacks.SOURCE) + first * field(record, stacks.SOURCE_ROW),
        field(record, stacks.SOURCE_ROW),
        field(record, stacks.TARGET) + first * field(record, stacks.TARGET_ROW),
        field(record, stacks.TARGET_ROW),
        last - first,
        field(record, stacks.TURNS),
    )


class RowPlanes(Layer):
    """A layer whose window moves by more than a pixel, on planes of every other row.

    Row ``y`` of plane ``p`` is input row ``y * stride + p``, counted from the first window's, and as many pixels long as
    windows need, rounded up to whole steps of theirs; what lies beyond the windows is copied and not looked at.
    """

    def __init__(self, node: Node, op: QConv2d, context: Context, scratch: int) -> None:
        super().__init__(node, op, context)
        down, right = self.op.window.strides
        self._shape = (
            min(down, self.r),
            self.output_size[0] + (self.r - 1) // down,
            steps_a_row(self) * right,
            self.per_group,
        )
        self._strides = dense_strides(self._shape, 1)
        self._scratch = context.shared_scratch(scratch, self._shape[0] * self._strides[0])
        self._outside = super().origin()
        self.by_rows = True
        self.segments, self.segment_bytes = self.r, self.s * self.per_group

    @staticmethod
    def suits(layer: Layer) -> bool:
        """Whether planes spare more than they cost."""
        window = layer.op.window
        if min(window.strides) < 2 or window.dilations != (1, 1) or layer.op.groups > 1:
            return False
        pixel_step = layer.per_group * window.strides[1]
        there = runs_of(layer.output_size, pixel_step, steps_a_row(layer) * pixel_step)
        here = runs_of(layer.output_size, layer.pixel_step, layer.row_step)
        return layer.per_group % STEP_BYTES == 0 and 3 * there.blocks <= 2 * here.blocks

    @property
    def pixel_step(self) -> int:
        """See ``Layer``."""
        return int(self.per_group * self.op.window.strides[1])

    @property
    def row_step(self) -> int:
        """See ``Layer``."""
        return self._strides[1]

    def origin(self) -> Address:
        """See ``Layer``."""
        return self._scratch

    def segment_offsets(self) -> list[int]:
        """See ``Layer``."""
        down = self.op.window.strides[0]
        return [r % down * self._strides[0] + r // down * self._strides[1] for r in range(self.r)]

    def copy(self) -> Step:
        """The step that fills the planes."""
        row, pixel = self.source.row_pitch, self.source.pixel_pitch
        return copy_step(
            Node(f"{self.node.name} planes", self.op, self.node.inputs, self.node.output),
            self.context,
            shape=self._shape,
            source=self._outside,
            source_strides=(row, row * self.op.window.strides[0], pixel, 1),
            target=self._scratch,
            target_strides=self._strides,
            frame=None,
            size=1,
        )


class StackedRows(Layer):
    """A layer on few channels, whose window's rows are stacked so that fewer and longer segments hold them."""

    def __init__(self, node: Node, op: QConv2d, context: Context, scratch: int) -> None:
        super().__init__(node, op, context)
        self._stack = stacked(self)
        self._outside = super().origin()
        down, right = self.op.window.strides
        rows, columns = self.output_size
        self._rows = (rows - 1) * down + (-(-self.r // self._stack) - 1) * self._stack + 1
        self._columns = (columns - 1) * right + self.s
        self._cell = self._stack * self.per_group
        cells = cells_a_turn(self._stack, self.per_group)
        self._turns = -(-self._columns // cells)
        self._row_bytes = -(-(self._turns * cells * self._cell + WIDTH) // WIDTH) * WIDTH
        self._scratch = context.shared_scratch(scratch, self._rows * self._row_bytes)
        self.weights = self._stacked_weights()
        self.by_rows = True
        self.segments, self.segment_bytes = -(-self.r // self._stack), self.s * self._cell

    @staticmethod
    def suits(layer: Layer) -> bool:
        """Whether fewer segments hold a window, on pixels without gaps."""
        window = layer.op.window
        dense = layer.per_group == layer.source.pixel_pitch and layer.op.groups == 1
        return dense and window.dilations == (1, 1) and stacked(layer) > 1

    @property
    def pixel_step(self) -> int:
        """See ``Layer``."""
        return int(self._cell * self.op.window.strides[1])

    @property
    def row_step(self) -> int:
        """See ``Layer``."""
        return int(self._row_bytes * self.op.window.strides[0])

    def origin(self) -> Address:
        """See ``Layer``."""
        return self._scratch

    def segment_offsets(self) -> list[int]:
        """See ``Layer``."""
        return [segment * self._stack * self._row_bytes for segment in range(self.segments)]

    def _stacked_weights(self) -> NDArray[np.int8]:
        """[K, segments, S, rows of a stack * C], zeros where a stack is longer than the window."""
        segments = -(-self.r // self._stack)
        whole = np.zeros((self.k, segments * self._stack, self.s, self.per_group), np.int8)
        whole[:, : self.r] = self.weights
        parts = whole.reshape(self.k, segments, self._stack, self.s, self.per_group)
        return np.ascontiguousarray(parts.transpose(0, 1, 3, 2, 4)).reshape(self.k, segments, self.s, -1)

    def copy(self) -> Step:
        """The step that stacks the rows."""
        name = f"stack_{self._stack}_rows_of_{self.per_group}__{self.context.isa.name}"
        kernel = self.context.kernel(name, lambda text: emit_stack_rows(text, self._stack, self.per_group))
        items = self.context.shares(self._rows)
        return Step(
            name=f"{self.node.name} rows",
            operator="copy",
            function=stack_rows,
            fields=record_of(
                stacks.STACKS,
                {
                    stacks.SOURCE: self._outside,
                    stacks.SOURCE_ROW: self.source.row_pitch,
                    stacks.TARGET: self._scratch,
                    stacks.TARGET_ROW: self._row_bytes,
                    stacks.ITEMS: items,
                    stacks.ROWS: self._rows,
                    stacks.TURNS: self._turns,
                    stacks.KERNEL: kernel,
                    stacks.USED_ROWS: (self.output_size[0] - 1) * self.op.window.strides[0] + self.r,
                    stacks.USED_BYTES: self._columns * self.per_group,
                },
            ),
            items=items,
            shape=(1, self._rows, self._columns, self._cell),
        )


def steps_a_row(layer: Layer) -> int:
    """How many steps of a window, right, the pixels of all windows of a row span."""
    return int(layer.output_size[1] + (layer.s - 1) // layer.op.window.strides[1])


def stacked(layer: Layer) -> int:
    """How many rows of a window of ``layer`` fit in the bytes of one step."""
    return int(min(layer.r, max(1, STEP_BYTES // (layer.s * layer.per_group))))


def rearranged(layer: Layer, scratch: int) -> tuple[Layer, Sequence[Step]]:
    """The layer on input that suits matrix tiles, and the steps that copy it there; the layer itself if it lies well.

    Args:
        layer: as it is.
        scratch: bytes of each worker's own scratch, behind which the copy goes.
    """
    for kind in (StackedRows, RowPlanes):
        if kind.suits(layer):
            better = kind(layer.node, layer.op, layer.context, scratch)
            return better, (better.copy(),)
    return layer, ()


__all__ = ["rearranged"]
