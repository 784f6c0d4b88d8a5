"""Convolution by the instruction set's dot products: every shape, one tile of pixels by channels per call.

A step's items are chunks of output tiles by chunks of panels. Where input, output and residual lie without gaps and
the window is one pixel, the whole image counts as one row, so that no tile is cut by a row's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.convolution.split import Split, even_chunk
from accelserve.kernels.cpu.compiler.frames import fill_halo
from accelserve.kernels.cpu.compiler.lowering import Field, Step, record_of
from accelserve.kernels.cpu.compiler.pack import PanelLayout, pack_parameters, pack_weights
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.microkernels.conv2d import emit_conv2d
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.names import KernelName, parse
from accelserve.kernels.cpu.microkernels.packed_epilogue import is_in_packed_order, kind_for, panel_order
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import tiles as t
from accelserve.kernels.cpu.records.frame import HEIGHT
from accelserve.kernels.native.compiled import Compiled
from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import call6, field

MOST_UNROLLED = 4
FAR_WEIGHTS_BYTES = 1 << 17
"""So many weights are far whenever a layer begins, and few enough tiles share them that waiting shows."""


@inlined
def first_pixel(record: int, tile: int) -> int:
    """Of a tile, in its row."""
    return tile * field(record, t.TILE_ROWS) - max(0, tile - field(record, t.FULL_TILES))


@inlined
def run_tile(record: int, origin: int, row: int, tile: int, panel: int) -> None:
    """One call of a microkernel: tile ``tile`` of an output row, by a panel counted through all groups.

    ``origin`` is the address of the window of output pixel (0, 0).
    """
    panels = field(record, f.PANELS)
    # A division takes as long as a dozen dot products, and most layers have one group.
    group = panel // panels if panel >= panels else 0
    inner = panel - group * panels
    smaller = tile >= field(record, t.FULL_TILES)
    last_panel = inner == panels - 1
    kernel = field(record, t.KERNEL + (1 if smaller else 0) + (2 if last_panel else 0))
    pixel = first_pixel(record, tile)
    channel = group * field(record, f.GROUP_CHANNELS) + inner * field(record, f.PANEL_CHANNELS)
    source = (
        origin
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


@inlined
def run_tiles_of_row(record: int, origin: int, row: int, tile: int, count: int, panel: int) -> None:
    """Calls for neighbours from tile ``tile`` on: what differs between them is added to."""
    panels = field(record, f.PANELS)
    group = panel // panels if panel >= panels else 0
    inner = panel - group * panels
    kernels = t.KERNEL + (2 if inner == panels - 1 else 0)
    channel = group * field(record, f.GROUP_CHANNELS) + inner * field(record, f.PANEL_CHANNELS)
    weights = field(record, f.WEIGHTS) + group * field(record, f.GROUP_WEIGHT_BYTES)
    weights += inner * field(record, f.PANEL_BYTES)
    parameters = field(record, f.PARAMETERS) + panel * field(record, f.PARAMETER_BYTES)
    pixel, steps = first_pixel(record, tile), field(record, f.PIXEL_STEP)
    output_pixel, residual_pixel = field(record, f.OUTPUT_PIXEL), field(record, f.RESIDUAL_PIXEL)
    source = origin + row * field(record, f.ROW_STEP) + pixel * steps
    source += group * field(record, f.GROUP_INPUT_BYTES)
    target = field(record, f.OUTPUT) + row * field(record, f.OUTPUT_ROW) + pixel * output_pixel
    target += channel * field(record, f.OUTPUT_BYTES)
    residual = field(record, f.RESIDUAL) + row * field(record, f.RESIDUAL_ROW) + pixel * residual_pixel
    residual += channel
    full = min(max(field(record, t.FULL_TILES) - tile, 0), count)
    for smaller in range(2):
        pixels = field(record, t.TILE_ROWS) - smaller
        kernel = field(record, kernels + smaller)
        for _ in range(count - full if smaller == 1 else full):
            call6(kernel, record, source, weights, parameters, target, residual)
            source += pixels * steps
            target += pixels * output_pixel
            residual += pixels * residual_pixel


@inlined
def next_tile(row: int, tile: int, tiles: int) -> tuple[int, int]:
    """Row and tile behind tile ``tile`` of row ``row``."""
    if tile + 1 < tiles:
        return row, tile + 1
    return row + 1, 0


@inlined
def run_tiles(
    record: int, origin: int, first_tile: int, last_tile: int, first_panel: int, last_panel: int
) -> None:
    """Some tiles, counted through all rows, by some panels."""
    tiles = field(record, t.TILES)
    begin_row, begin_tile = first_tile // tiles, first_tile % tiles
    if field(record, f.PANELS_OUTER) != 0:
        for panel in range(first_panel, last_panel):
            row, tile, left = begin_row, begin_tile, last_tile - first_tile
            while left > 0:
                count = min(left, tiles - tile)
                run_tiles_of_row(record, origin, row, tile, count, panel)
                row, tile, left = row + 1, 0, left - count
    else:
        row, tile = begin_row, begin_tile
        for _ in range(first_tile, last_tile):
            for panel in range(first_panel, last_panel):
                run_tile(record, origin, row, tile, panel)
            row, tile = next_tile(row, tile, tiles)


@inlined
def tiles_of_item(record: int, item: int) -> tuple[int, int]:
    """First and last tile, counted through all rows."""
    tile_chunk = field(record, f.TILE_CHUNK)
    first_tile = item // field(record, f.PANEL_ITEMS) * tile_chunk
    return first_tile, min(first_tile + tile_chunk, field(record, t.ROWS) * field(record, t.TILES))


@inlined
def panels_of_item(record: int, item: int) -> tuple[int, int]:
    """First and last panel, counted through all groups."""
    panel_chunk = field(record, f.PANEL_CHUNK)
    first_panel = item % field(record, f.PANEL_ITEMS) * panel_chunk
    return first_panel, min(first_panel + panel_chunk, field(record, f.PANELS) * field(record, f.GROUPS))


@inlined
def fill_halo_of_item(record: int, item: int) -> None:
    """The halo beside the rows that begin in an item: with the first of those that share its tiles."""
    if item % field(record, f.PANEL_ITEMS) != 0:
        return
    rows, tiles = field(record, t.ROWS), field(record, t.TILES)
    first_tile, last_tile = tiles_of_item(record, item)
    # A row's halo goes with its first tile; where the image counts as one row, all of it does.
    height = field(record, f.HALO + HEIGHT) if rows == 1 else rows
    scale = height // rows
    first_row, last_row = (first_tile + tiles - 1) // tiles, (last_tile + tiles - 1) // tiles
    fill_halo(record + 8 * f.HALO, first_row * scale, last_row * scale)


@inlined
def run_item(record: int, origin: int, item: int) -> None:
    """Tiles and panels of one item, and the halo beside the rows that begin in it."""
    first_tile, last_tile = tiles_of_item(record, item)
    first_panel, last_panel = panels_of_item(record, item)
    run_tiles(record, origin, first_tile, last_tile, first_panel, last_panel)
    fill_halo_of_item(record, item)


@step
def convolve(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """One item of a layer on its input as it lies."""
    run_item(record, field(record, f.INPUT), item)


@dataclass(frozen=True, slots=True)
class Tiling:
    """How the output's pixels are cut.

    Attributes:
        rows: of the image, or 1 if the whole image counts as one.
        width: pixels of a row.
        tile: pixels of a full tile.
        tiles: of a row; the last ones may have a pixel less.
    """

    rows: int
    width: int
    tile: int
    tiles: int

    @property
    def full(self) -> int:
        """Full tiles of a row."""
        return self.width - self.tiles * (self.tile - 1)

    @property
    def last(self) -> int:
        """Pixels of a row's last tile."""
        return self.tile if self.full == self.tiles else self.tile - 1


