"""Functions of one float32 that are the same bits on every device: only sums, products, quotients and square roots.

Compiled devices follow these definitions operation by operation; see ``probabilities``, which has the exponential.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.reference.probabilities import exponential

Floats = NDArray[np.float32]

TANH_COEFFICIENTS = tuple(
    float(np.float32(c))
    for c in (
        -3.33332819422e-1,
        1.33314422036e-1,
        -5.37397155531e-2,
        2.06390887954e-2,
        -5.70498872745e-3,
    )
)
"""Of x ** 2 to x ** 10 in ``tanh(x) / x - 1``, fitted to |x| < ``TANH_POLYNOMIAL_BELOW`` (Moshier's Cephes library)."""
TANH_POLYNOMIAL_BELOW = 0.625
EXPONENT_BITS = 32
"""An exponent of ``power`` is a multiple of 2 ** -32."""


def sigmoid(x: Floats) -> Floats:
    """``1 / (1 + exp(-x))``, by the exponential of a negative number on both sides, so that nothing overflows."""
    small = exponential(-np.abs(x))
    return np.asarray(np.where(x >= 0, np.float32(1), small) / (np.float32(1) + small))


def tanh(x: Floats) -> Floats:
    """Hyperbolic tangent: a polynomial about 0, elsewhere ``(1 - e) / (1 + e)`` with ``e = exp(-2 |x|)`` and x's sign."""
    square = x * x
    polynomial = np.full_like(x, np.float32(TANH_COEFFICIENTS[-1]))
    for coefficient in TANH_COEFFICIENTS[-2::-1]:
        polynomial = polynomial * square + np.float32(coefficient)
    small = exponential(np.float32(-2) * np.abs(x))
    far = (np.float32(1) - small) / (np.float32(1) + small)
    near = np.abs(x) < np.float32(TANH_POLYNOMIAL_BELOW)
    return np.asarray(np.where(near, polynomial * square * x + x, np.where(x < 0, -far, far)))


def exponent_steps(exponent: float) -> int:
    """The exponent as ``power`` takes it: in units of 2 ** -32, rounded half to even."""
    return round(exponent * 2.0**EXPONENT_BITS)


def power(base: Floats, steps: int) -> Floats:
    """``base ** (steps / 2 ** 32)`` in float64, rounded to float32 at the end.

    Whole powers are products from the left; the fraction's bits, from the highest, each multiply by another square root.
    A negative exponent divides 1 by the power of its magnitude.
    """
    result, root = np.ones(base.shape, np.float64), base.astype(np.float64)
    whole, fraction = divmod(abs(steps), 1 << EXPONENT_BITS)
    for _ in range(whole):
        result = result * base
    while fraction:
        root, fraction = np.sqrt(root), fraction << 1
        if fraction >> EXPONENT_BITS:
            result = result * root
            fraction -= 1 << EXPONENT_BITS
    return np.asarray(result if steps >= 0 else 1.0 / result, np.float32)
