"""Random pictures that random weights are measured on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Draw: TypeAlias = Callable[[str, tuple[int, ...]], NDArray[np.float32]]
"""Gives random numbers of mean 0 and variance 1 for a name and a shape."""

CONTRASTS = (0.7, 1.2, 2.0)
"""Of the random pictures. Their range is wider than nature's: a network measured on a narrow one blows up, block by
block, whatever lies outside (ResNet-152: from a standard deviation of 1 to over 100 on photographs)."""

_OCTAVES = 8


def random_pictures(shape: tuple[int, ...], scale: float, draw: Draw) -> NDArray[np.float64]:
    """Pictures ``[len(CONTRASTS), *shape]`` with nature's spectrum: every octave has equal energy, most of it grey.

    Args:
        shape: (rows, columns, channels).
        scale: standard deviation of a pixel.
        draw: gives the numbers.
    """
    rows, columns, channels = shape
    count = len(CONTRASTS)
    total = np.zeros((count, channels, rows, columns))
    for octave in range(_OCTAVES):
        cells = 2**octave
        grey = draw(f"picture/{octave}/grey", (count, 1, cells, cells))
        colour = draw(f"picture/{octave}/colour", (count, channels, cells, cells))
        row, column = np.arange(rows) * cells // rows, np.arange(columns) * cells // columns
        total += (grey + np.float32(0.5) * colour)[:, :, row][:, :, :, column]
    contrast = np.asarray(CONTRASTS).reshape(-1, 1, 1, 1)
    return np.ascontiguousarray((total * (contrast * scale / total.std())).transpose(0, 2, 3, 1), np.float64)
