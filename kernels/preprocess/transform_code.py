"""What ``transform`` runs, for numba to compile: no function allocates, scratch memory comes from the caller."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelserve.kernels.native.jit import inlined
from accelserve.kernels.preprocess.four_lanes import ROWS, lerp_four, weigh_four, weigh_four_of_rows
from accelserve.kernels.preprocess.sampling import WEIGHT_BITS

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

_HALF = 1 << (WEIGHT_BITS - 1)
_FEW = 4  # taps; a resize to more than half of the size takes no more


@inlined
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


@inlined
def _normalize_row(top: F32, bottom: F32, lerp: np.float32, mean: F32, scale: F32, out: F32) -> None:
    for i in range(out.shape[0]):
        pixel = top[i] + (bottom[i] - top[i]) * lerp
        out[i] = (pixel - mean[i]) * scale[i]


@inlined
def quantize_row(values: F32, step: np.float32, zero: np.float32, out: U8) -> None:
    """``transform.quantize``."""
    for i in range(out.shape[0]):
        # whole numbers below 2**24 are exact in float32, so adding the zero point before the clamp loses nothing
        # that the clamp would keep
        level = np.rint(values[i] / step) + zero
        # a comparison with NaN is false, so NaN becomes 0; max() and the conversion would leave that open
        level = level if level > np.float32(0.0) else np.float32(0.0)  # noqa: FURB136
        level = min(level, np.float32(255.0))
        out[i] = np.uint8(np.int32(level))


@inlined
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


@inlined
def bilinear_float(
    pixels: U8, lower: I64, upper: I64, y_lerp: F32, left: I64, right: I64, x_lerp: F32, inner: int,
    mean: F32, scale: F32, held: I64, lerped: F32, out: F32,
) -> None:  # fmt: skip
    """``transform.bilinear_float``; ``held`` and ``lerped`` are the source rows that are held."""
    for y in range(out.shape[0]):
        top = _hold_row(held, lerped, lower[y], upper[y], pixels, left, right, x_lerp, inner)
        bottom = _hold_row(held, lerped, upper[y], lower[y], pixels, left, right, x_lerp, inner)
        _normalize_row(lerped[top], lerped[bottom], y_lerp[y], mean, scale, out[y])


@inlined
def bilinear_quantized(
    pixels: U8, lower: I64, upper: I64, y_lerp: F32, left: I64, right: I64, x_lerp: F32, inner: int,
    mean: F32, scale: F32, step: np.float32, zero: np.float32, held: I64, lerped: F32, values: F32, out: U8,
) -> None:  # fmt: skip
    """``transform.bilinear_quantized``; ``values`` is scratch of a row."""
    for y in range(out.shape[0]):
        top = _hold_row(held, lerped, lower[y], upper[y], pixels, left, right, x_lerp, inner)
        bottom = _hold_row(held, lerped, upper[y], lower[y], pixels, left, right, x_lerp, inner)
        _normalize_row(lerped[top], lerped[bottom], y_lerp[y], mean, scale, values)
        quantize_row(values, step, zero, out[y])


@inlined
def _clip8(accumulator: int) -> int:
    return max(0, min(accumulator >> WEIGHT_BITS, 255))


@inlined
def _filter_pixel(row: U8, first: int, taps: int, weights: I32, out: U8, position: int) -> None:
    """One pixel of the horizontal pass; reads and writes no byte beyond it."""
    for c in range(3):
        total = _HALF
        for k in range(taps):
            total += weights[k] * np.int64(row[(first + k) * 3 + c])
        out[position + c] = _clip8(total)


@inlined
def filter_columns(first: I64, taps: I64, weights: I32, inner: int, pixels: U8, out: U8) -> None:
    """Rows of ``pixels``, resampled horizontally into ``out``, flat, with one spare byte at its end."""
    height, pitch, count = pixels.shape[0], pixels.shape[1], first.shape[0]
    width = count * 3
    together = height - height % ROWS
    # As in _lerp_columns, the fourth lane is read from the next pixel and overwritten by the next result. Of rows that
    # are done together the last pixel has none: what follows it is the next row's first one.
    for y in range(0, together, ROWS):
        for x in range(min(inner, count - 1)):
            weigh_four_of_rows(
                pixels,
                y * pitch + first[x] * 3,
                pitch,
                taps[x],
                weights[x],
                WEIGHT_BITS,
                out,
                y * width + x * 3,
                width,
            )
        for x in range(min(inner, count - 1), count):
            for row in range(y, y + ROWS):
                _filter_pixel(pixels[row], first[x], taps[x], weights[x], out, row * width + x * 3)
    for y in range(together, height):
        for x in range(inner):
            weigh_four(pixels[y], first[x] * 3, taps[x], weights[x], WEIGHT_BITS, out, y * width + x * 3)
        for x in range(inner, count):
            _filter_pixel(pixels[y], first[x], taps[x], weights[x], out, y * width + x * 3)


@inlined
def _filter_row(
    rows: U8, first: int, taps: int, weights: I32, sums: I32, mean: F32, scale: F32, out: F32
) -> None:
    """One output row of the vertical pass, normalized."""
    if taps <= _FEW:
        # Rows of weight 0 stand in for those that are not there, so that all sums stay in registers.
        a, b, c, d = (
            rows[first],
            rows[first + min(1, taps - 1)],
            rows[first + min(2, taps - 1)],
            rows[first + min(3, taps - 1)],
        )
        weight_b = weights[1] if taps > 1 else np.int32(0)
        weight_c = weights[2] if taps > 2 else np.int32(0)
        weight_d = weights[3] if taps > 3 else np.int32(0)
        for i in range(sums.shape[0]):
            total = np.int32(_HALF) + weights[0] * np.int32(a[i]) + weight_b * np.int32(b[i])
            total = total + weight_c * np.int32(c[i]) + weight_d * np.int32(d[i])
            sums[i] = total
    else:
        for i in range(sums.shape[0]):
            sums[i] = _HALF
        for k in range(taps):
            row, weight = rows[first + k], weights[k]
            for i in range(sums.shape[0]):
                sums[i] += weight * np.int32(row[i])
    for i in range(sums.shape[0]):
        pixel = np.float32(_clip8(sums[i]))
        out[i] = (pixel - mean[i]) * scale[i]


@inlined
def filtered_float(
    first: I64, taps: I64, weights: I32, mean: F32, scale: F32, rows: U8, sums: I32, out: F32
) -> None:
    """``transform.filtered_float`` from the rows that the horizontal pass made; ``sums`` is scratch of a row."""
    for y in range(out.shape[0]):
        _filter_row(rows, first[y], taps[y], weights[y], sums, mean, scale, out[y])


@inlined
def filtered_quantized(
    first: I64, taps: I64, weights: I32, mean: F32, scale: F32, step: np.float32, zero: np.float32,
    rows: U8, sums: I32, values: F32, out: U8,
) -> None:  # fmt: skip
    """``filtered_float``, quantized as it goes; ``values`` is scratch of a row."""
    for y in range(out.shape[0]):
        _filter_row(rows, first[y], taps[y], weights[y], sums, mean, scale, values)
        quantize_row(values, step, zero, out[y])


@inlined
def spread(dense: U8, out: U8) -> None:
    """``transform.spread``."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for c in range(3):
                out[y, x, c] = dense[y, x, c]
