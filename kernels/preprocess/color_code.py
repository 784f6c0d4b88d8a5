"""What ``color`` runs, for numba to compile."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelserve.kernels.native.jit import inlined

Pixels = npt.NDArray[np.uint8]


@inlined
def mix(samples: Pixels, flip: np.uint32, colors: Pixels) -> None:
    """``color * key // 255`` of every pixel, each of the four flipped by an exclusive or."""
    for i in range(samples.shape[0]):
        key = np.uint32(samples[i, 3]) ^ flip  # x ^ 255 is 255 - x
        for c in range(3):
            colors[i, c] = np.uint8((np.uint32(samples[i, c]) ^ flip) * key // np.uint32(255))
