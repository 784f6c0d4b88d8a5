"""Convolution by saturating products of bytes, made exact by weights that are split.

``vpmaddubsw`` adds two products in int16: 255 * w0 + 255 * w1 has to stay there, which it does unless both weights have
one sign and a sum beyond 128. Of such a pair one weight gives the excess away, and a *repair* multiplies it: one more
step, for a vector of output channels, in which each lane takes the four activations that it needs (``repairs``). Trained
networks have few such pairs (weights have long tails), networks of bell-shaped weights many; so the repairs are counted
when a layer is planned, and this way is taken where it is faster.

Which channels are a pair is free: a 1x1 layer may copy its input with channels in another order, within blocks of 64,
which takes no longer than widening it and leaves a third of the repairs where outputs are few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.convolution.pairing import MOST_SUM, matched
from accelserve.kernels.cpu.compiler.convolution.repairs import WINDOW, Repairs, joined, repairs_of
from accelserve.kernels.cpu.compiler.convolution.tiles import TiledConvolution
from accelserve.kernels.cpu.compiler.convolution.widened import (
    CopiedConvolution,
    CopiedLayer,
    convolve_widened,
)
from accelserve.kernels.cpu.compiler.lowering import Code, Context, Field, Step, record_of
from accelserve.kernels.cpu.microkernels.permute import BLOCK, emit_permute, shuffle_table
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import tiles as t
from accelserve.kernels.ir import Node, QConv2d

MOST_BYTES = 96 << 10
"""Of an item's input."""
_MACS_A_CYCLE, _WIDENED_MACS_A_CYCLE = 29.0, 25.0
"""What the two ways reach on operands in near caches (measured on Zen 3 and 4)."""
_COPIED_BYTES_A_CYCLE = 7.0
_FEW_REPAIRS = 0.06
"""Of the steps; so few are not worth a copy."""
_WEIGHTS_TOGETHER = 1 << 21
"""Whose repairs are looked for at a time."""
_SAMPLED_VECTORS = 16
"""Whose repairs are counted to choose how a layer is computed."""
_STREAMED_BYTES_A_CYCLE = 6.0
"""Of weights, which are read once for all pixels of a layer, from far caches or memory."""


