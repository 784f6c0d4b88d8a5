"""PNG files: every colour type and depth, both interlacings, and chunks that are damaged, doubled, out of place."""

from __future__ import annotations

import random
import struct
import zlib

from tests.odd_pictures.bits import BitWriter

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_SIDE_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"bKGD", b"pHYs", b"sBIT", b"sPLT", b"hIST",
                b"tIME", b"eXIf", b"tRNS", b"oFFs", b"pCAL", b"sCAL", b"prVt", b"acTL", b"fcTL", b"fdAT")  # fmt: skip


def write(chance: random.Random, oddities: list[str]) -> bytes:
    kind = chance.choice((0, 2, 3, 3, 4, 6))
    depth, interlaced = chance.choice(_DEPTHS[kind]), chance.random() < 0.3
    width, height = chance.randrange(1, 24), chance.randrange(1, 24)
    oddities.append(
        f"{width} x {height}, colour type {kind}, {depth} bits" + (", interlaced" if interlaced else "")
    )
    fields = [depth, kind, 0, 0, int(interlaced)]
    if chance.random() < 0.05:
        place = chance.randrange(5)
        fields[place] = chance.choice((0, 1, 2, 3, 5, 8, 16, 32, 255))
        oddities.append(f"header {fields}")
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *fields))]
    chunks += _side_chunks(chance, oddities)
    chunks += _palettes(chance, oddities, kind, depth)
    chunks += _side_chunks(chance, oddities)
    rows = _rows(chance, oddities, width, height, depth * _CHANNELS[kind], interlaced=interlaced)
    chunks += _data_chunks(chance, oddities, _compressed(chance, oddities, rows))
    chunks += _side_chunks(chance, oddities)
    chunks += _end(chance, oddities)
    _disorder(chance, oddities, chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(name: bytes, body: bytes, flaw: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ flaw)


def _side_chunks(chance: random.Random, oddities: list[str]) -> list[bytes]:
    chunks = []
    while chance.random() < 0.3:
        name = chance.choice(_SIDE_CHUNKS)
        flaw = chance.choice((0, 0, 0x1000))
        body = chance.randbytes(chance.choice((0, 1, 4, 9, 40)))
        if name in (b"zTXt", b"iCCP"):
            body = b"name\0\0" + _zlib_of_zeros(chance.choice((10, 3000, 400_000)))
        if name == b"gAMA" and chance.random() < 0.5:
            body = struct.pack(">I", 45455)
        oddities.append(name.decode() + (" with a wrong checksum" if flaw else ""))
        chunks.append(_chunk(name, body, flaw))
    return chunks


def _palettes(chance: random.Random, oddities: list[str], kind: int, depth: int) -> list[bytes]:
    if kind != 3:
        if chance.random() < 0.9:
            return []
        oddities.append("a palette that is not needed")
        return [_chunk(b"PLTE", chance.randbytes(chance.choice((3, 768, 0, 4, 780))), chance.choice((0, 1)))]
    count, more = 1 << depth, chance.random()
    if more < 0.7:
        return [_chunk(b"PLTE", chance.randbytes(3 * count))]
    oddities.append("an odd palette")
    bodies = [chance.randbytes(chance.choice((0, 1, 3, 5, 3 * count - 3, 3 * count + 3, 768, 771)))]
    if more > 0.9:
        bodies = chance.choice(([], bodies * 2))
    return [_chunk(b"PLTE", body, chance.choice((0, 0, 0, 7))) for body in bodies]


def _rows(
    chance: random.Random, oddities: list[str], width: int, height: int, bits: int, *, interlaced: bool
) -> bytes:
    rows = b""
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, lines = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0:
            rows += b"".join(
                bytes([chance.randrange(5)]) + chance.randbytes(-(-columns * bits // 8)) for _ in range(lines)
            )
    fault = chance.choice((None,) * 12 + ("filter", "few", "fewer", "more", "much more"))
    if fault is not None:
        oddities.append(f"rows: {fault}")
    match fault:
        case "filter":
            place = 0 if chance.random() < 0.5 else chance.randrange(len(rows))
            return rows[:place] + bytes([chance.choice((5, 64, 255))]) + rows[place + 1 :]
        case "few":
            return rows[:-1]
        case "fewer":
            return rows[: chance.randrange(len(rows))]
        case "more":
            return rows + b"\0"
        case "much more":
            return rows + chance.randbytes(5000)
        case _:
            return rows


def _compressed(chance: random.Random, oddities: list[str], rows: bytes) -> bytes:
    """A zlib stream of stored blocks and blocks of fixed codes."""
    header = chance.choice((b"\x78\x01", b"\x78\x9c", b"\x08\x1d", b"\x18\x19"))
    bits = BitWriter()
    pieces = _split(chance, rows)
    for index, piece in enumerate(pieces):
        _block(bits, piece, last=index == len(pieces) - 1, stored=chance.random() < 0.5)
    stream = header + bits.bytes() + struct.pack(">I", zlib.adler32(rows))
    fault = chance.choice(
        (None,) * 14 + ("checksum", "no checksum", "half a checksum", "behind", "header", "unended")
    )
    if fault is not None:
        oddities.append(f"stream: {fault}")
    match fault:
        case "checksum":
            return stream[:-1] + bytes([stream[-1] ^ 1])
        case "no checksum":
            return stream[:-4]
        case "half a checksum":
            return stream[:-2]
        case "behind":
            return stream + chance.randbytes(chance.choice((1, 4, 2000)))
        case "header":
            return chance.choice((b"\x79\x9c", b"\x78\x9d", b"\x88\x1c", b"\x78\xbb")) + stream[2:]
        case "unended":
            return stream[:-5]
        case _:
            return stream


def _zlib_of_zeros(count: int) -> bytes:
    """A zlib stream that inflates to so many zeros, or a few more."""
    bits = BitWriter()
    bits.write(0b011, 3)  # the last block, of fixed codes
    bits.write_reversed(0x30, 8)
    for _ in range(-(-count // 258)):
        bits.write_reversed(0b11000101, 8)  # 258 bytes
        bits.write(0, 5)  # from one byte before
    bits.write(0, 7)
    return b"\x78\x9c" + bits.bytes() + struct.pack(">I", zlib.adler32(bytes(1 + 258 * -(-count // 258))))


def _split(chance: random.Random, data: bytes) -> list[bytes]:
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 0, 1, 3))))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _block(bits: BitWriter, data: bytes, *, last: bool, stored: bool) -> None:
    bits.write(last, 1)
    bits.write(0 if stored else 1, 2)
    if stored:
        _align(bits)
        for byte in struct.pack("<HH", len(data), len(data) ^ 0xFFFF) + data:
            bits.write(byte, 8)
        return
    for byte in data:
        bits.write_reversed(byte + 0x30, 8) if byte < 144 else bits.write_reversed(byte - 144 + 0x190, 9)
    bits.write(0, 7)


def _align(bits: BitWriter) -> None:
    bits.write(0, bits.room)


def _data_chunks(chance: random.Random, oddities: list[str], stream: bytes) -> list[bytes]:
    chunks = [_chunk(b"IDAT", piece) for piece in _split(chance, stream)]
    fault = chance.choice(
        (None,) * 12 + ("checksum", "apart", "doubled", "absent", "empty first", "empty last")
    )
    if fault is not None:
        oddities.append(f"IDAT: {fault}")
    match fault:
        case "checksum":
            place = chance.randrange(len(chunks))
            chunks[place] = chunks[place][:-1] + bytes([chunks[place][-1] ^ 1])
        case "apart":
            chunks.insert(chance.randrange(len(chunks)), _chunk(b"tEXt", b"a\0b"))
            chunks.insert(chance.randrange(len(chunks)), _chunk(b"IDAT", b""))
        case "doubled":
            chunks += [
                _chunk(b"tIME", bytes(7)),
                _chunk(b"IDAT", chance.randbytes(20), chance.choice((0, 3))),
            ]
        case "absent":
            chunks.clear()
        case "empty first":
            chunks.insert(0, _chunk(b"IDAT", b""))
        case "empty last":
            chunks.append(_chunk(b"IDAT", b""))
    return chunks


def _end(chance: random.Random, oddities: list[str]) -> list[bytes]:
    end = _chunk(b"IEND", b"")
    if chance.random() < 0.8:
        return [end]
    oddities.append("an odd end")
    return [
        chance.choice(
            (
                b"",
                end[:-1],
                end[:8],
                _chunk(b"IEND", b"", 1),
                _chunk(b"IEND", b"abc"),
                end + b"behind",
                end + end,
            )
        )
    ]


def _disorder(chance: random.Random, oddities: list[str], chunks: list[bytes]) -> None:
    fault = chance.choice(
        (None,) * 20 + ("swapped", "critical", "name", "second header", "before the header", "length")
    )
    if fault is None:
        return
    oddities.append(f"chunks: {fault}")
    place = chance.randrange(1, len(chunks))
    match fault:
        case "swapped":
            other = chance.randrange(1, len(chunks))
            chunks[place], chunks[other] = chunks[other], chunks[place]
        case "critical":
            chunks.insert(place, _chunk(b"CgBI", b"1234"))
        case "name":
            chunks.insert(
                place, _chunk(chance.choice((b"ab1c", b"tE\0t", b"tex ", b"abcd", b"abCd")), b"1234")
            )
        case "second header":
            chunks.insert(place, chunks[0])
        case "before the header":
            chunks.insert(0, _chunk(chance.choice((b"tEXt", b"gAMA", b"prVt")), b"1234"))
        case "length":
            chunks.insert(
                place, struct.pack(">I", chance.choice((0x80000000, 0xFFFFFFFF, 9_000_000))) + b"tEXtabcd"
            )
