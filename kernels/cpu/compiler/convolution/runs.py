"""Output pixels as runs of positions, cut into blocks of two tiles, for matrix kernels.

Where the window moves by one pixel and input rows follow each other at a whole number of pixels, the whole image is one
run: what lies between two rows is computed too and thrown away. Else a run is a row of the result, or two rows if one
fits in a tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.cpu.microkernels.matrix import MOST_ROWS


@dataclass(frozen=True, slots=True)
class Runs:
    """How positions are cut.

    Attributes:
        positions: of the image.
        run: positions of a run.
        pitch: positions from one row of the result to the next.
        rows: positions of a tile.
        tile_step: bytes from a tile's input to the next one's in a block.
    """

    positions: int
    run: int
    pitch: int
    rows: int
    tile_step: int

    @property
    def tiles(self) -> int:
        """Tiles of the whole image."""
        runs = -(-self.positions // self.run)
        return runs * -(-self.run // self.rows)

    @property
    def cost(self) -> float:
        """Of the multiplications, in cycles a step and panel: a tile of fewer rows takes a little less time (measured)."""
        return self.tiles * (5 + 11 * self.rows / MOST_ROWS)

    def starts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First position of every block, and its number of positions."""
        firsts, counts = [], []
        for run in range(0, self.positions, self.run):
            end = min(run + self.run, self.positions)
            for first in range(run, end, 2 * self.rows):
                firsts.append(first)
                counts.append(min(2 * self.rows, end - first))
        return np.array(firsts, np.int64), np.array(counts, np.int64)

    @property
    def blocks(self) -> int:
        """Blocks of the whole image."""
        return len(self.starts()[0])


def runs_of(size: tuple[int, int], pixel_step: int, row_step: int) -> Runs:
    """The cheaper of one run and a run a row.

    Args:
        size: rows and columns of the result.
        pixel_step: bytes from one window to the next one in its row, in the input.
        row_step: bytes from one row's windows to the next one's.
    """
    rows, columns = size
    if columns <= MOST_ROWS:
        by_rows = [Runs(rows * columns, min(2, rows) * columns, columns, columns, row_step)]
    else:
        tile = -(-columns // -(-columns // MOST_ROWS))
        by_rows = [Runs(rows * columns, columns, columns, tile, tile * pixel_step)]
    whole = []
    if row_step % pixel_step == 0 and columns <= row_step // pixel_step <= 2 * columns:
        pitch = row_step // pixel_step
        positions = (rows - 1) * pitch + columns
        whole = [
            Runs(positions, positions, pitch, tile, tile * pixel_step) for tile in range(8, MOST_ROWS + 1)
        ]
    return min([*whole, *by_rows], key=lambda runs: (runs.cost, runs.rows))
