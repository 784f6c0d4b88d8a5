"""Bits into bytes, for the formats' compressed data."""

from __future__ import annotations


class BitWriter:
    """Bits in the order of writing.

    Args:
        first_is_highest: JPEG fills a byte from its highest bit; GIF, deflate and WebP from its lowest.
    """

    def __init__(self, *, first_is_highest: bool = False) -> None:
        self._first_is_highest = first_is_highest
        self._value = self._count = 0
        self._done = bytearray()

    def write(self, value: int, count: int) -> None:
        """Append a number of so many bits; of which the lowest comes first, unless JPEG's order was asked for."""
        if self._first_is_highest:
            self._value = self._value << count | value
            self._count += count
            while self._count >= 8:
                self._count -= 8
                self._done.append(self._value >> self._count & 255)
                self._value &= (1 << self._count) - 1
            return
        self._value |= value << self._count
        self._count += count
        while self._count >= 8:
            self._done.append(self._value & 255)
            self._value >>= 8
            self._count -= 8

    def write_reversed(self, value: int, count: int) -> None:
        """Append a Huffman code where the lowest bit comes first."""
        for place in range(count - 1, -1, -1):
            self.write(value >> place & 1, 1)

    @property
    def room(self) -> int:
        """Bits that the last byte has left."""
        return -self._count % 8

    def bytes(self, padding: int = 0) -> bytes:
        """What was written, the last byte filled up with zeros or ones."""
        if self._count:
            rest = 8 - self._count
            self.write((1 << rest) - 1 if padding else 0, rest)
        return bytes(self._done)
