"""Encoded pictures to 8-bit pixels, as TensorFlow's ``decode_image`` does it with ``channels=3``, or 1 for grey.

JPEG goes through libjpeg-turbo with TensorFlow's settings (fast integer DCT, fancy upsampling); PNG, the first frame of
a GIF, and BMP through Pillow. Sixteen-bit samples keep their high byte, alpha is dropped without blending, grey becomes
three equal channels, and EXIF orientation is ignored: TensorFlow ignores it, and networks were trained and evaluated so.

It differs from TensorFlow in two points: a JPEG whose entropy-coded data is damaged is refused, where TensorFlow
returns the garbled pixels; and a BMP with a palette gets its colours, where TensorFlow takes the indices for grey.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg  # type: ignore[import-untyped]  # its hints lack the py.typed marker
from PIL import BmpImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin

from accelserve.kernels.preprocess.color import rgb_of_cmyk
from accelserve.kernels.preprocess.errors import (
    EmptyImageError,
    ImageError,
    ImageTooLargeError,
    InvalidImageError,
    UnknownImageFormatError,
)
from accelserve.kernels.preprocess.gray import gray_of_rgb, png_gamma
from accelserve.kernels.preprocess.limits import ImageLimits
from accelserve.kernels.preprocess.spec import ColorOrder

Pixels = npt.NDArray[np.uint8]

_SIGNATURES = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF8", "GIF"), (b"BM", "BMP"))

_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"

# What libjpeg warns about although every pixel is there; TensorFlow and browsers accept these files too.
_HARMLESS_JPEG_WARNINGS = (
    "extraneous bytes before marker",
    "Unknown Adobe color transform code",
    "Warning: unknown JFIF revision number",
    "Invalid SOS parameters for sequential JPEG",
)


def decode_image(data: bytes, order: ColorOrder = "RGB", limits: ImageLimits | None = None) -> Pixels:
    """Decode a JPEG, PNG, GIF (first frame) or BMP.

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
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return _DECODERS[name](data, order, bounds)
    raise UnknownImageFormatError(data)


def _decode_jpeg(data: bytes, order: ColorOrder, limits: ImageLimits) -> Pixels:
    # FF DA is the start of a scan wherever it stands outside of application segments, so this counts at least all scans
    scans = data.count(b"\xff\xda")
    if scans > limits.max_jpeg_scans:
        raise InvalidImageError("JPEG", f"it has {scans} scans and the limit is {limits.max_jpeg_scans}.")
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):
        # TurboJPEG refuses rare subsampling factors (3x1, say) that libjpeg itself decodes, and Pillow asks libjpeg.
        # Its slower DCT may differ by a few levels.
        return _decode_with_pillow(JpegImagePlugin.JpegImageFile, "JPEG", data, order, limits)
    _require_size("JPEG", int(width), int(height), limits)
    if space in ("CMYK", "YCCK"):
        if order == "GRAY":
            raise InvalidImageError("JPEG", f"a picture of {space} samples has no luma to be read as grey.")
        inked = _jpeg_samples(data, "CMYK")
        return _in_order(rgb_of_cmyk(inked, inverted=_has_adobe_marker(data)), order)
    return _jpeg_samples(data, order)


def _jpeg_samples(data: bytes, colorspace: str) -> Pixels:
    def samples(*, strict: bool) -> Pixels:
        pixels: Pixels = simplejpeg.decode_jpeg(
            data, colorspace, fastdct=True, fastupsample=False, strict=strict
        )
        return pixels

    try:
        try:
            return samples(strict=True)
        except ValueError as warning:
            if not any(harmless in str(warning) for harmless in _HARMLESS_JPEG_WARNINGS):
                raise
            return samples(strict=False)
    except ValueError as error:
        raise InvalidImageError("JPEG", f"the {len(data)} bytes do not decode: {error}.") from error


