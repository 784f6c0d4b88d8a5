"""QWinogradConv2d in plain numpy, by the numbered steps of its docstring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels import ir
from accelserve.kernels.reference.operators import Floats, Values, computes, through_epilogue

Ints = NDArray[np.int64]


def transformed_patches(x: NDArray[np.uint8], padding: ir.Padding, zero_point: int) -> Ints:
    """Step 1: the taps of every patch of an image.

    Args:
        x: uint8 [1, H, W, C].
        padding: of the window.
        zero_point: of x.

    Returns:
        [4, 4, block rows, block columns, C].
    """
    _, height, width, channels = x.shape
    top, left, bottom, right = padding
    blocks = (height + top + bottom - 1) // 2, (width + left + right - 1) // 2
    centred = np.zeros((2 * blocks[0] + 2, 2 * blocks[1] + 2, channels), np.int64)
    centred[top : top + height, left : left + width] = x[0].astype(np.int64) - zero_point
    rows = _input_taps([centred[i:][: 2 * blocks[0] : 2] for i in range(4)])
    return np.stack(
        [np.stack(_input_taps([row[:, j:][:, : 2 * blocks[1] : 2] for j in range(4)])) for row in rows]
    )


def _input_taps(d: Sequence[Ints]) -> list[Ints]:
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def quantized_taps(v: Ints, taps: ir.WinogradTaps) -> NDArray[np.uint8]:
    """Step 2, of what ``transformed_patches`` gives."""
    multipliers = np.array(taps.multipliers).reshape(4, 4, 1, 1, 1)
    zero_points = np.array(taps.zero_points).reshape(4, 4, 1, 1, 1)
    return np.asarray(np.clip(((v * multipliers + (1 << 14)) >> 15) + zero_points, 0, 255), np.uint8)


def _output_taps(g: Sequence[Floats]) -> list[Floats]:
    return [(g[0] + g[1]) + g[2], (g[1] - g[2]) - g[3]]


@computes(ir.QWinogradConv2d)
def qwinograd_conv2d(op: ir.QWinogradConv2d, operands: Values) -> Any:
    """Image by image, where the leading axis counts several."""
    values = [
        _one_image(op, operands[0][image : image + 1], *operands[1:4]) for image in range(len(operands[0]))
    ]
    return through_epilogue(op.epilogue, np.concatenate(values), operands[4:])


def _one_image(
    op: ir.QWinogradConv2d, x: NDArray[np.uint8], weights: NDArray[np.int8], scale: Floats, bias: Floats
) -> Floats:
    """float64 holds every partial sum of products of bytes exactly."""
    q = quantized_taps(transformed_patches(x, op.padding, op.input_zero_point), op.taps)
    g = [[_products(op, q, weights, scale, i, j) for j in range(4)] for i in range(4)]
    g[1][1] = g[1][1] + bias
    h = [_output_taps([g[i][j] for i in range(4)]) for j in range(4)]
    y = np.stack([np.stack(_output_taps([h[j][a] for j in range(4)]), axis=2) for a in range(2)], axis=1)
    rows, columns = op.window.output_size(op, x.shape[1:3])
    whole = y.reshape(2 * y.shape[0], 2 * y.shape[2], -1)
    return np.ascontiguousarray(whole[None, :rows, :columns])


def _products(
    op: ir.QWinogradConv2d, q: NDArray[np.uint8], weights: NDArray[np.int8], scale: Floats, i: int, j: int
) -> Floats:
    """Steps 3 and 4 of tap (i, j): [block rows, block columns, K]."""
    u = weights[:, i, j].astype(np.float64)
    exact = q[i, j].astype(np.float64) @ u.T - op.taps.zero_points[4 * i + j] * u.sum(axis=1)
    return np.asarray(exact.astype(np.int64).astype(np.int32).astype(np.float32) * scale[:, i, j])


__all__ = ["quantized_taps", "qwinograd_conv2d", "transformed_patches"]
