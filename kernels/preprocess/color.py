"""Ink to light: the one colour conversion that libjpeg leaves to its caller."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelserve.kernels.native.compiled import ArrayFunction

Pixels = npt.NDArray[np.uint8]

_MIX = ArrayFunction("accelserve.kernels.preprocess.color_code", "mix", "u8[2]", "u32", "u8[2]")


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
    _MIX(samples.reshape(-1, 4), 0 if inverted else 255, colors.reshape(-1, 3))
    return colors
