"""Every operator in plain numpy: slow, obviously right, and the definition that every device is held to.

One function per operator, registered by its class. Operands are arrays as the operator's docstring says; integer
operators follow the notation of ``kernels.ir.integer_ops`` to the letter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels import ir
from accelserve.kernels.reference import elementary
from accelserve.kernels.reference.probabilities import softmax, sum_of_squares

Values = Sequence[Any]
Evaluator = Callable[[Any, Values], ir.Array]
Handler = TypeVar("Handler", bound=Evaluator)
Floats = NDArray[np.float32]

_MATRIX_ELEMENTS = 1 << 19  # of windows at once: they repeat a picture nine times and more
EVALUATORS: dict[type[ir.Op], Evaluator] = {}
"""Operator class -> the function that computes it."""


def computes(op: type[ir.Op]) -> Callable[[Handler], Handler]:
    """Register the decorated function as what ``op`` computes."""

    def register(function: Handler) -> Handler:
        EVALUATORS[op] = function
        return function

    return register


def windows(x: NDArray[Any], window: ir.Window, fill: float) -> NDArray[Any]:
    """Every window of an NHWC tensor as a view [N, OH, OW, C, R, S]; padding holds ``fill``."""
    top, left, bottom, right = window.padding
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    extent = tuple((k - 1) * d + 1 for k, d in zip(window.kernel, window.dilations, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=(1, 2))
    (sy, sx), (dy, dx) = window.strides, window.dilations
    return view[:, ::sy, ::sx, :, ::dy, ::dx]


def convolve(x: NDArray[Any], w: NDArray[Any], window: ir.Window, groups: int, fill: float) -> NDArray[Any]:
    """Sum of products, in the dtype of the operands, by matrix products of some rows of a group; [N, OH, OW, K].

    Where every channel is a group of its own, by one product of images per tap: matrices of one column are slow.
    """
    k, r, s, per_group = w.shape
    view = windows(x, window, fill)
    if k == groups and per_group == 1:
        taps = (view[..., row, column] * w[:, row, column, 0] for row in range(r) for column in range(s))
        return np.asarray(sum(taps))
    n, rows, columns = view.shape[:3]
    result = np.empty((n, rows, columns, k), np.result_type(x, w))
    outputs, taps = k // groups, r * s * per_group
    step = max(1, _MATRIX_ELEMENTS // (n * columns * taps))
    for group in range(groups):
        kernel = w[group * outputs : (group + 1) * outputs].reshape(outputs, -1)
        for row in range(0, rows, step):
            part = view[:, row : row + step, :, group * per_group : (group + 1) * per_group]
            matrix = np.ascontiguousarray(part.transpose(0, 1, 2, 4, 5, 3)).reshape(-1, taps)
            sums = (matrix @ kernel.T).reshape(*part.shape[:3], outputs)
            result[:, row : row + step, :, group * outputs : (group + 1) * outputs] = sums
    return result


def to_uint8(value: Floats, zero_point: int, low: int, high: int) -> NDArray[np.uint8]:
    """``clamp(rne(value) + zero_point, low, high)``; the clamp comes first, in float32, where it is exact."""
    bounded = np.clip(np.rint(value), np.float32(low - zero_point), np.float32(high - zero_point))
    return (bounded.astype(np.int32) + zero_point).astype(np.uint8)


def centred(x: NDArray[np.uint8], zero_point: int) -> Floats:
    """``f32(x - zero_point)``, exact."""
    return (x.astype(np.int32) - zero_point).astype(np.float32)


def wrapped(accumulator: NDArray[np.float64], bias: NDArray[np.int32]) -> NDArray[np.int32]:
    """int32 accumulator, wrapping, from an exact integer sum held in float64."""
    return (accumulator.astype(np.int64) + bias).astype(np.int32)


def through_epilogue(epilogue: ir.Epilogue | None, value: Floats, residuals: Values) -> ir.Array:
    """What an epilogue makes of scaled sums, float32; ``residuals`` holds the residual if there is one."""
    if epilogue is None:
        return np.asarray(value, np.float32)
    if epilogue.intermediate is not None:
        middle = epilogue.intermediate
        value = np.clip(np.rint(value), np.float32(middle.low), np.float32(middle.high)) * np.float32(
            middle.multiplier
        )
    if epilogue.residual is not None:
        residual = epilogue.residual
        value = value + centred(residuals[0], residual.zero_point) * np.float32(residual.multiplier)
    return to_uint8(value, epilogue.zero_point, epilogue.low, epilogue.high)


# --- integer operators ------------------------------------------------------------------------------------------


@computes(ir.QConv2d)
def qconv2d(op: ir.QConv2d, operands: Values) -> ir.Array:
    """Exact: float64 holds every partial sum of int8 products below 2**53."""
    x, w, bias, scale = operands[:4]
    exact = convolve(x.astype(np.float64), w.astype(np.float64), op.window, op.groups, op.input_zero_point)
    value = wrapped(exact, bias).astype(np.float32) * scale
    return through_epilogue(op.epilogue, value, operands[4:])


@computes(ir.QAdd)
def qadd(op: ir.QAdd, operands: Values) -> ir.Array:
    """Two products and a sum, each rounded."""
    terms = [
        centred(x, term.zero_point) * np.float32(term.multiplier)
        for x, term in zip(operands, (op.a, op.b), strict=True)
    ]
    return to_uint8(terms[0] + terms[1], op.zero_point, op.low, op.high)


@computes(ir.QChannelAffine)
def qchannel_affine(op: ir.QChannelAffine, operands: Values) -> ir.Array:
    """A product and a sum, each rounded."""
    x, mul, add = operands
    return to_uint8(centred(x, op.input_zero_point) * mul + add, op.zero_point, op.low, op.high)


@computes(ir.QL2Normalize)
def ql2_normalize(op: ir.QL2Normalize, operands: Values) -> ir.Array:
    """An exact integer sum, then three products and a sum, each rounded."""
    x, mul, add = operands
    sums = np.square(x.astype(np.int64) - op.input_zero_point).sum(axis=-1, keepdims=True)
    norm = np.maximum(np.sqrt(sums.astype(np.float64)).astype(np.float32), np.float32(op.epsilon))
    value = centred(x, op.input_zero_point) * (np.float32(1) / norm)
    return to_uint8(value * mul + add, op.zero_point, op.low, op.high)


@computes(ir.QLookup)
def qlookup(op: ir.QLookup, operands: Values) -> ir.Array:
    """A table of 256 entries."""
    x, table = operands
    return np.asarray(table[x])


@computes(ir.QAveragePool)
def qaverage_pool(op: ir.QAveragePool, operands: Values) -> ir.Array:
    """Exact integer sums, one product."""
    x, multiplier = operands
    sums = windows(x.astype(np.int32) - op.input_zero_point, op.window, 0).sum(axis=(4, 5), dtype=np.int32)
    inside = windows(np.ones((1, *x.shape[1:3], 1), np.int32), op.window, 0).sum(axis=(4, 5))
    return to_uint8(sums.astype(np.float32) * multiplier[inside], op.zero_point, 0, 255)


# --- operators of any dtype -------------------------------------------------------------------------------------


@computes(ir.MaxPool)
def max_pool(op: ir.MaxPool, operands: Values) -> ir.Array:
    """Padding is the least value of the dtype, so it never wins against an element."""
    x = operands[0]
    least = -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    return np.asarray(windows(x, op.window, least).max(axis=(4, 5)))


@computes(ir.Concat)
def concat(op: ir.Concat, operands: Values) -> ir.Array:
    """Side by side."""
    return np.concatenate(operands, axis=op.axis)


@computes(ir.Transpose)
def transpose(op: ir.Transpose, operands: Values) -> ir.Array:
    """Axes in another order."""
    return np.ascontiguousarray(operands[0].transpose(op.permutation))


@computes(ir.Reshape)
def reshape(op: ir.Reshape, operands: Values) -> ir.Array:
    """Row-major order."""
    return np.asarray(operands[0].reshape(op.shape))


@computes(ir.Slice)
def slice_(op: ir.Slice, operands: Values) -> ir.Array:
    """Strided bounds on every axis."""
    bounds = tuple(slice(*b) for b in zip(op.start, op.stop, op.step, strict=True))
    return np.ascontiguousarray(operands[0][bounds])


@computes(ir.Pad)
def pad(op: ir.Pad, operands: Values) -> ir.Array:
    """Constant padding."""
    return np.pad(operands[0], tuple(zip(op.before, op.after, strict=True)), constant_values=op.value)


# --- between the two worlds -------------------------------------------------------------------------------------


def along_axis(vector: ir.Array, rank: int, axis: int) -> ir.Array:
    """A scalar as it is; a vector shaped to broadcast along ``axis`` of a tensor of ``rank``."""
    if vector.ndim == 0 or vector.size == 1:
        return vector.reshape(())
    shape = [1] * rank
    shape[axis] = vector.size
    return vector.reshape(shape)


@computes(ir.Quantize)
def quantize(op: ir.Quantize, operands: Values) -> ir.Array:
    """A float32 division, round half to even, saturate."""
    x, scale, zero_point = operands
    limits = np.iinfo(zero_point.dtype)
    zero = along_axis(zero_point, x.ndim, op.axis).astype(np.float32)
    rounded = np.rint(x / along_axis(scale, x.ndim, op.axis)) + zero
    return np.asarray(np.clip(rounded, limits.min, limits.max).astype(zero_point.dtype))


@computes(ir.Dequantize)
def dequantize(op: ir.Dequantize, operands: Values) -> ir.Array:
    """An integer difference, one product."""
    x, scale, zero_point = operands
    centre = x.astype(np.int32) - along_axis(zero_point, x.ndim, op.axis).astype(np.int32)
    return np.asarray(centre.astype(np.float32) * along_axis(scale, x.ndim, op.axis))


# --- float32 operators ------------------------------------------------------------------------------------------


@computes(ir.Conv2d)
def conv2d(op: ir.Conv2d, operands: Values) -> ir.Array:
    """From the bias on, one product after the other: over the window's rows, its columns, the channels of a group."""
    x, w = operands[:2]
    view = windows(x, op.window, 0.0)
    k, rows, columns, per_group = w.shape
    result = np.zeros((*view.shape[:3], k), np.float32)
    result += operands[2] if len(operands) == 3 else np.float32(0)
    outputs = k // op.groups
    for group in range(op.groups):
        part = result[..., group * outputs : (group + 1) * outputs]
        weights = w[group * outputs : (group + 1) * outputs]
        for r, s, c in np.ndindex(rows, columns, per_group):
            part += view[..., group * per_group + c, r, s, None] * weights[:, r, s, c]
    return result


