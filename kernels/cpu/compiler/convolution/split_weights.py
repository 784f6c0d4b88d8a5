"""Convolution by saturating products of bytes, made exact by weights that are split.

``vpmaddubsw`` adds two products in int16: 255 * w0 + 255 * w1 has to stay there, which it does unless both weights have
one sign and a sum beyond 128. Of such a pair one weight gives the excess away, and a *repair* multiplies it: one more
step, for a vector of output channels, in which each lane takes the four activations that it needs (``repairs``). Trained
networks have few such pairs (weights have long tails), networks of bell-shaped weights many; so the repairs are counted
when a layer is planned, and this way is taken where it is faster.

Which channels are a pair is free (``permuted``), and for a few output channels at a time there is an order that leaves
next to no repairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.compiler.convolution.layer import Layer
from accelserve.kernels.cpu.compiler.convolution.pairing import MOST_SUM
from accelserve.kernels.cpu.compiler.convolution.repairs import WINDOW, Repairs, joined, repairs_of
from accelserve.kernels.cpu.compiler.convolution.tiles import TiledConvolution
from accelserve.kernels.cpu.compiler.convolution.widened import STREAMED_BYTES_A_CYCLE
from accelserve.kernels.cpu.compiler.lowering import Field, Step, record_of
from accelserve.kernels.cpu.records import convolution as f
from accelserve.kernels.cpu.records import tiles as t

MOST_BYTES = 96 << 10
"""Of an item's input."""
_MACS_A_CYCLE = 31.0
"""On operands in near caches (measured on Zen 3 and 4)."""
_STEPS_A_REPAIR, _STEPS_A_LOOP = 1.4, 3.0
"""What a repair takes, and that a vector has any (measured on Zen 4, where the loop's end is guessed wrong)."""
_WEIGHTS_TOGETHER = 1 << 21
"""Whose repairs are looked for at a time."""
_SAMPLED_VECTORS = 16
"""Whose repairs are counted to choose how a layer is computed."""


def excess_of(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """What is taken off the first weight of each pair [..., pairs, 2], so that their sum is -128 to 128: [..., pairs]."""
    sums = weights.astype(np.int16).sum(axis=-1, dtype=np.int16)
    return np.asarray((sums - np.clip(sums, -MOST_SUM, MOST_SUM)).astype(np.int8))


def repairs_of_weights(pairs: NDArray[np.int8], lanes: int) -> Repairs:
    """Of weights [channels, segments, groups, 2, 2], whose channels are whole vectors."""
    excess = excess_of(pairs)
    return repairs_of(excess.reshape(-1, lanes, *excess.shape[1:]))


def repaired_share(pairs: NDArray[np.int8], lanes: int) -> float:
    """What the repairs of weights [channels, segments, groups, 2, 2] take, in parts of what the main loop takes."""
    repairs = repairs_of_weights(pairs, lanes)
    vectors, steps = len(pairs) // lanes, pairs.shape[1] * pairs.shape[2]
    taken = _STEPS_A_REPAIR * len(repairs.starts) + _STEPS_A_LOOP * len(np.unique(repairs.vectors))
    return float(taken / (vectors * steps))


def split_cycles_a_mac(layer: Layer, share: float) -> float:
    """What a multiply-accumulate takes about, where repairs take ``share`` of what the main loop takes."""
    rows, columns = layer.output_size
    return float((1 + share) * (1 / _MACS_A_CYCLE + 1 / (STREAMED_BYTES_A_CYCLE * rows * columns)))


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
        return split_cycles_a_mac(self.layer, self.share)

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

    @cached_property
    def _repairs(self) -> Repairs:
        together = max(1, _WEIGHTS_TOGETHER // (self._channel_weights * self.isa.lanes))
        parts = (repairs_of_weights(pairs, self.isa.lanes) for pairs in self._vectors(together))
        return joined(parts, together)

    @cached_property
    def share(self) -> float:
        """See ``repaired_share``; of some of the vectors."""
        vectors = -(-self.layer.k // self.isa.lanes)
        some = np.concatenate(list(self._vectors(step=max(1, vectors // _SAMPLED_VECTORS))))
        return repaired_share(some, self.isa.lanes)

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
