"""Which weights a worker reads next, so that it can ask for them while it still multiplies others.

A network's weights do not fit in the second-level cache, and the third level answers slowly: a layer that waits for
its own weights waits for all of them. So every item of a step carries the range that its worker will need next, and
asks for it in small shares, one after each turn of its innermost loop. Workers usually run the items of their own
range (``runtime.team``) in order, and that is what is assumed here; a stolen item asks for what another worker needs, which
costs a little and changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LINE_BYTES = 64
MOST_BYTES = 512 << 10
"""Asked for ahead of one item: a part of the second-level cache, whose rest holds what the item itself uses."""
ROW_BYTES = 24
"""Of a table: address, lines in all, lines per turn."""


@dataclass(frozen=True, slots=True)
class WeightReads:
    """What the items of one step read of the packed constants.

    Attributes:
        first: offset of the first byte of each item's weights.
        size: their bytes, item by item.
        turns: how often each item can ask for a share; 0 where its kernel cannot.
        table: position in the record of the address of the step's table.
    """

    first: Sequence[int]
    size: Sequence[int]
    turns: Sequence[int]
    table: int


@dataclass(frozen=True, slots=True)
class _Visit:
    """An item in the order in which one worker runs them; ``size`` is 0 where it reads nothing new."""

    step: int
    item: int
    first: int
    size: int
    turns: int


def _visits(reads: Sequence[WeightReads | None], worker: int, workers: int) -> list[_Visit]:
    visits = []
    for step, each in enumerate(reads):
        if each is None:
            continue
        items = len(each.first)
        seen: set[int] = set()
        for item in range(items * worker // workers, items * (worker + 1) // workers):
            first = each.first[item]
            new = each.size[item] if first not in seen else 0
            seen.add(first)
            visits.append(_Visit(step, item, first, new, each.turns[item]))
    return visits


def ahead_tables(reads: Sequence[WeightReads | None], workers: int) -> list[NDArray[np.int64]]:
    """Per step int64 [items + 1, 3]: offset in the constants, lines to ask for, lines per turn.

    The last row is zeros, for calls that ask for nothing. What an item will need next is shared between it and the
    items before it that need nothing new themselves, in proportion to their turns.
    """
    tables = [np.zeros((0 if each is None else len(each.first) + 1, 3), np.int64) for each in reads]
    for worker in range(workers):
        visits = _visits(reads, worker, workers)
        needed = [index for index, visit in enumerate(visits) if visit.size > 0]
        for begin, end in itertools.pairwise(needed):
            _share(tables, visits[begin:end], visits[end])
    return tables


def _share(tables: Sequence[NDArray[np.int64]], askers: Sequence[_Visit], wanted: _Visit) -> None:
    turns = np.array([visit.turns for visit in askers])
    if not turns.any():
        return
    lines = -(-min(wanted.size, MOST_BYTES) // LINE_BYTES)
    ends = lines * turns.cumsum() // turns.sum()
    for visit, end, begin in zip(askers, ends, [0, *ends[:-1]], strict=True):
        if visit.turns > 0:
            share = end - begin
            tables[visit.step][visit.item] = (
                wanted.first + begin * LINE_BYTES,
                share,
                -(-share // visit.turns),
            )


__all__ = ["ROW_BYTES", "WeightReads", "ahead_tables"]
