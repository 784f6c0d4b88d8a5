"""What a tensor of UINT8 means to an image model. Pure.

The protocol knows no pictures. Its clients send them as BYTES; as UINT8 [length] or [N, length], the file's bytes, as
they do for Triton's DALI models; or as UINT8 [H, W, 3] or [N, H, W, 3], red, green, blue, of any size; [H, W, 1] is grey.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.preprocess.formats.bmp import length_of_bmp
from accelserve.server.dataplane.servable import Array
from accelserve.server.errors import InvalidRequestError

_FILE_HEADER = struct.Struct("<2sIHHI")
_INFO_HEADER = struct.Struct("<IiiHHIIiiII")
_HEADER_BYTES = _FILE_HEADER.size + _INFO_HEADER.size


def encoded_images(name: str, tensor: Array) -> Array:
    """UINT8 tensors become object arrays of image files; others are returned as they are.

    Pixels go on as uncompressed BMP files, grey ones as PNG, so that they are resized, normalised and bounded like every other image.

    Raises:
        InvalidRequestError: a UINT8 tensor of another shape.
    """
    if tensor.dtype != np.uint8:
        return tensor
    if tensor.ndim in (1, 2):
        return _objects([_unpadded(row.tobytes()) for row in np.atleast_2d(tensor)])
    if tensor.ndim in (3, 4) and tensor.shape[-1] in (1, 3) and 0 not in tensor.shape[-3:]:
        images = tensor.reshape(-1, *tensor.shape[-3:])
        encode = bitmap if tensor.shape[-1] == 3 else gray_png
        return _objects([encode(np.asarray(pixels, np.uint8)) for pixels in images])
    raise InvalidRequestError(
        f"input '{name}' is UINT8 of shape {list(tensor.shape)}; expected picture files, [length] or [N,length], or "
        "pixels, [H,W,3] or [N,H,W,3], or with one channel of grey"
    )


def bitmap(pixels: NDArray[np.uint8]) -> bytes:
    """A BMP file, 24 bits, of pixels [H, W, 3], red first."""
    height, width = pixels.shape[:2]
    padding = -3 * width % 4  # rows begin at multiples of four bytes
    rows = np.zeros((height, 3 * width + padding), np.uint8)
    rows[:, : 3 * width] = pixels[::-1, :, ::-1].reshape(height, -1)  # bottom row first, blue first
    file_header = _FILE_HEADER.pack(b"BM", _HEADER_BYTES + rows.size, 0, 0, _HEADER_BYTES)
    info_header = _INFO_HEADER.pack(_INFO_HEADER.size, width, height, 1, 24, 0, rows.size, 0, 0, 0, 0)
    return file_header + info_header + rows.tobytes()


def gray_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file, 8 bits of grey, uncompressed, of pixels [H, W, 1]."""
    height, width = pixels.shape[:2]
    rows = np.zeros((height, width + 1), np.uint8)  # a filter's number, 0 for none, before each row
    rows[:, 1:] = pixels[..., 0]
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 0)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, content) for kind, content in chunks)


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _unpadded(image: bytes) -> bytes:
    """A row without the zeros behind its file: rows of a batch are as long as its longest file."""
    if image.startswith(b"BM"):  # its pixels may be zeros, and more bytes than they take are refused
        length = length_of_bmp(image)
        return image if image[length:].strip(b"\0") else image[:length]
    if image.startswith(b"RIFF"):  # WebP, which says its length itself, may end with a zero
        return image
    return image.rstrip(b"\0")  # no JPEG, PNG or GIF does


def _objects(items: list[bytes]) -> Array:
    array = np.empty(len(items), object)
    array[:] = items
    return array
