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

import dataclasses

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
FEW, ROWS = 4, 16
"""Of ``transform_code`` and ``four_lanes``, which only a process that compiles imports."""

_CODE = "accelserve.kernels.preprocess.transform_code"
_TWO_TAPS = ("u8[2]", "i64[1]", "i64[1]", "f32[1]", "i64[1]", "i64[1]", "f32[1]", "i64", "f32[1]", "f32[1]")
_FILTER_TAPS = ("i64[1]", "i64[1]", "i32[2]")
_BILINEAR_FLOAT = ArrayFunction(_CODE, "bilinear_float", *_TWO_TAPS, "i64[1]", "f32[2]", "f32[2]")
_BILINEAR_QUANTIZED = ArrayFunction(
    _CODE, "bilinear_quantized", *_TWO_TAPS, "f32", "f32", "i64[1]", "f32[2]", "f32[1]", "u8[2]"
)
_NARROWING = ("u8[2]", "u8[1]", "u8[1]", "u8[2]")
_FILTER_COLUMNS = ArrayFunction(_CODE, "filter_columns", *_FILTER_TAPS, "i64", "i64", *_NARROWING)
_FILTERED_FLOAT = ArrayFunction(
    _CODE, "filtered_float", *_FILTER_TAPS, "f32[1]", "f32[1]", "u8[2]", "u8[1]", "f32[2]"
)
_LEVELS = ("u8[2]", "f32[1]", "f32[1]", "f32", "i64")
_FILTERED_QUANTIZED = ArrayFunction(
    _CODE, "filtered_quantized", *_FILTER_TAPS, "i64", "i64", *_FILTER_TAPS, *_LEVELS, *_NARROWING, "u8[2]"
)
_QUANTIZE_ROW = ArrayFunction(_CODE, "quantize_row", "f32[1]", "f32", "f32", "u8[1]")
_SPREAD = ArrayFunction(_CODE, "spread", "u8[3]", "u8[3]~")


def functions(*, antialiased: bool) -> tuple[ArrayFunction, ...]:
    """What quantizing pictures needs."""
    resize = _FILTERED_QUANTIZED if antialiased else _BILINEAR_QUANTIZED
    return resize, _QUANTIZE_ROW, _SPREAD


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
    scratch = _Scratch.of(rows, columns)
    turned, results, _ = scratch.arrays()
    needed = pixels[scratch.needed]
    narrow = np.empty((needed.shape[0] + 1, out.shape[1]), np.uint8)
    _FILTER_COLUMNS(
        columns.first,
        columns.taps,
        columns.weights,
        columns.inner,
        scratch.is_small,
        needed,
        turned,
        results,
        narrow,
    )
    _FILTERED_FLOAT(
        rows.first - rows.source_start,
        rows.taps,
        rows.weights,
        mean,
        scale,
        narrow,
        np.empty(out.shape[1], np.uint8),
        out,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Scratch:
    """Room that a picture of one size needs on its way.

    Attributes:
        needed: rows of the source that the crop reads.
        is_small: they, their columns, or those of the result are fewer than ``ROWS``.
        turned: bytes of ``ROWS`` of them, as far as the crop reads them, and ``FEW`` pixels more.
        results: bytes of what the horizontal pass makes of those.
        narrow: shape of what the horizontal pass makes; of a small picture in all, with a spare row.
    """

    needed: slice
    is_small: bool
    turned: int
    results: int
    narrow: tuple[int, int]

    @classmethod
    def of(cls, rows: FilterTaps, columns: FilterTaps) -> _Scratch:
        """For these tables."""
        values = columns.first.shape[0] * CHANNELS
        height = rows.source_stop - rows.source_start
        width = (columns.source_stop - columns.source_start) * CHANNELS
        is_small = min(height, width, values) < ROWS
        return cls(
            needed=slice(rows.source_start, rows.source_stop),
            is_small=is_small,
            turned=(width + FEW * CHANNELS) * ROWS,
            results=values * ROWS,
            narrow=(height + 1 if is_small else 2 * ROWS + rows.weights.shape[1], values),
        )

    def arrays(self) -> tuple[U8, U8, U8]:
        """``turned``, ``results``, ``narrow``."""
        return (
            np.empty(self.turned, np.uint8),
            np.empty(self.results, np.uint8),
            np.empty(self.narrow, np.uint8),
        )


class QuantizingFilter:
    """``filtered_float``, quantized to uint8 as it goes, for pictures of one size: what they share is worked out once."""

    def __init__(self, rows: FilterTaps, columns: FilterTaps, levels: Levels) -> None:
        values = columns.first.shape[0] * CHANNELS
        self._scratch = _Scratch.of(rows, columns)
        self._filter = _FILTERED_QUANTIZED.given(
            columns.first,
            columns.taps,
            columns.weights,
            columns.inner,
            self._scratch.is_small,
            rows.first - rows.source_start,
            rows.taps,
            rows.weights,
            levels.table,
            levels.gain[:values],
            levels.offset[:values],
            levels.zero_point,
            levels.is_linear,
        )

    def __call__(self, pixels: U8, out: U8) -> None:
        """Arguments as ``bilinear_quantized``."""
        self._filter(pixels[self._scratch.needed], *self._scratch.arrays(), out)


@dataclasses.dataclass(frozen=True, slots=True)
class Levels:
    """What normalizing and quantizing make of a pixel of 8 bits.

    ``rne(pixel * gain + offset) + zero_point``, clamped, takes a quarter of the time that the definition takes, which divides.
    Whether it gives the same bytes is tried out on all the pixels there are.

    Attributes:
        table: uint8 [3, 256], the definition's results, by channel.
        gain: float32 [crop width * 3], of every value of a row.
        offset: likewise.
        zero_point: of the quantized input.
        is_linear: gain and offset give what is in the table.
    """

    table: U8
    gain: F32
    offset: F32
    zero_point: int
    is_linear: bool

    @classmethod
    def of(cls, mean: F32, scale: F32, to: QuantParams) -> Levels:
        """Those of a description.

        Args:
            mean: float32 [crop width * 3], the mean of each value of a row.
            scale: likewise.
            to: scale and zero point of the input.
        """
        pixels = np.arange(256, dtype=np.float32)[:, None]
        table = quantize((pixels - mean[:CHANNELS]) * scale[:CHANNELS], to)
        gain = (scale.astype(np.float64) / to.scale).astype(np.float32)
        offset = (-mean.astype(np.float64) * scale / to.scale).astype(np.float32)
        linear = np.rint(pixels * gain[:CHANNELS] + offset[:CHANNELS]) + np.float32(to.zero_point)
        is_linear = bool((np.clip(linear, 0, 255) == table).all())
        return cls(np.ascontiguousarray(table.T), gain, offset, to.zero_point, is_linear)


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
