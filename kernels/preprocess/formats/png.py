"""PNG: the chunks as libpng takes them, the rows through Pillow.

Pillow refuses files for faults in chunks that have nothing to do with the pixels, and takes others whose rows are
missing or whose data has another checksum. So the chunks are read here, and Pillow gets a file of the rest: header,
palette, and the data already inflated, so that its length is known.

Sources: the PNG specification, third edition; libpng 1.6's pngread.c and pngrutil.c; tensorflow/core/lib/png/png_io.cc.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from accelserve.kernels.preprocess.errors import InvalidImageError
from accelserve.kernels.preprocess.formats.pillow import opened
from accelserve.kernels.preprocess.gray import gray_of_rgb, png_gamma
from accelserve.kernels.preprocess.limits import ImageLimits
from accelserve.kernels.preprocess.spec import ColorOrder

Pixels = npt.NDArray[np.uint8]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NAME = re.compile(rb"[A-Za-z]{4}")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_INDEXED, _COLOR = 3, 2  # a colour type, and a bit of it
_LONGEST_PALETTE = 768
_MOST_SURPLUS = 1 << 20
# left, top, and the steps across and down of Adam7's passes
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True, slots=True)
class _Header:
    """What IHDR says."""

    width: int
    height: int
    depth: int
    kind: int
    interlaced: bool

    @property
    def row_data_bytes(self) -> int:
        """How long the rows are, inflated, each with the number of its filter."""
        bits = self.depth * _CHANNELS[self.kind]
        passes = _PASSES if self.interlaced else ((0, 0, 1, 1),)
        total = 0
        for left, top, across, down in passes:
            columns, rows = -(-(self.width - left) // across), -(-(self.height - top) // down)
            if columns > 0 and rows > 0:
                total += rows * (1 + -(-columns * bits // 8))
        return total


def decode_png(data: bytes, order: ColorOrder, limits: ImageLimits) -> Pixels:
    """Decode a PNG.

    Args:
        data: the file; begins with the signature.
        order: order of the channels in the result.
        limits: bounds on the claimed size.

    Returns:
        uint8 [height, width, 3], or [height, width, 1] of grey; C-contiguous.

    Raises:
        ImageError: it cannot be decoded, is cut short, or claims too much.
    """
    header = _header(data)
    limits.check("PNG", header.width, header.height)
    palette, compressed = _palette_and_data(data, header)
    alone = b"".join((
        data[:33],
        _chunk(b"PLTE", palette) if header.kind == _INDEXED else b"",
        _chunk(b"IDAT", zlib.compress(_inflated(compressed, header.row_data_bytes), 0)),
        _chunk(b"IEND", b""),
    ))  # fmt: skip
    with opened(PngImagePlugin.PngImageFile, "PNG", alone) as picture:
        if order == "GRAY":
            return _gray(picture, header, alone, png_gamma(data))
        rgb = _rgb(picture)
    return rgb if order == "RGB" else np.ascontiguousarray(rgb[..., ::-1])


def _header(data: bytes) -> _Header:
    if len(data) < 33 or data[8:16] != b"\0\0\0\x0dIHDR":
        raise InvalidImageError("PNG", f"{len(data)} bytes without a complete IHDR chunk.")
    _require_checksum(data, 8, 13)
    width, height, depth, kind, compression, filters, interlace = struct.unpack_from(">IIBBBBB", data, 16)
    if depth not in _DEPTHS.get(kind, ()) or compression or filters or interlace > 1:
        raise InvalidImageError(
            "PNG",
            f"its header asks for depth {depth}, colour type {kind}, compression {compression}, filter {filters}, "
            f"interlace {interlace}.",
        )
    return _Header(width, height, depth, kind, bool(interlace))


def _palette_and_data(data: bytes, header: _Header) -> tuple[bytes, bytes]:
    """The palette, and what the IDAT chunks hold together; every critical chunk is checked up to IEND."""
    palette: bytes | None = None
    pieces: list[bytes] = []
    is_closed = False  # data that stands apart from the first is not looked at
    position, previous = 33, b"IHDR"
    while previous != b"IEND":
        length, name = _chunk_header(data, position)
        if name == b"PLTE":
            if palette is not None:
                raise InvalidImageError("PNG", "it has two palettes.")
            found = _palette(data, position, length, header)
            palette = palette if pieces else found  # behind the data it comes too late
        elif _is_critical(name):
            _require_checksum(data, position, length)
            if name == b"IDAT" and header.kind == _INDEXED and palette is None:
                raise InvalidImageError("PNG", "it has no palette before its data.")
            if name not in (b"IDAT", b"IEND"):
                raise InvalidImageError(
                    "PNG", f"its chunk {name.decode('ascii')} is unknown or out of place."
                )
        if name == b"IDAT" and not is_closed:
            pieces.append(data[position + 8 : position + 8 + length])
        is_closed = is_closed or (previous == b"IDAT" and name != b"IDAT")
        position, previous = position + length + 12, name
    if not pieces:
        raise InvalidImageError("PNG", "it has no IDAT chunk.")
    return palette or b"", b"".join(pieces)


def _is_critical(name: bytes) -> bool:
    return name[0] < 0x60  # a capital


def _chunk_header(data: bytes, position: int) -> tuple[int, bytes]:
    length, name = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
    if position + 12 + length > len(data):
        raise InvalidImageError("PNG", f"{len(data)} bytes without the IEND chunk; was it cut short?")
    if not _NAME.fullmatch(name):
        raise InvalidImageError("PNG", f"it has a chunk {name!r}, which is no name.")
    return length, name


def _require_checksum(data: bytes, position: int, length: int) -> None:
    end = position + 8 + length
    expected = int.from_bytes(data[end : end + 4], "big")
    if zlib.crc32(memoryview(data)[position + 4 : end]) != expected:
        name = data[position + 4 : position + 8].decode("ascii", "replace")
        raise InvalidImageError("PNG", f"the checksum of its chunk {name} is wrong.")


def _palette(data: bytes, position: int, length: int, header: _Header) -> bytes:
    """What a PLTE chunk says; nothing to a picture without indices, but libpng checks it."""
    _require_checksum(data, position, length)
    fits = length % 3 == 0 and length <= _LONGEST_PALETTE
    if (header.kind == _INDEXED and not fits) or (header.kind & _COLOR and not length):
        raise InvalidImageError("PNG", f"its palette has {length} bytes.")
    return data[position + 8 : position + 8 + min(length, 3 << header.depth)]


def _inflated(compressed: bytes, expected: int) -> bytes:
    """The rows' bytes, as many as expected. More may follow, but there is an end."""
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(compressed, expected)
    except zlib.error as error:
        raise InvalidImageError("PNG", f"its data does not inflate: {error}.") from error
    if len(rows) < expected:
        raise InvalidImageError(
            "PNG", f"it has {len(rows)} bytes of rows, expected {expected}; was it cut short?"
        )
    if not _has_end(inflater):
        raise InvalidImageError("PNG", "its data has no end; was it cut short?")
    return rows


