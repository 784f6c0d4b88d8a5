"""JPEGs whose sampling TurboJPEG refuses to name: 3x1, 4x2, chromas of two sizes.

Pillow asks libjpeg itself, and in draft mode libjpeg uses the fast DCT but repeats the samples of smaller components.
Every n-th of them is the component as it was stored, and what TensorFlow would do with it is short: triangular
upsampling by two, repetition otherwise, and the conversion to RGB.

Sources: libjpeg-turbo's jdsample.c (jinit_upsampler, h2v1_fancy_upsample, h1v2_fancy_upsample, h2v2_fancy_upsample) and
jdcolor.c (build_ycc_rgb_table).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import JpegImagePlugin

from accelserve.kernels.preprocess.errors import InvalidImageError
from accelserve.kernels.preprocess.formats.jpeg_segments import JpegHeader, tidied, unconverted
from accelserve.kernels.preprocess.formats.pillow import opened

Pixels = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int32]

_HALF, _ONE = 1 << 15, 1 << 16
_DRAFT = (1, 1)  # full size; and the fast DCT, which Pillow calls a draft


def samples_of_rare_sampling(data: bytes, header: JpegHeader, colorspace: str) -> Pixels:
    """Decode a JPEG of any sampling factors that divide the largest.

    Args:
        data: the file, complete.
        header: of the file.
        colorspace: ``"RGB"``, ``"BGR"``, ``"GRAY"``, or ``"CMYK"`` for four components.

    Returns:
        uint8 [height, width, 1, 3 or 4], C-contiguous.

    Raises:
        InvalidImageError: it cannot be decoded.
    """
    if len(header.factors) not in (3, 4):
        raise InvalidImageError("JPEG", f"it has {len(header.factors)} components.")
    if colorspace == "GRAY" and header.has_luma:  # the chromas' factors need not divide the largest
        planes = [_plane(_repeated_luma(tidied(data, header)), header, 0)]
    else:
        repeated = _repeated_samples(unconverted(data, header), len(header.factors))
        planes = [_plane(repeated[..., index], header, index) for index in range(len(header.factors))]
        planes = _converted(planes, colorspace, has_luma=header.has_luma)
    return np.ascontiguousarray(np.stack(planes, axis=-1).astype(np.uint8))


def _converted(planes: list[Integers], colorspace: str, *, has_luma: bool) -> list[Integers]:
    if colorspace == "GRAY":
        return [_gray_of_rgb(*planes)]
    if has_luma:
        planes[:3] = _rgb_of_luma(*planes[:3])
        if colorspace == "CMYK":
            planes[:3] = [255 - plane for plane in planes[:3]]
    return planes[::-1] if colorspace == "BGR" else planes


def _plane(repeated: Pixels, header: JpegHeader, index: int) -> Integers:
    """A component at the picture's size, from its repeated samples."""
    widest, tallest = (max(axis) for axis in zip(*header.factors, strict=True))
    horizontal, vertical = header.factors[index]
    across, down = widest // horizontal, tallest // vertical
    upsampled = _upsampled(repeated[::down, ::across].astype(np.int32), across, down)
    return upsampled[: header.height, : header.width]


def _repeated_luma(data: bytes) -> Pixels:
    with opened(JpegImagePlugin.JpegImageFile, "JPEG", data) as picture:
        picture.draft("L", picture.size)
        picture.decoderconfig = _DRAFT
        return np.asarray(picture)


def _repeated_samples(data: bytes, components: int) -> Pixels:
    with opened(JpegImagePlugin.JpegImageFile, "JPEG", data) as picture:
        picture.decoderconfig = _DRAFT
        samples = np.asarray(picture)
    if samples.shape[2:] != (components,):
        raise InvalidImageError("JPEG", f"the {len(data)} bytes do not decode.")
    return samples if components == 3 else ~samples  # Pillow takes all ink for Adobe's, which is inverted


def _upsampled(plane: Integers, across: int, down: int) -> Integers:
    """A component at the picture's size, and up to ``across - 1`` columns and ``down - 1`` rows more."""
    if (across, down) == (1, 2):
        return _interleaved(*_weighted(plane, axis=0, bias=(1, 2), shift=2), axis=0)
    if across == 2 and down in (1, 2) and plane.shape[1] > 2:
        if down == 1:
            return _interleaved(*_weighted(plane, axis=1, bias=(1, 2), shift=2), axis=1)
        rows = _interleaved(*_weighted(plane, axis=0, bias=(0, 0), shift=0), axis=0)
        return _interleaved(*_weighted(rows, axis=1, bias=(8, 7), shift=4), axis=1)
    return np.repeat(np.repeat(plane, down, axis=0), across, axis=1)


def _weighted(plane: Integers, *, axis: int, bias: tuple[int, int], shift: int) -> tuple[Integers, Integers]:
    """Three parts of each sample and one of its neighbour before, and behind; the edge is its own neighbour."""
    last = plane.shape[axis] - 1
    before = np.take(plane, np.maximum(np.arange(last + 1) - 1, 0), axis=axis)
    behind = np.take(plane, np.minimum(np.arange(last + 1) + 1, last), axis=axis)
    return (3 * plane + before + bias[0]) >> shift, (3 * plane + behind + bias[1]) >> shift


def _interleaved(even: Integers, odd: Integers, *, axis: int) -> Integers:
    shape = list(even.shape)
    shape[axis] *= 2
    return np.stack((even, odd), axis=axis + 1).reshape(shape)


def _rgb_of_luma(luma: Integers, blue: Integers, red: Integers) -> list[Integers]:
    """JFIF's conversion in 16 fractional bits."""
    blue, red = blue - 128, red - 128
    green = (-_fixed(0.34414) * blue + _HALF - _fixed(0.71414) * red) >> 16
    return [
        np.clip(luma + ((_fixed(1.402) * red + _HALF) >> 16), 0, 255),
        np.clip(luma + green, 0, 255),
        np.clip(luma + ((_fixed(1.772) * blue + _HALF) >> 16), 0, 255),
    ]


def _gray_of_rgb(red: Integers, green: Integers, blue: Integers) -> Integers:
    """The luma of colours that are stored as such (jdcolor.c, build_rgb_y_table)."""
    return (_fixed(0.299) * red + _fixed(0.587) * green + _fixed(0.114) * blue + _HALF) >> 16


def _fixed(value: float) -> int:
    return int(value * _ONE + 0.5)
