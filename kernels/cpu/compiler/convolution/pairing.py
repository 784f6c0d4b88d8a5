"""Which input channels share a product of two, so that few pairs of weights leave int16 (``split_weights``).

Weights of opposite signs never do. So where most output channels have large weights of one sign at both of two channels,
the activations of one are *complemented*, x becoming 255 - x: it takes weights of the other sign, and the constant that
is left joins the bias. A pair then has two ways to be multiplied.

Channels are matched within blocks, as far as a copy moves them, for some output channels at a time: greedily, worst
channel first, and then by exchanging partners of a pair that is still to be repaired, while that helps or at least moves
the repair to another pair. Pairs are then joined in fours so that the vectors of output channels that have to be
repaired coincide. All blocks of a layer are matched at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_SUM = 128
"""Of the weights of a pair: 255 * 128 < 2**15."""
_EXCHANGES = 24
"""For each block, at most."""
_BYTES_TOGETHER = 4 << 20
"""Of what is held of some blocks while they are matched."""
_LEAST = -128


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How input channels lie for each group of output channels.

    Attributes:
        sharing: output channels of a group; the last one may have fewer.
        orders: [groups, C], place -> channel, blocks within themselves.
        complemented: [groups, C], by places.
    """

    sharing: int
    orders: NDArray[np.int64]
    complemented: NDArray[np.bool_]

    def weights(self, weights: NDArray[np.int8]) -> NDArray[np.int8]:
        """What arranged activations are multiplied by, for weights [K, C]."""
        parts = [np.where(inverted, -placed, placed) for placed, inverted in self._placed(weights)]
        return np.concatenate(parts)

    def constants(self, weights: NDArray[np.int8]) -> NDArray[np.int64]:
        """What their products lack: [K]."""
        parts = [
            placed[:, inverted].sum(axis=1, dtype=np.int64) for placed, inverted in self._placed(weights)
        ]
        return np.asarray(255 * np.concatenate(parts))

    def _placed(self, weights: NDArray[np.int8]) -> Iterator[tuple[NDArray[np.int8], NDArray[np.bool_]]]:
        """Group by group: the weights at their places, and which places are complemented."""
        for group, (order, inverted) in enumerate(zip(self.orders, self.complemented, strict=True)):
            yield weights[self.sharing * group : self.sharing * (group + 1)][:, order], inverted


def matched(weights: NDArray[np.int8], lanes: int, block: int, sharing: int) -> Arrangement:
    """An arrangement with few repairs.

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
    together = max(1, _BYTES_TOGETHER // (2 * vectors * block * block))
    found = [_matched_blocks(parts[at : at + together]) for at in range(0, len(parts), together)]
    orders, complemented = (
        np.concatenate(each).reshape(groups, blocks, block) for each in zip(*found, strict=True)
    )
    starts = block * np.arange(blocks).reshape(1, blocks, 1)
    return Arrangement(sharing, (orders + starts).reshape(groups, count), complemented.reshape(groups, count))


def _matched_blocks(parts: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Orders and what is complemented, both [blocks, channels], for weights [blocks, vectors, lanes, channels]."""
    ways = _violating(parts)
    costs = ways.sum(axis=2, dtype=np.int32)
    pairs = _pairs(costs.min(axis=0))
    block, one, other = np.arange(len(parts))[:, None], pairs[..., 0], pairs[..., 1]
    second_way = costs[1, block, one, other] < costs[0, block, one, other]
    as_it_is, with_complement = np.moveaxis(ways, 2, 4)[:, block, one, other]
    order = _fours(pairs, np.where(second_way[..., None], with_complement, as_it_is))
    complemented = np.zeros((len(parts), parts.shape[3]), np.bool_)
    complemented[block, other] = second_way
    return order, np.take_along_axis(complemented, order, axis=1)


def _violating(parts: NDArray[np.int8]) -> NDArray[np.bool_]:
    """[2, blocks, vectors, channels, channels]: whether a pair has to be repaired in a vector, as it is or with a complement."""
    blocks, vectors, _, count = parts.shape
    result = np.zeros((2, blocks, vectors, count, count), np.bool_)
    # One weight of such a pair is beyond half of the greatest sum, and few are.
    sizes = np.abs(parts.astype(np.int16))
    block, vector, channel, lane = np.nonzero(sizes.swapaxes(2, 3) > MOST_SUM // 2)
    beyond = sizes[block, vector, lane] > MOST_SUM - sizes[block, vector, lane, channel][:, None]
    negative = parts < 0
    opposite = negative[block, vector, lane] != negative[block, vector, lane, channel][:, None]
    place = (block * vectors + vector) * count + channel
    (first,) = np.nonzero(np.diff(place, prepend=-1))
    for way, differing in enumerate((~opposite, opposite) if len(first) else ()):
        found = np.logical_or.reduceat(beyond & differing, first, axis=0)
        result[way, block[first], vector[first], channel[first]] = found
    # The least int8 has no negative one.
    result[1] |= (parts == _LEAST).any(axis=(1, 2))[:, None, None, :]
    return np.asarray(result | result.swapaxes(3, 4))


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
    chance = np.random.default_rng(0)  # a plan is the same every time
    left = row
    for _ in range(_EXCHANGES):
        each = costs[left[:, None], pairs[left, :, 0], pairs[left, :, 1]]
        costing = each.any(axis=1)
        left, each = left[costing], each[costing]
        if len(left) == 0:
            break
        pairs[left] = _exchanged(costs[left], pairs[left], each, chance)
    return pairs


def _exchanged(
    costs: NDArray[np.int32], pairs: NDArray[np.int64], each: NDArray[np.int32], chance: np.random.Generator
) -> NDArray[np.int64]:
    """A worst pair of each block, and the pair with which it had best exchange a channel, after that exchange.

    Exchanges that change nothing are made, too: the next one then begins at another pair.

    Args:
        costs: [blocks, channels, channels].
        pairs: [blocks, pairs, 2].
        each: what the pairs cost.
        chance: chooses among equals.
    """
    row = np.arange(len(pairs))
    worst = (each + chance.random(each.shape, np.float32)).argmax(axis=1)
    one, other = pairs[row, worst, 0], pairs[row, worst, 1]
    to_one, to_other = costs[row, one], costs[row, other]
    block, first, second = row[:, None], pairs[..., 0], pairs[..., 1]
    ways = np.stack(
        [to_one[block, first] + to_other[block, second], to_one[block, second] + to_other[block, first]],
        axis=1,
    )
    ways -= (each + each[row, worst][:, None])[:, None]
    ways[row, :, worst] = np.iinfo(np.int32).max // 2
    flat = ways.reshape(len(pairs), -1)
    best = (flat + chance.random(flat.shape, np.float32)).argmin(axis=1)
    (helping,) = np.nonzero(flat[row, best] <= 0)
    way, partner = np.divmod(best[helping], pairs.shape[1])
    theirs = pairs[helping, partner]
    at = np.arange(len(helping))
    result = pairs.copy()
    result[helping, worst[helping]] = np.stack([one[helping], theirs[at, way]], axis=1)
    result[helping, partner] = np.stack([other[helping], theirs[at, 1 - way]], axis=1)
    return result


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


__all__ = ["MOST_SUM", "Arrangement", "matched"]
