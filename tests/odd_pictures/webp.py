"""WebP files: lossless ones of literal pixels, three lossy ones, and containers that disagree with what they hold."""

from __future__ import annotations

import base64
import random
import struct

from tests.odd_pictures.bits import BitWriter

# The VP8 chunks of three photographs' corners; a lossy encoder would be longer than the rest of this folder.
_LOSSY = tuple(map(base64.b64decode, (
    # 17 x 13
    ("0AQAnQEqEQANAD8RcrBQLCakorAIAYAiCWwAnTKEeDbAFx/2S0BFXz0/v6tJAEAA/tzTX+L/55vu7bT+U/CjYhJE2gbezpgO5ILw"
    "DWbzJTWsfE1EdAZU6tlT48+yP5KrtJ7tEUrEGpKwApNBsf3WbnbJ7WoaovsXcN0m70Y/nZf7iIF94/sBV76UC5dUHcR/UbiBmPQA"
    "AAA="),
    # 33 x 20
    ("0AwAnQEqIQAUAD5tLpFGJCKhoSqsAIANiWwAnTKEcDegfjX7AlAflmLN82GNXQO+YD9cP1J95Tz/99A9AD9gPTB9j/9wf2Z9mZPR"
    "hmf+q8neaQGexxwumB3fwZMqNjLdZy1cjNhKgSnQXSK7THXAAP76CDzus4KR7PUSqN+oJcKK2Ccn4cKibRJpxiFktmoWjpUAgLvE"
    "ET43kU2HWkuZ77EfvcD72JkXq/r/34IEE9JYQEH5/zwhl+XTrTqzQolG55Z1UybasKy8APe38Drwb1qYVtuRQz3poBuMYhfqvn5k"
    "KIEf+eDXw+TYimt5nxKOzWwq9wFBva55iHmW4g/oMDUJnoCA8r3O33kfbRXCU8Y/Fcdff9d2Vh5d3WdHz/T2BZjOOinrDRZlYvtw"
    "xCYAa29OHDTgm/tDP/SMkFNqQBirXPeUP/m/I9yrNnf/lGdYrshzzfbGhvbJ578Kxc1Je3Pl9C2m+1LOLibgeeWErFpuE7XtdB8A"
    "udcWu4j+JAWvD/K/8E7flY+SOdyaBuwdlPp1uCQWrj4LdhZboBvgNrPZWa8BtZ/xIfgH1h8X4/ws4y4Bwj1VHsuaqPqLD0XPmPjU"
    "XzKeeZHQgugPwpoylLdyNnFELnMAM9EqONtWZ6ffoAEKE/vmP/tV/7nD//RH+O1C2u/2f/LVcCSH/3/TCqfoYnG4Ht+4odIvVC2g"
    "PVhe/H6xm60i6En84eWwv4gUJ/+Gn296M8J/gx/13UuUl7/4O6kRzk0hQ/xe5LJiC8x/lEwFugAA"),
    # 5 x 40
    ("kAQAnQEqBQAoAD+JrMldty2opLVIAuAxCWwAnTKEfhX/4EgtNzcf5oyCHJ94AP529rQufNuyxMlfGKaYKIevlM3iSNUeWYveQO4q"
    "ZGjsPOaiI4JQu7crmgphR9S9pGj3YmFQa7hD1JedAAAA"),
)))  # fmt: skip


