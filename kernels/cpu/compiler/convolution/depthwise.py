"""Depthwise convolution: every channel by itself, taps of the window instead of channels in a dot product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.frames import fill_halo, rows_of_item
from accelserve.kernels.cpu.compiler.lowering import Field, Step, record_of
from accelserve.kernels.cpu.compiler.step_function import step
from accelserve.kernels.cpu.microkernels.depthwise import emit_depthwise
from accelserve.kernels.cpu.microkernels.elements import block_channels, block_starts
from accelserve.kernels.cpu.microkernels.names import KernelName, parse
from accelserve.kernels.cpu.microkernels.packed_epilogue import block_order, is_in_packed_order, kind_for
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import tiles as t
from accelserve.kernels.native.memory import call6, field

MOST_TAPS = 64


@step
def convolve_depthwise(record: int, item: int, thread: int) -> None:  # noqa: ARG001 - every step has this signature
    """Rows of the result, each by one call of the kernel, and the halo beside them."""
    kernel, pixels = field(record, t.KERNEL), field(record, t.COLUMNS)
    first, last = rows_of_item(item, field(record, f.PANEL_ITEMS), field(record, t.ROWS))
    for row in range(first, last):
        source = field(record, f.INPUT) + row * field(record, f.ROW_STEP)
        output = field(record, f.OUTPUT) + row * field(record, f.OUTPUT_ROW)
        residual = field(record, f.RESIDUAL) + row * field(record, f.RESIDUAL_ROW)
        call6(kernel, record, source, output, residual, pixels, 0)
    fill_halo(record + 8 * f.HALO, first, last)


class DepthwiseConvolution:
    """Lowers one layer."""

    def __init__(self, layer: Layer) -> None:
        self.layer, self.context, self.isa = layer, layer.context, layer.context.isa
        self.taps = layer.r * layer.s
        channels = block_channels(self.isa, layer.k)
        self.name = KernelName(
            op="dwconv2d",
            result=kind_for(layer.result_kind(), self.isa, channels),
            rows=1,
            channels=channels,
            group=self.isa.group,
            isa=self.isa.name,
            unroll=self.taps,
        )
        self.starts = block_starts(self.isa, layer.k)
        padded = -(-self.name.channels // self.isa.lanes) * self.isa.lanes
        order = (
            np.array(block_order(self.isa)) if is_in_packed_order(self.name, self.isa) else np.arange(padded)
        )
        # Lanes beyond the channels repeat the last one; they are never stored.
        self.channels = [first + np.minimum(order, self.name.channels - 1) for first in self.starts]

    @staticmethod
    def suits(layer: Layer) -> bool:
        """Whether each channel has one filter, and no channel that is computed twice reads what the first time wrote."""
        one_filter_each = layer.op.groups == layer.k > 1 and layer.per_group == 1
        whole = layer.k % block_channels(layer.context.isa, layer.k) == 0
        return one_filter_each and layer.r * layer.s <= MOST_TAPS and (layer.residual is None or whole)

    def step(self) -> Step:
        """The layer as a step."""
        layer = self.layer
        rows, columns = layer.output_size
        items = self.context.shares(rows)
        blocks, lanes = len(self.channels), len(self.channels[0])
        dots = -(-self.taps // self.isa.group)
        weight_bytes = dots * lanes * self.isa.group * self.isa.weight_bits // 8
        shared = layer.input_fields(), layer.result_fields()
        own: dict[int, Field] = {
            f.WEIGHTS: self.context.pack_later(blocks * weight_bytes, self._packed_weights),
            f.PANEL_BYTES: weight_bytes,
            f.PARAMETERS: self.context.pack_later(blocks * 8 * lanes, self._packed_parameters),
            f.PARAMETER_BYTES: 8 * lanes,
            f.PANEL_ITEMS: items,
            t.ROWS: rows,
            t.COLUMNS: columns,
            t.KERNEL: self.context.kernel(str(self.name), lambda text: emit_depthwise(parse(text), self.isa)),
        }
        return Step(
            name=layer.node.name,
            operator=str(self.name),
            function=convolve_depthwise,
            fields=record_of(t.TILES_RECORD, *shared, own),
            items=items,
            shape=layer.target.type.shape,
            macs=layer.macs,
            executed_macs=rows * columns * blocks * lanes * dots * self.isa.group,
        )

    def _packed_weights(self) -> NDArray[np.generic]:
        """[block][dot product][channel][tap]."""
        group, dots = self.isa.group, -(-self.taps // self.isa.group)
        dtype = np.int8 if self.isa.weight_bits == 8 else np.int16
        flat = np.zeros((self.layer.k, dots * group), dtype)
        flat[:, : self.taps] = self.layer.weights.reshape(self.layer.k, self.taps)
        chosen = flat[np.stack(self.channels)].reshape(len(self.channels), -1, dots, group)
        return np.ascontiguousarray(chosen.transpose(0, 2, 1, 3))

    def _packed_parameters(self) -> NDArray[np.int32]:
        sums = self.layer.weights.reshape(self.layer.k, -1).sum(1, dtype=np.int64)
        bias = (self.layer.bias() - self.isa.activation_offset * sums).astype(np.int32)
        both = np.stack([bias, self.layer.scale().view(np.int32)])
        return np.ascontiguousarray(both[:, np.stack(self.channels)].transpose(1, 0, 2))
