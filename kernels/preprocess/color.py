"""Ink to light: the one colour conversion that libjpeg leaves to its caller."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelserve.kernels.preprocess.jit import compiled

Pixels = npt.NDArray[np.uint8]


def rgb_of_cmyk(samples: Pixels, *, inverted: bool) -> Pixels:
    """``color * key // 255``, of light for Adobe's inverted samples, else of 255 minus ink.

    Args:
        samples: uint8 [height, width, 4], cyan, magenta, yellow, key.
        inverted: whether 0 means full ink, as in files with an Adobe marker.

    Returns:
        uint8 [height, width, 3], red, green, blue.

    Source: tensorflow/core/lib/jpeg/jpeg_mem.cc.
    """
    colors = np.empty((*samples.shape[:2], 3), np.uint8)
    _mix(samples.reshape(-1, 4), np.uint32(0 if inverted else 255), colors.reshape(-1, 3))
    return colors


@compiled
def _mix(samples: Pixels, flip: np.uint32, colors: Pixels) -> None:
    for i in range(samples.shape[0]):
        key = np.uint32(samples[i, 3]) ^ flip  # x ^ 255 is 255 - x
        for c in range(3):
            colors[i, c] = np.uint8((np.uint32(samples[i, c]) ^ flip) * key // np.uint32(255))
