"""Weights to int8, one scale for each output channel; biases to int32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from accelserve.models.quantize.compensated_rounding import GREATEST_CODE, compensated_codes

_AT_ONCE = 1 << 20  # weights, to bound the float64 copies
# A bias beyond this could overflow the int32 accumulator together with the products.
_LARGEST_BIAS = 2.0**30


@dataclass(frozen=True, slots=True)
class QuantizedWeights:
    """Integers of one layer.

    Attributes:
        weights: int8 in -127..127, shaped as the float ones.
        scale: float32 [K], positive.
        bias: int32 [K] in units of ``bias_scale``.
        bias_scale: float32 [K], the input's scale times ``scale``.
    """

    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.int32]
    bias_scale: NDArray[np.float32]

    def with_bias(self, bias: NDArray[np.float32]) -> QuantizedWeights:
        """The same weights with another bias, [K]; what would not fit its int32 is held at the limit."""
        units = np.rint(bias.astype(np.float64) / self.bias_scale.astype(np.float64))
        return replace(self, bias=np.clip(units, -_LARGEST_BIAS, _LARGEST_BIAS).astype(np.int32))


def quantize_weights(
    weights: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    input_scale: float,
    hessian: NDArray[np.float64] | None = None,
) -> QuantizedWeights:
    """Symmetric, per output channel (the first axis), rounded half to even.

    A channel whose bias would not fit its int32 gets a coarser scale; a channel of zeros gets scale 1.

    Args:
        weights: [K, ...].
        bias: [K] or None for zeros.
        input_scale: of the activation that the weights multiply.
        hessian: of the error of the sums, [groups, n, n] for n weights of an output channel (``compensated_rounding``);
            None rounds every weight by itself.
    """
    flat = weights.reshape(weights.shape[0], -1)
    shift = np.zeros(weights.shape[0]) if bias is None else bias.astype(np.float64)
    scale = np.maximum(flat.max(axis=1), -flat.min(axis=1)).astype(np.float64) / 127
    scale = np.maximum(scale, np.abs(shift) / (input_scale * _LARGEST_BIAS))
    # Below float32's normal numbers the quotient would not be one.
    scale = np.where(scale < np.finfo(np.float32).tiny / np.float32(1e-8), 1.0, scale).astype(np.float32)
    bias_scale = (np.float32(input_scale) * scale).astype(np.float32)
    codes = _codes(flat, scale.astype(np.float64), hessian).reshape(weights.shape)
    made = QuantizedWeights(codes, scale, np.zeros(len(scale), np.int32), bias_scale)
    return made.with_bias(shift.astype(np.float32))


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of a matrix's rows that have a bounded number of elements."""
    step = max(1, _AT_ONCE // max(1, columns))
    return (slice(start, start + step) for start in range(0, rows, step))


def _codes(
    rows: NDArray[np.float32], scale: NDArray[np.float64], hessian: NDArray[np.float64] | None
) -> NDArray[np.int8]:
    if hessian is None:
        codes = np.empty(rows.shape, np.int8)
        for block in row_blocks(*rows.shape):
            units = np.rint(rows[block] / scale[block, None])
            codes[block] = np.clip(units, -GREATEST_CODE, GREATEST_CODE, out=units)
        return codes
    groups = len(hessian)
    grouped = rows.astype(np.float64).reshape(groups, len(rows) // groups, rows.shape[1])
    return compensated_codes(grouped, scale.reshape(groups, -1), hessian)
