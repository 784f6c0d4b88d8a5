"""BMP files: headers of several lengths, depths, directions, and sizes that disagree."""

from __future__ import annotations

import random
import struct


def write(chance: random.Random, oddities: list[str]) -> bytes:
    width, height = chance.randrange(1, 20), chance.randrange(1, 20)
    bits = chance.choice((8, 8, 24, 24, 24, 32, 32, 1, 4, 16, 0, 9, 25, 33, 40, -24))
    header = chance.choice((40, 40, 40, 52, 56, 64, 108, 124, 12))
    oddities.append(f"{width} x {height}, {bits} bits, header of {header}")
    channels = max(bits, 8) // 8
    row_bytes = -(-channels * width // 4) * 4
    rows = chance.randbytes(row_bytes * height)
    palette = b""
    if bits == 8 and chance.random() < 0.9:
        count = chance.choice((256, 256, 2, 16, 100))
        palette = chance.choice((_grey(count), chance.randbytes(4 * count)))
        oddities.append(f"palette of {count}" + (" greys" if palette == _grey(count) else ""))
    if chance.random() < 0.3:
        oddities.append("rows from the top")
        height = -height
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, abs(height), 1, bits & 0xFFFF)
    else:
        compression = chance.choice((0, 0, 0, 0, 1, 3)) if bits != 8 else 0
        info = struct.pack("<IiiHhIIiiII", header, width, height, 1, bits, compression, len(rows), 0, 0, 0, 0)
        info += chance.randbytes(header - 40)
    gap = chance.choice((0, 0, 0, 0, 2, 40))
    behind = chance.choice((0, 0, 0, 0, 0, 1, 4, 10, -1, -row_bytes))
    oddities.append(f"{gap} bytes before the rows, {behind} behind")
    before = info + palette + chance.randbytes(gap)
    offset = 14 + len(before) + chance.choice((0, 0, 0, 0, 0, 0, 0, -4, 4))
    data = (
        b"BM" + struct.pack("<IHHI", chance.choice((0, 14 + len(before) + len(rows))), 0, 0, offset) + before
    )
    data += rows + chance.randbytes(max(behind, 0))
    return data[:behind] if behind < 0 else data


def _grey(count: int) -> bytes:
    return b"".join(bytes((level, level, level, 0)) for level in range(count))