def excess_of(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """What is taken off the first weight of each pair [..., pairs, 2], so that their sum is -128 to 128: [..., pairs]."""
    sums = weights.astype(np.int16).sum(axis=-1, dtype=np.int16)
    return np.asarray((sums - np.clip(sums, -MOST_SUM, MOST_SUM)).astype(np.int8))


class SplitConvolution(TiledConvolution):
    """Lowers one layer of one group, whose output channels fill vectors."""

    most_unrolled = 1
    """LLVM keeps all sums in registers only where a turn has one dot product of each."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer, layer.context.isa.split or layer.context.isa, "split2d")

    @staticmethod
    def suits(layer: Layer) -> bool:
        """Whether the layer has the shape for it, and each segment the groups that a repair chooses from."""
        isa = layer.context.isa
        wide = isa.split is not None and layer.segment_bytes > (WINDOW - 1) * isa.split.group
        return bool(wide and layer.op.groups == 1 and layer.k % isa.lanes == 0)

    @property
    def cycles_a_mac(self) -> float:
        """What a multiply-accumulate takes about, by the count of repairs."""
        pixels = self.tiling.rows * self.tiling.width
        return (1 + self.share) * (1 / _MACS_A_CYCLE + 1 / (_STREAMED_BYTES_A_CYCLE * pixels))

    def _pairs(self, first: int, last: int) -> NDArray[np.int8]:
        """Weights of output channels ``first`` to ``last`` in the kernels' order: [channels, segments, dots, 2, 2]."""
        layer = self.layer
        rows = layer.weights[self.order[first:last]].reshape(last - first, layer.segments, -1)
        whole = np.zeros((*rows.shape[:2], self.dots * self.unroll * self.isa.group), np.int8)
        whole[:, :, : rows.shape[2]] = rows
        return whole.reshape(*rows.shape[:2], -1, 2, 2)

    def _vectors(self, together: int = 1, step: int = 1) -> Iterator[NDArray[np.int8]]:
        """The pairs of so many vectors of output channels at a time, of every ``step``-th time; all would take much memory."""
        size = together * self.isa.lanes
        for first in range(0, self.layer.k, size * step):
            yield self._pairs(first, min(first + size, self.layer.k))

    def _repairs_of(self, pairs: NDArray[np.int8]) -> Repairs:
        excess = excess_of(pairs)
        return repairs_of(excess.reshape(-1, self.isa.lanes, *excess.shape[1:]))

    @cached_property
    def _repairs(self) -> Repairs:
        together = max(1, _WEIGHTS_TOGETHER // (self._channel_weights * self.isa.lanes))
        return joined(map(self._repairs_of, self._vectors(together)), together)

    @cached_property
    def share(self) -> float:
        """Repairs for each step of the main loop, in some of the vectors."""
        vectors = -(-self.layer.k // self.isa.lanes)
        some = np.concatenate(list(self._vectors(step=max(1, vectors // _SAMPLED_VECTORS))))
        steps = len(some) // self.isa.lanes * self.layer.segments * self.dots * self.unroll
        return float(len(self._repairs_of(some).starts) / steps)

    def weights_in_order(self) -> NDArray[np.int8]:
        """See ``TiledConvolution``; split, and with the padding of segments."""
        parts = []
        for pairs in self._vectors():
            pairs[..., 0] -= excess_of(pairs)
            parts.append(pairs.reshape(*pairs.shape[:2], -1))
        return np.concatenate(parts)

    @property
    def parameter_bytes(self) -> int:
        """Of a panel: bias, scale, and two numbers for each vector."""
        return super().parameter_bytes + 8 * self._panel_vectors

    @property
    def _panel_vectors(self) -> int:
        return self.panels.padded(0) // self.isa.lanes

    def _ranges(self) -> NDArray[np.int32]:
        """[panels, vectors of a full panel, 2]: first repair and their number."""
        counts = np.zeros(self.panels.panels * self._panel_vectors, np.int32)
        counts[:] = np.bincount(self._repairs.vectors, minlength=len(counts))
        ranges = np.stack([counts.cumsum() - counts, counts], axis=1).astype(np.int32)
        return ranges.reshape(self.panels.panels, self._panel_vectors, 2)

    def _repair_offsets(self) -> NDArray[np.int32]:
        """[repairs], bytes from a window's origin to the groups that a repair chooses from."""
        starts = np.array(self.layer.segment_offsets(), np.int64)
        return (starts[self._repairs.segments] + self.isa.group * self._repairs.starts).astype(np.int32)

    def packed_parameters(self) -> NDArray[np.int32]:
        """See ``TiledConvolution``; the ranges of a narrower last panel follow its own parameters."""
        plain = super().packed_parameters().reshape(self.panels.panels, -1)
        result = np.zeros((self.panels.panels, self.parameter_bytes // 4), np.int32)
        result[:, : plain.shape[1]] = plain
        for panel, ranges in enumerate(self._ranges()):
            behind = 2 * self.panels.padded(panel)
            count = 2 * (self.panels.padded(panel) // self.isa.lanes)
            result[panel, behind : behind + count] = ranges.reshape(-1)[:count]
        return result.reshape(-1)

    def most_tiles(self) -> int:
        """As many as keep an item's input small."""
        return max(1, MOST_BYTES // (self.tiling.tile * max(1, self.layer.pixel_step)))

    def step(self) -> Step:
        """The layer as a step."""
        made, context, repairs = super().step(), self.context, len(self._repairs.starts)
        lanes, vector_bytes = self.isa.lanes, self.isa.lanes * self.isa.group
        own: dict[int, Field] = {
            t.REPAIRS: repairs,
            t.REPAIR_OFFSETS: context.pack_later(4 * repairs, self._repair_offsets),
            t.REPAIR_PICKS: context.pack_later(lanes * repairs, lambda: self._repairs.picks),
            t.REPAIR_WEIGHTS: context.pack_later(vector_bytes * repairs, lambda: self._repairs.weights),
        }
        repaired = self.tiling.rows * self.tiling.width * repairs * vector_bytes
        # An item's input stays nearer than the weights.
        fields = record_of(t.TILES_RECORD, {**made.fields, f.PANELS_OUTER: 1}, own)
        return replace(made, fields=fields, executed_macs=(made.executed_macs or 0) + repaired)


class PermutedLayer(CopiedLayer):
    """A 1x1 layer whose input channels change places while they are copied, in blocks of 64."""

    element, width = 1, BLOCK

    def __init__(self, node: Node, op: QConv2d, context: Context) -> None:
        super().__init__(node, op, context)
        self._order = matched(self.weights.reshape(self.k, -1), context.isa.lanes, BLOCK)
        self.weights = self.weights[..., self._order]

    @staticmethod
    def suits(layer: Layer) -> bool:
        """Whether the channels are whole blocks, and few enough outputs share their order."""
        blocks = layer.op.window.kernel == (1, 1) and layer.per_group % BLOCK == 0
        return SplitConvolution.suits(layer) and blocks and layer.k <= layer.per_group

    def copy_kernel(self) -> Code:
        """See ``CopiedLayer``."""
        return self.context.kernel(f"permute__{self.context.isa.name}", emit_permute)

    def source_fields(self) -> dict[int, Field]:
        """See ``CopiedLayer``."""
        return {**super().source_fields(), t.SHUFFLES: self.context.pack(shuffle_table(self._order))}


class PermutedConvolution(SplitConvolution, CopiedConvolution):
    """Lowers one layer, with channels paired so that few pairs have to be repaired."""

    function = convolve_widened
    copy_name = "permuted"

    def __init__(self, layer: PermutedLayer) -> None:
        super().__init__(layer)

    @property
    def cycles_a_mac(self) -> float:
        """See ``SplitConvolution``."""
        return float(super().cycles_a_mac + 1 / (_COPIED_BYTES_A_CYCLE * self.layer.k))

    def most_tiles(self) -> int:
        """See ``CopiedConvolution``."""
        return CopiedConvolution.most_tiles(self)


def widened_cycles_a_mac(layer: Layer) -> float:
    """The same of a layer on widened activations."""
    rows, columns = layer.output_size
    copied = 1 / (_COPIED_BYTES_A_CYCLE * layer.k * layer.r * layer.s)
    return float(1 / _WIDENED_MACS_A_CYCLE + copied + 2 / (_STREAMED_BYTES_A_CYCLE * rows * columns))


def by_bytes(layer: Layer) -> Sequence[Step] | None:
    """The steps of a layer by products of bytes; None where widened activations are faster."""
    if not SplitConvolution.suits(layer):
        return None
    as_it_lies = SplitConvolution(layer)
    cost = as_it_lies.cycles_a_mac
    if as_it_lies.share > _FEW_REPAIRS and PermutedLayer.suits(layer):
        permuted = PermutedConvolution(PermutedLayer(layer.node, layer.op, layer.context))
        if permuted.cycles_a_mac < min(cost, widened_cycles_a_mac(layer)):
            return permuted.steps()
    return (as_it_lies.step(),) if cost < widened_cycles_a_mac(layer) else None