def _has_adobe_marker(data: bytes) -> bool:
    """Whether an APP14 segment of Adobe's stands before the first scan."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill bytes may precede a marker
            position += 1
            continue
        if marker == 0xDA:
            return False
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0xEE and length >= 14 and data[position + 4 : position + 9] == b"Adobe":
            return True
        position += 2 + length
    return False


def _decode_png(data: bytes, order: ColorOrder, limits: ImageLimits) -> Pixels:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise InvalidImageError("PNG", f"{len(data)} bytes without a complete IHDR chunk.")
    width, height = struct.unpack(">II", data[16:24])
    _require_size("PNG", width, height, limits)
    if _PNG_END not in data:
        raise InvalidImageError("PNG", f"{len(data)} bytes without the IEND chunk; was it cut short?")
    return _decode_with_pillow(PngImagePlugin.PngImageFile, "PNG", data, order, limits)


def _decode_gif(data: bytes, order: ColorOrder, limits: ImageLimits) -> Pixels:
    _require_color("GIF", order)
    if len(data) < 13:
        raise InvalidImageError("GIF", f"{len(data)} bytes without a complete screen descriptor.")
    width, height = struct.unpack("<HH", data[6:10])
    _require_size("GIF", width, height, limits)
    return _decode_with_pillow(GifImagePlugin.GifImageFile, "GIF", data, order, limits)


def _decode_bmp(data: bytes, order: ColorOrder, limits: ImageLimits) -> Pixels:
    _require_color("BMP", order)
    if len(data) < 26:
        raise InvalidImageError("BMP", f"{len(data)} bytes without a complete header.")
    if struct.unpack("<I", data[14:18])[0] == 12:  # the header of OS/2 has 16-bit sides
        width, height = struct.unpack("<HH", data[18:22])
    else:
        width, height = struct.unpack("<ii", data[18:26])
    _require_size("BMP", width, abs(height), limits)  # a negative height says that the rows run downwards
    return _decode_with_pillow(BmpImagePlugin.BmpImageFile, "BMP", data, order, limits)


def _decode_with_pillow(
    reader: Callable[[io.BytesIO], Image.Image],
    name: str,
    data: bytes,
    order: ColorOrder,
    limits: ImageLimits,
) -> Pixels:
    try:
        # the reader's class, not Image.open: no search for formats, and no process-wide limit beside ours
        with reader(io.BytesIO(data)) as picture:
            _require_size(
                name, *picture.size, limits
            )  # it may differ: a GIF's first frame can exceed its screen
            if order == "GRAY":
                return _gray_of_picture(picture, data)
            picture.load()
            colors = _rgb_of_picture(picture)
    except ImageError:
        raise
    # Pillow's readers raise whatever their parsing runs into, and warnings where the process makes errors of them
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        IndexError,
        KeyError,
        TypeError,
        OverflowError,
    ) as error:
        raise InvalidImageError(name, f"the {len(data)} bytes do not decode: {error}.") from error
    except (struct.error, zlib.error, MemoryError, Warning, Image.DecompressionBombError) as error:
        raise InvalidImageError(name, f"the {len(data)} bytes do not decode: {error}.") from error
    return _in_order(colors, order)


def _in_order(rgb: Pixels, order: ColorOrder) -> Pixels:
    return rgb if order == "RGB" else np.ascontiguousarray(rgb[..., ::-1])


def _rgb_of_picture(picture: Image.Image) -> Pixels:
    if picture.mode.startswith("I"):  # 16-bit grey: convert() would clip instead of keeping the high byte
        grey = (np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    # a transparent palette entry or colour keeps its colour, as it does in TensorFlow
    picture.info.pop("transparency", None)
    return np.array(picture.convert("RGB"))


def _gray_of_picture(picture: Image.Image, data: bytes) -> Pixels:
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        picture.draft("L", picture.size)  # libjpeg decodes the luma alone
        if picture.mode != "L":
            raise InvalidImageError("JPEG", f"a picture of {picture.mode} has no luma to be read as grey.")
        return np.array(picture)[..., None]
    if picture.mode in ("1", "L", "LA"):
        return np.array(picture.convert("L"))[..., None]
    if picture.mode.startswith("I"):
        return _rgb_of_picture(picture)[..., :1].copy()
    colors: npt.NDArray[np.uint8 | np.uint16] = _rgb_of_picture(picture)
    if data[25] == 4:  # 16 bits of grey with alpha, which Pillow makes RGBA
        return np.ascontiguousarray(colors[..., :1], np.uint8)
    if data[24] == 16:
        # Pillow keeps one byte of such a sample: the upper one, or, if told that it comes first, the lower one.
        with PngImagePlugin.PngImageFile(io.BytesIO(data)) as again:
            again.tile = [tile._replace(args=str(tile.args).replace("16B", "16L")) for tile in again.tile]
            colors = colors.astype(np.uint16) << 8 | np.asarray(again.convert("RGB"))
    return gray_of_rgb(colors, png_gamma(data))


def _require_color(name: str, order: ColorOrder) -> None:
    if order == "GRAY":
        raise InvalidImageError(
            name, f"channels must be 0 or 3 for {name}, got 1: a network that reads grey takes JPEG and PNG."
        )


def _require_size(name: str, width: int, height: int, limits: ImageLimits) -> None:
    if width < 1 or height < 1:
        raise InvalidImageError(name, f"the picture claims {width} x {height} pixels.")
    broken = limits.broken_by(width, height)
    if broken is not None:
        raise ImageTooLargeError(name, width, height, broken)


_DECODERS: dict[str, Callable[[Any, ColorOrder, ImageLimits], Pixels]] = {
    "JPEG": _decode_jpeg,
    "PNG": _decode_png,
    "GIF": _decode_gif,
    "BMP": _decode_bmp,
}
