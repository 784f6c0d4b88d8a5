"""WebP through Pillow's libwebp.

As in TensorFlow with ``channels=3``, a picture with alpha and an animation are refused.

Sources: tensorflow/core/kernels/image/decode_image_op.cc, DecodeWebP; RFC 9649; libwebp's webp_dec.c.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
from PIL import WebPImagePlugin

from accelserve.kernels.preprocess.errors import InvalidImageError
from accelserve.kernels.preprocess.formats.pillow import opened
from accelserve.kernels.preprocess.limits import ImageLimits

Pixels = npt.NDArray[np.uint8]

_ALPHA, _ANIMATION = 0x10, 0x02  # of VP8X's flags
_HEADER_BYTES, _EXTENDED_BYTES = 12, 10
_LEAST_BYTES = 30


_NO_ALPHA = "it has alpha; expected three channels: save it without transparency."


def is_webp(data: bytes) -> bool:
    """Whether the bytes begin like a WebP."""
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP" and len(data) > 12


def decode_webp(data: bytes, limits: ImageLimits) -> Pixels:
    """Decode a WebP, lossy or lossless.

    Args:
        data: the file; ``is_webp``.
        limits: bounds on the claimed size.

    Returns:
        uint8 [height, width, 3], red, green, blue, C-contiguous.

    Raises:
        ImageError: it cannot be decoded, has alpha or several frames, or claims too much.
    """
    if len(data) < _LEAST_BYTES:
        raise InvalidImageError("WebP", f"{len(data)} bytes without a complete header.")
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise InvalidImageError("WebP", f"got {len(data)} bytes, expected {end}; was it cut short?")
    canvas = _canvas(data)
    chunk, with_alpha_chunk = _picture_chunk(data, end, is_extended=canvas is not None)
    width, height, has_alpha = _features(chunk)
    if canvas is not None and chunk.startswith(b"VP8 "):  # a lossless picture says so itself
        has_alpha = bool(data[20] & _ALPHA)
    if canvas not in (None, (width, height)):
        raise InvalidImageError("WebP", f"its canvas is {canvas} and its picture {width} x {height}.")
    if has_alpha or with_alpha_chunk:
        raise InvalidImageError("WebP", _NO_ALPHA)
    limits.check("WebP", width, height)
    alone = b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    with opened(WebPImagePlugin.WebPImageFile, "WebP", alone) as picture:
        return np.array(picture.convert("RGB"))


def _canvas(data: bytes) -> tuple[int, int] | None:
    """Width and height that a VP8X chunk says, None without one."""
    if data[12:16] != b"VP8X":
        return None
    if int.from_bytes(data[16:20], "little") != _EXTENDED_BYTES:
        raise InvalidImageError("WebP", "its chunk VP8X is damaged.")
    if data[20] & _ANIMATION:
        raise InvalidImageError("WebP", "it is an animation; expected one picture.")
    return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1


def _picture_chunk(data: bytes, end: int, *, is_extended: bool) -> tuple[bytes, bool]:
    """The picture's chunk with its header, of even length, and whether a chunk of alpha stands before it."""
    position, with_alpha = _HEADER_BYTES, False
    if is_extended:
        position += 8 + _EXTENDED_BYTES
    while position + 8 <= end:
        name, length = (
            data[position : position + 4],
            int.from_bytes(data[position + 4 : position + 8], "little"),
        )
        behind = position + 8 + length
        padded = behind + (length & 1)
        if (padded if is_extended else behind) > end:
            break
        if name in (b"VP8 ", b"VP8L"):
            return data[position:behind] + b"\0" * (length & 1), with_alpha
        if not is_extended:
            break
        with_alpha = with_alpha or name == b"ALPH"
        position = padded
    raise InvalidImageError("WebP", f"{len(data)} bytes without a complete picture.")


def _features(chunk: bytes) -> tuple[int, int, bool]:
    """Width, height and whether there is alpha, of the picture's chunk."""
    body = chunk[8:]
    if chunk.startswith(b"VP8L") and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    if chunk.startswith(b"VP8 ") and len(body) >= 10 and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF, False
    raise InvalidImageError("WebP", "its picture's header is damaged.")
