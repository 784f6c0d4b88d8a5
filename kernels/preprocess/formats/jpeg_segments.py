"""The segments of a JPEG: what its header says, and the same picture without what libjpeg would warn about.

Sources: ITU-T T.81, annex B; libjpeg's jdmarker.c (which bytes between segments it passes over) and jdapimin.c (how it
finds the colour space).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from accelserve.kernels.preprocess.errors import InvalidImageError

SOI, EOI, SOS, LOSSLESS, APP0, APP14 = 0xD8, 0xD9, 0xDA, 0xC3, 0xE0, 0xEE

# A marker is FF and a code; FF may be repeated before it, and FF 00 is data. Searched for rather than expected, since
# libjpeg passes over whatever stands between two segments.
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_BEHIND_A_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

_WITHOUT_BODY = frozenset((0x01, *range(0xD0, 0xD8)))  # TEM and the restart markers
_APPLICATION = frozenset((*range(0xE0, 0xF0), 0xFE))  # and comments
_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC9, 0xCA))  # sequential or progressive, Huffman or arithmetic
_OTHER_FRAMES = frozenset((0xC3, 0xC5, 0xC6, 0xC7, 0xC8, 0xCB, 0xCD, 0xCE, 0xCF))

_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"  # the transform follows

_SEQUENTIAL = frozenset((0xC0, 0xC1))  # and Huffman coded
_BESIDE_A_FRAME = _APPLICATION | {0xC4, 0xDB, 0xDD}  # tables and the restart interval

MOST_SEGMENTS = 10_000
_USUAL_SEGMENTS = 64


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What stands before the first scan.

    Attributes:
        width: pixels per row.
        height: rows.
        identifiers: of the components.
        factors: horizontal and vertical sampling factor of each component.
        has_jfif: a JFIF segment stands there.
        adobe_transform: of Adobe's segment; None without one.
        tables: the segments that decoding needs, in order.
        scan: where the first scan's marker stands.
    """

    width: int
    height: int
    identifiers: tuple[int, ...]
    factors: tuple[tuple[int, int], ...]
    has_jfif: bool
    adobe_transform: int | None
    tables: tuple[bytes, ...]
    scan: int

    @property
    def has_luma(self) -> bool:
        """Whether the first three components are a luma and two chromas."""
        if len(self.factors) == 4:
            return self.adobe_transform not in (None, 0)
        if self.has_jfif or self.adobe_transform is not None:
            return self.has_jfif or self.adobe_transform != 0
        return self.identifiers != (82, 71, 66)  # "RGB"


def read_header(data: bytes) -> JpegHeader:
    """The header of a JPEG, as libjpeg reads it.

    Args:
        data: the file; begins with SOI.

    Raises:
        InvalidImageError: no frame, two, one of a kind that TensorFlow does not decode, or the end before a scan.
    """
    frame: bytes | None = None
    has_jfif, transform, tables = False, None, list[bytes]()
    for code, start, end in _segments(data):
        if code == SOS:
            if frame is None:
                raise InvalidImageError("JPEG", "a scan stands before the frame's header.")
            width, height, identifiers, factors = _frame(frame)
            return JpegHeader(width, height, identifiers, factors, has_jfif, transform, tuple(tables), start)
        body = data[start + 4 : end]
        if code == APP0:
            has_jfif = has_jfif or (len(body) >= 14 and body.startswith(b"JFIF\0"))
        elif code == APP14 and len(body) >= 12 and body.startswith(b"Adobe"):
            transform = body[11]
        elif code in _FRAMES:
            if frame is not None:
                raise InvalidImageError("JPEG", "it has two frames.")
            frame = body
        if code not in _APPLICATION and code not in _WITHOUT_BODY:
            tables.append(data[start:end])
    raise InvalidImageError("JPEG", f"{len(data)} bytes without a scan; was it cut short?")


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Code, start and end of each segment up to the first scan."""
    position = 2
    while (marker := _MARKER.search(data, position)) is not None:
        start, position = marker.span()
        code = data[position - 1]
        if code in (SOI, EOI):
            return
        if code in _OTHER_FRAMES:
            raise InvalidImageError("JPEG", f"its frame is of kind FF{code:02X}, lossless or hierarchical.")
        if code not in _WITHOUT_BODY:
            position = _end_of_segment(data, position)
        if position > len(data):
            return
        yield code, start, position


def _end_of_segment(data: bytes, position: int) -> int:
    # a length below 2, which counts itself, is taken for 2
    return position + max(int.from_bytes(data[position : position + 2], "big"), 2)


def _frame(body: bytes) -> tuple[int, int, tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Width, height, the components' identifiers and their factors."""
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise InvalidImageError("JPEG", f"its frame's header has {len(body)} bytes.")
    precision, height, width, _ = struct.unpack_from(">BHHB", body)
    if precision != 8:
        raise InvalidImageError("JPEG", f"its samples have {precision} bits, expected 8.")
    factors = tuple((both >> 4, both & 15) for both in body[7::3])
    return width, height, tuple(body[6::3]), factors


