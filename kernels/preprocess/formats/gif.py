"""The first frame of a GIF, on the canvas that TensorFlow gives it.

The canvas is as large as the largest frame, whatever the screen's size; what the first frame leaves open or transparent
is black. Later frames are measured and not decoded.

Sources: tensorflow/core/lib/gif/gif_io.cc; giflib's dgif_lib.c; the GIF89a specification.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import GifImagePlugin

from accelserve.kernels.preprocess.errors import InvalidImageError
from accelserve.kernels.preprocess.formats.pillow import looked_up, opened
from accelserve.kernels.preprocess.limits import ImageLimits

Pixels = npt.NDArray[np.uint8]

_IMAGE, _EXTENSION = 0x2C, 0x21
_GRAPHIC_CONTROL = 0xF9
_LEAST_CODE_SIZE, _LARGEST_CODE_SIZE = 2, 8
_GREY_RAMP = bytes(level for level in range(256) for _ in range(3))


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame of the file.

    Attributes:
        left, top, width, height: its place, in pixels.
        interlaced: whether its rows stand in four passes.
        colors: its own colour table, uint8 [entries, 3]; None if it takes the file's.
        transparent: the index that leaves the canvas as it is, None if there is none.
        compressed: the LZW code size and the data's blocks.
    """

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    colors: Pixels | None
    transparent: int | None
    compressed: bytes


class _CutShortError(Exception):
    """The file ends inside of a block."""


def decode_gif(data: bytes, limits: ImageLimits) -> Pixels:
    """Decode the first frame of a GIF.

    Args:
        data: the file; begins with GIF8.
        limits: bounds on the canvas.

    Returns:
        uint8 [height, width, 3], red, green, blue, C-contiguous.

    Raises:
        ImageError: the first frame cannot be decoded, or the canvas is too large.
    """
    if len(data) < 13:
        raise InvalidImageError("GIF", f"{len(data)} bytes without a complete screen descriptor.")
    table, first, sizes = _frames(data)
    if first is None:
        raise InvalidImageError("GIF", f"{len(data)} bytes without a complete frame; was it cut short?")
    width, height = (max(sides) for sides in zip(*sizes, strict=True))
    limits.check("GIF", width, height)
    colors = first.colors if first.colors is not None else table
    if colors is None:
        raise InvalidImageError("GIF", "its first frame has no colour table.")
    indices = _indices(first)[: max(height - first.top, 0), : max(width - first.left, 0)]
    canvas = np.zeros((height, width, 3), np.uint8)
    rows, columns = indices.shape
    canvas[first.top : first.top + rows, first.left : first.left + columns] = _looked_up(
        indices, colors, first
    )
    return canvas


def _looked_up(indices: Pixels, colors: Pixels, frame: _Frame) -> Pixels:
    """Colours [rows, columns, 3] of indices; what is transparent is black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = colors
    if frame.transparent is not None:
        table[frame.transparent] = 0
    if indices.size and indices.max() >= len(colors):
        beyond = indices >= len(colors)
        if np.any(beyond if frame.transparent is None else beyond & (indices != frame.transparent)):
            raise InvalidImageError("GIF", f"a pixel's index is beyond its table of {len(colors)} colours.")
    return looked_up(indices, table)


def _color_table(data: bytes, flags: int, position: int) -> tuple[Pixels | None, int]:
    """The table that begins there, if the flags say so, and the position behind it."""
    if not flags & 0x80:
        return None, position
    size = 3 << (flags & 7) + 1
    if position + size > len(data):
        raise _CutShortError
    return np.frombuffer(data, np.uint8, size, position).reshape(-1, 3), position + size


def _frames(data: bytes) -> tuple[Pixels | None, _Frame | None, list[tuple[int, int]]]:
    """The file's table, its first frame, and width and height of each that is complete."""
    table: Pixels | None = None
    first: _Frame | None = None
    sizes: list[tuple[int, int]] = []
    control: bytes | None = None  # of the coming frame; the first of several counts, as in giflib
    try:
        table, position = _color_table(data, data[10], 13)
        while position < len(data) and data[position] in (_IMAGE, _EXTENSION):
            if data[position] == _EXTENSION:
                end = _end_of_extension(data, position)
                if control is None and data[position + 1] == _GRAPHIC_CONTROL and data[position + 2]:
                    control = data[position + 2 : end]
                position = end
                continue
            frame, position = _frame(data, position, _transparent(control), keep=first is None)
            if frame.width < 1 or frame.height < 1:
                break
            first = first or frame
            sizes.append((frame.width, frame.height))
            control = None
    except _CutShortError:
        pass  # what came before is there
    return table, first, sizes


def _transparent(control: bytes | None) -> int | None:
    """The transparent index of a graphic control, if it has one; it is void if it is not four bytes long."""
    return control[4] if control is not None and control[0] == 4 and control[1] & 1 else None


def _frame(data: bytes, position: int, transparent: int | None, *, keep: bool) -> tuple[_Frame, int]:
    if position + 10 > len(data):
        raise _CutShortError
    left, top, width, height, flags = struct.unpack_from("<HHHHB", data, position + 1)
    colors, position = _color_table(data, flags, position + 10)
    if position >= len(data) or data[position] > _LARGEST_CODE_SIZE:
        raise InvalidImageError("GIF", "a frame's code size is missing, or larger than 8.")
    end = _end_of_blocks(data, position + 1)
    compressed = data[position:end] if keep else b""
    return _Frame(left, top, width, height, bool(flags & 0x40), colors, transparent, compressed), end


def _end_of_extension(data: bytes, position: int) -> int:
    # giflib reads one block, empty or not, and then blocks up to an empty one
    if position + 3 > len(data):
        raise _CutShortError
    return _end_of_blocks(data, position + 3 + data[position + 2])


def _end_of_blocks(data: bytes, position: int) -> int:
    """The position behind a chain of blocks, each with its length before it."""
    while True:
        if position >= len(data):
            raise _CutShortError
        length = data[position]
        position += 1 + length
        if not length:
            return position


def _indices(frame: _Frame) -> Pixels:
    """The frame's samples, uint8 [height, width]: decoded as a file of its own whose colours are shades of grey."""
    if frame.compressed[0] < _LEAST_CODE_SIZE:
        raise InvalidImageError("GIF", "the first frame's code size is below 2.")
    screen = struct.pack("<HHBBB", frame.width, frame.height, 0xF7, 0, 0)
    descriptor = struct.pack("<HHHHB", 0, 0, frame.width, frame.height, 0x40 if frame.interlaced else 0)
    alone = b"GIF89a" + screen + _GREY_RAMP + b"\x2c" + descriptor + frame.compressed + b";"
    with opened(GifImagePlugin.GifImageFile, "GIF", alone) as picture:
        return np.array(picture)
