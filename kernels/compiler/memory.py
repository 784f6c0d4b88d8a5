"""Offsets of buffers in one arena: buffers that are never alive together share bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """When a buffer holds something, in positions of the plan's steps.

    Attributes:
        size_bytes: 1 or more.
        first: the step that writes it first.
        last: the last step that reads or writes it.
    """

    size_bytes: int
    first: int
    last: int

    def meets(self, other: Lifetime) -> bool:
        """Whether both are alive at some step."""
        return self.first <= other.last and other.first <= self.last


def assign_offsets(buffers: Sequence[Lifetime]) -> tuple[tuple[int, ...], int]:
    """Place the greatest buffer first, each at the lowest offset where nothing alive with it lies.

    Returns:
        The offset of every buffer (multiples of ``ALIGNMENT_BYTES``) and the arena's bytes.
    """
    offsets = [0] * len(buffers)
    placed: list[int] = []
    for index in sorted(range(len(buffers)), key=lambda i: (-buffers[i].size_bytes, i)):
        taken = sorted(
            (offsets[other], offsets[other] + buffers[other].size_bytes)
            for other in placed
            if buffers[other].meets(buffers[index])
        )
        offsets[index] = _lowest_gap(taken, buffers[index].size_bytes)
        placed.append(index)
    total = max((offsets[i] + buffer.size_bytes for i, buffer in enumerate(buffers)), default=0)
    return tuple(offsets), _aligned(total)


def _lowest_gap(taken: Sequence[tuple[int, int]], size: int) -> int:
    start = 0
    for begin, end in taken:
        if begin - start >= size:
            return start
        start = max(start, _aligned(end))
    return start


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
