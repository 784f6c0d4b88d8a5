"""Which source pixels make an output pixel, and with which weights: one table per axis, cached for the next picture.

Tables cover only the crop. A picture of a size that was seen before costs nothing here.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from accelserve.kernels.preprocess.spec import Interpolation

D = TypeVar("D", bound=np.generic)

# Pillow's fixed point for 8-bit pictures: 8 bits of pixel, 2 bits of head room for negative lobes, a sign.
WEIGHT_BITS = 32 - 8 - 2

# Tables of larger sources are not kept: a filter table has about 4 weights per source pixel, so 256 tables stay
# below 64 MiB in all, whatever sizes clients send.
_LARGEST_KEPT_SOURCE = 16_384
_KEPT_TABLES = 256


@dataclasses.dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a resize and the part of its result that is wanted.

    Attributes:
        source_size: pixels before the resize.
        resized_size: pixels after it.
        start: first wanted pixel of the resized axis.
        count: number of wanted pixels.
    """

    source_size: int
    resized_size: int
    start: int
    count: int


@dataclasses.dataclass(frozen=True, slots=True)
class TwoTaps:
    """Linear interpolation between two source pixels.

    Attributes:
        lower: int64 [count], the first source pixel.
        upper: int64 [count], the second; the same as the first at an edge or an exact hit.
        lerp: float32 [count], ``value = lower + (upper - lower) * lerp``.
        inner: outputs before this index do not read the source's last pixel.
    """

    lower: npt.NDArray[np.int64]
    upper: npt.NDArray[np.int64]
    lerp: npt.NDArray[np.float32]
    inner: int


@dataclasses.dataclass(frozen=True, slots=True)
class FilterTaps:
    """A weighted sum of consecutive source pixels, in fixed point.

    Attributes:
        first: int64 [count], the first source pixel.
        taps: int64 [count], how many source pixels count; at least 1.
        weights: int32 [count, most taps], ``WEIGHT_BITS`` fraction bits, 0 beyond ``taps``.
        inner: outputs before this index do not read the source's last pixel.
    """

    first: npt.NDArray[np.int64]
    taps: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int32]
    inner: int

    @property
    def source_start(self) -> int:
        """First source pixel that any output needs."""
        return int(self.first[0])

    @property
    def source_stop(self) -> int:
        """One past the last source pixel that any output needs."""
        return int((self.first + self.taps).max())


def two_taps(axis: Axis, interpolation: Literal["bilinear-legacy", "bilinear"]) -> TwoTaps:
    """TensorFlow's bilinear table for one axis, every operation in float32.

    ``scale = source / resized``; the coordinate is ``i * scale`` (legacy) or ``(i + 0.5) * scale - 0.5``; the taps are
    its floor and ceiling, clamped into the source; the weight is the coordinate minus its floor.

    Source: tensorflow/core/kernels/image/resize_bilinear_op.cc and tensorflow/core/util/image_resizer_state.h.
    """
    return (_two_taps_kept if axis.source_size <= _LARGEST_KEPT_SOURCE else _two_taps)(axis, interpolation)


def filter_taps(axis: Axis, interpolation: Literal["bilinear-antialias", "bicubic-antialias"]) -> FilterTaps:
    """Pillow's resampling table for one axis: weights in float64, normalized, then rounded to fixed point.

    Source: Pillow's ``src/libImaging/Resample.c`` (``precompute_coeffs``, ``normalize_coeffs_8bpc``).
    """
    return (_filter_taps_kept if axis.source_size <= _LARGEST_KEPT_SOURCE else _filter_taps)(
        axis, interpolation
    )


def _two_taps(axis: Axis, interpolation: Interpolation) -> TwoTaps:
    scale = np.float32(axis.source_size) / np.float32(axis.resized_size)
    positions = np.arange(axis.start, axis.start + axis.count).astype(np.float32)
    if interpolation == "bilinear":
        half = np.float32(0.5)
        coordinates = (positions + half) * scale - half
    else:
        coordinates = positions * scale
    floors = np.floor(coordinates)
    last = axis.source_size - 1
    upper = np.clip(np.ceil(coordinates).astype(np.int64), 0, last)
    lower = np.minimum(np.maximum(floors.astype(np.int64), 0), upper)
    return TwoTaps(
        lower=_frozen(lower),
        upper=_frozen(upper),
        lerp=_frozen(coordinates - floors),
        inner=int(np.searchsorted(upper, last)),
    )


def _triangle(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _cubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    a, x = -0.5, np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


_FILTERS = {"bilinear-antialias": (_triangle, 1.0), "bicubic-antialias": (_cubic, 2.0)}


def _filter_taps(axis: Axis, interpolation: Interpolation) -> FilterTaps:
    function, radius = _FILTERS[interpolation]
    scale = axis.source_size / axis.resized_size
    widening = max(scale, 1.0)
    support = radius * widening
    centres = (np.arange(axis.start, axis.start + axis.count) + 0.5) * scale
    # truncation towards zero, as C's conversion does
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    taps = np.minimum((centres + support + 0.5).astype(np.int64), axis.source_size) - first
    offsets = np.arange(int(taps.max()))
    distances = (offsets[None, :] + first[:, None] - centres[:, None] + 0.5) * (1.0 / widening)
    weights = np.where(offsets[None, :] < taps[:, None], function(distances), 0.0)
    # cumsum adds from left to right as the loop in C does; sum() would add in pairs
    totals = np.cumsum(weights, axis=1)[:, -1:]
    normalized = np.divide(weights, totals, out=weights.copy(), where=totals != 0.0)
    fixed = normalized * (1 << WEIGHT_BITS)
    rounded = np.trunc(np.where(fixed < 0.0, fixed - 0.5, fixed + 0.5)).astype(np.int32)
    return FilterTaps(
        first=_frozen(first),
        taps=_frozen(taps),
        weights=_frozen(rounded),
        inner=int(np.searchsorted(first + taps, axis.source_size)),
    )


def _frozen(values: npt.NDArray[D]) -> npt.NDArray[D]:
    """Shared between threads and pictures, so it must not be written to."""
    contiguous = np.ascontiguousarray(values)
    contiguous.flags.writeable = False
    return contiguous


_two_taps_kept = functools.lru_cache(maxsize=_KEPT_TABLES)(_two_taps)
_filter_taps_kept = functools.lru_cache(maxsize=_KEPT_TABLES)(_filter_taps)