def tiling_of(rows: int, width: int, most: int) -> Tiling:
    """As few tiles of at most ``most`` pixels as there can be, of equal size to within a pixel."""
    tiles = -(-width // most)
    return Tiling(rows, width, -(-width // tiles), tiles)


class TiledConvolution:
    """Lowers one layer.

    Args:
        layer: what is lowered.
        isa: how to multiply; the context's instruction set or a form of it.
        op: the first part of its kernels' names.

    Attributes:
        function: the step.
        most_unrolled: the most dot products per turn of the innermost loop.
    """

    function: ClassVar[Compiled] = convolve
    most_unrolled: ClassVar[int] = MOST_UNROLLED

    def __init__(self, layer: Layer, isa: InstructionSet, op: str = "conv2d") -> None:
        self.layer, self.context, self.isa, self.op = layer, layer.context, isa, op
        channels = layer.group_channels
        self.panels = PanelLayout(channels, min(self.isa.channels, channels), self.isa.lanes)
        dots = -(-layer.segment_bytes // self.isa.group)
        self.unroll = max(u for u in range(1, self.most_unrolled + 1) if dots % u == 0)
        self.dots = dots // self.unroll
        rows, width = layer.output_size
        whole = layer.counts_as_one_row()
        self.tiling = (
            tiling_of(1, rows * width, self.isa.rows) if whole else tiling_of(rows, width, self.isa.rows)
        )

    def step(self) -> Step:
        """The layer as a step."""
        tiling, layer = self.tiling, self.layer
        split = self.split()
        own = {
            f.SEGMENT_GROUPS: self.dots,
            t.ROWS: tiling.rows,
            t.TILES: tiling.tiles,
            t.FULL_TILES: tiling.full,
            t.TILE_ROWS: tiling.tile,
        }
        return Step(
            name=layer.node.name,
            operator=str(self._kernel_name(tiling.tile, self.panels.full)),
            function=self.function,
            fields=record_of(
                t.TILES_RECORD,
                layer.input_fields(),
                self._weight_fields(),
                layer.result_fields(),
                split.fields(),
                own,
            ),
            items=split.items,
            shape=layer.target.type.shape,
            macs=layer.macs,
            executed_macs=tiling.rows * tiling.width * layer.op.groups * self._group_weights,
        )

    def _weight_fields(self) -> dict[int, Field]:
        layer, context, isa, panels = self.layer, self.context, self.isa, self.panels
        channel_bytes = self._channel_weights * isa.weight_bits // 8
        group_bytes = self._group_weights * isa.weight_bits // 8
        weights = context.pack_later(
            group_bytes * layer.op.groups,
            lambda: pack_weights(
                self.weights_in_order(), layer.op.groups, layer.segments, panels, isa, self.unroll
            ),
        )
        parameter_bytes = self.parameter_bytes
        parameters = context.pack_later(
            parameter_bytes * panels.panels * layer.op.groups, self.packed_parameters
        )
        return {
            f.WEIGHTS: weights,
            f.PANEL_BYTES: panels.padded(0) * channel_bytes,
            f.GROUP_WEIGHT_BYTES: group_bytes,
            f.PARAMETERS: parameters,
            f.PARAMETER_BYTES: parameter_bytes,
            f.PANELS: panels.panels,
            f.GROUP_CHANNELS: panels.channels,
            f.PANEL_CHANNELS: panels.full,
            **self._kernels(),
        }

    @property
    def _channel_weights(self) -> int:
        """Of one output channel, with padding."""
        return int(self.layer.segments * self.dots * self.unroll * self.isa.group)

    @property
    def _group_weights(self) -> int:
        """Of one group, with padding."""
        return sum(map(self.panels.padded, range(self.panels.panels))) * self._channel_weights

    @property
    def parameter_bytes(self) -> int:
        """Of a panel: bias and scale."""
        return 8 * self.panels.padded(0)

    def weights_in_order(self) -> NDArray[np.int8]:
        """int8 [K, ...], output channels in the order in which the kernels want them."""
        return self.layer.weights[self.order]

    def packed_parameters(self) -> NDArray[np.int32]:
        """Of all panels, each ``parameter_bytes``."""
        bias, scale = self._bias()[self.order], self.layer.scale()[self.order]
        return pack_parameters(bias, scale, self.layer.op.groups, self.panels)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Output channels in the order in which the kernels want them."""
        order = np.arange(self.layer.k).reshape(self.layer.op.groups, -1)
        width = self.panels.full
        if is_in_packed_order(self._kernel_name(self.tiling.tile, width), self.isa):
            for first in range(0, self.panels.channels - width + 1, width):
                order[:, first : first + width] = order[:, first + np.array(panel_order(self.isa))]
        return order.reshape(-1)

    def _bias(self) -> NDArray[np.int32]:
        sums = self.layer.weights.reshape(self.layer.k, -1).sum(1, dtype=np.int64)
        return np.asarray((self.layer.bias() - self.isa.activation_offset * sums).astype(np.int32))

    def _kernel_name(self, rows: int, channels: int) -> KernelName:
        kind = self.layer.result_kind()
        return KernelName(
            op=self.op,
            result=kind_for(kind, self.isa, channels),
            rows=rows,
            channels=channels,
            group=self.isa.group,
            isa=self.isa.name,
            unroll=self.unroll,
            # A single row's weights come as one stream, which processors foresee.
            prefetch=rows > 1 and self.layer.weights.nbytes >= FAR_WEIGHTS_BYTES,
        )

    def _kernels(self) -> dict[int, Field]:
        fields: dict[int, Field] = {}
        for position, (rows, channels) in enumerate(
            (rows, channels)
            for channels in (self.panels.full, self.panels.last)
            for rows in (self.tiling.tile, self.tiling.last)
        ):
            name = self._kernel_name(rows, channels)
            fields[t.KERNEL + position] = self.context.kernel(
                str(name), lambda text: emit_conv2d(parse(text), self.isa)
            )
        return fields

    def most_tiles(self) -> int:
        """Of an item that is not one of a share of the panels."""
        return self.tiling.rows * self.tiling.tiles

    @property
    def panels_together(self) -> int:
        """Panels that an item should not part."""
        return 1

    def split(self) -> Split:
        """Items by tiles where there are enough rows of them, else by panels, whose weights then are read once."""
        tiles = self.tiling.rows * self.tiling.tiles
        panels = self.panels.panels * self.layer.op.groups
        wanted = 4 * self.context.threads
        by_panels = tiles < 8 * wanted and panels > 1
        together = self.panels_together
        workers = self.context.threads
        if by_panels:
            panel_chunk = even_chunk(-(-panels // together), wanted, workers) * together
            panel_items = -(-panels // panel_chunk)
            tile_chunk = -(-tiles // max(1, wanted // panel_items))
        else:
            panel_chunk, panel_items = panels, 1
            tile_chunk = even_chunk(tiles, max(wanted, -(-tiles // self.most_tiles())), workers)
        items = -(-tiles // tile_chunk) * panel_items
        return Split(items, tile_chunk, panel_chunk, panel_items, by_panels)