@computes(ir.Dense)
def dense(op: ir.Dense, operands: Values) -> ir.Array:
    """From the bias on, one product after the other."""
    del op
    x, w = operands[:2]
    result = np.zeros((x.shape[0], w.shape[0]), np.float32)
    result += operands[2] if len(operands) == 3 else np.float32(0)
    for c in range(w.shape[1]):
        result += x[:, c, None] * w[:, c]
    return result


def conv2d_by_matrices(op: ir.Conv2d, operands: Values) -> ir.Array:
    """Matrix products in float32, whose sums have the library's own order."""
    result = convolve(operands[0], operands[1], op.window, op.groups, 0.0)
    return np.asarray(result + operands[2] if len(operands) == 3 else result)


def dense_by_matrices(op: ir.Dense, operands: Values) -> ir.Array:
    """A matrix product in float32, likewise."""
    del op
    result = operands[0] @ operands[1].T
    return np.asarray(result + operands[2] if len(operands) == 3 else result)


FASTER: dict[type[ir.Op], Evaluator] = {ir.Conv2d: conv2d_by_matrices, ir.Dense: dense_by_matrices}
"""What calibration may compute instead: the same except for the order of float32 sums, many times faster."""


@computes(ir.ChannelAffine)
def channel_affine(op: ir.ChannelAffine, operands: Values) -> ir.Array:
    """A product and a sum, each rounded."""
    x, mul, add = operands
    return np.asarray(x * mul + add)


