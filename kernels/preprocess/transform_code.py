"""What ``transform`` runs, for numba to compile: no function allocates, scratch memory comes from the caller."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelserve.kernels.native.jit import inlined
from accelserve.kernels.preprocess.four_lanes import (
    LINE,
    ROWS,
    WIDE,
    ask_to_read,
    ask_to_write,
    lerp_four,
    turn,
    weigh_four,
    weigh_wide,
)
from accelserve.kernels.preprocess.sampling import WEIGHT_BITS

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

_HALF = 1 << (WEIGHT_BITS - 1)
FEW = 4
"""Taps: a resize to more than half of the size takes no more."""
_AHEAD = 4
"""Rows of the result: what is fetched so early is there when they are written."""


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
def _filter_block(
    first: I64, taps: I64, weights: I32, pixels: U8, y: int, turned: U8, results: U8, out: U8, row: int
) -> None:
    """``ROWS`` rows of ``pixels`` from ``y`` on, resampled horizontally into those of ``out`` from ``row`` on.

    They are turned on their sides, so that all of them and all channels of a pixel are weighed by the same instructions.
    """
    pitch, count, most = pixels.shape[1], first.shape[0], weights.shape[1]
    width, begin = count * 3, first[0] * 3
    values = (first[count - 1] + taps[count - 1]) * 3 - begin
    for column in range(0, values, ROWS):
        at = min(column, values - ROWS)  # the last columns may come twice
        if column % LINE == 0:  # the next block's: what the decoder wrote has left the nearest cache
            for ahead in range(y + ROWS, y + 2 * ROWS):
                ask_to_read(pixels, ahead * pitch + begin + column)
        turn(pixels, y * pitch + begin + at, pitch, turned, at * ROWS, ROWS)
    for x in range(count):
        at = (first[x] * 3 - begin) * ROWS
        # Of few taps always as many as any pixel has, so that a processor guesses right: the others weigh nothing.
        weighed = most if most <= FEW else taps[x]
        weigh_wide(turned, at, WIDE, weighed, weights[x], WEIGHT_BITS, results, x * WIDE)
    for column in range(0, width, ROWS):
        at = min(column, width - ROWS)
        turn(results, at * ROWS, ROWS, out, row * width + at, width)


@inlined
def filter_columns(
    first: I64,
    taps: I64,
    weights: I32,
    inner: int,
    is_small: int,
    pixels: U8,
    turned: U8,
    results: U8,
    out: U8,
) -> None:
    """Rows of ``pixels``, resampled horizontally into those of ``out``, which has a spare one at its end.

    ``turned`` and ``results`` are scratch, see ``transform``; ``is_small`` if there are no ``ROWS`` rows or columns.
    """
    height, width = pixels.shape[0], first.shape[0] * 3
    if not is_small:
        for block in range(0, height, ROWS):
            y = min(block, height - ROWS)  # the last rows may come twice
            _filter_block(first, taps, weights, pixels, y, turned, results, out, y)
        return
    for y in range(height):
        # As in _lerp_columns, the fourth lane is read from the next pixel and overwritten by the next result.
        for x in range(inner):
            weigh_four(pixels[y], first[x] * 3, 3, taps[x], weights[x], WEIGHT_BITS, out, y * width + x * 3)
        for x in range(inner, first.shape[0]):
            _filter_pixel(pixels[y], first[x], taps[x], weights[x], out[y], x * 3)


@inlined
def _filter_row(rows: U8, first: int, taps: int, weights: I32, out: U8) -> None:
    """One output row of the vertical pass, in 8 bits."""
    width = out.shape[0]
    if width < WIDE:
        for i in range(width):
            total = _HALF
            for k in range(taps):
                total += weights[k] * np.int64(rows[first + k, i])
            out[i] = _clip8(total)
        return
    for column in range(0, width, WIDE):
        at = min(column, width - WIDE)  # the last columns may come twice
        weigh_wide(rows, first * width + at, width, taps, weights, WEIGHT_BITS, out, at)


@inlined
def filtered_float(
    first: I64, taps: I64, weights: I32, mean: F32, scale: F32, rows: U8, levels: U8, out: F32
) -> None:
    """``transform.filtered_float`` from the rows that the horizontal pass made; ``levels`` is scratch of a row."""
    for y in range(out.shape[0]):
        _filter_row(rows, first[y], taps[y], weights[y], levels)
        for i in range(levels.shape[0]):
            out[y, i] = (np.float32(levels[i]) - mean[i]) * scale[i]


@inlined
def _quantize_levels(values: U8, gain: F32, offset: F32, zero: np.float32) -> None:
    """8-bit pixels of a row to the network's input, in place, by ``transform.Levels``."""
    for i in range(values.shape[0]):
        level = np.rint(np.float32(values[i]) * gain[i] + offset[i]) + zero
        level = max(level, np.float32(0.0))
        level = min(level, np.float32(255.0))
        values[i] = np.uint8(np.int32(level))


