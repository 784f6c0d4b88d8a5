"""Element types that numpy lacks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def bfloat16_to_float32(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The numbers whose upper 16 bits these are; exact."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