@computes(ir.Clip)
def clip(op: ir.Clip, operands: Values) -> ir.Array:
    """Bounds in float32."""
    return np.asarray(np.clip(operands[0], np.float32(op.low), np.float32(op.high)))


@computes(ir.LeakyRelu)
def leaky_relu(op: ir.LeakyRelu, operands: Values) -> ir.Array:
    """A product where negative."""
    x = operands[0]
    return np.asarray(np.where(x >= 0, x, np.float32(op.alpha) * x))


@computes(ir.Sigmoid)
def sigmoid(op: ir.Sigmoid, operands: Values) -> ir.Array:
    """The one sigmoid of every device."""
    del op
    return elementary.sigmoid(operands[0])


@computes(ir.HardSigmoid)
def hard_sigmoid(op: ir.HardSigmoid, operands: Values) -> ir.Array:
    """A clipped line."""
    line = operands[0] * np.float32(op.alpha) + np.float32(op.beta)
    return np.asarray(np.clip(line, np.float32(0), np.float32(1)))


@computes(ir.HardSwish)
def hard_swish(op: ir.HardSwish, operands: Values) -> ir.Array:
    """The element by its clipped line."""
    x = operands[0]
    return np.asarray(x * np.clip(x / np.float32(6) + np.float32(0.5), np.float32(0), np.float32(1)))


