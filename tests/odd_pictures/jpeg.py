"""JPEG files of random coefficients: any sampling, one scan or several, sequential or progressive, and odd headers.

Huffman codes are as long as they are plain: 4 bits of a DC category, 9 bits of an AC symbol.
"""

from __future__ import annotations

import random
import struct

from tests.odd_pictures.bits import BitWriter

_COMMON = (
    [(1, 1)] * 3,
    [(2, 1), (1, 1), (1, 1)],
    [(2, 2), (1, 1), (1, 1)],
    [(1, 2), (1, 1), (1, 1)],
    [(4, 1), (1, 1), (1, 1)],
)
_RARE = ([(3, 1), (1, 1), (1, 1)], [(4, 2), (1, 1), (1, 1)], [(2, 2), (2, 1), (1, 1)], [(2, 2), (1, 2), (2, 1)],
         [(1, 1), (2, 2), (1, 1)], [(2, 2), (1, 2), (1, 2)], [(2, 2), (2, 1), (2, 1)], [(1, 3), (1, 1), (1, 1)],
         [(3, 2), (1, 1), (1, 1)], [(1, 4), (1, 2), (1, 1)], [(2, 1), (2, 1), (1, 1)], [(3, 1), (2, 1), (1, 1)],
         [(2, 2), (2, 2), (1, 1)], [(4, 1), (2, 1), (2, 1)], [(2, 4), (1, 2), (2, 2)], [(0, 1), (1, 1), (1, 1)])  # fmt: skip
_FOUR = ([(1, 1)] * 4, [(2, 2), (1, 1), (1, 1), (2, 2)], [(2, 1), (1, 1), (1, 1), (2, 1)], [(3, 1), (1, 1), (1, 1), (3, 1)],
         [(2, 1), (1, 1), (1, 1), (1, 1)], [(1, 2), (1, 1), (1, 1), (1, 2)], [(2, 2), (2, 1), (1, 1), (2, 2)])  # fmt: skip


def _ceiling(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)


class _Picture:
    """Coefficients in the making, and how they are written."""

    def __init__(self, chance: random.Random, oddities: list[str]) -> None:
        self.chance, self.oddities = chance, oddities
        self.width, self.height = chance.randrange(1, 40), chance.randrange(1, 40)
        count = chance.choice((3, 3, 3, 3, 3, 3, 1, 4, 4, 2))
        choices = {1: ([(1, 1)], [(2, 2)]), 2: ([(1, 1)] * 2,), 3: _COMMON * 3 + _RARE, 4: _FOUR}[count]
        self.factors = chance.choice(choices)
        self.identifiers = list(range(1, count + 1))
        self.progressive = chance.random() < 0.25
        self.separate = chance.random() < 0.3 or sum(h * v for h, v in self.factors) > 10
        self.restart = chance.choice((0, 0, 0, 1, 3))
        across, down = max(h for h, _ in self.factors), max(v for _, v in self.factors)
        self.mcus = _ceiling(self.width, 8 * across), _ceiling(self.height, 8 * down)
        self.used = [
            (_ceiling(self.width * h, 8 * across), _ceiling(self.height * v, 8 * down))
            for h, v in self.factors
        ]
        self.blocks = [
            [
                [self._block() for _ in range(self.mcus[0] * max(h, 1))]
                for _ in range(self.mcus[1] * max(v, 1))
            ]
            for h, v in self.factors
        ]
        oddities.append(f"{self.width} x {self.height}, {self.factors}" + ", progressive" * self.progressive)

    def _block(self) -> list[int]:
        block = [self.chance.randrange(-60, 60)] + [0] * 63
        for _ in range(self.chance.randrange(4)):
            block[self.chance.choice((1, 2, 3, 5, 9, 30, 63))] = self.chance.randrange(-9, 10)
        return block


