"""How a convolution's work is cut into items."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from accelserve.kernels.cpu.compiler.lowering import Field
from accelserve.kernels.cpu.records import convolution as f

UNEVEN = 1.03
"""Times an even share: more than that is too much for one worker."""


def even_chunk(units: int, items: int, workers: int) -> int:
    """Units of an item, the last one of which may have fewer: for so many items, or for more if that is more even.

    Args:
        units: tiles, or whatever items consist of.
        items: at least, if there are so many units.
        workers: each of which begins with a range of the items.
    """

    def greatest_share(chunk: int) -> int:
        count = -(-units // chunk)
        bounds = [min(count * worker // workers * chunk, units) for worker in range(workers + 1)]
        return max(after - before for before, after in pairwise(bounds))

    chunks = sorted({-(-units // count) for count in range(items, 2 * items + 1)}, reverse=True)
    even = [chunk for chunk in chunks if greatest_share(chunk) * workers <= UNEVEN * units]
    return even[0] if even else min(chunks, key=greatest_share)


@dataclass(frozen=True, slots=True)
class Split:
    """How tiles and panels are cut into items.

    Attributes:
        items: of the layer.
        tile_chunk: tiles (or blocks of two) of an item, counted through all rows.
        panel_chunk: panels of an item, counted through all groups.
        panel_items: items that share their tiles.
        by_panels: whether an item's tiles are its inner loop.
    """

    items: int
    tile_chunk: int
    panel_chunk: int
    panel_items: int
    by_panels: bool

    def fields(self) -> dict[int, Field]:
        """For the record."""
        return {
            f.TILE_CHUNK: self.tile_chunk,
            f.PANEL_CHUNK: self.panel_chunk,
            f.PANEL_ITEMS: self.panel_items,
            f.PANELS_OUTER: int(self.by_panels),
        }