@computes(ir.Tanh)
def tanh(op: ir.Tanh, operands: Values) -> ir.Array:
    """The one hyperbolic tangent of every device."""
    del op
    return elementary.tanh(operands[0])


@computes(ir.Add)
def add(op: ir.Add, operands: Values) -> ir.Array:
    """Sum with broadcasting."""
    return np.asarray(operands[0] + operands[1])


@computes(ir.Mul)
def mul(op: ir.Mul, operands: Values) -> ir.Array:
    """Product with broadcasting."""
    return np.asarray(operands[0] * operands[1])


@computes(ir.AveragePool)
def average_pool(op: ir.AveragePool, operands: Values) -> ir.Array:
    """Sum over the window, row by row, by its divisor."""
    x = operands[0]
    view = windows(x, op.window, 0.0)
    sums = np.zeros(view.shape[:4], x.dtype)
    for r, s in np.ndindex(view.shape[4:]):
        sums += view[..., r, s]
    if op.count_padding:
        return np.asarray(sums / np.float32(math.prod(op.window.kernel)))
    inside = windows(np.ones((1, *x.shape[1:3], 1), np.float32), op.window, 0.0).sum(axis=(4, 5))
    return np.asarray(sums / inside)


@computes(ir.LocalResponseNorm)
def local_response_norm(op: ir.LocalResponseNorm, operands: Values) -> ir.Array:
    """Squares summed over ``floor((size-1)/2)`` channels before and ``ceil((size-1)/2)`` after (ONNX LRN)."""
    x = operands[0]
    before, after = (op.size - 1) // 2, op.size // 2
    squares = np.pad(x * x, [(0, 0)] * (x.ndim - 1) + [(before, after)])
    summed = np.zeros(x.shape, np.float32)
    for neighbour in range(op.size):
        summed += squares[..., neighbour : neighbour + x.shape[-1]]
    base = np.float32(op.bias) + np.float32(op.alpha / op.size) * summed
    return np.asarray(x / elementary.power(base, elementary.exponent_steps(op.beta)))


@computes(ir.L2Normalize)
def l2_normalize(op: ir.L2Normalize, operands: Values) -> ir.Array:
    """By the Euclidean norm of the last axis, summed in a fixed order."""
    x = operands[0]
    norm = np.sqrt(sum_of_squares(x)).astype(x.dtype)
    return np.asarray(x / np.maximum(norm, np.float32(op.epsilon)))


@computes(ir.Softmax)
def softmax_along_axis(op: ir.Softmax, operands: Values) -> ir.Array:
    """The one softmax of every device, so that probabilities are the same bytes everywhere."""
    moved = np.moveaxis(operands[0], op.axis, -1)
    return np.ascontiguousarray(np.moveaxis(softmax(np.ascontiguousarray(moved)), -1, op.axis))
