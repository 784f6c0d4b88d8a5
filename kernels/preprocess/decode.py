"""Encoded pictures to 8-bit pixels, as TensorFlow's ``decode_image`` does it with ``channels=3``, or 1 for grey.

The same pixels or the same refusal; docs/pictures.md lists where it differs and why. Sixteen-bit samples keep their high
byte, a PNG's alpha is dropped without blending, grey becomes three equal channels, and EXIF orientation is ignored:
TensorFlow ignores it, and networks were trained and evaluated so.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from accelserve.kernels.preprocess.errors import EmptyImageError, InvalidImageError, UnknownImageFormatError
from accelserve.kernels.preprocess.formats.bmp import decode_bmp
from accelserve.kernels.preprocess.formats.gif import decode_gif
from accelserve.kernels.preprocess.formats.jpeg import decode_jpeg
from accelserve.kernels.preprocess.formats.png import decode_png
from accelserve.kernels.preprocess.formats.webp import decode_webp, is_webp
from accelserve.kernels.preprocess.limits import ImageLimits
from accelserve.kernels.preprocess.spec import ColorOrder

Pixels = npt.NDArray[np.uint8]


def decode_image(data: bytes, order: ColorOrder = "RGB", limits: ImageLimits | None = None) -> Pixels:
    """Decode a JPEG, PNG, GIF (first frame), BMP or WebP.

    The header is read first: a picture that claims more than the limits allow costs no memory.

    Args:
        data: the encoded picture.
        order: order of the channels in the result.
        limits: bounds on the claimed size; the defaults if None.

    Returns:
        uint8 [height, width, 3], or [height, width, 1] of grey; C-contiguous, both sides at least 1.

    Raises:
        ImageError: one of its subclasses, without the element's index.
    """
    if not data:
        raise EmptyImageError
    bounds = limits or ImageLimits()
    if data.startswith(b"\xff\xd8\xff"):
        return decode_jpeg(data, order, bounds)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return decode_png(data, order, bounds)
    if data.startswith(b"GIF8"):
        return _colored("GIF", decode_gif, data, order, bounds)
    if data.startswith(b"BM"):
        return _colored("BMP", decode_bmp, data, order, bounds)
    if is_webp(data):
        return _colored("WebP", decode_webp, data, order, bounds)
    raise UnknownImageFormatError(data)


def _colored(
    image_format: str,
    decode: Callable[[bytes, ImageLimits], Pixels],
    data: bytes,
    order: ColorOrder,
    limits: ImageLimits,
) -> Pixels:
    """A picture of a format that TensorFlow reads in colour only."""
    if order == "GRAY":
        raise InvalidImageError(
            image_format,
            f"channels must be 0 or 3 for {image_format}, got 1: a network that reads grey takes JPEG and PNG.",
        )
    rgb = decode(data, limits)
    return rgb if order == "RGB" else np.ascontiguousarray(rgb[..., ::-1])
