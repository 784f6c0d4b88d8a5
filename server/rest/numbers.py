"""Numbers as TensorFlow Serving writes them in JSON, as few digits as bring a float32 back, and reads them in paths. Pure.

A float32 that is widened to float64, as JSON encoders do, drags noise along: 0.2 becomes 0.20000000298023224. TensorFlow
Serving writes six significant digits where they suffice and nine, which always do, where they do not.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

_SHORT, _LONG = 6, 9
_INT64_DIGITS = 19


def plain(array: Array) -> Any:
    """A numeric array as nested lists of Python numbers, float32 and float16 without noise."""
    if array.dtype in (np.float32, np.float16):
        return shortest(np.asarray(array, np.float32)).tolist()
    return array.tolist()


def shortest(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Float64 numbers of nine significant digits or fewer that round to the given float32 ones.

    Some that are so small or so large that powers of ten are not exact any more have more digits.
    """
    short = _rounded(values, _SHORT)
    suffices = short.astype(np.float32) == values
    return np.where(suffices, short, _rounded(values, _LONG))


def whole_number(text: str) -> int | None:
    """Decimal digits, zeros in front or not, as a number; None for anything else, and for what 64 bits do not hold."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")  # Python refuses to read thousands of digits, be they zeros
    return int(digits or "0") if len(digits) <= _INT64_DIGITS else None


def encode(content: object) -> bytes:
    """JSON, with NaN, Infinity and -Infinity where there are such numbers."""
    # json knows them and msgspec does not, but msgspec is several times as fast.
    encoded = msgspec.json.encode(content)
    if b"null" not in encoded:
        return encoded
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _rounded(values: NDArray[np.float32], digits: int) -> NDArray[np.float64]:
    wide = values.astype(np.float64)
    usable = np.isfinite(wide) & (wide != 0)
    magnitudes = np.floor(np.log10(np.abs(np.where(usable, wide, 1.0))))
    # Powers of ten up to the 22nd are exact in float64, so dividing by one rounds once: to the nearest decimal.
    shifts = digits - 1 - magnitudes
    up, down = 10.0 ** np.maximum(shifts, 0), 10.0 ** np.maximum(-shifts, 0)
    rounded = np.rint(wide * up / down) / up * down
    return np.where(usable, rounded, wide)
