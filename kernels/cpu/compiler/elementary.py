"""Elementary functions in compiled code, operation by operation as ``reference`` defines them for every device."""

from __future__ import annotations

import numpy as np

from accelserve.kernels.native.jit import inlined
from accelserve.kernels.native.memory import as_float
from accelserve.kernels.reference.elementary import (
    EXPONENT_BITS,
    TANH_COEFFICIENTS,
    TANH_POLYNOMIAL_BELOW,
)
from accelserve.kernels.reference.probabilities import (
    COEFFICIENTS,
    LEAST_EXPONENT,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
)

_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7 = (np.float32(c) for c in COEFFICIENTS)
_HIGH, _LOW, _LOG2_E = np.float32(LN2_HIGH), np.float32(LN2_LOW), np.float32(LOG2_E)
_LEAST = np.float32(LEAST_EXPONENT)
_T0, _T1, _T2, _T3, _T4 = (np.float32(c) for c in TANH_COEFFICIENTS)
_NEAR = np.float32(TANH_POLYNOMIAL_BELOW)
_ONE = np.int64(1) << EXPONENT_BITS


@inlined
def power_of_two(exponent: np.int32) -> np.float32:
    """``2 ** exponent`` for -126..127, by its bits."""
    power: np.float32 = as_float((np.int64(exponent) + 127) << 23)
    return power


@inlined
def exponential(x: np.float32) -> np.float32:
    """The shared definition of ``exp`` for x <= 0; see ``reference.probabilities``."""
    whole = np.rint(x * _LOG2_E)
    if whole < _LEAST:
        return np.float32(0)
    rest = (x - whole * _HIGH) - whole * _LOW
    p = (((_C7 * rest + _C6) * rest + _C5) * rest + _C4) * rest + _C3
    p = ((p * rest + _C2) * rest + _C1) * rest + _C0
    result: np.float32 = p * power_of_two(np.int32(whole))
    return result


@inlined
def sigmoid(x: np.float32) -> np.float32:
    """See ``reference.elementary``."""
    small = exponential(-abs(x))
    return (np.float32(1) if x >= 0 else small) / (np.float32(1) + small)


@inlined
def tanh(x: np.float32) -> np.float32:
    """See ``reference.elementary``."""
    if abs(x) < _NEAR:
        square = np.float32(x * x)
        polynomial = (((_T4 * square + _T3) * square + _T2) * square + _T1) * square + _T0
        return np.float32(polynomial * square * x + x)
    small = exponential(np.float32(-2) * abs(x))
    far = (np.float32(1) - small) / (np.float32(1) + small)
    return np.float32(-far) if x < 0 else np.float32(far)


@inlined
def power(base: np.float32, steps: int) -> np.float32:
    """See ``reference.elementary``."""
    result, root = np.float64(1), np.float64(base)
    whole, fraction = abs(steps) // _ONE, abs(steps) % _ONE
    for _ in range(whole):
        result *= np.float64(base)
    while fraction != 0:
        root = np.sqrt(root)
        fraction *= 2
        if fraction >= _ONE:
            result *= root
            fraction -= _ONE
    return np.float32(result if steps >= 0 else np.float64(1) / result)
