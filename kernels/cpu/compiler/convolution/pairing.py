"""Which input channels share a product of two, so that few pairs of weights leave int16 (``split_weights``).

Channels are matched within blocks, as far as a copy can move them: greedily, worst channel first, and then by
exchanging partners while that helps. Pairs are then joined in fours so that the vectors of output channels that have to
be repaired coincide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_SUM = 128
"""Of the weights of a pair: 255 * 128 < 2**15."""
_SWEEPS = 3


def matched(weights: NDArray[np.int8], lanes: int, block: int) -> NDArray[np.int64]:
    """An order of the input channels [C]: place -> channel, blocks within themselves.

    Args:
        weights: [K, C], K a multiple of ``lanes`` and C one of ``block``.
        lanes: output channels of a vector.
        block: channels that can change places.
    """
    count = weights.shape[1]
    return np.concatenate(
        [first + _matched_block(weights[:, first : first + block], lanes) for first in range(0, count, block)]
    )


def _matched_block(weights: NDArray[np.int8], lanes: int) -> NDArray[np.int64]:
    violating = np.stack(
        [_violating(part) for part in weights.astype(np.int16).reshape(-1, lanes, weights.shape[1])]
    )
    pairs = _pairs(violating.sum(axis=0, dtype=np.int64))
    return _fours(pairs, violating[:, pairs[:, 0], pairs[:, 1]].T)


def _violating(vector: NDArray[np.int16]) -> NDArray[np.bool_]:
    """[C, C]: whether a pair of channels would have to be repaired in a vector of output channels."""
    result = np.zeros((vector.shape[1], vector.shape[1]), np.bool_)
    for row in vector:
        result |= np.abs(row[:, None] + row[None, :]) > MOST_SUM
    return result


def _pairs(costs: NDArray[np.int64]) -> NDArray[np.int64]:
    left = np.argsort(-costs.sum(axis=1), kind="stable").tolist()
    found = []
    while left:
        one = left.pop(0)
        found.append((one, left.pop(int(np.argmin(costs[one, left])))))
    pairs = np.array(found, np.int64)
    for _ in range(_SWEEPS):
        exchanges = [_exchanged(costs, pairs, index) for index in range(len(pairs))]
        if not any(exchanges):
            break
    return pairs


def _exchanged(costs: NDArray[np.int64], pairs: NDArray[np.int64], index: int) -> bool:
    """Let a pair exchange a channel with the pair with which that spares most; whether it did."""
    (a, b), first, second = pairs[index], pairs[:, 0], pairs[:, 1]
    now = costs[a, b] + costs[first, second]
    ways = np.stack([costs[a, first] + costs[b, second], costs[a, second] + costs[b, first]]) - now
    ways[:, index] = 0
    way, other = np.unravel_index(int(ways.argmin()), ways.shape)
    if ways[way, other] >= 0:
        return False
    c, d = pairs[other] if way == 0 else pairs[other][::-1]
    pairs[index], pairs[other] = (a, c), (b, d)
    return True


def _fours(pairs: NDArray[np.int64], repaired: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Channels of all pairs, those that are repaired in the same vectors beside each other."""
    counts = repaired.sum(axis=1)
    shared = repaired.astype(np.int64) @ repaired.T.astype(np.int64)
    left = np.argsort(-counts, kind="stable").tolist()
    order: list[int] = []
    while left:
        one = left.pop(0)
        other = left.pop(int(np.argmax(2 * shared[one, left] - counts[left])))
        order += [*pairs[one], *pairs[other]]
    return np.array(order, np.int64)


__all__ = ["MOST_SUM", "matched"]
