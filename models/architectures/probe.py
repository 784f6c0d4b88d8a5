"""Runs the operators that architectures are written with, plainly, in float64; random weights are measured with it.

float64 is what makes the measurements the same on every machine: two math libraries differ in the last of 53 bits,
and eight of them are kept. Values are ``[N, channels, rows, columns]``, or ``[N, features]`` once flat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

Array: TypeAlias = NDArray[np.float64]
Weight: TypeAlias = NDArray[np.float32]
Rule: TypeAlias = Callable[[NodeProto, list[Array]], Array]

CONTRASTS = (0.7, 1.2, 2.0)
"""Of the random pictures. Their range is wider than nature's: a network measured on a narrow one blows up, block by
block, whatever lies outside (ResNet-152: from a standard deviation of 1 to over 100 on photographs)."""

_OCTAVES = 8
_ROWS_AT_ONCE = 256  # of a dense layer's weight, to bound the float64 copy


def pictures(shape: tuple[int, ...], scale: float, draw: Callable[[str, tuple[int, ...]], Weight]) -> Array:
    """Pictures ``[len(CONTRASTS), *shape]`` with nature's spectrum: every octave has equal energy, most of it grey.

    Args:
        shape: (channels, rows, columns).
        scale: standard deviation of a pixel.
        draw: gives random numbers of mean 0 and variance 1 for a name and a shape.
    """
    channels, rows, columns = shape
    count = len(CONTRASTS)
    total = np.zeros((count, *shape))
    for octave in range(_OCTAVES):
        cells = 2**octave
        grey = draw(f"picture/{octave}/grey", (count, 1, cells, cells))
        colour = draw(f"picture/{octave}/colour", (count, channels, cells, cells))
        row, column = np.arange(rows) * cells // rows, np.arange(columns) * cells // columns
        total += (grey + np.float32(0.5) * colour)[:, :, row][:, :, :, column]
    contrast = np.asarray(CONTRASTS).reshape(-1, 1, 1, 1)
    return np.asarray(total * (contrast * scale / total.std()), np.float64)


def conv(node: NodeProto, x: Array, weight: Weight) -> Array:
    """A convolution without its bias, as a sum of matrix products over the window's taps."""
    (groups,) = _integers(node, "group", 1)
    outputs, inputs = weight.shape[:2]
    taps = weight.astype(np.float64).reshape(groups, outputs // groups, inputs, -1)
    windows = _windows(node, x, 0.0)
    cells = windows[0].shape[2] * windows[0].shape[3]
    total = np.zeros((x.shape[0], groups, outputs // groups, cells))
    for tap, part in enumerate(windows):
        total += taps[..., tap] @ np.ascontiguousarray(part).reshape(x.shape[0], groups, inputs, cells)
    return total.reshape(x.shape[0], outputs, *windows[0].shape[2:])


def dense(x: Array, weight: Weight) -> Array:
    """A dense layer without its bias."""
    starts = range(0, weight.shape[0], _ROWS_AT_ONCE)
    parts = [x @ weight[start : start + _ROWS_AT_ONCE].T.astype(np.float64) for start in starts]
    return np.concatenate(parts, axis=1)


def per_channel(vector: NDArray[np.floating], x: Array) -> Array:
    """``vector`` [channels], shaped to broadcast over ``x``."""
    return vector.astype(np.float64).reshape(-1, *(1,) * (x.ndim - 2))


def _integers(node: NodeProto, name: str, *default: int) -> list[int]:
    for a in node.attribute:
        if a.name == name:
            return list(a.ints) or [a.i]
    return list(default)


def _windows(node: NodeProto, x: Array, fill: float) -> list[Array]:
    """For each tap of a sliding window, row by row, the cells that it sees: ``[N, channels, rows, columns]``."""
    kernel, stride = _integers(node, "kernel_shape"), _integers(node, "strides")
    dilation = _integers(node, "dilations", 1, 1)
    above, left, below, right = _integers(node, "pads", 0, 0, 0, 0)
    # a last window that hangs over the edge sees padding there
    hang = (stride[0] - 1) * _integers(node, "ceil_mode", 0)[0]
    padded = np.pad(x, ((0, 0), (0, 0), (above, below + hang), (left, right + hang)), constant_values=fill)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    counts = [(padded.shape[2 + a] - extent[a]) // stride[a] + 1 for a in (0, 1)]
    spans = [
        [slice(k * dilation[a], k * dilation[a] + counts[a] * stride[a], stride[a]) for k in range(kernel[a])]
        for a in (0, 1)
    ]
    return [padded[:, :, rows, columns] for rows in spans[0] for columns in spans[1]]


def _max_pool(node: NodeProto, operands: list[Array]) -> Array:
    return np.asarray(np.maximum.reduce(_windows(node, operands[0], -np.inf)))


def _average_pool(node: NodeProto, operands: list[Array]) -> Array:
    return np.asarray(np.mean(_windows(node, operands[0], 0.0), axis=0))


def _global_average_pool(_: NodeProto, operands: list[Array]) -> Array:
    return np.asarray(operands[0].mean(axis=(2, 3), keepdims=True))


def _relu(_: NodeProto, operands: list[Array]) -> Array:
    return np.maximum(operands[0], 0.0)


def _relu6(_: NodeProto, operands: list[Array]) -> Array:
    return np.clip(operands[0], 0.0, 6.0)


def _add(_: NodeProto, operands: list[Array]) -> Array:
    return operands[0] + operands[1]


def _concat(node: NodeProto, operands: list[Array]) -> Array:
    return np.concatenate(operands, axis=_integers(node, "axis")[0])


def _unit(_: NodeProto, operands: list[Array]) -> Array:
    norm = np.sqrt(np.sum(operands[0] ** 2, axis=1, keepdims=True))
    return np.asarray(operands[0] / np.maximum(norm, 1e-12))


def _flatten(_: NodeProto, operands: list[Array]) -> Array:
    return operands[0].reshape(operands[0].shape[0], -1)


RULES: Mapping[str, Rule] = {
    "Relu": _relu,
    "Clip": _relu6,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "Add": _add,
    "Concat": _concat,
    "LpNormalization": _unit,
    "Flatten": _flatten,
}
