"""Integer convolution and dense layers: implicit GEMM by the instruction set's microkernel.

A step's items are chunks of output rows by chunks of panels. Where input, output and residual lie without gaps and
the window is one pixel, the whole image counts as one row, so that no tile is cut by a row's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.frames import HEIGHT, fill_halo
from accelserve.kernels.cpu.jit import inlined, step
from accelserve.kernels.cpu.lowering import Context, Field, Step, float_bits, lowers
from accelserve.kernels.cpu.memory import call6, field, load_i64
from accelserve.kernels.cpu.microkernels import conv_fields as f
from accelserve.kernels.cpu.microkernels.conv2d import emit_conv2d
from accelserve.kernels.cpu.microkernels.names import KernelName, ResultKind, parse
from accelserve.kernels.cpu.pack import PanelLayout, pack_parameters, pack_weights
from accelserve.kernels.ir import Epilogue, Node, Padding, QConv2d

MOST_UNROLLED = 4


@inlined
def run_tile(record: int, row: int, tile: int, panel: int) -> None:
    """One call of a microkernel: tile ``tile`` of an output row, by a panel counted through all groups."""
    panels = field(record, f.PANELS)
    group, inner = panel // panels, panel % panels
    last_tile = tile == field(record, f.TILES) - 1
    last_panel = inner == panels - 1
    kernel = field(record, f.KERNEL + (1 if last_tile else 0) + (2 if last_panel else 0))
    pixel = tile * field(record, f.TILE_ROWS)
    channel = group * field(record, f.GROUP_CHANNELS) + inner * load_i64(record + 8 * f.PANEL_CHANNELS)
    source = (
        field(record, f.INPUT)
        + row * field(record, f.ROW_STEP)
        + pixel * field(record, f.PIXEL_STEP)
        + group * field(record, f.GROUP_INPUT_BYTES)
    )
    # A group's last panel may be narrower, but every group takes the same bytes.
    weights = (
        field(record, f.WEIGHTS)
        + group * field(record, f.GROUP_WEIGHT_BYTES)
        + inner * field(record, f.PANEL_BYTES)
    )
    target = (
        field(record, f.OUTPUT)
        + row * field(record, f.OUTPUT_ROW)
        + pixel * field(record, f.OUTPUT_PIXEL)
        + channel * field(record, f.OUTPUT_BYTES)
    )
    residual = (
        field(record, f.RESIDUAL)
        + row * field(record, f.RESIDUAL_ROW)
        + pixel * field(record, f.RESIDUAL_PIXEL)
        + channel
    )
    parameters = field(record, f.PARAMETERS) + panel * field(record, f.PARAMETER_BYTES)
    call6(kernel, record, source, weights, parameters, target, residual)


@step
def convolve(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Tiles and panels of one item, and the halo beside the rows that begin in it."""
    panel_items = field(record, f.PANEL_ITEMS)
    tile_chunk, panel_chunk = field(record, f.TILE_CHUNK), field(record, f.PANEL_CHUNK)
    rows, tiles = field(record, f.ROWS), field(record, f.TILES)
    first_tile = item // panel_items * tile_chunk
    last_tile = min(first_tile + tile_chunk, rows * tiles)
    first_panel = item % panel_items * panel_chunk
    last_panel = min(first_panel + panel_chunk, field(record, f.PANELS) * field(record, f.GROUPS))
    if field(record, f.PANELS_OUTER) != 0:
        for panel in range(first_panel, last_panel):
            for tile in range(first_tile, last_tile):
                run_tile(record, tile // tiles, tile % tiles, panel)
    else:
        for tile in range(first_tile, last_tile):
            for panel in range(first_panel, last_panel):
                run_tile(record, tile // tiles, tile % tiles, panel)
    if first_panel == 0:
        # A row's halo goes with its first tile; where the image counts as one row, all of it does.
        height = field(record, f.HALO + HEIGHT) if rows == 1 else rows
        scale = height // rows
        first_row, last_row = (first_tile + tiles - 1) // tiles, (last_tile + tiles - 1) // tiles
        fill_halo(record + 8 * f.HALO, first_row * scale, last_row * scale)


def _halo(node: Node, operand: int) -> tuple[Padding, int] | None:
    op = node.op
    if operand != 0 or not isinstance(op, QConv2d):
        return None
    return op.window.padding, op.input_zero_point


def _takes_over(node: Node) -> Sequence[int]:
    return (4,) if len(node.inputs) == 5 else ()


@dataclass(frozen=True, slots=True)
class Tiling:
    """How the output's pixels are cut.

    Attributes:
        rows: of the image, or 1 if the whole image counts as one.
        width: pixels of a row.
        tile: pixels of a tile.
        tiles: of a row.
    """

    rows: int
    width: int
    tile: int
    tiles: int

    @property
    def last(self) -> int:
        """Pixels of a row's last tile."""
        return self.width - self.tile * (self.tiles - 1)


def tiling_of(rows: int, width: int, most: int) -> Tiling:
    """Even tiles of at most ``most`` pixels, the last one perhaps smaller."""
    tiles = -(-width // most)
    tile = -(-width // tiles)
    return Tiling(rows, width, tile, -(-width // tile))


@lowers(QConv2d, halo=_halo, takes_over=_takes_over)
def lower_convolution(node: Node, context: Context) -> Sequence[Step]:
    """One step."""
    return (_Convolution(node, context).step(),)


class _Convolution:
    def __init__(self, node: Node, context: Context) -> None:
        if not isinstance(node.op, QConv2d):
            raise TypeError(node.op)
        self.node, self.op, self.context, self.isa = node, node.op, context, context.isa
        self.source = context.placement(node.inputs[0])
        self.target = context.placement(node.output)
        self.residual = context.placement(node.inputs[4]) if len(node.inputs) == 5 else None
        self.weights: NDArray[np.int8] = np.asarray(context.constant(node.inputs[1]), np.int8)
        self.k, self.r, self.s, self.per_group = self.weights.shape
        channels = self.k // self.op.groups
        self.panels = PanelLayout(channels, min(self.isa.channels, channels), self.isa.lanes)
        self.by_rows = self.op.window.dilations[1] == 1 and self.source.pixel_pitch == self.per_group
        self.segments = self.r if self.by_rows else self.r * self.s
        self.segment_bytes = self.s * self.per_group if self.by_rows else self.per_group
        dots = -(-self.segment_bytes // self.isa.group)
        self.unroll = max(u for u in range(1, MOST_UNROLLED + 1) if dots % u == 0)
        self.dots = dots // self.unroll
        _, rows, width, _ = self.target.type.shape
        whole = self._counts_as_one_row()
        self.tiling = (
            tiling_of(1, rows * width, self.isa.rows) if whole else tiling_of(rows, width, self.isa.rows)
        )

    def _counts_as_one_row(self) -> bool:
        _, _, width, _ = self.target.type.shape
        frames = [self.source, self.target, *([self.residual] if self.residual else [])]
        window = self.op.window
        return (
            window.kernel == window.strides == (1, 1)
            and window.padding == (0, 0, 0, 0)
            and all(frame.row_pitch == width * frame.pixel_pitch for frame in frames)
        )

    def step(self) -> Step:
        tiling = self.tiling
        fields: dict[int, Field] = {
            **self._input_fields(),
            **self._weight_fields(),
            **self._result_fields(),
            **_epilogue_fields(self.op.epilogue),
            **self.context.frame(self.node.output, f.HALO),
        }
        items, chunks = self._split()
        fields |= chunks
        fields |= {f.ROWS: tiling.rows, f.TILES: tiling.tiles, f.TILE_ROWS: tiling.tile}
        macs = self.target.type.elements * self.r * self.s * self.per_group
        return Step(
            name=self.node.name,
            operator=str(self._kernel_name(tiling.tile, self.panels.full)),
            function=convolve,
            fields=fields,
            items=items,
            shape=self.target.type.shape,
            macs=macs,
        )

    def _input_fields(self) -> dict[int, Field]:
        window, source = self.op.window, self.source
        origin = self.context.address(self.node.inputs[0])
        origin += -window.padding[0] * source.row_pitch - window.padding[1] * source.pixel_pitch
        taps = [(r, s) for r in range(self.r) for s in range(1 if self.by_rows else self.s)]
        offsets = np.array(
            [
                r * window.dilations[0] * source.row_pitch + s * window.dilations[1] * source.pixel_pitch
                for r, s in taps
            ],
            np.int64,
        )
        return {
            f.INPUT: origin,
            f.PIXEL_STEP: source.pixel_pitch * window.strides[1],
            f.ROW_STEP: source.row_pitch * window.strides[0],
            f.SEGMENTS: self.segments,
            f.SEGMENT_GROUPS: self.dots,
            f.SEGMENT_OFFSETS: self.context.pack(offsets),
            f.GROUPS: self.op.groups,
            f.GROUP_INPUT_BYTES: self.per_group,
        }

    def _weight_fields(self) -> dict[int, Field]:
        node, context, isa, panels = self.node, self.context, self.isa, self.panels
        row_bytes = self.segments * self.dots * self.unroll * isa.group * isa.weight_bits // 8
        widths = [panels.padded(panel) for panel in range(panels.panels)]
        group_bytes = sum(widths) * row_bytes
        weights = context.pack_later(
            group_bytes * self.op.groups,
            lambda: pack_weights(self.weights, self.op.groups, self.segments, panels, isa, self.unroll),
        )
        parameter_bytes = 8 * panels.padded(0)
        parameters = context.pack_later(
            parameter_bytes * panels.panels * self.op.groups,
            lambda: pack_parameters(
                self._bias(), np.asarray(context.constant(node.inputs[3]), np.float32), self.op.groups, panels
            ),
        )
        return {
            f.WEIGHTS: weights,
            f.PANEL_BYTES: widths[0] * row_bytes,
            f.GROUP_WEIGHT_BYTES: group_bytes,
            f.PARAMETERS: parameters,
            f.PARAMETER_BYTES: parameter_bytes,
            f.PANELS: panels.panels,
            f.GROUP_CHANNELS: panels.channels,
            f.PANEL_CHANNELS: panels.full,
            **self._kernels(),
        }

    def _bias(self) -> NDArray[np.int32]:
        bias = np.asarray(self.context.constant(self.node.inputs[2]), np.int64)
        taken_back = self.isa.activation_offset * self.weights.reshape(self.k, -1).sum(1, dtype=np.int64)
        return np.asarray((bias - taken_back).astype(np.int32))

    def _kernel_name(self, rows: int, channels: int) -> KernelName:
        epilogue = self.op.epilogue
        kind = (
            ResultKind(False)
            if epilogue is None
            else ResultKind(True, epilogue.intermediate is not None, epilogue.residual is not None)
        )
        return KernelName(
            op="conv2d",
            result=kind,
            rows=rows,
            channels=channels,
            group=self.isa.group,
            isa=self.isa.name,
            unroll=self.unroll,
        )

    def _kernels(self) -> dict[int, Field]:
        fields: dict[int, Field] = {}
        for position, (rows, channels) in enumerate(
            (rows, channels)
            for channels in (self.panels.full, self.panels.last)
            for rows in (self.tiling.tile, self.tiling.last)
        ):
            name = self._kernel_name(rows, channels)
            fields[f.KERNEL + position] = self.context.kernel(
                str(name), lambda text: emit_conv2d(parse(text), self.isa)
            )
        return fields

    def _result_fields(self) -> dict[int, Field]:
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
        return fields

    def _split(self) -> tuple[int, dict[int, Field]]:
        """Items by tiles where there are enough rows of them, else by panels, whose weights then are read once."""
        tiles = self.tiling.rows * self.tiling.tiles
        panels = self.panels.panels * self.op.groups
        wanted = 4 * self.context.threads
        by_panels = tiles < 8 * wanted and panels > 1
        panel_chunk = -(-panels // wanted) if by_panels else panels
        panel_items = -(-panels // panel_chunk)
        tile_chunk = -(-tiles // max(1, wanted // panel_items))
        items = -(-tiles // tile_chunk) * panel_items
        return items, {
            f.TILE_CHUNK: tile_chunk,
            f.PANEL_CHUNK: panel_chunk,
            f.PANEL_ITEMS: panel_items,
            f.PANELS_OUTER: int(by_panels),
        }


def _epilogue_fields(epilogue: Epilogue | None) -> dict[int, Field]:
    if epilogue is None:
        return {}
    fields: dict[int, Field] = {
        f.LOW: float_bits(epilogue.low - epilogue.zero_point),
        f.HIGH: float_bits(epilogue.high - epilogue.zero_point),
        f.ZERO_POINT: epilogue.zero_point,
    }
    if epilogue.intermediate is not None:
        middle = epilogue.intermediate
        fields |= {
            f.MID_LOW: float_bits(middle.low),
            f.MID_HIGH: float_bits(middle.high),
            f.MID_MULTIPLIER: float_bits(middle.multiplier),
        }
    if epilogue.residual is not None:
        fields |= {
            f.RESIDUAL_ZERO: epilogue.residual.zero_point,
            f.RESIDUAL_MULTIPLIER: float_bits(epilogue.residual.multiplier),
        }
    return fields
