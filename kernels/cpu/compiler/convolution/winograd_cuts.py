"""How a layer's image is cut for exact Winograd convolution: into tiles, chunks of them, and items for workers."""

from __future__ import annotations

from dataclasses import dataclass

from accelserve.kernels.cpu.microkernels.winograd_forms import Form

MOST_TRANSFORMED_BYTES = 5 << 18
"""Of the transformed patches of a chunk: about half a second-level cache, whose rest weights and products take."""
MOST_CHUNK_TILES = 56
LEAST_CHUNK_TILES = 36
"""At least, where there are so many: fewer are not worth another transform of all weights."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How a layer is cut into items.

    Attributes:
        tiles: of the layer.
        chunks: even shares of the tiles.
        group: most tiles that one call of a microkernel multiplies.
        panel_items: items that share a chunk.
    """

    tiles: int
    chunks: int
    group: int
    panel_items: int

    @property
    def chunk(self) -> int:
        """Tiles of the larger chunks."""
        return -(-self.tiles // self.chunks)


def cut_of(tiles: int, channels: int, passes: int, rows: int, taps: int, threads: int) -> Cut:
    """Chunks whose transformed patches stay near, and items enough for all workers.

    Args:
        tiles: of the layer.
        channels: of the input, padded.
        passes: of panels of output channels.
        rows: most tiles of a group.
        taps: of a tile.
        threads: workers.
    """
    most = min(MOST_CHUNK_TILES, MOST_TRANSFORMED_BYTES // (2 * taps * channels)) // rows * rows
    most = max(rows, most, LEAST_CHUNK_TILES)
    chunks = -(-tiles // most)
    if chunks > 1 or passes == 1:
        # Equal shares for all workers, unless that would make chunks much smaller.
        chunks = min(tiles, -(-chunks // threads) * threads)
    panel_items = 1
    while chunks * panel_items < threads and 2 * panel_items <= passes:
        panel_items *= 2
    return Cut(tiles, chunks, min(rows, -(-tiles // chunks)), panel_items)


def starts_along(length: int, form: Form, dilation: int) -> tuple[list[int], list[int]]:
    """First rows (or columns) of the results of longest spans, and of the next shorter ones, that cover so many.

    Where the window is dilated, so are spans: each of the interlaced images, which take every ``dilation``-th row, is
    cut by itself.
    """
    longest, shorter = [], []
    for first in range(min(length, dilation)):
        whole, others = form.cut(-(-(length - first) // dilation))
        longest += [first + dilation * form.outputs * k for k in range(whole)]
        behind = first + dilation * form.outputs * whole
        shorter += [behind + dilation * (form.outputs - 1) * k for k in range(others)]
    return longest, shorter


__all__ = ["Cut", "cut_of", "starts_along"]
