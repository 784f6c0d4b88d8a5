"""The configuration of AMX tile registers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def tile_configuration(rows: int) -> NDArray[np.uint8]:
    """The tile registers' configuration: sums and inputs of ``rows`` rows, weights of 16, all of 64 bytes per row.

    Palette 1 has bytes per row at 16 and rows at 48 (Intel SDM, LDTILECFG).
    """
    image = np.zeros(64, np.uint8)
    image[0] = 1
    image[16:32:2] = 64
    image[48:54] = rows
    image[54:56] = 16
    return image
