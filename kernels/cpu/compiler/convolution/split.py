"""How a convolution's work is cut into items."""

from __future__ import annotations

from dataclasses import dataclass

from accelserve.kernels.cpu.compiler.lowering import Field
from accelserve.kernels.cpu.records import convolution as f


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
