"""Memory for plans: anonymous, in huge pages where the system grants them, or mapped from a file."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HUGE_PAGE_BYTES = 2 << 20


class Memory:
    """A block of bytes at a fixed address.

    Attributes:
        bytes: the block as uint8.
        address: of its first byte, a multiple of 4096 at least.
    """

    def __init__(self, mapping: mmap.mmap, block: NDArray[np.uint8]) -> None:
        self._mapping = mapping
        self.bytes = block
        self.address = int(block.ctypes.data)

    @classmethod
    def private(cls, size_bytes: int) -> Memory:
        """Zeroed memory; pages that are never touched take no room."""
        huge = size_bytes >= HUGE_PAGE_BYTES
        # Private, since Python's default is memory shared with children, which the system gives no huge pages.
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        mapping = mmap.mmap(-1, size_bytes + (HUGE_PAGE_BYTES if huge else 0), flags=private)
        whole = np.frombuffer(mapping, np.uint8)
        start = -int(whole.ctypes.data) % HUGE_PAGE_BYTES if huge else 0
        if huge and hasattr(mmap, "MADV_HUGEPAGE"):
            mapping.madvise(mmap.MADV_HUGEPAGE)
        return cls(mapping, whole[start : start + size_bytes])

    @classmethod
    def mapped(cls, file: Path) -> Memory:
        """A file's bytes, read-only and shared with every process that maps it."""
        with file.open("rb") as handle:
            mapping = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        if hasattr(mmap, "MADV_WILLNEED"):
            mapping.madvise(mmap.MADV_WILLNEED)
        return cls(mapping, np.frombuffer(mapping, np.uint8))

    @property
    def size_bytes(self) -> int:
        """Bytes of the block."""
        return int(self.bytes.nbytes)

    def close(self) -> None:
        """Give the memory back; nothing may use its address any more."""
        del self.bytes
        self._mapping.close()


__all__ = ["HUGE_PAGE_BYTES", "Memory"]