@inlined
def _look_levels_up(values: U8, table: U8) -> None:
    """The same by the table of each channel."""
    for x in range(values.shape[0] // 3):
        for c in range(3):
            values[x * 3 + c] = table[c, values[x * 3 + c]]


@inlined
def _quantize_row(values: U8, table: U8, gain: F32, offset: F32, zero: np.float32, is_linear: int) -> None:
    if is_linear:
        _quantize_levels(values, gain, offset, zero)
    else:
        _look_levels_up(values, table)


@inlined
def _move_rows(rows: U8, start: int, count: int, to: int) -> None:
    """Move rows to the front of where they are."""
    for row in range(count):
        target, source = rows[to + row], rows[start + row]
        for i in range(source.shape[0]):
            target[i] = source[i]


@inlined
def filtered_quantized(
    left: I64, x_taps: I64, x_weights: I32, inner: int, is_small: int, top: I64, y_taps: I64, y_weights: I32,
    table: U8, gain: F32, offset: F32, zero: np.float32, is_linear: int,
    pixels: U8, turned: U8, results: U8, narrow: U8, out: U8,
) -> None:  # fmt: skip
    """Both passes, quantized.

    ``narrow`` takes what the first one makes: all of a small picture, else ``ROWS`` rows at a time, which stay in the
    nearest cache until the second pass has read them.
    """
    if is_small:
        filter_columns(left, x_taps, x_weights, inner, is_small, pixels, turned, results, narrow)
        for y in range(out.shape[0]):
            _filter_row(narrow, top[y], y_taps[y], y_weights[y], out[y])
            _quantize_row(out[y], table, gain, offset, zero, is_linear)
        return
    # Row `base` of the source is row ROWS of `narrow`, and `held` rows from there on are there.
    base, held, last = 0, 0, pixels.shape[0] - ROWS
    for y in range(out.shape[0]):
        while base + held < top[y] + y_taps[y]:
            passed = min(top[y] - base, held)
            if passed > 0:
                base, held = base + passed, held - passed
                _move_rows(narrow, ROWS + passed, held, ROWS)
            fresh = min(base + held, last)  # at the end rows come twice, some of them before `base`
            _filter_block(
                left, x_taps, x_weights, pixels, fresh, turned, results, narrow, ROWS + fresh - base
            )
            held = fresh + ROWS - base
        for at in range(0, out.shape[1], LINE):  # since a network has run, they are in no cache
            ask_to_write(out, (y + _AHEAD) * out.shape[1] + at)
        _filter_row(narrow, ROWS + top[y] - base, y_taps[y], y_weights[y], out[y])
        _quantize_row(out[y], table, gain, offset, zero, is_linear)


@inlined
def spread(dense: U8, out: U8) -> None:
    """``transform.spread``."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for c in range(3):
                out[y, x, c] = dense[y, x, c]
