"""Resize, crop, normalize and quantize in one compiled pass over a decoded picture.

Only the pixels inside the crop are computed. Arithmetic is float32, each operation rounded, in exactly this order:

* bilinear: ``top = tl + (tr - tl) * x_lerp``, ``bottom`` likewise, ``pixel = top + (bottom - top) * y_lerp``;
* anti-aliased: Pillow's fixed point, horizontally then vertically, rounded to 8 bits after each;
* ``value = (pixel - mean[c]) * scale[c]``;
* ``quantized = clamp(rne(value / input_scale) + zero_point, 0, 255)``, ONNX QuantizeLinear.

The float and the quantized results come from the same row functions, so quantizing the float result gives the same
bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from accelserve.kernels.ir import QuantParams
from accelserve.kernels.native.compiled import ArrayFunction
from accelserve.kernels.preprocess.sampling import FilterTaps, TwoTaps

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

CHANNELS = 3

_CODE = "accelserve.kernels.preprocess.transform_code"
_TWO_TAPS = ("u8[2]", "i64[1]", "i64[1]", "f32[1]", "i64[1]", "i64[1]", "f32[1]", "i64", "f32[1]", "f32[1]")
_ROW_TAPS = ("i64[1]", "i64[1]", "i32[2]", "f32[1]", "f32[1]")
_BILINEAR_FLOAT = ArrayFunction(_CODE, "bilinear_float", *_TWO_TAPS, "i64[1]", "f32[2]", "f32[2]")
_BILINEAR_QUANTIZED = ArrayFunction(
    _CODE, "bilinear_quantized", *_TWO_TAPS, "f32", "f32", "i64[1]", "f32[2]", "f32[1]", "u8[2]"
)
_FILTER_COLUMNS = ArrayFunction(
    _CODE, "filter_columns", "i64[1]", "i64[1]", "i32[2]", "i64", "u8[2]", "u8[1]"
)
_FILTERED_FLOAT = ArrayFunction(_CODE, "filtered_float", *_ROW_TAPS, "u8[2]", "i32[1]", "f32[2]")
_FILTERED_QUANTIZED = ArrayFunction(
    _CODE, "filtered_quantized", *_ROW_TAPS, "f32", "f32", "u8[2]", "i32[1]", "f32[1]", "u8[2]"
)
_QUANTIZE_ROW = ArrayFunction(_CODE, "quantize_row", "f32[1]", "f32", "f32", "u8[1]")
_SPREAD = ArrayFunction(_CODE, "spread", "u8[3]", "u8[3]~")


def load(cache: Path | None, *, antialiased: bool) -> None:
    """Compile, or read from ``cache``, what quantizing pictures needs; None takes a folder of its own choice."""
    resize = (_FILTER_COLUMNS, _FILTERED_QUANTIZED) if antialiased else (_BILINEAR_QUANTIZED,)
    for function in (*resize, _QUANTIZE_ROW, _SPREAD):
        function.load(cache)


def bilinear_float(pixels: U8, rows: TwoTaps, columns: TwoTaps, mean: F32, scale: F32, out: F32) -> None:
    """Bilinear resize and normalize.

    Args:
        pixels: uint8 [height, width * 3], C-contiguous, channels in the order of ``mean``.
        rows: the table of the vertical axis.
        columns: the table of the horizontal axis.
        mean: float32 [crop width * 3], the mean of each value of a row.
        scale: float32 [crop width * 3].
        out: float32 [crop height, crop width * 3], C-contiguous, written.
    """
    _BILINEAR_FLOAT(
        pixels,
        rows.lower,
        rows.upper,
        rows.lerp,
        columns.lower,
        columns.upper,
        columns.lerp,
        columns.inner,
        mean,
        scale,
        *_held_rows(out.shape[1]),
        out,
    )


def bilinear_quantized(
    pixels: U8, rows: TwoTaps, columns: TwoTaps, mean: F32, scale: F32, to: QuantParams, out: U8
) -> None:
    """``bilinear_float``, quantized to uint8 as it goes."""
    _BILINEAR_QUANTIZED(
        pixels,
        rows.lower,
        rows.upper,
        rows.lerp,
        columns.lower,
        columns.upper,
        columns.lerp,
        columns.inner,
        mean,
        scale,
        to.scale,
        to.zero_point,
        *_held_rows(out.shape[1]),
        np.empty(out.shape[1], np.float32),
        out,
    )


def filtered_float(
    pixels: U8, rows: FilterTaps, columns: FilterTaps, mean: F32, scale: F32, out: F32
) -> None:
    """Anti-aliased resize and normalize; arguments as ``bilinear_float``."""
    narrow = _Narrowing(rows, columns)(pixels)
    sums = np.empty(out.shape[1], np.int32)
    first = rows.first - rows.source_start
    _FILTERED_FLOAT(first, rows.taps, rows.weights, mean, scale, narrow, sums, out)


class QuantizingFilter:
    """``filtered_float``, quantized to uint8 as it goes, for pictures of one size: what they share is worked out once."""

    def __init__(self, rows: FilterTaps, columns: FilterTaps, mean: F32, scale: F32, to: QuantParams) -> None:
        self._narrow = _Narrowing(rows, columns)
        first = rows.first - rows.source_start
        self._filter = _FILTERED_QUANTIZED.given(
            first, rows.taps, rows.weights, mean, scale, to.scale, to.zero_point
        )

    def __call__(self, pixels: U8, out: U8) -> None:
        """Arguments as ``bilinear_quantized``."""
        sums, values = np.empty(out.shape[1], np.int32), np.empty(out.shape[1], np.float32)
        self._filter(self._narrow(pixels), sums, values, out)


class _Narrowing:
    """The horizontal pass over pictures of one size."""

    def __init__(self, rows: FilterTaps, columns: FilterTaps) -> None:
        self._needed = slice(rows.source_start, rows.source_stop)
        self._width = columns.first.shape[0] * CHANNELS
        self._filter = _FILTER_COLUMNS.given(columns.first, columns.taps, columns.weights, columns.inner)

    def __call__(self, pixels: U8) -> U8:
        """Uint8 [source rows that the crop needs, crop width * 3]."""
        needed = pixels[self._needed]
        flat = np.empty(needed.shape[0] * self._width + 1, np.uint8)
        self._filter(needed, flat)
        return flat[:-1].reshape(-1, self._width)


def quantize(values: npt.ArrayLike, to: QuantParams) -> U8:
    """ONNX QuantizeLinear to uint8: ``clamp(rne(value / scale) + zero_point, 0, 255)``.

    Args:
        values: float32, any shape; infinities saturate and NaN becomes 0.
        to: scale and zero point.

    Returns:
        uint8 of the same shape.
    """
    array = np.ascontiguousarray(values, dtype=np.float32)
    out = np.empty(array.shape, np.uint8)
    _QUANTIZE_ROW(array.reshape(-1), to.scale, to.zero_point, out.reshape(-1))
    return out


def spread(dense: U8, out: U8) -> None:
    """Copy pixels into an array with gaps, such as a tensor whose channels are padded.

    Args:
        dense: uint8 [height, width, 3], C-contiguous.
        out: uint8 [height, width, 3] of any strides, written.
    """
    _SPREAD(dense, out)


def _held_rows(values: int) -> tuple[I64, F32]:
    """Room for the two source rows that bilinear interpolation holds: which they are (none), and their values."""
    return np.full(2, -1, np.int64), np.empty((2, values + 1), np.float32)
