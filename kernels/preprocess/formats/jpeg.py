"""JPEG through libjpeg-turbo with TensorFlow's settings: the fast integer DCT and fancy upsampling.

``simplejpeg`` stops at the first thing that libjpeg warns about, or hides all warnings. Most warnings mean that samples
are missing or wrong; a few do not, and TensorFlow minds none. So a file is first read strictly, which is all that a
healthy one costs; one with a harmless warning is tidied and read again.

Sources: tensorflow/core/lib/jpeg/jpeg_mem.cc; libjpeg-turbo's jdsample.c, turbojpeg.c.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import simplejpeg  # type: ignore[import-untyped]  # its hints lack the py.typed marker

from accelserve.kernels.native.compiled import ArrayFunction
from accelserve.kernels.preprocess.color import rgb_of_cmyk
from accelserve.kernels.preprocess.errors import InvalidImageError
from accelserve.kernels.preprocess.formats.jpeg_planes import samples_of_rare_sampling
from accelserve.kernels.preprocess.formats.jpeg_segments import (
    LOSSLESS,
    SOS,
    JpegHeader,
    is_of_one_scan,
    read_header,
    scans_until_the_end,
    tidied,
)
from accelserve.kernels.preprocess.limits import ImageLimits
from accelserve.kernels.preprocess.spec import ColorOrder

Pixels = npt.NDArray[np.uint8]

_OCCURRENCES = ArrayFunction(
    "accelserve.kernels.preprocess.formats.jpeg_codes", "occurrences", "u8", "u8", "u8[1]", returns=True
)
_SCANS_AND_LOSSLESS = _OCCURRENCES.given(SOS, LOSSLESS)

# These concern the header, and vanish with what ``tidied`` leaves out.
_WARNINGS_ABOUT_THE_HEADER = (
    "Unknown Adobe color transform code",
    "Warning: unknown JFIF revision number",
    "bad ICC marker",
)
# Every sample is there all the same.
_HARMLESS_WARNINGS = ("extraneous bytes before marker", "Invalid SOS parameters for sequential JPEG")
_RARE_SAMPLING = "Could not determine subsampling level"


FUNCTIONS = (_OCCURRENCES,)
"""What every picture needs."""


def decode_jpeg(data: bytes, order: ColorOrder, limits: ImageLimits) -> Pixels:
    """Decode a JPEG.

    Args:
        data: the file; begins with FF D8 FF.
        order: order of the channels in the result.
        limits: bounds on the claimed size and on the scans.

    Returns:
        uint8 [height, width, 3], or [height, width, 1] of grey; C-contiguous.

    Raises:
        ImageError: it cannot be decoded, is cut short, or claims too much.
    """
    four_inks = _checked(data, limits)
    if not four_inks:
        return _samples(data, order, limits)
    if order == "GRAY":
        raise InvalidImageError("JPEG", "a picture of four inks has no luma to be read as grey.")
    samples = _samples(data, "CMYK", limits)
    rgb = rgb_of_cmyk(samples, inverted=read_header(data).adobe_transform is not None)
    return rgb if order == "RGB" else np.ascontiguousarray(rgb[..., ::-1])


def _checked(data: bytes, limits: ImageLimits) -> bool:
    """Whether the picture has four components; ImageError for one that is not to be decoded."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        four_inks = space in ("CMYK", "YCCK")
    except (ValueError, KeyError):  # whatever the reason, here it is looked at more closely
        header = read_header(data)
        height, width, four_inks = header.height, header.width, len(header.factors) == 4
    limits.check("JPEG", int(width), int(height))
    # Wherever these stand outside of application segments they are markers, so there are at most so many.
    if is_of_one_scan(data):
        return four_inks
    # Counted here, since ``bytes.count`` takes a quarter as long as decoding does.
    lossless, scans = divmod(_SCANS_AND_LOSSLESS(np.frombuffer(data, np.uint8)), 1 << 32)
    if scans > limits.max_jpeg_scans:
        _require_the_end(data, read_header(data), limits)
    if lossless:  # TurboJPEG decodes it and TensorFlow does not
        read_header(data)
    return four_inks


def _samples(data: bytes, colorspace: str, limits: ImageLimits) -> Pixels:
    try:
        return _decompressed(data, colorspace, strict=True)
    except ValueError as error:
        problem = str(error)
    header = read_header(data)
    if _RARE_SAMPLING not in problem:
        if not _is_among(problem, _WARNINGS_ABOUT_THE_HEADER + _HARMLESS_WARNINGS):
            raise _undecodable(data, problem)
        data = tidied(data, header)
        try:
            return _decompressed(data, colorspace, strict=True)
        except ValueError as error:
            problem = str(error)
        header = read_header(data)
    # Only the first warning is known, and the end of the bytes would be another.
    _require_the_end(data, header, limits)
    if _RARE_SAMPLING in problem:
        return samples_of_rare_sampling(data, header, colorspace)
    if not _is_among(problem, _HARMLESS_WARNINGS):
        raise _undecodable(data, problem)
    try:
        return _decompressed(data, colorspace, strict=False)
    except ValueError as error:
        raise _undecodable(data, str(error)) from error


def _decompressed(data: bytes, colorspace: str, *, strict: bool) -> Pixels:
    pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace, fastdct=True, fastupsample=False, strict=strict)
    return pixels


def _is_among(problem: str, warnings: tuple[str, ...]) -> bool:
    return any(warning in problem for warning in warnings)


def _undecodable(data: bytes, problem: str) -> InvalidImageError:
    return InvalidImageError("JPEG", f"the {len(data)} bytes do not decode: {problem}.")


def _require_the_end(data: bytes, header: JpegHeader, limits: ImageLimits) -> None:
    scans = scans_until_the_end(data, header, limits.max_jpeg_scans)
    if scans is None:
        raise InvalidImageError("JPEG", f"{len(data)} bytes without the end marker; was it cut short?")
    if scans > limits.max_jpeg_scans:
        raise InvalidImageError(
            "JPEG", f"it has more than {limits.max_jpeg_scans} scans, which is the limit."
        )
