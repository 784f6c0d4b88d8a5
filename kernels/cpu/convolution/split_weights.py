"""Convolution by saturating products of bytes, made exact by weights that are split.

``vpmaddubsw`` adds two products in int16: 255 * w0 + 255 * w1 has to stay there, which it does unless both weights have
one sign and a sum beyond 128. Of such a pair one weight gives the excess away, and a *repair* multiplies it: one more
step on the same four activations, for a vector of output channels, kept in a list behind the panel's weights. Trained
networks have few such pairs (weights have long tails), networks of bell-shaped weights many; so the repairs are counted
when a layer is planned, and it is computed so where that is the faster way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.convolution.layer import Layer
from accelserve.kernels.cpu.convolution.tiles import TiledConvolution
from accelserve.kernels.cpu.lowering import Field, Step
from accelserve.kernels.cpu.microkernels import conv_fields as f

MOST_SUM = 128
"""Of the weights of a pair: 255 * 128 < 2**15."""
MOST_BYTES = 96 << 10
"""Of an item's input."""
_MACS_A_CYCLE, _WIDENED_MACS_A_CYCLE = 30.0, 25.0
"""What the two ways reach on operands in near caches (measured on Zen 3 and 4)."""
_WIDENED_BYTES_A_CYCLE = 8.0
_STREAMED_BYTES_A_CYCLE = 6.0
"""Of weights, which are read once for all pixels of a layer, from far caches or memory."""


def excess_of(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """What is taken off the first weight of each pair [..., pairs, 2], so that their sum is -128 to 128: [..., pairs]."""
    sums = weights.astype(np.int16).sum(axis=-1, dtype=np.int16)
    return np.asarray((sums - np.clip(sums, -MOST_SUM, MOST_SUM)).astype(np.int8))


class SplitConvolution(TiledConvolution):
    """Lowers one layer of one group, whose output channels fill vectors."""

    def __init__(self, layer: Layer) -> None:
        # LLVM keeps all sums in registers only where a turn has one dot product of each.
        super().__init__(layer, layer.context.isa.split or layer.context.isa, op="split2d", most_unrolled=1)

    @staticmethod
    def suits(layer: Layer) -> bool:
        """Whether the layer has the shape for it."""
        return bool(layer.op.groups == 1 and layer.k % layer.context.isa.lanes == 0)

    @property
    def pays(self) -> bool:
        """Whether the layer is faster so than on widened activations, by its count of repairs."""
        pixels, share = self.tiling.rows * self.tiling.width, self.share
        streamed = 1 / (_STREAMED_BYTES_A_CYCLE * pixels)
        products = self.layer.k * self.layer.r * self.layer.s
        here = (1 + share) / _MACS_A_CYCLE + (1 + share) * streamed
        widened = 1 / _WIDENED_MACS_A_CYCLE + 1 / (_WIDENED_BYTES_A_CYCLE * products) + 2 * streamed
        return bool(here < widened)

    def _pairs(self, first: int, last: int) -> NDArray[np.int8]:
        """Weights of output channels ``first`` to ``last`` in the kernels' order: [channels, segments, dots, 2, 2]."""
        layer = self.layer
        rows = layer.weights[self.order[first:last]].reshape(last - first, layer.segments, -1)
        whole = np.zeros((*rows.shape[:2], self.dots * self.unroll * self.isa.group), np.int8)
        whole[:, :, : rows.shape[2]] = rows
        return whole.reshape(*rows.shape[:2], -1, 2, 2)

    def _vectors(self) -> Iterator[NDArray[np.int8]]:
        """The pairs of one vector of output channels after the other; all at once would take much memory."""
        for first in range(0, self.layer.k, self.isa.lanes):
            yield self._pairs(first, first + self.isa.lanes)

    @cached_property
    def _repaired(self) -> NDArray[np.bool_]:
        """[vectors, segments, dots]: whether a vector of output channels needs a repair."""
        return np.stack([excess_of(pairs).any(axis=(0, 3)) for pairs in self._vectors()])

    @property
    def share(self) -> float:
        """Repairs for each step of the main loop."""
        return float(self._repaired.mean())

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
        counts[: len(self._repaired)] = self._repaired.sum(axis=(1, 2))
        ranges = np.stack([counts.cumsum() - counts, counts], axis=1).astype(np.int32)
        return ranges.reshape(self.panels.panels, self._panel_vectors, 2)

    def _repair_offsets(self) -> NDArray[np.int32]:
        """[repairs], bytes from a window's origin; in the order of vectors, segments and dot products."""
        _, segments, dots = np.nonzero(self._repaired)
        starts = np.array(self.layer.segment_offsets(), np.int64)
        return (starts[segments] + self.isa.group * dots).astype(np.int32)

    def _repair_weights(self) -> NDArray[np.int8]:
        """[repairs, lanes, 2, 2], zeros for the second weight of each pair."""
        parts = []
        for pairs, repaired in zip(self._vectors(), self._repaired, strict=True):
            excess = excess_of(pairs)[:, repaired]  # [lanes, repairs, 2]
            weights = np.zeros((*excess.shape, 2), np.int8)
            weights[..., 0] = excess
            parts.append(weights.transpose(1, 0, 2, 3))
        return np.concatenate(parts)

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
        made, context, repairs = super().step(), self.context, int(self._repaired.sum())
        vector_bytes = self.isa.lanes * self.isa.group
        fields: dict[int, Field] = {
            **made.fields,
            # An item's input stays nearer than the weights.
            f.PANELS_OUTER: 1,
            f.REPAIRS: repairs,
            f.REPAIR_OFFSETS: context.pack_later(4 * repairs, self._repair_offsets),
            f.REPAIR_WEIGHTS: context.pack_later(vector_bytes * repairs, self._repair_weights),
        }
        repaired = self.tiling.rows * self.tiling.width * repairs * vector_bytes
        return replace(made, fields=fields, executed_macs=(made.executed_macs or 0) + repaired)