def _has_end(inflater: zlib._Decompress) -> bool:
    """Whether the stream ends behind the last row, is damaged there, or is far too long."""
    surplus = 0
    try:
        while not inflater.eof and surplus <= _MOST_SURPLUS:
            more = inflater.decompress(inflater.unconsumed_tail, _MOST_SURPLUS)
            if not (more or inflater.eof):
                return False
            surplus += len(more)
    except zlib.error:
        pass
    return True


def _chunk(name: bytes, body: bytes) -> bytes:
    return b"".join(
        (struct.pack(">I", len(body)), name, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(name))))
    )


def _rgb(picture: Image.Image) -> Pixels:
    if picture.mode.startswith("I"):  # 16-bit grey: convert() would clip instead of keeping the high byte
        grey = (np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(picture.convert("RGB"))


def _gray(picture: PngImagePlugin.PngImageFile, header: _Header, data: bytes, gamma: int | None) -> Pixels:
    if picture.mode in ("1", "L", "LA"):
        return np.array(picture.convert("L"))[..., None]
    colors: npt.NDArray[np.uint8 | np.uint16] = _rgb(picture)
    if not header.kind & _COLOR:  # 16 bits of grey, which Pillow makes RGBA where there is alpha
        return np.ascontiguousarray(colors[..., :1], np.uint8)
    if header.depth == 16:
        # Pillow keeps one byte of such a sample: the upper one, or, if told that it comes first, the lower one.
        with opened(PngImagePlugin.PngImageFile, "PNG", data) as again:
            again.tile = [tile._replace(args=str(tile.args).replace("16B", "16L")) for tile in again.tile]
            colors = colors.astype(np.uint16) << 8 | np.asarray(again.convert("RGB"))
    return gray_of_rgb(colors, gamma)
