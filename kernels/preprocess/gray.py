"""The grey of a coloured PNG, as libpng's ``png_set_rgb_to_gray`` makes it for TensorFlow's ``decode_image(channels=1)``.

Weights are 0.299, 0.587 and 0.114 in units of 1 / 32768. A file that says its gamma (a gAMA chunk, or, before it, sRGB or
an ICC profile that libpng knows for sRGB's) is weighed in linear light, through tables of 8 bits (11 where samples have
16), and rounded; another as it is, cut off where samples have 8 bits. A pixel of three equal samples keeps them.

Source: libpng 1.6, pngrtran.c (``png_do_rgb_to_gray``) and png.c (``png_build_gamma_table``, ``png_sRGB_checks``); its tables for 16 bits are
built for samples whose lower half is cut off afterwards.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Samples = npt.NDArray[Any]

_RED: Final = 29900 * 32768 // 100000
_GREEN: Final = 58700 * 32768 // 100000
_BLUE: Final = 32768 - _RED - _GREEN
_HALF: Final = 1 << 14

SRGB_GAMMA: Final = 45455
"""What libpng takes an sRGB chunk for, in units of 1 / 100000."""

# (length, Adler-32, CRC-32) of the profiles that libpng takes for sRGB's: four of color.org's, and of HP's and others'.
_SRGB_PROFILES: Final = frozenset(
    (
        (3048, 0x0A3FD9F6, 0x3B8772B9),
        (3052, 0x4909E5E1, 0x427EBB21),
        (60988, 0xFD2144A1, 0x306FD8AE),
        (60960, 0x209C35D2, 0xBBEF7812),
        (3024, 0xA054D762, 0x5D5129CE),
        (3144, 0xF784F3FB, 0x182EA552),
        (3144, 0x0398F3FC, 0xF29E526D),
    )
)
_LONGEST_PROFILE: Final = 60988

_INTENTS: Final = 4
_GAMMA_RANGE: Final = range(16, 625_000_001)
_TABLE_BITS: Final = 11


def png_gamma(data: bytes) -> int | None:
    """The gamma that a PNG file says before its palette and pixels, in units of 1 / 100000; None if it says none that counts."""
    gamma = None
    for kind, content in _chunks(data):
        if (kind == b"sRGB" and len(content) == 1 and content[0] < _INTENTS) or (
            kind == b"iCCP" and _is_srgb_profile(content)
        ):
            return SRGB_GAMMA
        if kind == b"gAMA" and len(content) == 4 and gamma is None:
            (value,) = struct.unpack(">I", content)
            gamma = value if value in _GAMMA_RANGE else None
    return gamma


def _is_srgb_profile(content: bytes) -> bool:
    """Whether an iCCP chunk (a name, a zero, the compression, the profile) holds a profile that is known for sRGB's."""
    _, _, rest = content.partition(b"\0")
    try:
        profile = zlib.decompressobj().decompress(rest[1:], _LONGEST_PROFILE + 1)
    except zlib.error:
        return False
    return (len(profile), zlib.adler32(profile), zlib.crc32(profile)) in _SRGB_PROFILES


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position + 12 <= len(data) and data[position + 4 : position + 8] not in (b"PLTE", b"IDAT"):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        # one whose checksum is wrong does not count
        if zlib.crc32(data[position + 4 : end]) == int.from_bytes(data[end : end + 4], "big"):
            yield data[position + 4 : position + 8], data[position + 8 : end]
        position = end + 4


def gray_of_rgb(samples: Samples, gamma: int | None) -> Pixels:
    """Grey of red, green and blue.

    Args:
        samples: uint8 or uint16 [height, width, 3].
        gamma: as ``png_gamma`` gives it.

    Returns:
        uint8 [height, width, 1]; of 16 bits the upper half.
    """
    screen = None if gamma is None else _reciprocal(gamma)
    linear = gamma is not None and screen is not None and (_counts(gamma) or _counts(screen))
    wide = samples.dtype == np.uint16
    equal = (samples[..., 0] == samples[..., 1]) & (samples[..., 0] == samples[..., 2])
    if not linear or gamma is None or screen is None:
        # Of 8 bits libpng cuts the fraction off, as it always has; of 16 bits it rounds.
        grey = np.where(equal, samples[..., 0], (_weighed(samples) + wide * _HALF) >> 15)
        return _bytes(grey >> 8 if wide else grey)
    index, build = (samples >> (16 - _TABLE_BITS), _wide_table) if wide else (samples, _narrow_table)
    mixed = (_weighed(build(screen)[index]) + _HALF) >> 15
    grey = build(_reciprocal(screen))[mixed >> (16 - _TABLE_BITS) if wide else mixed]
    if not wide:
        return _bytes(np.where(equal, samples[..., 0], grey))
    return _bytes(np.where(equal, _cut_table(gamma, screen)[index[..., 0]], grey >> 8))


def _bytes(grey: Samples) -> Pixels:
    return np.ascontiguousarray(grey[..., None], np.uint8)


def _weighed(samples: Samples) -> npt.NDArray[np.uint32]:
    red, green, blue = (samples[..., channel].astype(np.uint32) for channel in range(3))
    weighed: npt.NDArray[np.uint32] = red * np.uint32(_RED)
    weighed += green * np.uint32(_GREEN) + blue * np.uint32(_BLUE)
    return weighed


def _reciprocal(gamma: int) -> int:
    return math.floor(1e10 / gamma + 0.5)


def _counts(gamma: int) -> bool:
    """Whether libpng tells the gamma from 1."""
    return not 95_000 <= gamma <= 105_000


def _narrow_table(gamma: int) -> npt.NDArray[np.uint32]:
    return _curve(256, 255, gamma) if _counts(gamma) else np.arange(256, dtype=np.uint32)


def _wide_table(gamma: int) -> npt.NDArray[np.uint32]:
    size = 1 << _TABLE_BITS
    if _counts(gamma):
        return _curve(size, 65535, gamma)
    return ((np.arange(size, dtype=np.uint32) * 65535 + size // 2) // (size - 1)).astype(np.uint32)


def _curve(size: int, top: int, gamma: int) -> npt.NDArray[np.uint32]:
    return np.floor(top * (np.arange(size) / (size - 1)) ** (gamma * 1e-5) + 0.5).astype(np.uint32)


def _cut_table(gamma: int, screen: int) -> npt.NDArray[np.uint32]:
    """The byte that three equal samples of 16 bits become (``png_build_16to8_table``)."""
    overall = math.floor(gamma * screen * 1e-5 + 0.5)
    ends = np.arange(255) * 257 + 128
    if _counts(overall):
        ends = np.floor(65535 * (ends / 65535) ** (overall * 1e-5) + 0.5).astype(np.int64)
    size = 1 << _TABLE_BITS
    bounds = (ends * (size - 1) + 32768) // 65535 + 1
    return np.searchsorted(bounds, np.arange(size), side="right").astype(np.uint32)