def is_of_one_scan(data: bytes) -> bool:
    """Whether a sequential picture's first scan holds all of its components; False if in doubt.

    Such a picture is decoded in one pass, whatever follows: another scan or frame behind it is an error to libjpeg.
    """
    position, components = 2, 0
    for _ in range(_USUAL_SEGMENTS):
        if position + 10 > len(data) or data[position] != 0xFF:
            return False
        code = data[position + 1]
        if code == SOS:
            return data[position + 4] == components > 0
        if code in _SEQUENTIAL and not components:
            components = data[position + 9]
        elif code not in _BESIDE_A_FRAME:
            return False
        position += 2 + max(data[position + 2] << 8 | data[position + 3], 2)
    return False


def scans_until_the_end(data: bytes, header: JpegHeader, most: int) -> int | None:
    """How many scans stand before the marker that ends the picture; None if there is no such marker.

    What follows the end is not looked at: phones put a video there.

    Args:
        data: the file.
        header: of the file.
        most: counting stops beyond this.

    Raises:
        InvalidImageError: more than ``MOST_SEGMENTS`` segments.
    """
    scans, position = 0, header.scan
    for _ in range(MOST_SEGMENTS):
        marker = _MARKER_BEHIND_A_SCAN.search(data, position)
        if marker is None:
            return None
        position = marker.end()
        code = data[position - 1]
        if code == EOI:
            return scans
        scans += code == SOS
        if scans > most:
            return scans
        if code >= 0xC0:
            position = _end_of_segment(data, position)
    raise InvalidImageError("JPEG", f"it has more than {MOST_SEGMENTS} segments.")


def tidied(data: bytes, header: JpegHeader) -> bytes:
    """The same picture with a header that libjpeg has nothing to warn about.

    Stray bytes between segments and application data go; a JFIF or Adobe segment stays, in a form that says the same
    about the colours: libjpeg takes an unknown transform of Adobe's for the usual one.
    """
    usual = 1 if len(header.factors) == 3 else 2
    known = (0, 1) if len(header.factors) == 3 else (0, 2)
    adobe = b""
    if header.adobe_transform is not None:
        adobe = _ADOBE + bytes([header.adobe_transform if header.adobe_transform in known else usual])
    return _assembled(data, header, (_JFIF if header.has_jfif else b"") + adobe)


def unconverted(data: bytes, header: JpegHeader) -> bytes:
    """A file of the same components whose colour space is the one that needs no conversion: RGB or CMYK."""
    return _assembled(data, header, _ADOBE + b"\0" if len(header.factors) == 3 else b"")


def _assembled(data: bytes, header: JpegHeader, application: bytes) -> bytes:
    return b"".join((b"\xff\xd8", application, *header.tables, data[header.scan :]))
