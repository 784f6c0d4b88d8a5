"""What ``jpeg`` runs, for numba to compile."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelserve.kernels.native.jit import inlined

U8 = npt.NDArray[np.uint8]

_BLOCK = 192  # so many are counted in a byte, which gives a vector register most lanes


@inlined
def occurrences(first: np.uint8, second: np.uint8, data: U8) -> int:
    """How often each of two codes stands behind an FF: the first one's number, and the second one's 32 bits higher."""
    last = data.shape[0] - 1
    all_firsts, all_seconds = np.int64(0), np.int64(0)
    for start in range(0, last, _BLOCK):
        here, behind = (
            data[start : min(start + _BLOCK, last)],
            data[start + 1 : min(start + _BLOCK, last) + 1],
        )
        firsts, seconds = np.uint8(0), np.uint8(0)
        for i in range(here.shape[0]):
            marked = np.uint8(here[i] == np.uint8(255))
            firsts = np.uint8(firsts + (marked & np.uint8(behind[i] == first)))
            seconds = np.uint8(seconds + (marked & np.uint8(behind[i] == second)))
        all_firsts += np.int64(firsts)
        all_seconds += np.int64(seconds)
    return int(all_firsts + (all_seconds << 32))
