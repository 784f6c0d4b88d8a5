"""Convolution in the Winograd domain: transform patches, multiply tap by tap, transform back.

How a layer is cut and packed; ``winograd_step`` is what runs. The products are those of ``conv2d``'s microkernels with
float32 results: a tap is a 1x1 convolution whose bias is ``- z * sum u`` and whose scale is the tap's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.convolution.layer import epilogue_fields
from accelserve.kernels.cpu.compiler.convolution.winograd_step import convolve_winograd
from accelserve.kernels.cpu.compiler.lowering import Code, Context, Field, Step, record_of
from accelserve.kernels.cpu.compiler.pack import PanelLayout, pack_parameters, pack_weights
from accelserve.kernels.cpu.microkernels.conv2d import emit_conv2d
from accelserve.kernels.cpu.microkernels.matrix import emit_tile_configuration, emit_tile_release
from accelserve.kernels.cpu.microkernels.names import KernelName, ResultKind, parse
from accelserve.kernels.cpu.microkernels.tile_registers import tile_configuration
from accelserve.kernels.cpu.microkernels.winograd import (
    TAPS,
    block_of,
    emit_finish,
    emit_transform,
    words_of,
)
from accelserve.kernels.cpu.microkernels.winograd_matrix import (
    STEP_BYTES,
    SUB_PANEL,
    TILE_ROWS,
    TILES,
    emit_tap_products,
)
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import winograd as w
from accelserve.kernels.ir import Node, QWinogradConv2d

MOST_UNROLLED = 4
MOST_SCRATCH_BYTES = 1 << 18
"""Of one worker where weights stay in the second-level cache: measured, more only costs."""
MOST_SCRATCH_BYTES_OF_LARGE = 5 << 18
"""Where weights come from beyond it, item by item, so that fewer and larger items read them less often."""
LARGE_WEIGHT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Split:
    """How a layer is cut into items.

    Attributes:
        groups: of patches in an item; a group is what one call of a microkernel takes.
        panel_items: items that share the same patches.
        items: of the layer.
    """

    groups: int
    panel_items: int
    items: int


def split_of(groups: int, panels: int, outputs: int, threads: int, most_groups: int) -> Split:
    """The cut that ends soonest, in units of one group multiplied by all panels.

    An item pays, besides its products, for reading its weights (about half a unit: they come from the last-level
    cache, partly hidden) and for its patches' transform (about 19 units of K, an estimate for 512-bit vectors).
    """
    best = Split(1, 1, groups)
    least = float("inf")
    for size in range(1, min(groups, most_groups) + 1):
        for shares in range(1, panels + 1):
            items = -(-groups // size) * shares
            cost = -(-items // threads) * ((size + 0.5) / shares + 19.0 * size / outputs)
            if cost < least:
                best, least = Split(size, shares, items), cost
    return best


class WinogradConvolution:
    """Lowers one layer."""

    def __init__(self, node: Node, op: QWinogradConv2d, context: Context) -> None:
        self.node, self.op, self.context, self.isa = node, op, context, context.isa
        self.source, self.target = context.placement(node.inputs[0]), context.placement(node.output)
        self.weights: NDArray[np.int8] = np.asarray(context.constant(node.inputs[1]), np.int8)
        self.k, self.c = self.weights.shape[0], self.weights.shape[3]
        self.panels = PanelLayout(self.k, min(self.isa.channels, self.k), self.isa.lanes)
        self.matrix = self.isa.matrix
        if self.matrix:
            self.rows, self.unroll = TILES * TILE_ROWS, STEP_BYTES // self.isa.group
            self.turns = -(-self.c // STEP_BYTES)
        else:
            dots = -(-self.c // self.isa.group)
            self.rows, self.unroll = (
                self.isa.rows,
                max(u for u in range(1, MOST_UNROLLED + 1) if dots % u == 0),
            )
            self.turns = dots // self.unroll
        _, rows, columns, _ = self.target.type.shape
        self.patch_rows, self.patch_columns = -(-rows // 2), -(-columns // 2)

    def step(self) -> Step:
        """The layer as a step."""
        patches = self.patch_rows * self.patch_columns
        rows = self.rows
        panel_pitch, patch_pitch = 4 * self.panels.padded(0), self.turns * self.unroll * self.isa.group
        large = self.weights.size > LARGE_WEIGHT_BYTES
        scratch = MOST_SCRATCH_BYTES_OF_LARGE if large else MOST_SCRATCH_BYTES
        most = scratch // (TAPS * rows * (panel_pitch + patch_pitch))
        cut = split_of(-(-patches // rows), self.panels.panels, self.k, self.context.threads, max(1, most))
        own: dict[int, Field] = {
            w.PATCHES: patches,
            w.PATCH_COLUMNS: self.patch_columns,
            w.PATCH_CHUNK: cut.groups * rows,
            f.PANEL_ITEMS: cut.panel_items,
            w.TILE_ROWS: rows,
            w.HALF_GROUP: TILE_ROWS if self.matrix else 0,
        }
        return Step(
            name=self.node.name,
            operator=str(self._name(self.panels.full, op="winograd2d", result=self._kind())),
            function=convolve_winograd,
            fields=record_of(
                w.WINOGRAD,
                epilogue_fields(self.op.epilogue),
                self._source_fields(patch_pitch),
                self._weight_fields(),
                self._result_fields(panel_pitch),
                self._scratch_fields(cut.groups * rows, patch_pitch, panel_pitch),
                own,
            ),
            items=cut.items,
            shape=self.target.type.shape,
            macs=self.target.type.elements * 9 * self.c,
            executed_macs=patches * self.weights.size,
        )

    def _source_fields(self, patch_pitch: int) -> dict[int, Field]:
        padding, source = self.op.padding, self.source
        origin = self.context.address(self.node.inputs[0])
        origin += -padding[0] * source.row_pitch - padding[1] * source.pixel_pitch
        return {
            f.INPUT: origin,
            f.ROW_STEP: source.row_pitch,
            w.SOURCE_PIXEL: source.pixel_pitch,
            f.PIXEL_STEP: patch_pitch,
            f.SEGMENTS: 1,
            f.SEGMENT_BYTES: self.c,
            f.SEGMENT_GROUPS: self.turns,
            **(
                self._tile_fields()
                if self.matrix
                else {f.SEGMENT_OFFSETS: self.context.pack(np.zeros(1, np.int64))}
            ),
            w.TRANSFORM: self.context.kernel(
                f"winograd_transform__{self.isa.name}", lambda name: emit_transform(name, self.isa)
            ),
            w.TAP_TABLE: self.context.pack(self._tap_table()),
            w.CHANNEL_BLOCKS: -(-self.c // block_of(self.isa)),
        }

    def _tile_fields(self) -> dict[int, Field]:
        return {
            w.CONFIGURATION: self.context.pack(tile_configuration(TILE_ROWS)),
            w.CONFIGURE: self.context.kernel("tile_configuration", emit_tile_configuration),
            w.RELEASE: self.context.kernel("tile_release", emit_tile_release),
        }

    def _tap_table(self) -> NDArray[np.int16]:
        """[tap][multiplier, zero point][vector]. Step 1 takes the input's zero point from every pixel; transformed, that is four times it from tap (1, 1) and nothing from the others, which the kernel takes from the table."""
        taps, words = self.op.taps, words_of(self.isa)
        table = np.zeros((TAPS, 3, words), np.int16)
        table[:, 0] = np.array(taps.multipliers, np.int16)[:, None]
        table[:, 1] = np.array(taps.zero_points, np.int16)[:, None]
        table[5, 2] = 4 * self.op.input_zero_point
        return table

    def _weight_fields(self) -> dict[int, Field]:
        panels, isa, context = self.panels, self.isa, self.context
        channel_bytes = self.turns * self.unroll * isa.group * isa.weight_bits // 8
        widths = [panels.padded(panel) for panel in range(panels.panels)]
        parameter_bytes = 8 * panels.padded(0)
        fields: dict[int, Field] = {
            f.WEIGHTS: context.pack_later(sum(widths) * TAPS * channel_bytes, self._packed_weights),
            f.PANEL_BYTES: widths[0] * TAPS * channel_bytes,
            w.TAP_WEIGHT_BYTES: widths[0] * channel_bytes,
            w.LAST_TAP_WEIGHT_BYTES: widths[-1] * channel_bytes,
            f.PARAMETERS: context.pack_later(
                (TAPS + 1) * parameter_bytes * panels.panels, self._packed_parameters
            ),
            f.PARAMETER_BYTES: parameter_bytes,
            w.TAP_PARAMETER_BYTES: parameter_bytes * panels.panels,
            f.PANELS: panels.panels,
            f.PANEL_CHANNELS: panels.full,
        }
        for position, channels in enumerate((panels.full, panels.last)):
            fields[w.KERNEL + position] = self._product_kernel(channels)
            if self.matrix:
                fields[w.KERNEL_HALF + position] = self._product_kernel(channels, tiles=1)
        return fields

    def _product_kernel(self, channels: int, tiles: int = TILES) -> Code:
        if self.matrix:
            return self.context.kernel(
                f"winograd_products_{tiles}x{channels}__{self.isa.name}",
                partial(emit_tap_products, channels=channels, tiles=tiles),
            )
        name = replace(self._name(channels), prefetch=self.weights.nbytes > LARGE_WEIGHT_BYTES)
        return self.context.kernel(str(name), lambda name: emit_conv2d(parse(name), self.isa))

    def _packed_weights(self) -> NDArray[np.generic]:
        taps = self.weights.reshape(self.k, TAPS, self.c)
        if not self.matrix:
            return pack_weights(taps, 1, TAPS, self.panels, self.isa, self.unroll)
        parts = []
        for first in range(0, self.k, self.panels.full):
            panel = taps[first : first + self.panels.full]
            layout = PanelLayout(len(panel), min(SUB_PANEL, len(panel)), self.isa.lanes)
            # A call of the kernel takes all sub-panels of one tap, so the tap is the outer order.
            parts += [
                pack_weights(panel[:, tap : tap + 1], 1, 1, layout, self.isa, self.unroll)
                for tap in range(TAPS)
            ]
        return np.concatenate(parts)

    def _packed_parameters(self) -> NDArray[np.int32]:
        sums = self.weights.reshape(self.k, TAPS, self.c).sum(axis=2, dtype=np.int64)
        offsets = np.array(self.op.taps.zero_points, np.int64) + self.isa.activation_offset
        scale = np.asarray(self.context.constant(self.node.inputs[2]), np.float32).reshape(self.k, TAPS)
        bias = np.asarray(self.context.constant(self.node.inputs[3]), np.float32)
        taps = [
            pack_parameters(
                (-offsets[tap] * sums[:, tap]).astype(np.int32),
                np.ascontiguousarray(scale[:, tap]),
                1,
                self.panels,
            )
            for tap in range(TAPS)
        ]
        last = pack_parameters(bias.view(np.int32), np.zeros(self.k, np.float32), 1, self.panels)
        return np.concatenate([*taps, last])

    def _kind(self) -> ResultKind:
        epilogue = self.op.epilogue
        if epilogue is None:
            return ResultKind(False)
        return ResultKind(True, epilogue.intermediate is not None, epilogue.residual is not None)

    def _name(self, channels: int, op: str = "conv2d", result: ResultKind | None = None) -> KernelName:
        return KernelName(
            op=op,
            result=result or ResultKind(False),
            rows=self.rows,
            channels=channels,
            group=STEP_BYTES if self.matrix else self.isa.group,
            isa=self.isa.name,
            unroll=1 if self.matrix else self.unroll,
            tiles=TILES if self.matrix else 1,
        )

    def _result_fields(self, panel_pitch: int) -> dict[int, Field]:
        target, context, kind = self.target, self.context, self._kind()
        fields: dict[int, Field] = {
            f.OUTPUT: context.address(self.node.output),
            f.OUTPUT_ROW: target.row_pitch,
            f.OUTPUT_BYTES: target.type.dtype.size_bytes,
            f.OUTPUT_PIXEL: panel_pitch,
            **context.frame(self.node.output, f.HALO),
        }
        for position, channels in enumerate((self.panels.full, self.panels.last)):
            fields[w.FINISH + position] = context.kernel(
                f"winograd_finish_{kind}_{channels}__{self.isa.name}",
                partial(emit_finish, isa=self.isa, kind=kind, channels=channels, sums=self.matrix),
            )
        if len(self.node.inputs) == 5:
            residual = context.placement(self.node.inputs[4])
            fields |= {
                f.RESIDUAL: context.address(self.node.inputs[4]),
                f.RESIDUAL_PIXEL: residual.pixel_pitch,
                f.RESIDUAL_ROW: residual.row_pitch,
            }
        return fields

    def _scratch_fields(self, patches: int, patch_pitch: int, panel_pitch: int) -> dict[int, Field]:
        """Taps lie apart by no multiple of a page, so that they do not compete for the same lines of a cache."""
        transformed = _tap_pitch(patches * patch_pitch + block_of(self.isa))
        products = _tap_pitch(patches * panel_pitch)
        scratch, pitch = self.context.scratch(TAPS * (transformed + products))
        return {
            w.TRANSFORMED: scratch,
            w.THREAD_BYTES: pitch,
            w.TRANSFORMED_TAP: transformed,
            w.PRODUCTS: TAPS * transformed,
            w.PRODUCTS_TAP: products,
        }


def _tap_pitch(least_bytes: int) -> int:
    lines = -(-least_bytes // 64)
    return 64 * (lines + 1 if lines % 2 == 0 else lines)


__all__ = ["WinogradConvolution", "convolve_winograd", "split_of"]
