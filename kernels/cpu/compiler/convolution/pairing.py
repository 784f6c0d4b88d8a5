"""Which input channels share a product of two, so that few pairs of weights leave int16 (``split_weights``).

Channels are matched within blocks, as far as a copy moves them, for some output channels at a time: greedily, worst
channel first, and then by exchanging partners while that helps. Pairs are then joined in fours so that the vectors of
output channels that have to be repaired coincide. All blocks of a layer are matched at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_SUM = 128
"""Of the weights of a pair: 255 * 128 < 2**15."""
_SWEEPS = 2
_BYTES_TOGETHER = 4 << 20
"""Of what is held of some blocks while they are matched."""


def matched(weights: NDArray[np.int8], lanes: int, block: int, sharing: int) -> NDArray[np.int64]:
    """Orders of the input channels [groups, C], each place -> channel, blocks within themselves.

    Args:
        weights: [K, C], C a multiple of ``block``.
        lanes: output channels of a vector.
        block: channels that can change places, a multiple of 4.
        sharing: output channels of a group, a multiple of ``lanes``; the last group may have fewer.
    """
    outputs, count = weights.shape
    groups, blocks = -(-outputs // sharing), count // block
    whole = np.zeros((groups * sharing, count), np.int8)
    whole[:outputs] = weights
    vectors = sharing // lanes
    parts = whole.reshape(groups, vectors, lanes, blocks, block).transpose(0, 3, 1, 2, 4)
    parts = parts.reshape(groups * blocks, vectors, lanes, block)
    together = max(1, _BYTES_TOGETHER // (vectors * block * block))
    found = [_matched_blocks(parts[at : at + together]) for at in range(0, len(parts), together)]
    starts = block * np.arange(blocks).reshape(1, blocks, 1)
    return np.asarray((np.concatenate(found).reshape(groups, blocks, block) + starts).reshape(groups, count))


def _matched_blocks(parts: NDArray[np.int8]) -> NDArray[np.int64]:
    """Orders [blocks, channels] for weights [blocks, vectors, lanes, channels]."""
    violating = _violating(parts)
    pairs = _pairs(violating.sum(axis=1, dtype=np.int32))
    block, one, other = np.arange(len(parts))[:, None], pairs[..., 0], pairs[..., 1]
    return _fours(pairs, np.moveaxis(violating, 1, 3)[block, one, other])


def _violating(parts: NDArray[np.int8]) -> NDArray[np.bool_]:
    """[blocks, vectors, channels, channels]: whether a pair of channels would have to be repaired in a vector."""
    blocks, vectors, _, count = parts.shape
    result = np.zeros((blocks, vectors, count, count), np.bool_)
    # One weight of such a pair is beyond half of the greatest sum, and few are.
    block, vector, lane, channel = np.nonzero(np.abs(parts.astype(np.int16)) > MOST_SUM // 2)
    rows = parts[block, vector, lane].astype(np.int16)
    beyond = np.abs(rows + rows[np.arange(len(rows)), channel][:, None]) > MOST_SUM
    np.logical_or.at(result, (block, vector, channel), beyond)
    return np.asarray(result | result.swapaxes(2, 3))


def _pairs(costs: NDArray[np.int32]) -> NDArray[np.int64]:
    """[blocks, pairs, 2] channels, for the cost of each pair of them [blocks, channels, channels]."""
    blocks, count, _ = costs.shape
    row = np.arange(blocks)
    worst_first = np.argsort(-costs.sum(axis=2), axis=1, kind="stable")
    free = np.ones((blocks, count), np.bool_)
    pairs = np.empty((blocks, count // 2, 2), np.int64)
    for index in range(count // 2):
        one = worst_first[row, np.take_along_axis(free, worst_first, axis=1).argmax(axis=1)]
        free[row, one] = False
        other = np.where(free, costs[row, one], np.iinfo(np.int32).max).argmin(axis=1)
        free[row, other] = False
        pairs[:, index, 0], pairs[:, index, 1] = one, other
    for index in list(range(count // 2)) * _SWEEPS:
        _exchange(costs, pairs, index)
    return pairs


def _exchange(costs: NDArray[np.int32], pairs: NDArray[np.int64], index: int) -> None:
    """Let a pair of each block exchange a channel with the pair with which that spares most."""
    block = np.arange(len(pairs))[:, None]
    first, second = pairs[..., 0], pairs[..., 1]
    a, b = first[:, index, None], second[:, index, None]
    now = costs[block, a, b] + costs[block, first, second]
    ways = np.stack(
        [costs[block, a, first] + costs[block, b, second], costs[block, a, second] + costs[block, b, first]],
        axis=1,
    )
    ways -= now[:, None]
    ways[:, :, index] = 0
    best = ways.reshape(len(pairs), -1).argmin(axis=1)
    (gaining,) = np.nonzero(ways.reshape(len(pairs), -1)[block[:, 0], best] < 0)
    way, other = np.divmod(best[gaining], pairs.shape[1])
    # The partner that comes is the other pair's first channel, or its second one.
    mine, theirs = pairs[gaining, index], pairs[gaining, other]
    come, left = theirs[np.arange(len(way)), way], theirs[np.arange(len(way)), 1 - way]
    pairs[gaining, index] = np.stack([mine[:, 0], come], axis=1)
    pairs[gaining, other] = np.stack([mine[:, 1], left], axis=1)


def _fours(pairs: NDArray[np.int64], repaired: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[blocks, channels]: all pairs, those that are repaired in the same vectors [blocks, pairs, vectors] beside each other."""
    blocks, count, _ = repaired.shape
    row = np.arange(blocks)
    counts = repaired.sum(axis=2, dtype=np.int32)
    held = repaired.astype(np.float32)
    gains = 2 * (held @ held.swapaxes(1, 2)) - counts[:, None, :]
    worst_first = np.argsort(-counts, axis=1, kind="stable")
    free = np.ones((blocks, count), np.bool_)
    order = np.empty((blocks, count), np.int64)
    for index in range(0, count, 2):
        one = worst_first[row, np.take_along_axis(free, worst_first, axis=1).argmax(axis=1)]
        free[row, one] = False
        other = np.where(free, gains[row, one], -np.inf).argmax(axis=1)
        free[row, other] = False
        order[:, index], order[:, index + 1] = one, other
    return np.asarray(pairs[row[:, None], order].reshape(blocks, -1))


__all__ = ["MOST_SUM", "matched"]
