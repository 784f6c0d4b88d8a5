"""Protobuf's wire format, as far as messages are put together of parts that are encoded already.

(Source: protobuf's encoding specification.)
"""

from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LENGTH_DELIMITED: Final = 2
FIXED32: Final = 5


def varint(number: int) -> bytes:
    """A number, 0 or more."""
    if number < 0x80:
        return bytes((number,))
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def delimited(field: int, content: bytes) -> bytes:
    """A field of bytes, text, packed numbers or a message, by its number."""
    return delimited_head(field, len(content)) + content


def delimited_head(field: int, size_bytes: int) -> bytes:
    """What stands before such a field's content of so many bytes."""
    return varint(field << 3 | LENGTH_DELIMITED) + varint(size_bytes)
