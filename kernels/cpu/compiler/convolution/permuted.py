"""Split weights (``split_weights``) on copies of the input whose channels have changed places, some of them complemented.

The fewer output channels share an arrangement of the input channels, the fewer of their pairs of weights have to be
repaired: of 16 or 32, as a rule none. So each item copies its input anew for every few panels, which takes some
hundredths of the time of their products, each time as it suits them best (``pairing``). It does so a few tiles at a time, whose copy is still in
the first-level cache when it is multiplied. Of a larger window every output pixel has a copy of its
own, segment by segment: the same pixel of the input is in another order at each place of the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.convolution.pairing import matched
from accelserve.kernels.cpu.compiler.convolution.split_weights import (
    SplitConvolution,
    repaired_share,
    split_cycles_a_mac,
)
from accelserve.kernels.cpu.compiler.convolution.tiles import (
    fill_halo_of_item,
    first_pixel,
    panels_of_item,
    run_tiles,
    tiles_of_item,
)
from accelserve.kernels.cpu.compiler.convolution.widened import (
    CopiedConvolution,
    CopiedLayer,
    widened_cycles_a_mac,
)
from accelserve.kernels.cpu.compiler.lowering import Code, Context, Field, Step, record_of
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.microkernels.permute import (
    BLOCK,
    TABLE_BYTES,
    WIDTH,
    emit_permute,
    shuffle_table,
)
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import tiles as t
from accelserve.kernels.ir import Node, QConv2d
from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import call6, field

SHARING = (16, 32, 64, 128)
"""Output channels that may share an arrangement."""
MOST_WEIGHTS = 1 << 23
"""Of a layer; the channels of more would take too long to be matched."""
_COPIED_BYTES_A_CYCLE = 24.0
MOST_COPIED_BYTES = 6 << 10
"""Of a copy, if it is of more than one tile."""
_SAMPLED_INPUTS, _SAMPLED_OUTPUTS = 256, 128
"""Channels whose repairs are counted to choose how many share an arrangement."""


@inlined
def permute_tiles(record: int, first: int, last: int, origin: int, table: int) -> None:
    """Copy the input of tiles ``first`` to ``last`` (excluded) to their places, ``origin`` being that of pixel (0, 0)."""
    tiles, turns = field(record, t.TILES), field(record, t.RUN_BLOCKS)
    last_row = (last - 1) // tiles
    pixel = first_pixel(record, first % tiles)
    for row in range(first // tiles, last_row + 1):
        end = first_pixel(record, last - row * tiles) if row == last_row else field(record, t.COLUMNS)
        source = field(record, t.SOURCE) + row * field(record, t.SOURCE_ROW)
        target = origin + row * field(record, f.ROW_STEP) + pixel * field(record, f.PIXEL_STEP)
        for segment in range(field(record, f.SEGMENTS)):
            call6(
                field(record, t.WIDEN),
                source + pixel * field(record, t.SOURCE_PIXEL) + segment * field(record, t.SOURCE_SEGMENT),
                field(record, t.SOURCE_PIXEL),
                target + segment * field(record, t.COPIED_SEGMENT),
                table + segment * TABLE_BYTES * turns,
                end - pixel,
                turns,
            )
        pixel = 0


@step
def convolve_permuted(record: int, item: int, thread: int) -> None:
    """One item, whose input is copied, a few tiles at a time, for every group of panels that share an arrangement."""
    tiles, together = field(record, t.TILES), field(record, t.COPIED_TILES)
    first_tile, last_tile = tiles_of_item(record, item)
    target = field(record, f.INPUT) + thread * field(record, t.WIDENED_BYTES)
    panel, last_panel = panels_of_item(record, item)
    sharing = field(record, t.ORDER_PANELS)
    table_bytes = TABLE_BYTES * field(record, t.RUN_BLOCKS) * field(record, f.SEGMENTS)
    while panel < last_panel:
        order = panel // sharing
        behind = min((order + 1) * sharing, last_panel)
        table = field(record, t.SHUFFLES) + order * table_bytes
        for first in range(first_tile, last_tile, together):
            last = min(first + together, last_tile)
            # A copy begins with its first pixel, but tiles are counted from the image's.
            row, pixel = first // tiles, first_pixel(record, first % tiles)
            origin = target - row * field(record, f.ROW_STEP) - pixel * field(record, f.PIXEL_STEP)
            permute_tiles(record, first, last, origin, table)
            run_tiles(record, origin, first, last, panel, behind)
        panel = behind
    fill_halo_of_item(record, item)


class PermutedLayer(CopiedLayer):
    """A layer whose weights are those of its input as each group of output channels has it arranged.

    Attributes:
        sharing: output channels that share an arrangement.
        arrangement: of the places of a window, R * S * C.
        constants: int64 [K], what the products of arranged activations lack.
        copied_segment: bytes of a copy from one segment of the window to the next.
    """

    element, width = 1, WIDTH

    def __init__(self, node: Node, op: QConv2d, context: Context, sharing: int) -> None:
        super().__init__(node, op, context)
        self.single = True  # each output pixel is copied by itself
        self.sharing = sharing
        tile = (context.isa.split or context.isa).rows * self.pixel_step
        self.tiles_together = max(1, MOST_COPIED_BYTES // (tile * self.segments))
        self.copied_segment = self.tiles_together * tile
        flat = self.weights.reshape(self.k, -1)
        self.arrangement = matched(flat, context.isa.lanes, BLOCK, sharing)
        self.constants = self.arrangement.constants(flat)
        self.weights = self.arrangement.weights(flat).reshape(self.weights.shape)

    @staticmethod
    def suits(layer: Layer) -> bool:
        """Whether segments are whole turns of the copy, and weights not too many."""
        blocks = layer.per_group % WIDTH == 0 and (layer.by_rows or layer.op.window.kernel == (1, 1))
        return SplitConvolution.suits(layer) and blocks and layer.weights.size <= MOST_WEIGHTS

    @property
    def turns(self) -> int:
        """Of the copy of a segment."""
        return int(self.segment_bytes // WIDTH)

    def segment_offsets(self) -> list[int]:
        """See ``Layer``."""
        return [segment * self.copied_segment for segment in range(self.segments)]

    def copy_kernel(self) -> Code:
        """See ``CopiedLayer``."""
        return self.context.kernel(f"permute__{self.context.isa.name}", emit_permute)

    def source_fields(self) -> dict[int, Field]:
        """See ``CopiedLayer``."""
        return {
            **super().source_fields(),
            t.SOURCE_SEGMENT: self.op.window.dilations[0] * self.source.row_pitch,
            t.COPIED_SEGMENT: self.copied_segment,
            t.SHUFFLES: self.context.pack(
                shuffle_table(self.arrangement.orders, self.arrangement.complemented)
            ),
        }


class PermutedConvolution(SplitConvolution, CopiedConvolution):
    """Lowers one layer."""

    layer: PermutedLayer

    function = convolve_permuted

    def steps(self) -> Sequence[Step]:
        """The layer's step."""
        layer = self.layer
        main = self.step()
        scratch, pitch = self.context.scratch(layer.segments * layer.copied_segment)
        fields: dict[int, Field] = {
            **main.fields,
            **layer.source_fields(),
            t.COLUMNS: self.tiling.width,
            f.INPUT: scratch,
            t.WIDENED_BYTES: pitch,
            t.ORDER_PANELS: self.panels_together,
            t.COPIED_TILES: layer.tiles_together,
        }
        return (replace(main, fields=record_of(t.TILES_RECORD, fields)),)

    def _bias(self) -> NDArray[np.int32]:
        return np.asarray((super()._bias() + self.layer.constants).astype(np.int32))

    @property
    def panels_together(self) -> int:
        """See ``TiledConvolution``: those that share a copy."""
        return self.layer.sharing // self.panels.full


