"""Convolution on matrix tiles (AMX): two tiles of output pixels by 64 channels per call.

Output pixels are counted in runs of positions (``runs``), cut into blocks of two tiles. Input whose pixels lie badly
for that is rearranged first (``rearranged``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.convolution.runs import runs_of
from accelserve.kernels.cpu.compiler.convolution.split import Split
from accelserve.kernels.cpu.compiler.frames import fill_halo
from accelserve.kernels.cpu.compiler.lowering import Address, Field, Step, record_of
from accelserve.kernels.cpu.compiler.pack import PanelLayout, pack_weights
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.microkernels.matrix import (
    LANES,
    STEP_BYTES,
    SUB_PANEL,
    emit_matrix_conv2d,
    emit_tile_configuration,
    emit_tile_release,
)
from accelserve.kernels.cpu.microkernels.names import KernelName, parse
from accelserve.kernels.cpu.microkernels.packed_epilogue import CHANNELS, PACKED_ORDER, kind_for
from accelserve.kernels.cpu.microkernels.tile_registers import tile_configuration
from accelserve.kernels.cpu.plan.accesses.matrix_convolution import WORKER_BYTES
from accelserve.kernels.cpu.plan.weight_streams import ROW_BYTES, WeightReads
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import matrix as mx
from accelserve.kernels.cpu.records.frame import HEIGHT
from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import call1, call12, field

LEAST_PIXELS = 8
"""Fewer fill too little of a tile."""
PANELS_FIRST_BYTES = 1 << 19
"""Weights beyond this do not stay in the second-level cache beside activations; they should be read once."""


@inlined
def run_panels(
    record: int, sums: int, first: int, last: int, group: int, panel: int, end: int, which: int, ahead: int
) -> None:
    """All blocks of a range by panels of one group that share a kernel."""
    channels = group * field(record, f.GROUP_CHANNELS)
    call12(
        field(record, mx.KERNEL + which),
        record,
        sums,
        first,
        last,
        panel,
        end,
        field(record, f.INPUT) + group * field(record, f.GROUP_INPUT_BYTES),
        field(record, f.WEIGHTS) + group * field(record, f.GROUP_WEIGHT_BYTES),
        field(record, f.PARAMETERS) + group * field(record, f.PANELS) * field(record, f.PARAMETER_BYTES),
        field(record, f.OUTPUT) + channels * field(record, f.OUTPUT_BYTES),
        field(record, f.RESIDUAL) + channels,
        ahead,
    )


@step
def convolve_matrix(record: int, item: int, thread: int) -> None:
    """Blocks and panels of one item, and the halo beside a share of the rows."""
    panel_items, chunk = field(record, f.PANEL_ITEMS), field(record, f.TILE_CHUNK)
    blocks, panels, panel_chunk = (
        field(record, mx.BLOCK_COUNT),
        field(record, f.PANELS),
        field(record, f.PANEL_CHUNK),
    )
    first = item // panel_items * chunk
    last = min(first + chunk, blocks)
    first_panel = item % panel_items * panel_chunk
    last_panel = min(first_panel + panel_chunk, panels * field(record, f.GROUPS))
    sums = field(record, mx.SUMS) + thread * WORKER_BYTES
    nothing = field(record, mx.AHEAD + 1)
    ahead = field(record, mx.AHEAD) + item * ROW_BYTES
    call1(field(record, mx.CONFIGURE), field(record, mx.CONFIGURATION))
    for group in range(first_panel // panels, (last_panel + panels - 1) // panels):
        begin, end = max(0, first_panel - group * panels), min(panels, last_panel - group * panels)
        if begin < min(end, panels - 1):
            run_panels(record, sums, first, last, group, begin, min(end, panels - 1), 0, ahead)
            ahead = nothing
        if end == panels:
            run_panels(record, sums, first, last, group, panels - 1, panels, 1, ahead)
            ahead = nothing
    call1(field(record, mx.RELEASE), 0)
    if first_panel == 0:
        height = field(record, f.HALO + HEIGHT)
        fill_halo(record + 8 * f.HALO, first * height // blocks, last * height // blocks)


class MatrixConvolution:
    """Lowers one layer."""

    def __init__(self, layer: Layer) -> None:
        self.layer, self.context = layer, layer.context
        self.runs = runs_of(layer.output_size, layer.pixel_step, layer.row_step)
        channels = layer.group_channels
        self.panels = PanelLayout(channels, min(CHANNELS, channels), LANES)
        self.steps = -(-layer.segment_bytes // STEP_BYTES)

    @staticmethod
    def suits(layer: Layer) -> bool:
        """Whether tiles are filled well enough."""
        rows, columns = layer.output_size
        return (
            rows * columns >= LEAST_PIXELS and min(layer.per_group * layer.r, layer.group_channels) >= LANES
        )

    def step(self) -> Step:
        """The layer as a step."""
        runs, layer = self.runs, self.layer
        split, weights = self._split(), self._weights()
        shared = (
            layer.input_fields(),
            self._weight_fields(weights),
            layer.result_fields(),
            split.fields(),
        )
        fields: dict[int, Field] = {
            f.SEGMENT_GROUPS: self.steps,
            mx.BLOCKS: self.context.pack(self._blocks()),
            mx.BLOCK_COUNT: runs.blocks,
            mx.PITCH: runs.pitch,
            mx.COLUMNS: layer.output_size[1],
            mx.TILE_STEP: runs.tile_step,
            mx.OUTPUT_JUMP: layer.target.row_pitch - runs.pitch * layer.target.pixel_pitch,
            mx.CONFIGURATION: self._configuration(),
            mx.SUMS: self.context.shared_scratch(0, WORKER_BYTES * self.context.threads),
            mx.ROWS_A_STEP: self._rows_a_step(),
            mx.CONFIGURE: self.context.kernel("tile_configuration", emit_tile_configuration),
            mx.RELEASE: self.context.kernel("tile_release", emit_tile_release),
        }
        if layer.residual is not None:
            fields[mx.RESIDUAL_JUMP] = layer.residual.row_pitch - runs.pitch * layer.residual.pixel_pitch
        return Step(
            name=layer.node.name,
            operator=str(self._kernel_name(self.panels.full)),
            function=convolve_matrix,
            fields=record_of(mx.MATRIX, *shared, fields),
            items=split.items,
            shape=layer.target.type.shape,
            macs=layer.macs,
            executed_macs=runs.tiles * runs.rows * self._group_bytes * layer.op.groups,
            reads=self._reads(split, weights),
        )

    def _reads(self, split: Split, weights: Address) -> WeightReads:
        """What each item reads of the weights; of a grouped layer, which has few, nothing that is worth asking for."""
        panels = np.arange(split.items) % split.panel_items * split.panel_chunk
        count = np.minimum(split.panel_chunk, self.panels.panels - panels)
        count = count if self.layer.op.groups == 1 else np.zeros_like(count)
        turns = -(-self.panels.full // SUB_PANEL) * self.layer.segments * self.steps
        return WeightReads(
            first=(weights.offset + panels * self._panel_bytes).tolist(),
            size=(count * self._panel_bytes).tolist(),
            turns=(count * split.tile_chunk * turns).tolist(),
            table=mx.AHEAD,
        )

    def _rows_a_step(self) -> int:
        """Rows of the unit before that every step finishes.

        All of them spread evenly, for a short epilogue. A long one is better left to the end, except for a row per step:
        processors give vectors fewer ports while tiles multiply (both measured).
        """
        kind = self.layer.result_kind()
        if kind.intermediate or kind.residual:
            return 1
        steps = -(-self.panels.full // SUB_PANEL) * self.layer.segments * self.steps
        return int(-(-2 * self.runs.rows // steps))

    def _configuration(self) -> Address:
        return self.context.pack(tile_configuration(self.runs.rows))

    def _kernel_name(self, channels: int) -> KernelName:
        return KernelName(
            op="conv2d",
            result=kind_for(self.layer.result_kind(), self.context.isa, channels),
            rows=2 * self.runs.rows,
            channels=channels,
            group=STEP_BYTES,
            isa=self.context.isa.name,
            tiles=2,
        )

    @property
    def _panel_bytes(self) -> int:
        """Of a full panel's packed weights."""
        return int(self.panels.padded(0) * self.layer.segments * self.steps * STEP_BYTES)

    @property
    def _group_bytes(self) -> int:
        channels = sum(self.panels.padded(panel) for panel in range(self.panels.panels))
        return int(channels * self.layer.segments * self.steps * STEP_BYTES)

    def _weights(self) -> Address:
        return self.context.pack_later(self._group_bytes * self.layer.op.groups, self._packed_weights)

    def _weight_fields(self, weights: Address) -> dict[int, Field]:
        layer, panels = self.layer, self.panels
        parameter_bytes = 8 * panels.padded(0)
        fields: dict[int, Field] = {
            f.WEIGHTS: weights,
            f.PANEL_BYTES: self._panel_bytes,
            f.GROUP_WEIGHT_BYTES: self._group_bytes,
            f.PARAMETERS: self.context.pack_later(
                parameter_bytes * panels.panels * layer.op.groups, self._packed_parameters
            ),
            f.PARAMETER_BYTES: parameter_bytes,
            f.PANELS: panels.panels,
            f.GROUP_CHANNELS: panels.channels,
            f.PANEL_CHANNELS: panels.full,
        }
        for position, channels in enumerate((panels.full, panels.last)):
            name = str(self._kernel_name(channels))
            fields[mx.KERNEL + position] = self.context.kernel(
                name, lambda text: emit_matrix_conv2d(parse(text))
            )
        return fields

    def _blocks(self) -> NDArray[np.int64]:
        """The table of blocks."""
        layer, runs = self.layer, self.runs
        starts, pixels = runs.starts()
        rows, columns = starts // runs.pitch, starts % runs.pitch
        residual = layer.residual or layer.target
        source = rows * layer.row_step + columns * layer.pixel_step
        target = rows * layer.target.row_pitch + columns * layer.target.pixel_pitch
        beside = rows * residual.row_pitch + columns * residual.pixel_pitch
        return np.ascontiguousarray(np.stack([source, target, beside, columns, pixels], axis=1), np.int64)

    def _panel_channels(self) -> list[NDArray[np.int64]]:
        """Output channels of every panel through all groups, in the order in which the kernel wants them."""
        result = []
        for group in range(self.layer.op.groups):
            for panel in range(self.panels.panels):
                width = self.panels.full if panel < self.panels.panels - 1 else self.panels.last
                first = group * self.panels.channels + panel * self.panels.full
                packed = width == CHANNELS and self.layer.op.epilogue is not None
                order = np.array(PACKED_ORDER) if packed else np.arange(width)
                result.append(first + order)
        return result

    def _packed_weights(self) -> NDArray[np.generic]:
        layer, unroll = self.layer, STEP_BYTES // self.context.isa.group
        parts = []
        for channels in self._panel_channels():
            layout = PanelLayout(len(channels), min(SUB_PANEL, len(channels)), LANES)
            chosen = layer.weights[channels]
            parts.append(pack_weights(chosen, 1, layer.segments, layout, self.context.isa, unroll))
        return np.concatenate(parts)

    def _packed_parameters(self) -> NDArray[np.int32]:
        bias, scale = self.layer.bias(), self.layer.scale().view(np.int32)
        every = self._panel_channels()
        result = np.zeros((len(every), 2 * self.panels.padded(0)), np.int32)
        for row, channels in zip(result, every, strict=True):
            padded = -(-len(channels) // LANES) * LANES
            row[: len(channels)] = bias[channels]
            row[padded : padded + len(channels)] = scale[channels]
        return result

    def _split(self) -> Split:
        """Items by blocks while the weights stay near, else by panels, so that each weight is read by one core."""
        layer = self.layer
        blocks, panels = self.runs.blocks, self.panels.panels * layer.op.groups
        wanted = 4 * self.context.threads
        by_panels = panels > 1 and (layer.weights.nbytes > PANELS_FIRST_BYTES or blocks < wanted)
        panel_chunk = -(-panels // wanted) if by_panels else panels
        panel_items = -(-panels // panel_chunk)
        tile_chunk = -(-blocks // max(1, wanted // panel_items))
        return Split(-(-blocks // tile_chunk) * panel_items, tile_chunk, panel_chunk, panel_items, by_panels)
