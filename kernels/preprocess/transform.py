"""Resize, crop, normalise and quantise in one compiled pass over a decoded picture.

Only the pixels inside the crop are computed. Arithmetic is float32, each operation rounded, in exactly this order:

* bilinear: ``top = tl + (tr - tl) * x_lerp``, ``bottom`` likewise, ``pixel = top + (bottom - top) * y_lerp``;
* anti-aliased: Pillow's fixed point, horizontally then vertically, rounded to 8 bits after each;
* ``value = (pixel - mean[c]) * scale[c]``;
* ``quantised = clamp(rne(value / input_scale) + zero_point, 0, 255)``, ONNX QuantizeLinear.

The float and the quantised results come from the same row functions, so quantising the float result gives the same
bytes.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from accelserve.kernels.preprocess.jit import compiled, lerp_four, weigh_four
from accelserve.kernels.preprocess.sampling import WEIGHT_BITS, FilterTaps, TwoTaps

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

CHANNELS = 3
_HALF = 1 << (WEIGHT_BITS - 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Quantisation:
    """Affine 8-bit parameters of the network's input.

    Attributes:
        scale: float32, positive; one quantised step.
        zero_point: 0..255, the quantised value of 0.0.
    """

    scale: float
    zero_point: int


def bilinear_float(pixels: U8, rows: TwoTaps, columns: TwoTaps, mean: F32, scale: F32, out: F32) -> None:
    """Bilinear resize and normalise.

    Args:
        pixels: uint8 [height, width * 3], C-contiguous, channels in the order of ``mean``.
        rows: the table of the vertical axis.
        columns: the table of the horizontal axis.
        mean: float32 [crop width * 3], the mean of each value of a row.
        scale: float32 [crop width * 3].
        out: float32 [crop height, crop width * 3], C-contiguous, written.
    """
    _bilinear_float(
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
        out,
    )


def bilinear_quantised(
    pixels: U8, rows: TwoTaps, columns: TwoTaps, mean: F32, scale: F32, to: Quantisation, out: U8
) -> None:
    """``bilinear_float``, quantised to uint8 as it goes."""
    step, zero = np.float32(to.scale), np.float32(to.zero_point)
    _bilinear_quantised(
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
        step,
        zero,
        out,
    )


def filtered_float(
    pixels: U8, rows: FilterTaps, columns: FilterTaps, mean: F32, scale: F32, out: F32
) -> None:
    """Anti-aliased resize and normalise; arguments as ``bilinear_float``."""
    narrow = _narrowed(pixels, rows, columns)
    first = rows.first - rows.source_start
    _filtered_float(narrow, first, rows.taps, rows.weights, mean, scale, out)


def filtered_quantised(
    pixels: U8, rows: FilterTaps, columns: FilterTaps, mean: F32, scale: F32, to: Quantisation, out: U8
) -> None:
    """``filtered_float``, quantised to uint8 as it goes."""
    narrow = _narrowed(pixels, rows, columns)
    first = rows.first - rows.source_start
    step, zero = np.float32(to.scale), np.float32(to.zero_point)
    _filtered_quantised(narrow, first, rows.taps, rows.weights, mean, scale, step, zero, out)


def quantise(values: npt.ArrayLike, to: Quantisation) -> U8:
    """ONNX QuantizeLinear to uint8: ``clamp(rne(value / scale) + zero_point, 0, 255)``.

    Args:
        values: float32, any shape; infinities saturate and NaN becomes 0.
        to: scale and zero point.

    Returns:
        uint8 of the same shape.
    """
    array = np.ascontiguousarray(values, dtype=np.float32)
    out = np.empty(array.shape, np.uint8)
    _quantise_row(array.reshape(-1), np.float32(to.scale), np.float32(to.zero_point), out.reshape(-1))
    return out


def spread(dense: U8, out: U8) -> None:
    """Copy pixels into an array with gaps, such as a tensor whose channels are padded.

    Args:
        dense: uint8 [height, width, 3], C-contiguous.
        out: uint8 [height, width, 3] of any strides, written.
    """
    _spread(dense, out)


def _narrowed(pixels: U8, rows: FilterTaps, columns: FilterTaps) -> U8:
    """The horizontal pass: uint8 [source rows that the crop needs, crop width * 3]."""
    needed = pixels[rows.source_start : rows.source_stop]
    height, width = needed.shape[0], columns.first.shape[0] * CHANNELS
    flat = np.empty(height * width + 1, np.uint8)
    _filter_columns(needed, columns.first, columns.taps, columns.weights, columns.inner, flat)
    return flat[:-1].reshape(height, width)


@compiled
def _lerp_columns(row: U8, left: I64, right: I64, lerp: F32, inner: int, out: F32) -> None:
    """One source row, interpolated horizontally; ``out`` has one spare value at its end."""
    # Four lanes for three channels: the fourth reads a byte of the next pixel (there is one, before `inner`) and
    # writes a value that the next pixel overwrites.
    for x in range(inner):
        lerp_four(row, left[x] * 3, right[x] * 3, lerp[x], out, x * 3)
    for x in range(inner, left.shape[0]):
        for c in range(3):
            first = np.float32(row[left[x] * 3 + c])
            second = np.float32(row[right[x] * 3 + c])
            out[x * 3 + c] = first + (second - first) * lerp[x]


@compiled
def _normalise_row(top: F32, bottom: F32, lerp: np.float32, mean: F32, scale: F32, out: F32) -> None:
    for i in range(out.shape[0]):
        pixel = top[i] + (bottom[i] - top[i]) * lerp
        out[i] = (pixel - mean[i]) * scale[i]


@compiled
def _quantise_row(values: F32, step: np.float32, zero: np.float32, out: U8) -> None:
    for i in range(out.shape[0]):
        # whole numbers below 2**24 are exact in float32, so adding the zero point before the clamp loses nothing
        # that the clamp would keep
        level = np.rint(values[i] / step) + zero
        # a comparison with NaN is false, so NaN becomes 0; max() and the conversion would leave that open
        level = level if level > np.float32(0.0) else np.float32(0.0)  # noqa: FURB136
        level = min(level, np.float32(255.0))
        out[i] = np.uint8(np.int32(level))


@compiled
def _hold_row(
    held: I64, lerped: F32, wanted: int, other: int, pixels: U8, left: I64, right: I64, lerp: F32, inner: int
) -> int:
    """The slot of ``lerped`` that holds source row ``wanted``; computed unless it is there already."""
    for slot in range(2):
        if held[slot] == wanted:
            return slot
    slot = 1 if held[0] == other else 0
    _lerp_columns(pixels[wanted], left, right, lerp, inner, lerped[slot])
    held[slot] = wanted
    return slot


@compiled
def _bilinear_float(
    pixels: U8, lower: I64, upper: I64, y_lerp: F32, left: I64, right: I64, x_lerp: F32, inner: int,
    mean: F32, scale: F32, out: F32,
) -> None:  # fmt: skip
    held = np.full(2, -1, np.int64)
    lerped = np.empty((2, out.shape[1] + 1), np.float32)
    for y in range(out.shape[0]):
        top = _hold_row(held, lerped, lower[y], upper[y], pixels, left, right, x_lerp, inner)
        bottom = _hold_row(held, lerped, upper[y], lower[y], pixels, left, right, x_lerp, inner)
        _normalise_row(lerped[top], lerped[bottom], y_lerp[y], mean, scale, out[y])


@compiled
def _bilinear_quantised(
    pixels: U8, lower: I64, upper: I64, y_lerp: F32, left: I64, right: I64, x_lerp: F32, inner: int,
    mean: F32, scale: F32, step: np.float32, zero: np.float32, out: U8,
) -> None:  # fmt: skip
    held = np.full(2, -1, np.int64)
    lerped = np.empty((2, out.shape[1] + 1), np.float32)
    values = np.empty(out.shape[1], np.float32)
    for y in range(out.shape[0]):
        top = _hold_row(held, lerped, lower[y], upper[y], pixels, left, right, x_lerp, inner)
        bottom = _hold_row(held, lerped, upper[y], lower[y], pixels, left, right, x_lerp, inner)
        _normalise_row(lerped[top], lerped[bottom], y_lerp[y], mean, scale, values)
        _quantise_row(values, step, zero, out[y])


@compiled
def _clip8(accumulator: int) -> int:
    return max(0, min(accumulator >> WEIGHT_BITS, 255))


@compiled
def _filter_columns(pixels: U8, first: I64, taps: I64, weights: I32, inner: int, out: U8) -> None:
    """Rows of ``pixels``, resampled horizontally into ``out``, flat, with one spare byte at its end."""
    count = first.shape[0]
    for y in range(pixels.shape[0]):
        row, base = pixels[y], y * count * 3
        # As in _lerp_columns, the fourth lane is read from the next pixel and overwritten by the next result.
        for x in range(inner):
            weigh_four(row, first[x] * 3, taps[x], weights[x], WEIGHT_BITS, out, base + x * 3)
        for x in range(inner, count):
            for c in range(3):
                total = _HALF
                for k in range(taps[x]):
                    total += weights[x, k] * np.int64(row[(first[x] + k) * 3 + c])
                out[base + x * 3 + c] = _clip8(total)


@compiled
def _filter_row(
    rows: U8, first: int, taps: int, weights: I32, sums: I32, mean: F32, scale: F32, out: F32
) -> None:
    """One output row of the vertical pass, normalised."""
    for i in range(sums.shape[0]):
        sums[i] = _HALF
    for k in range(taps):
        row, weight = rows[first + k], weights[k]
        for i in range(sums.shape[0]):
            sums[i] += weight * np.int32(row[i])
    for i in range(sums.shape[0]):
        pixel = np.float32(_clip8(sums[i]))
        out[i] = (pixel - mean[i]) * scale[i]


@compiled
def _filtered_float(rows: U8, first: I64, taps: I64, weights: I32, mean: F32, scale: F32, out: F32) -> None:
    sums = np.empty(out.shape[1], np.int32)
    for y in range(out.shape[0]):
        _filter_row(rows, first[y], taps[y], weights[y], sums, mean, scale, out[y])


@compiled
def _filtered_quantised(
    rows: U8,
    first: I64,
    taps: I64,
    weights: I32,
    mean: F32,
    scale: F32,
    step: np.float32,
    zero: np.float32,
    out: U8,
) -> None:
    sums = np.empty(out.shape[1], np.int32)
    values = np.empty(out.shape[1], np.float32)
    for y in range(out.shape[0]):
        _filter_row(rows, first[y], taps[y], weights[y], sums, mean, scale, values)
        _quantise_row(values, step, zero, out[y])


@compiled
def _spread(dense: U8, out: U8) -> None:
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for c in range(3):
                out[y, x, c] = dense[y, x, c]