def sharing_of(layer: Layer) -> tuple[int, float]:
    """How many output channels should share an arrangement, and the cycles that a multiply-accumulate takes then."""
    isa = layer.context.isa
    weights: NDArray[np.int8] = layer.weights.reshape(layer.k, -1)[:_SAMPLED_OUTPUTS, :_SAMPLED_INPUTS]
    costs = {}
    for sharing in SHARING:
        arranged = matched(weights, isa.lanes, BLOCK, sharing).weights(weights)
        share = repaired_share(arranged.reshape(len(arranged), 1, -1, 2, 2), isa.lanes)
        copied = 1 / (_COPIED_BYTES_A_CYCLE * min(sharing, layer.k))
        costs[sharing] = split_cycles_a_mac(layer, share) + copied
    best = min(costs, key=lambda sharing: costs[sharing])
    return best, costs[best]


def by_bytes(layer: Layer) -> Sequence[Step] | None:
    """The steps of a layer by products of bytes; None where widened activations are faster."""
    if not SplitConvolution.suits(layer):
        return None
    as_it_lies = SplitConvolution(layer)
    cost = as_it_lies.cycles_a_mac
    if PermutedLayer.suits(layer):
        sharing, permuted = sharing_of(layer)
        if permuted < min(cost, widened_cycles_a_mac(layer)):
            return PermutedConvolution(PermutedLayer(layer.node, layer.op, layer.context, sharing)).steps()
    return (as_it_lies.step(),) if cost < widened_cycles_a_mac(layer) else None
