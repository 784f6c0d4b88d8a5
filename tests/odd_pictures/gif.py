"""GIF files: frames beside the screen, tables that are short or missing, and LZW data that other encoders never write."""

from __future__ import annotations

import random
import struct

from tests.odd_pictures.bits import BitWriter


def write(chance: random.Random, oddities: list[str]) -> bytes:
    width, height = chance.randrange(1, 24), chance.randrange(1, 24)
    screen = chance.choice(((width, height), (width, height), (width + 5, height + 3), (0, 0), (1, 1)))
    if screen != (width, height):
        oddities.append(f"screen of {screen} for {width} x {height}")
    flags, table = _table(chance, oddities, "the screen")
    data = chance.choice((b"GIF89a", b"GIF89a", b"GIF87a", b"GIF8xx"))
    data += struct.pack("<HHBBB", *screen, flags, chance.randrange(256), 0) + table
    for index in range(chance.choice((1, 1, 1, 2, 3))):
        if index:
            width, height = chance.randrange(1, 30), chance.randrange(1, 30)
            oddities.append(f"frame {index} of {width} x {height}")
        data += _extensions(chance, oddities) + _frame(
            chance, oddities, width, height, flags, whole=index > 0
        )
    end = chance.choice((b";", b";", b";", b";", b"", b";behind", b"\0", b"\0;", b"x"))
    if end != b";":
        oddities.append(f"ends with {end!r}")
    return data + end


def _table(chance: random.Random, oddities: list[str], owner: str) -> tuple[int, bytes]:
    if chance.random() < 0.25:
        oddities.append(f"no colour table of {owner}")
        return 0x70, b""
    bits = chance.choice((0, 1, 2, 3, 5, 7, 7, 7))
    if bits < 7:
        oddities.append(f"{2 << bits} colours of {owner}")
    return 0xF0 | bits, chance.randbytes(3 * (2 << bits))


def _extensions(chance: random.Random, oddities: list[str]) -> bytes:
    data = b""
    while chance.random() < 0.4:
        kind = chance.choice(
            ("control", "control", "control", "comment", "application", "empty", "short control")
        )
        oddities.append(kind)
        match kind:
            case "control":
                data += (
                    b"\x21\xf9\x04"
                    + bytes((chance.randrange(256), 0, 0, chance.choice((0, 1, 3, 200))))
                    + b"\0"
                )
            case "short control":
                data += b"\x21\xf9\x03" + chance.randbytes(3) + b"\0"
            case "comment":
                data += b"\x21\xfe\x05hello\x02;,\0"
            case "application":
                data += b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
            case _:
                data += b"\x21\xf9\0"
    return data


def _frame(
    chance: random.Random, oddities: list[str], width: int, height: int, screen_flags: int, *, whole: bool
) -> bytes:
    left, top = chance.choice(((0, 0), (0, 0), (0, 0), (3, 2), (40, 1), (0, 60)))
    if (left, top) != (0, 0):
        oddities.append(f"frame at {left}, {top}")
    flags, table = _table(chance, oddities, "the frame") if chance.random() < 0.3 else (0, b"")
    flags &= 0x87
    if chance.random() < 0.25:
        oddities.append("interlaced")
        flags |= 0x40
    holder = flags if flags & 0x80 else screen_flags
    depth = (holder & 7) + 1 if holder & 0x80 else 8
    if chance.random() < 0.08:
        depth = 8
        oddities.append("indices of 8 bits")
    indices = [chance.randrange(1 << depth) for _ in range(width * height)]
    descriptor = b"\x2c" + struct.pack("<HHHHB", left, top, width, height, flags) + table
    return descriptor + _compressed(chance, oddities, indices, max(depth, 2), whole=whole)


def _compressed(
    chance: random.Random, oddities: list[str], indices: list[int], size: int, *, whole: bool
) -> bytes:
    """The frame's data. Damage in a later frame's is a documented difference, so ``whole`` leaves it out."""
    clear, end = 1 << size, (1 << size) + 1
    oddity = None if whole else chance.choice(
        (None, None, None, None, "too few", "too many", "no end", "bad code", "size", "no clear", "clear twice", "empty")
    )  # fmt: skip
    if oddity is not None:
        oddities.append(f"LZW: {oddity}")
    if oddity == "too few":
        indices = indices[: chance.randrange(len(indices))]
    if oddity == "too many":
        indices = [*indices, *indices[:5]]
    codes = BitWriter()
    _write_codes(chance, codes, indices, size, oddity)
    if oddity != "no end":
        codes.write(end, _width_after(len(indices), size) if oddity == "too few" else size + 1)
    packed = codes.bytes()
    if oddity == "empty":
        packed = b""
    blocks = bytearray([{"size": chance.choice((0, 1, 9, 12, 13))}.get(oddity or "", size)])
    step = chance.choice((255, 255, 100, 7))
    for start in range(0, len(packed), step):
        piece = packed[start : start + step]
        blocks += bytes([len(piece)]) + piece
    assert clear < end
    return bytes(blocks) + b"\0"


def _write_codes(
    chance: random.Random, codes: BitWriter, indices: list[int], size: int, oddity: str | None
) -> None:
    """One code an index; the table is cleared before codes would grow, or is left to grow to the end."""
    clear = 1 << size
    often = chance.random() < 0.5
    entries, width = clear + 2, size + 1
    if oddity != "no clear":
        codes.write(clear, width)
    if oddity == "clear twice":
        codes.write(clear, width)
    previous = False
    for place, index in enumerate(indices):
        if often and place and place % (clear - 2) == 0:
            codes.write(clear, width)
            entries, width, previous = clear + 2, size + 1, False
        value = index
        if oddity == "bad code" and place == len(indices) // 2 and entries + 3 < 1 << width:
            value = entries + 3
        codes.write(value, width)
        if previous and entries < 4096:
            entries += 1
            if entries == 1 << width and width < 12:
                width += 1
        previous = True
    if oddity != "too few":
        # so that the end is written in the narrowest width
        codes.write(clear, width)


def _width_after(count: int, size: int) -> int:
    entries = (1 << size) + 2 + max(count - 1, 0)
    width = size + 1
    while entries >= 1 << width and width < 12:
        width += 1
    return width
