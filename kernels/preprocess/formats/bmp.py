"""BMP: uncompressed rows of 8, 24 or 32 bits per pixel.

The file ends with the last row, as TensorFlow demands, and channel masks are not looked at. Eight bits are looked up in
the palette, where TensorFlow gives the indices out as grey.

Source: tensorflow/core/kernels/image/decode_image_op.cc, DecodeBmpV2.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
from PIL import Image

from accelserve.kernels.preprocess.errors import InvalidImageError
from accelserve.kernels.preprocess.formats.pillow import looked_up
from accelserve.kernels.preprocess.limits import ImageLimits

Pixels = npt.NDArray[np.uint8]

_LEAST_BYTES = 32
_FILE_HEADER_BYTES = 14
_PALETTE_BITS = 8
_LAYOUTS = {1: ("L", "L"), 3: ("RGB", "BGR"), 4: ("RGB", "BGRX")}
_ENTRY_BYTES = 4  # blue, green, red, unused


def decode_bmp(data: bytes, limits: ImageLimits) -> Pixels:
    """Decode a BMP.

    Args:
        data: the file; begins with BM.
        limits: bounds on the claimed size.

    Returns:
        uint8 [height, width, 3], red, green, blue, C-contiguous.

    Raises:
        ImageError: it cannot be decoded, or claims too much.
    """
    if len(data) < _LEAST_BYTES:
        raise InvalidImageError("BMP", f"{len(data)} bytes without a complete header.")
    offset, info_bytes, width, height, _, bits = struct.unpack_from("<iIiiHh", data, 10)
    channels = bits // 8
    if channels not in (1, 3, 4):
        raise InvalidImageError("BMP", f"it has {bits} bits a pixel, expected 8, 24 or 32.")
    limits.check("BMP", width, abs(height))  # a negative height says that the rows run downwards
    row_bytes = -(-channels * width // 4) * 4
    expected = offset + row_bytes * abs(height)
    if offset < 0 or len(data) != expected:
        raise InvalidImageError(
            "BMP",
            f"got {len(data)} bytes, expected {expected}: {offset} before the rows and {row_bytes} for each.",
        )
    mode, layout = _LAYOUTS[channels]
    # Pillow's unpacker; it is several times as fast as numpy where bytes change their order
    picture = Image.frombytes(
        mode,
        (width, abs(height)),
        memoryview(data)[offset:],
        "raw",
        layout,
        row_bytes,
        -1 if height > 0 else 1,
    )
    samples: Pixels = np.array(picture)
    if channels > 1:
        return samples
    if bits != _PALETTE_BITS:
        return np.repeat(samples[..., None], 3, axis=2)
    if data[30:34].strip(b"\0"):
        raise InvalidImageError("BMP", "its rows are compressed; save it uncompressed.")
    return looked_up(samples, _palette(data, _FILE_HEADER_BYTES + info_bytes, offset))


def _palette(data: bytes, start: int, end: int) -> Pixels:
    """Colours [256, 3]: shades of grey where the file has no palette, black beyond a short one."""
    count = min((end - start) // _ENTRY_BYTES, 256)
    if count < 1:
        return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    colors = np.zeros((256, 3), np.uint8)
    entries = np.frombuffer(data, np.uint8, count * _ENTRY_BYTES, start).reshape(count, _ENTRY_BYTES)
    colors[:count] = entries[:, 2::-1]
    return colors


def length_of_bmp(data: bytes) -> int:
    """How many bytes the BMP at the beginning of some bytes takes; all of them if its header is not complete."""
    if len(data) < _LEAST_BYTES:
        return len(data)
    offset, _, width, height, _, bits = struct.unpack_from("<iIiiHh", data, 10)
    return int(max(offset, 0) + -(-(bits // 8) * width // 4) * 4 * abs(height))
