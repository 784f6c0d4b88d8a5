"""The one softmax of every device, so that probabilities are the same bytes wherever the integers were computed.

``exp`` is defined here by single float32 operations, since libraries differ in its last bit from one processor to the
next. Compiled devices follow this definition operation by operation: for x <= 0, ``n = rne(x * log2(e))``,
``r = x - n * ln2`` in two parts (Cody and Waite), a polynomial of degree 7 in r by Horner's rule, times ``2 ** n``;
0 where n is below the least normal exponent. Its error is below 2 units in the last place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COEFFICIENTS = tuple(
    float(np.float32(c))
    for c in (
        1.0,
        1.0,
        5.0000001201e-1,
        1.6666665459e-1,
        4.1665795894e-2,
        8.3334519073e-3,
        1.3981999507e-3,
        1.9875691500e-4,
    )
)
"""Of r ** 0 to r ** 7, float32, fitted to |r| <= ln(2) / 2 (Moshier's Cephes library)."""
LOG2_E = float(np.float32(1.4426950408889634))
LN2_HIGH = 0.693359375  # 9 significant bits, so that n * LN2_HIGH is exact
LN2_LOW = float(np.float32(-2.12194440e-4))
LEAST_EXPONENT = -126.0
_VANISHES = np.float32(-90)
"""A power of e that is 0 here, and so is every lower one; their polynomials would overflow for nothing."""
SUM_LANES = 8
"""Partial sums that a long sum keeps side by side; see ``sum_of_squares``."""


def exponential(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """``exp(x)`` for float32 x <= 0."""
    x = np.maximum(x, _VANISHES)
    whole = np.rint(x * np.float32(LOG2_E))
    counted = np.maximum(whole, np.float32(LEAST_EXPONENT))
    rest = (x - counted * np.float32(LN2_HIGH)) - counted * np.float32(LN2_LOW)
    result = np.full_like(rest, np.float32(COEFFICIENTS[-1]))
    for coefficient in COEFFICIENTS[-2::-1]:
        result = result * rest + np.float32(coefficient)
    powers = np.ldexp(np.float32(1), counted.astype(np.int32))
    return np.where(whole < np.float32(LEAST_EXPONENT), np.float32(0), result * powers).astype(np.float32)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """``exp(x - max) / sum`` along the last axis, in float32; the sum is in float64, in order.

    Args:
        logits: float32 [..., C], C 1 or more.

    Returns:
        float32 of the same shape; each row sums to 1 up to rounding.
    """
    # A difference beyond float32 is an infinity, whose power is 0 as it should be.
    with np.errstate(over="ignore"):
        below = logits - logits.max(axis=-1, keepdims=True)
    powers = exponential(below)
    total = np.cumsum(powers, axis=-1, dtype=np.float64)[..., -1:]  # cumsum, unlike sum, adds in order
    return np.asarray(powers / total.astype(np.float32))


def sum_of_squares(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Along the last axis, kept: in float64, element c to partial sum ``c % SUM_LANES``, then over these, in order."""
    missing = -x.shape[-1] % SUM_LANES
    padded = np.concatenate([x, np.zeros((*x.shape[:-1], missing), np.float32)], axis=-1).astype(np.float64)
    lanes = (padded * padded).reshape(*x.shape[:-1], -1, SUM_LANES)
    partial = np.cumsum(lanes, axis=-2)[..., -1, :]
    return np.asarray(np.cumsum(partial, axis=-1)[..., -1:])
