"""Convolution on a widened copy of the activations, for instruction sets that multiply int16.

Widening byte by byte within the microkernel would take more instructions than the products. So each worker widens what
an item needs into scratch of its own, which stays in its second-level cache for all panels. Where a layer is cut by panels
instead, all items need the whole input, and a step of its own widens it once before.

For a 1x1 window each pixel is copied by itself, so that only those in use are copied. For a larger window the rows are
copied as they lie, with their halos.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.convolution.tiles import TiledConvolution, first_pixel, run_item
from accelserve.kernels.cpu.compiler.frames import rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Code, Context, Field, Step, record_of
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.microkernels.widen import WIDTH, emit_widen
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import tiles as t
from accelserve.kernels.ir import Node, QConv2d
from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import call6, field

MOST_BYTES = 192 << 10
"""Of a worker's widened input: less than half of most second-level caches."""
LEAST_PRODUCTS = 8
_MACS_A_CYCLE = 25.0
"""On operands in near caches (measured on Zen 3 and 4)."""
_COPIED_BYTES_A_CYCLE = 7.0
STREAMED_BYTES_A_CYCLE = 6.0
"""Of weights, which are read once for all pixels of a layer, from far caches or memory."""
_PAGE_BYTES = 4096


@inlined
def widen_rows(record: int, row: int, last_row: int, pixel: int, last_pixel: int, target: int) -> None:
    """Copy the input of output pixels ``pixel`` to ``last_pixel`` of rows ``row`` to ``last_row`` (both excluded at the end)."""
    source = (
        field(record, t.SOURCE) + row * field(record, t.SOURCE_ROW) + pixel * field(record, t.SOURCE_PIXEL)
    )
    turns = field(record, t.RUN_BLOCKS)
    if turns > 0:
        for each in range(last_row - row):
            call6(
                field(record, t.WIDEN),
                source + each * field(record, t.SOURCE_ROW),
                field(record, t.SOURCE_PIXEL),
                target + each * field(record, f.ROW_STEP),
                field(record, f.PIXEL_STEP),
                last_pixel - pixel,
                turns,
            )
    else:
        size = (last_row - row - 1) * field(record, t.SOURCE_ROW)
        size += (last_pixel - pixel - 1) * field(record, t.SOURCE_PIXEL) + field(record, t.WINDOW_BYTES)
        call6(field(record, t.WIDEN), source, 0, target, 0, 1, (size + WIDTH - 1) // WIDTH)


@inlined
def pixels_of_item(record: int, item: int) -> tuple[int, int, int, int]:
    """First and last row, first and last pixel (of whole rows, unless the item lies in one) whose input an item needs."""
    tiles, chunk = field(record, t.TILES), field(record, f.TILE_CHUNK)
    first = item // field(record, f.PANEL_ITEMS) * chunk
    last = min(first + chunk, field(record, t.ROWS) * tiles)
    row, last_row = first // tiles, (last - 1) // tiles + 1
    if row == last_row - 1:
        return (
            row,
            last_row,
            first_pixel(record, first - row * tiles),
            first_pixel(record, last - row * tiles),
        )
    return row, last_row, 0, field(record, t.COLUMNS)


@step
def widen_input(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """A share of all output rows' input, or of the pixels where they count as one row."""
    rows, items = field(record, t.ROWS), field(record, f.PANEL_ITEMS)
    pixels = field(record, t.COLUMNS)
    target = field(record, f.INPUT)
    if rows == 1:
        pixel, last_pixel = rows_of_item(item, items, pixels)
        widen_rows(record, 0, 1, pixel, last_pixel, target + pixel * field(record, f.PIXEL_STEP))
    else:
        row, last_row = rows_of_item(item, items, rows)
        widen_rows(record, row, last_row, 0, pixels, target + row * field(record, f.ROW_STEP))


@step
def convolve_widened(record: int, item: int, thread: int) -> None:
    """One item, whose input is widened first unless it has been."""
    each = field(record, t.WIDENED_BYTES)
    origin = field(record, f.INPUT)
    if each != 0:
        target = origin + thread * each
        row, last_row, pixel, last_pixel = pixels_of_item(record, item)
        widen_rows(record, row, last_row, pixel, last_pixel, target)
        # The copy begins with the item's first pixel, but tiles are counted from the image's.
        origin = target - row * field(record, f.ROW_STEP) - pixel * field(record, f.PIXEL_STEP)
    run_item(record, origin, item)


class CopiedLayer(Layer, ABC):
    """A layer that runs on a copy of its input.

    Attributes:
        element: bytes of a copied activation.
        width: bytes of the input that a turn of the copy takes.
    """

    element: ClassVar[int]
    width: ClassVar[int]

    def __init__(self, node: Node, op: QConv2d, context: Context) -> None:
        super().__init__(node, op, context)
        self.single = self.op.window.kernel == (1, 1)
        self.outside = super().origin()

    @property
    def pixel_step(self) -> int:
        """See ``Layer``."""
        # Whole turns of the copy, so that copying a pixel writes nothing of the next one.
        return self.element * (self.turns * self.width if self.single else super().pixel_step)

    @property
    def row_step(self) -> int:
        """See ``Layer``."""
        return self.output_size[1] * self.pixel_step if self.single else self.element * super().row_step

    @property
    def turns(self) -> int:
        """Of the copy of a pixel."""
        return int(-(-self.per_group * self.op.groups // self.width))

    def segment_offsets(self) -> list[int]:
        """See ``Layer``."""
        return [self.element * offset for offset in super().segment_offsets()]

    @property
    def window_bytes(self) -> int:
        """Of the input, from a window's first byte to behind its last one."""
        segment = self.segment_bytes + (self.op.groups - 1) * self.per_group
        return int(max(super().segment_offsets()) + segment)

    def widened_bytes(self, rows: int, pixels: int) -> int:
        """Of a copy for ``rows`` output rows of ``pixels``."""
        if self.single:
            size = rows * pixels * self.pixel_step
        else:
            size = (rows - 1) * self.row_step + (pixels - 1) * self.pixel_step
            size += self.element * self.window_bytes
        return -(-(size + 2 * self.width) // _PAGE_BYTES) * _PAGE_BYTES

    def input_fields(self) -> dict[int, Field]:
        """See ``Layer``."""
        return {**super().input_fields(), f.GROUP_INPUT_BYTES: self.element * self.per_group}

    @abstractmethod
    def copy_kernel(self) -> Code:
        """The kernel that copies."""

    def source_fields(self) -> dict[int, Field]:
        """What the copy reads."""
        return {
            t.WIDEN: self.copy_kernel(),
            t.SOURCE: self.outside,
            t.SOURCE_PIXEL: super().pixel_step,
            t.SOURCE_ROW: super().row_step,
            t.RUN_BLOCKS: self.turns if self.single else 0,
            t.WINDOW_BYTES: self.window_bytes,
        }


class WidenedLayer(CopiedLayer):
    """A layer on int16."""

    element, width = 2, WIDTH

    def copy_kernel(self) -> Code:
        """See ``CopiedLayer``."""
        return self.context.kernel(f"widen__{self.context.isa.name}", emit_widen)


class CopiedConvolution(TiledConvolution):
    """Lowers one layer, whose input is copied first, to one step or two."""

    layer: CopiedLayer

    function = convolve_widened
    most_unrolled = 1
    """LLVM keeps all sums in registers only where a turn has one dot product of each."""
    copy_name: ClassVar[str]
    """What is done to the input, for profiles."""

    def steps(self) -> Sequence[Step]:
        """The layer's steps."""
        layer, tiling, context = self.layer, self.tiling, self.context
        main, split = self.step(), self.split()
        fields = {**main.fields, t.COLUMNS: tiling.width}
        if split.panel_items == 1:
            scratch, pitch = context.scratch(self._chunk_bytes(split.tile_chunk))
            # Panel by panel: an item's input is read from near caches more cheaply than the weights.
            fields |= {**layer.source_fields(), f.INPUT: scratch, t.WIDENED_BYTES: pitch, f.PANELS_OUTER: 1}
            return (replace(main, fields=record_of(t.TILES_RECORD, fields)),)
        fields |= {f.INPUT: context.shared_scratch(0, layer.widened_bytes(tiling.rows, tiling.width))}
        items = context.shares(tiling.width if tiling.rows == 1 else tiling.rows, each=1)
        shared = (t.ROWS, t.COLUMNS, f.INPUT, f.ROW_STEP, f.PIXEL_STEP)
        widen = Step(
            name=f"{layer.node.name} {self.copy_name}",
            operator="copy",
            function=widen_input,
            fields=record_of(
                t.TILES_RECORD,
                layer.source_fields(),
                {at: fields[at] for at in shared},
                {f.PANEL_ITEMS: items},
            ),
            items=items,
            shape=layer.source.type.shape,
        )
        return widen, replace(main, fields=record_of(t.TILES_RECORD, fields))

    def most_tiles(self) -> int:
        """As many as keep the widened input of one item small."""
        fitting = [
            chunk for chunk in range(1, super().most_tiles() + 1) if self._chunk_bytes(chunk) <= MOST_BYTES
        ]
        return max(fitting, default=1)

    def _chunk_bytes(self, chunk: int) -> int:
        tiling = self.tiling
        if tiling.rows == 1:
            return self.layer.widened_bytes(1, chunk * tiling.tile)
        # A chunk of tiles may begin and end within rows.
        rows = min(tiling.rows, (chunk - 2) // tiling.tiles + 2)
        return self.layer.widened_bytes(rows, tiling.width)


class WidenedConvolution(CopiedConvolution):
    """Lowers one layer on int16."""

    copy_name = "widened"

    def __init__(self, layer: WidenedLayer) -> None:
        super().__init__(layer, layer.context.isa.widened or layer.context.isa, "widened2d")

    @staticmethod
    def suits(layer: Layer) -> bool:
        """Whether enough products share a widened activation."""
        return bool(layer.group_channels * layer.r * layer.s >= LEAST_PRODUCTS)


def widened_cycles_a_mac(layer: Layer) -> float:
    """What a multiply-accumulate takes about."""
    rows, columns = layer.output_size
    copied = 1 / (_COPIED_BYTES_A_CYCLE * layer.k * layer.r * layer.s)
    return float(1 / _MACS_A_CYCLE + copied + 2 / (STREAMED_BYTES_A_CYCLE * rows * columns))