def write(chance: random.Random, oddities: list[str]) -> bytes:
    picture = _Picture(chance, oddities)
    segments = [_tables(chance), _frame(picture), _huffman_tables()]
    if picture.restart:
        segments.append(_segment(0xDD, struct.pack(">H", picture.restart)))
    segments += _application_segments(picture)
    chance.shuffle(segments)
    header = b"\xff\xd8" + b"".join(
        part for segment in segments for part in (_stray(chance, oddities), segment)
    )
    if header[2] != 0xFF:
        header = b"\xff\xd8\xff\xfe\0\x02" + header[2:]
    return header + _stray(chance, oddities) + _scans(picture) + _end(chance, oddities)


def _segment(code: int, body: bytes) -> bytes:
    return bytes((0xFF, code)) + struct.pack(">H", len(body) + 2) + body


def _stray(chance: random.Random, oddities: list[str]) -> bytes:
    if chance.random() < 0.95:
        return b""
    stray = chance.choice(
        (b"junk", b"\0", b"\xff", b"\xff\xff\xff", b"\xff\0", b"a\xff\0b", b"\xff\x01", b"\xff\xd3")
    )
    oddities.append(f"stray bytes {stray!r}")
    return stray


def _tables(chance: random.Random) -> bytes:
    steps = [chance.randrange(1, 6) for _ in range(64)]
    if chance.random() < 0.1:
        return _segment(0xDB, b"\x10" + struct.pack(">64H", *steps))
    return _segment(0xDB, b"\0" + bytes(steps))


def _huffman_tables() -> bytes:
    dc = b"\0" + bytes((0, 0, 0, 12, *[0] * 12)) + bytes(range(12))
    ac = b"\x10" + bytes((*[0] * 8, 255, 0, 0, 0, 0, 0, 0, 0)) + bytes(range(255))
    return _segment(0xC4, dc + ac)


def _frame(picture: _Picture) -> bytes:
    chance, code = picture.chance, 0xC2 if picture.progressive else 0xC0
    precision, height = 8, picture.height
    fault = chance.choice((None,) * 40 + ("kind", "precision", "no height", "twice"))
    if fault is not None:
        picture.oddities.append(f"frame: {fault}")
    if fault == "kind":
        code = chance.choice((0xC1, 0xC3, 0xC5, 0xC7, 0xC8, 0xC9, 0xCA, 0xCB, 0xCF))
    if fault == "precision":
        precision = 12
    if fault == "no height":
        height = 0
    if chance.random() < 0.06 and len(picture.factors) == 3:
        picture.identifiers = chance.choice(([82, 71, 66], [0, 1, 2], [1, 34, 35]))
        picture.oddities.append(f"components {picture.identifiers}")
    components = b"".join(
        bytes((identifier, h << 4 | v, 0))
        for identifier, (h, v) in zip(picture.identifiers, picture.factors, strict=True)
    )
    body = struct.pack(">BHHB", precision, height, picture.width, len(picture.factors)) + components
    return _segment(code, body) * (2 if fault == "twice" else 1)


def _application_segments(picture: _Picture) -> list[bytes]:
    chance, segments = picture.chance, []
    if chance.random() < 0.5:
        revision = chance.choice((b"\x01\x01", b"\x01\x01", b"\0\0", b"\x02\x00", b"\x05\x07"))
        segments.append(_segment(0xE0, b"JFIF\0" + revision + b"\0\0\x01\0\x01\0\0"))
        picture.oddities.append(f"JFIF {revision!r}")
    if chance.random() < 0.3:
        transform = chance.choice((0, 1, 2, 3, 255))
        short = chance.choice((0, 0, 0, 1))
        segments.append(_segment(0xEE, (b"Adobe\0\x64\0\0\0\0" + bytes([transform]))[: 12 - short]))
        picture.oddities.append(f"Adobe {transform}" + " too short" * short)
    if chance.random() < 0.2:
        body = chance.choice(
            (b"Exif\0\0" + bytes(40), b"\xff\xda\xff\xd9", b"ICC_PROFILE\0\x03\x02xx", b"", bytes(3000))
        )
        segments.append(_segment(chance.choice((0xE1, 0xE2, 0xED, 0xFE)), body))
        picture.oddities.append("an application segment")
    return segments