def write(chance: random.Random, oddities: list[str]) -> bytes:
    if chance.random() < 0.4:
        body = chance.choice(_LOSSY)
        width, height = struct.unpack_from("<HH", body, 6)
        picture, has_alpha = _chunk(b"VP8 ", body), False
    else:
        width, height = chance.randrange(1, 24), chance.randrange(1, 24)
        has_alpha = chance.random() < 0.15
        picture = _chunk(b"VP8L", _lossless(chance, oddities, width, height, has_alpha=has_alpha))
    oddities.append(f"{width} x {height}, {picture[:4].decode()}" + ", alpha" * has_alpha)
    chunks = [picture]
    if chance.random() < 0.4:
        chunks = _extended(chance, oddities, picture, width, height, has_alpha=has_alpha)
    elif chance.random() < 0.1:
        oddities.append("a chunk before the picture")
        chunks.insert(0, _chunk(b"ABCD", b"12345"))
    content = b"WEBP" + b"".join(chunks)
    behind = chance.choice((b"",) * 6 + (b"\0", b"behind", picture))
    length = len(content) + chance.choice((0,) * 12 + (-2, -1, 1, 2, 100, len(behind), -len(content)))
    if behind or length != len(content):
        oddities.append(f"{len(behind)} bytes behind, a length of {length} for {len(content)}")
    return b"RIFF" + struct.pack("<I", length & 0xFFFFFFFF) + content + behind


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def _extended(
    chance: random.Random, oddities: list[str], picture: bytes, width: int, height: int, *, has_alpha: bool
) -> list[bytes]:
    flags = chance.choice((0x10 * has_alpha, 0x10 * has_alpha, 0x20, 0x10, 0x02, 0x12, 0x0C, 0x01))
    size = chance.choice(((width, height),) * 5 + ((width + 1, height), (width, 2000)))
    oddities.append(f"VP8X with flags {flags:#x} and a canvas of {size}")
    body = bytes((flags, 0, 0, 0)) + struct.pack("<I", size[0] - 1)[:3] + struct.pack("<I", size[1] - 1)[:3]
    chunks = [_chunk(b"VP8X", body + chance.choice((b"", b"", b"", b"\0\0")))]
    if flags & 0x20:
        chunks.append(_chunk(b"ICCP", chance.randbytes(chance.choice((1, 30)))))
    if flags & 0x02:
        place = (
            bytes(6) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3] + b"\x64\0\0\0"
        )
        return [
            *chunks,
            _chunk(b"ANIM", bytes(6)),
            *[_chunk(b"ANMF", place + picture)] * chance.choice((1, 2)),
        ]
    if picture.startswith(b"VP8 ") and chance.random() < 0.3:
        oddities.append("a chunk of alpha")
        chunks.append(_chunk(b"ALPH", b"\0" + chance.randbytes(width * height)))
    chunks.append(picture)
    if chance.random() < 0.3:
        chunks.append(_chunk(chance.choice((b"EXIF", b"XMP ", b"ABCD")), b"abc"))
    return chunks


def _lossless(
    chance: random.Random, oddities: list[str], width: int, height: int, *, has_alpha: bool
) -> bytes:
    """Pixels of three bytes each, coded with eight bits a byte."""
    bits = BitWriter()
    bits.write(0x2F, 8)
    bits.write(width - 1, 14)
    bits.write(height - 1, 14)
    bits.write(has_alpha, 1)
    bits.write(0, 3)
    if chance.random() < 0.3:
        bits.write(0b101, 3)  # a transform, of kind 2: green is subtracted
        oddities.append("green subtracted")
    bits.write(0, 3)  # no further transform, no colour cache, one set of codes
    for alphabet in (280, 256, 256):
        _eight_bit_code(bits, alphabet)
    _one_symbol(bits, chance.choice((255, 255, 128)))
    _one_symbol(bits, 0)
    for _ in range(width * height * 3):
        bits.write_reversed(chance.randrange(256), 8)
    data = bits.bytes()
    if chance.random() < 0.05:
        oddities.append("pixels are missing")
        return data[: -chance.randrange(1, 9)]
    return data


def _eight_bit_code(bits: BitWriter, alphabet: int) -> None:
    bits.write(0, 1)
    bits.write(12 - 4, 4)
    # lengths of the lengths' codes, in the format's order 17 18 0 1 2 3 4 5 16 6 7 8: only 0 and 8 are used
    for length in (0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1):
        bits.write(length, 3)
    bits.write(0, 1)
    for symbol in range(alphabet):
        bits.write(symbol < 256, 1)


def _one_symbol(bits: BitWriter, symbol: int) -> None:
    bits.write(1, 1)
    bits.write(0, 1)
    bits.write(1, 1)
    bits.write(symbol, 8)