def _scans(picture: _Picture) -> bytes:
    every = list(range(len(picture.factors)))
    groups = [[index] for index in every] if picture.separate else [every]
    if not picture.progressive:
        return b"".join(_scan(picture, group, 0, 63) for group in groups)
    bands = picture.chance.choice((((1, 63),), ((1, 5), (6, 63)), ((1, 63), (1, 63))[:1]))
    scans = [_scan(picture, group, 0, 0) for group in groups]
    scans += [_scan(picture, [index], *band) for index in every for band in bands]
    return b"".join(scans)


def _scan(picture: _Picture, group: list[int], first: int, last: int) -> bytes:
    selectors = b"".join(bytes((picture.identifiers[index], 0)) for index in group)
    limits = bytes((first, last, 0))
    chance = picture.chance
    if not picture.progressive and chance.random() < 0.04:
        limits = chance.choice((b"\0\x3e\0", b"\x01\x3f\0", b"\0\0\0", b"\0\x3f\x11"))
        picture.oddities.append(f"scan limits {limits!r}")
    data = _segment(0xDA, bytes([len(group)]) + selectors + limits)
    bits, predicted, count, markers = BitWriter(first_is_highest=True), [0] * 4, 0, 0
    for unit in _units(picture, group):
        if picture.restart and count == picture.restart:
            data += _stuffed(bits) + _odd_bytes_before_marker(picture) + bytes((0xFF, 0xD0 + markers % 8))
            bits, predicted, count, markers = BitWriter(first_is_highest=True), [0] * 4, 0, markers + 1
        for index, row, column in unit:
            _write_block(bits, picture.blocks[index][row][column], predicted, index, first, last)
        count += 1
    return data + _stuffed(bits) + _odd_bytes_before_marker(picture)


def _odd_bytes_before_marker(picture: _Picture) -> bytes:
    if picture.chance.random() < 0.98:
        return b""
    picture.oddities.append("bytes before a marker in the data")
    return picture.chance.choice((b"zz", b"\0\0\0", b"\xff\xff", b"abcdefgh", b"\xff\0"))


def _units(picture: _Picture, group: list[int]) -> list[list[tuple[int, int, int]]]:
    """The blocks of each MCU of a scan: component, row, column."""
    if len(group) == 1:
        columns, rows = picture.used[group[0]]
        return [[(group[0], row, column)] for row in range(rows) for column in range(columns)]
    return [
        [
            (index, top * v + y, left * h + x)
            for index in group
            for h, v in (picture.factors[index],)
            for y in range(v)
            for x in range(h)
        ]
        for top in range(picture.mcus[1])
        for left in range(picture.mcus[0])
    ]


def _write_block(
    bits: BitWriter, block: list[int], predicted: list[int], index: int, first: int, last: int
) -> None:
    if first == 0:
        difference, predicted[index] = block[0] - predicted[index], block[0]
        size = abs(difference).bit_length()
        bits.write(size, 4)
        _write_value(bits, difference, size)
    run = 0
    for place in range(max(first, 1), last + 1):
        if not block[place]:
            run += 1
            continue
        while run > 15:
            bits.write(0xF0, 9)
            run -= 16
        size = abs(block[place]).bit_length()
        bits.write(run << 4 | size, 9)
        _write_value(bits, block[place], size)
        run = 0
    if run and last > 0:
        bits.write(0, 9)


def _write_value(bits: BitWriter, value: int, size: int) -> None:
    bits.write(value if value >= 0 else value + (1 << size) - 1, size)


def _stuffed(bits: BitWriter) -> bytes:
    return bits.bytes(padding=1).replace(b"\xff", b"\xff\0")


def _end(chance: random.Random, oddities: list[str]) -> bytes:
    if chance.random() < 0.8:
        return b"\xff\xd9"
    end = chance.choice(
        (b"", b"\xff", b"junk\xff\xd9", b"\xff\xff\xff\xd9", b"\xff\xd9\xff\xd8\xff", b"\xff\xd9" + b"\0\xff\xda" * 300,
         b"\xff\xe1\0\x04ab\xff\xd9", b"\xff\xd3\xff\xd9", b"\xff\xe1\0\x44ab\xff\xd9", b"junk")
    )  # fmt: skip
    oddities.append(f"ends with {end[:12]!r}")
    return end
